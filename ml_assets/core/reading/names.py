"""Names of columns, in SQL and over the versions of a contract."""

from collections.abc import Collection, Iterable

from ml_assets.core.feature_query import quoted
from ml_assets.core.problem import Renames

__all__ = ["canonical_names", "literal", "quoted", "spellings"]


def literal(text: str) -> str:
    """Return a text as a SQL string.

    Example:
        >>> literal("it's")
        "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def spellings(name: str, renames: Iterable[Renames]) -> tuple[str, ...]:
    """Return the names a column has had: the contract's, then others, the highest version first.

    Example:
        >>> spellings("humidity", [Renames(version=1, columns={"hum": "humidity"})])
        ('humidity', 'hum')
    """
    versions = sorted(renames, key=lambda renamed: renamed.version, reverse=True)
    others = [
        found for version in versions for found, new in version.columns.items() if new == name
    ]
    return tuple(dict.fromkeys([name, *others]))


def canonical_names(
    found: Collection[str], renames: Iterable[Renames], wanted: Iterable[str]
) -> dict[str, str]:
    """Return the name in the source of each wanted column that the source holds.

    Args:
        found: Names in the source.
        renames: Other names that columns had.
        wanted: Names in the contract and the declaration.

    Example:
        >>> renames = [Renames(version=1, columns={"hum": "humidity"})]
        >>> canonical_names(["hr", "hum"], renames, ["humidity", "hr", "wind"])
        {'humidity': 'hum', 'hr': 'hr'}
    """
    versions = tuple(renames)
    names = {}
    for name in wanted:
        present = [spelling for spelling in spellings(name, versions) if spelling in found]
        if present:
            names[name] = present[0]
    return names
