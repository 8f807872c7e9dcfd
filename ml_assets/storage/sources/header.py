"""Which column of a file is which column of the contract."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ml_assets.core.errors import SourceError, UnreadableFileError, nearest
from ml_assets.core.problem import Renames
from ml_assets.core.reading import canonical_names

ADDED = ("_row", "_fault", "_text")


def check_header(
    found: Sequence[str],
    path: Path,
    *,
    columns: tuple[str, ...],
    renames: tuple[Renames, ...],
) -> None:
    """Check that the first line of a file names columns at all.

    Raises:
        UnreadableFileError: If it does not.
    """
    if not canonical_names(found, renames, columns or filter(None, found)):
        expected = f", which names none of {list(columns)}" if columns else ""
        message = (
            f"{path} has no header: its first line reads {', '.join(found)[:80]!r}{expected}. "
            "Write the columns' names into the first line, or correct format.delimiter."
        )
        raise UnreadableFileError(message)


def matched(
    found: Sequence[str],
    place: str,
    *,
    columns: tuple[str, ...],
    renames: tuple[Renames, ...],
    error: type[SourceError] = UnreadableFileError,
) -> dict[str, str]:
    """Return the file's name of each wanted column.

    Args:
        found: The names in the file; unnamed columns are ''.
        place: The file or query, for the message.
        columns: Wanted columns; all that have a name if empty.
        renames: Other names that columns had.
        error: What is raised.

    Raises:
        SourceError: If a wanted column is missing, or there twice.
    """
    named = [name for name in found if name]
    wanted = columns or tuple(named)
    names = canonical_names(named, renames, wanted)
    missing = [name for name in wanted if name not in names]
    if missing:
        hints = " ".join(f"For {name!r}: {nearest(name, named)}" for name in missing)
        message = (
            f"{place} lacks the columns {missing}. {hints} If a column has another name here, "
            "declare it under source.renames."
        )
        raise error(message)
    twice = _ambiguous(named, names)
    if twice:
        message = (
            f"{place} has several columns called {twice}, or uses a name that reading adds "
            f"({', '.join(ADDED)}). Give each column a name of its own."
        )
        raise error(message)
    return names


def _ambiguous(named: list[str], names: dict[str, str]) -> list[str]:
    used = set(names.values())
    twice = {name for name, count in Counter(named).items() if count > 1 and name in used}
    # Columns of a table differ by more than case, and three of them are ours.
    folded = Counter(name.lower() for name in names)
    twice |= {name for name in names if folded[name.lower()] > 1 or name.lower() in ADDED}
    return sorted(twice)
