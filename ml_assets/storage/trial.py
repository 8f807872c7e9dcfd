"""Reads a declared file once, as the first run will, and says what becomes of its rows."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from ml_assets.core.errors import DataError
from ml_assets.core.problem import FilesSource
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.validation import validate_rows
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.rejections import Broken, broken_rules
from ml_assets.storage.sources.files import OpenFiles

# Few enough that a person need not look: what a contract allows unless it says otherwise.
FEW_REJECTED = 0.05
MOST_REASONS = 5
LONGEST = 60
HOW_IT_IS_WRITTEN = (
    "Say in source.format how it is written, or give it another type in contract.py."
)
ADVICE = {
    "type": HOW_IT_IS_WRITTEN,
    "not_finite": HOW_IT_IS_WRITTEN,
    "event_time": "Correct time.format, or name other columns of the time.",
    "known_at": "Correct the format of time.known_at in source.format.dates.",
    "time_range": "Correct partitions.start and partitions.end, or time.format.",
    "malformed_row": "Correct source.format.delimiter and quote, or mend these lines.",
    "duplicate": "Name the columns that tell these rows apart under keys.",
    "not_nullable": "Make the column nullable in contract.py.",
}
ADVICE_ON_VALUES = "If these values are right, widen the rule in contract.py."


@dataclass(frozen=True)
class Trial:
    """What became of the rows.

    Attributes:
        valid: Rows that keep the contract.
        broken: Why the others were rejected, the most frequent reason first.
        bearable: Share of rejected rows that calls for no doubt.
    """

    valid: int
    broken: tuple[Broken, ...]
    bearable: float

    @property
    def rejected(self) -> int:
        """Rows that break a rule."""
        return sum(broken.rows for broken in self.broken)

    @property
    def share(self) -> float:
        """Share of the rows that are rejected."""
        return self.rejected / max(1, self.valid + self.rejected)

    @property
    def reasons(self) -> tuple[Broken, ...]:
        """What a person must look at: the main reasons, where more than a few rows are rejected."""
        return self.broken[:MOST_REASONS] if self.share > self.bearable else ()


def shorten(text: str, most: int) -> str:
    """Return a text, cut off where it is too long for one line.

    Example:
        >>> shorten("a long text", 6)
        'a lon…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def try_rows(declared: DeclaredProblem, *, root: Path, now: datetime) -> Trial:
    """Read the files of a problem and judge their rows; nothing is kept.

    Args:
        declared: A problem whose source is files.
        root: Where relative paths start.
        now: Moment of arrival.

    Raises:
        DataError: If no row is valid, or the source is none of files.
    """
    problem, contract = declared.problem, declared.contract
    if not isinstance(problem.source, FilesSource):
        message = f"Only files can be tried; {problem.name!r} has a {problem.source.kind} source."
        raise DataError(message)
    names = contract.contract.names
    wanted = source_columns(problem.time, names)
    opened = OpenFiles(problem.source, root=root, columns=wanted)
    valid, rejected = 0, list[pa.Table]()
    for found in opened.found():
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            opened.read_file(connection, found, name="landed")
            select = landing_sql(
                "landed",
                time=problem.time,
                partitions=problem.partitions,
                columns=names,
                file=found.digest,
                arrived_at=now,
                fallback=problem.partitions.start,
            )
            connection.execute(f"CREATE TEMP TABLE raw AS {select}")
            judged = validate_rows(connection, "raw", problem, contract)
        valid += judged.valid.num_rows
        rejected.append(judged.rejected.select(["rule", "column", "value"]))
    broken = _broken(pa.concat_tables(rejected)) if rejected else ()
    if not valid:
        reasons = " ".join(map(advice, broken[:MOST_REASONS]))
        message = f"No row of {problem.source.path} is valid. {reasons or 'It has no rows.'}"
        raise DataError(message)
    return Trial(valid, broken, min(FEW_REJECTED, problem.quality.max_rejected))


def advice(broken: Broken) -> str:
    """Say what is broken and how to mend it, in one line."""
    where = f" in {broken.column!r}" if broken.column else ""
    values = ", ".join(repr(shorten(value, LONGEST)) for value in broken.examples)
    such = f", such as {values}" if values else ""
    rule = shorten(broken.rule, 2 * LONGEST)
    mend = ADVICE.get(broken.rule, ADVICE_ON_VALUES)
    return f"{broken.rows:,} rows break {rule!r}{where}{such}. {mend}"


def _broken(rejected: pa.Table) -> tuple[Broken, ...]:
    with duckdb.connect() as connection:
        connection.register("rejected", rejected)
        return broken_rules(connection, "FROM rejected")
