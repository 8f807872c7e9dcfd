"""The table that every source yields: ``_row`` (from 1), ``_fault``, ``_text``, columns as text."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ml_assets.core.reading import quoted

UNITS_A_SECOND = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def numbers(after: int, count: int) -> pa.Array:
    """Return the numbers of ``count`` rows that follow ``after`` others."""
    return pa.array(range(after + 1, after + count + 1), pa.int64())


def create_text_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]
) -> None:
    """Create an empty text table with these columns, in place of any of this name."""
    texts = "".join(f", {quoted(column)} VARCHAR" for column in columns)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {quoted(name)} "
        f"(_row BIGINT, _fault VARCHAR, _text VARCHAR{texts})"
    )


def append_values(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: Mapping[str, str],
    values: pa.RecordBatch,
    *,
    after: int,
) -> None:
    """Append typed rows to a text table.

    DuckDB writes a float with the fewest digits that read back alike, and a moment in ISO 8601. A
    length of time becomes its seconds: a contract knows numbers and moments only.

    Args:
        connection: Its time zone becomes UTC, so that moments carry the offset +00.
        name: The table.
        columns: Column of the table -> column of ``values``.
        values: The rows, in order.
        after: Rows that are in the table.
    """
    # By place and not by name: names of files may differ by case alone.
    arrays = [in_seconds(values.column(found)) for found in columns.values()]
    places = [f"c{place}" for place in range(len(arrays))]
    texts = "".join(f", CAST({place} AS VARCHAR)" for place in places)
    connection.execute("SET TimeZone = 'UTC'")
    connection.register(
        "_values", pa.table([numbers(after, values.num_rows), *arrays], ["_row", *places])
    )
    connection.execute(f"INSERT INTO {quoted(name)} SELECT _row, NULL, NULL{texts} FROM _values")
    connection.unregister("_values")


def in_seconds(values: pa.Array) -> pa.Array:
    """Return lengths of time as seconds, and other values as they are.

    Example:
        >>> in_seconds(pa.array([1500, None], pa.duration("ms"))).to_pylist()
        [1.5, None]
    """
    if not pa.types.is_duration(values.type):
        return values
    units = pc.cast(pc.cast(values, pa.int64()), pa.float64(), safe=False)
    return pc.call_function("divide", [units, pa.scalar(UNITS_A_SECOND[values.type.unit])])


def text_table(columns: Mapping[str, pa.Array | pa.ChunkedArray], rows: int) -> pa.Table:
    """Return a text table of columns that are text, without any fault."""
    nothing = pa.nulls(rows, pa.string())
    return pa.table({"_row": numbers(0, rows), "_fault": nothing, "_text": nothing, **columns})
