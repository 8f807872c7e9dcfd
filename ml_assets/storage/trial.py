"""Reads a declared file once, as the first run will, and says what becomes of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from ml_assets.core.errors import DataError
from ml_assets.core.problem import FilesSource
from ml_assets.core.reading import landing_sql, source_columns
from ml_assets.core.validation import validate_rows
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.sources.files import OpenFiles


@dataclass(frozen=True)
class Trial:
    """What became of the rows.

    Attributes:
        valid: Rows that keep the contract.
        rejected: Rows by the rule they break.
    """

    valid: int
    rejected: Mapping[str, int]


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
    valid, rejected = 0, dict[str, int]()
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
        for rule in judged.rejected["rule"].to_pylist():
            rejected[rule] = rejected.get(rule, 0) + 1
    if not valid:
        message = (
            f"No row of {problem.source.path} is valid: {dict(rejected)}. Look at the first "
            f"lines of the file and at {declared.folder}."
        )
        raise DataError(message)
    return Trial(valid, rejected)
