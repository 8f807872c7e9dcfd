"""How many rows came in, stayed and were rejected, by partition."""

import duckdb
import pandas as pd

from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.lake import Lake
from ml_assets.storage.placement import place

# Columns that counting needs, for tables that do not exist yet.
PLACED = {"_date": "DATE", "_time": "TIMESTAMPTZ"}
REJECTED = {**PLACED, "rule": "VARCHAR"}
VALIDATED = {"_date": "DATE", "event_time": "TIMESTAMPTZ"}


def partition_counts(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> pd.DataFrame:
    """Return one row a storage date of ``window``.

    Returns:
        Columns ``_date``, ``raw``, ``validated``, ``rejected``, ``duplicates`` (those of the
        rejected rows that another row with the same keys and time replaced).
    """
    tables = (("raw_data", PLACED), ("validated_data", VALIDATED), ("rejected_rows", REJECTED))
    for table, columns in tables:
        lake.register(connection, table_name(declared, table), name=f"n_{table}", columns=columns)
    raw = place(declared.problem, window, moment="_time").where
    validated = place(declared.problem, window).where
    return connection.execute(
        f"""
        SELECT _date, sum(raw)::BIGINT AS raw, sum(validated)::BIGINT AS validated,
               sum(rejected)::BIGINT AS rejected, sum(duplicates)::BIGINT AS duplicates
        FROM (
            SELECT _date, 1 AS raw, 0 AS validated, 0 AS rejected, 0 AS duplicates
            FROM n_raw_data WHERE {raw}
            UNION ALL SELECT _date, 0, 1, 0, 0 FROM n_validated_data WHERE {validated}
            UNION ALL SELECT _date, 0, 0, 1, (rule = 'duplicate')::INT
            FROM n_rejected_rows WHERE {raw}
        ) GROUP BY _date ORDER BY _date
        """
    ).df()
