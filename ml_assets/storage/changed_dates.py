"""Replacing only the dates of a table whose rows differ: what is the same costs no disk."""

from datetime import date

import duckdb
import pyarrow as pa

from ml_assets.core.feature_query import quoted
from ml_assets.storage.lake import Lake
from ml_assets.storage.lake_rows import PARTITION
from ml_assets.storage.placement import Placement


def replace_changed(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    table: str,
    rows: pa.Table,
    placement: Placement,
) -> int:
    """Replace the dates of a range whose rows differ from those that are there, in one commit.

    Rows are compared value by value, not by a digest. Keep other writers out from before ``rows``
    were computed: else rows that are older than another's could be found the same.

    Args:
        connection: Compares; in UTC.
        lake: Holds the table.
        table: Name of the table; it is created if it is new.
        rows: All rows of the range.
        placement: The range.

    Returns:
        The version that holds ``rows``: a new one, or the present one if nothing differs.
    """
    version, predicate = lake.version(table), placement.predicate
    if version is not None:
        changed = _changed(connection, lake, table, rows, placement)
        if changed == []:
            return version
        if changed:
            listed = ", ".join(f"'{day}'" for day in changed)
            among = f"{PARTITION} IN ({listed})"
            predicate = among if predicate is None else f"{among} AND {predicate}"
            rows = connection.from_arrow(rows).filter(among).to_arrow_table()
    return lake.replace(table, rows, dates=placement.dates, predicate=predicate)


def _changed(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    table: str,
    rows: pa.Table,
    placement: Placement,
) -> list[date] | None:
    """Return the dates whose rows differ; None for all, where the columns do."""
    lake.register(connection, table, name="rows_there")
    connection.register("rows_now", rows)
    there, now = (_types(connection, name) for name in ("rows_there", "rows_now"))
    if there != now:
        return None
    # Also when rows stand there twice: EXCEPT ALL counts them.
    columns = ", ".join(map(quoted, now))
    before = f"SELECT {columns} FROM rows_there WHERE {placement.where}"
    after = f"SELECT {columns} FROM rows_now"
    found = connection.execute(
        f"SELECT DISTINCT {PARTITION} FROM (({before} EXCEPT ALL {after}) "
        f"UNION ALL ({after} EXCEPT ALL {before})) ORDER BY ALL"
    ).fetchall()
    connection.unregister("rows_now")
    return [day for (day,) in found]


def _types(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, str]:
    described = connection.execute(f"DESCRIBE {name}").fetchall()
    return {column: kind for column, kind, *_ in described}
