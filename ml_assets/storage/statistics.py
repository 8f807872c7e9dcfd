"""Statistics of every column by day, from which checks know what is usual."""

import duckdb
import pyarrow as pa

from ml_assets.core.contract import Column, Contract
from ml_assets.core.feature_query import quoted

NUMBERS = ("float", "integer")


def column_statistics(
    connection: duckdb.DuckDBPyConnection, rows: str, contract: Contract
) -> pa.Table:
    """Return one row a storage date and column.

    Args:
        connection: Holds the view of validated rows.
        rows: Name of the view.
        contract: Columns to describe.

    Returns:
        Columns ``_date``, ``column``, ``rows``, ``missing``, ``distinct``, ``low``, ``high``,
        ``mean``, ``deviation`` (the last four only for numbers).
    """
    parts = [_of_column(column, rows) for column in contract.columns]
    return connection.sql(" UNION ALL ".join(parts) + " ORDER BY 1, 2").to_arrow_table()


def _of_column(column: Column, rows: str) -> str:
    name = quoted(column.name)
    number = f"{name}::DOUBLE" if column.kind in NUMBERS else "NULL::DOUBLE"
    text = column.name.replace("'", "''")
    return f"""
        SELECT _date, '{text}' AS "column", count(*) AS rows, count(*) - count({name}) AS missing,
               count(DISTINCT {name}) AS "distinct", min({number}) AS low, max({number}) AS high,
               avg({number}) AS mean, stddev_samp({number}) AS deviation
        FROM {quoted(rows)} GROUP BY _date
    """
