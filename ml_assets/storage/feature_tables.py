"""The views that features.sql reads, over the lake, and the features they give."""

import duckdb

from ml_assets.core.contract import SQL_TYPES
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.feature_rows import FeatureRows, run_features
from ml_assets.core.feature_views import ALL_LABELS, ALL_ROWS, History, show
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.lake import Lake


def table_name(declared: DeclaredProblem, table: str) -> str:
    """Return the lake's name of one of a problem's tables."""
    return f"{declared.problem.name}/{table}"


def offer_tables(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    window: Window,
    *,
    reach: History,
) -> None:
    """Create the tables from which the views of features.sql are cut.

    Args:
        connection: Where the tables go.
        lake: Where the rows are.
        declared: The problem.
        window: Rows that will be asked for.
        reach: How much is kept before the window.
    """
    contract = declared.contract.contract
    lake.register(connection, table_name(declared, "validated_data"), name="lake_validated_data")
    seen = ["event_time", "known_at", *contract.without(*declared.hidden).names]
    columns = ", ".join(quoted(name) for name in dict.fromkeys(seen))
    kept = window.widened(before=reach.rows)
    _cut(connection, ALL_ROWS, columns, "lake_validated_data", kept)
    late = _late_columns(declared)
    lake.register(connection, table_name(declared, "labels"), name="lake_labels", columns=late)
    columns = ", ".join(quoted(name) for name in late if name not in ("_date", "superseded_at"))
    kept = window.widened(before=reach.labels)
    # A label that was corrected since is no feature: nobody may count on it.
    newest = "(FROM lake_labels WHERE superseded_at IS NULL)"
    _cut(connection, ALL_LABELS, columns, newest, kept)
    for name in declared.problem.references:
        lake.register(connection, table_name(declared, f"reference_{name}"), name=name)


def compute_features(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> FeatureRows:
    """Return the features of all rows in ``window``, computed at once."""
    offer_tables(connection, lake, declared, window, reach=declared.history)
    show(connection, window, declared.history, known_by=window.end)
    query = declared.query
    return run_features(connection, query.between(window), identity=query.identity)


def _cut(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    columns: str,
    source: str,
    kept: Window,
) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {columns} FROM {source} "
        f"WHERE event_time >= {literal(kept.start)} AND event_time < {literal(kept.end)} "
        "ORDER BY event_time"
    )


def _late_columns(declared: DeclaredProblem) -> dict[str, str]:
    """Return the columns of the labels table, with their SQL types."""
    problem, contract = declared.problem, declared.contract.contract
    types = {column.name: column.sql_type for column in contract.columns}
    target = SQL_TYPES["float"] if problem.task == "regression" else SQL_TYPES["string"]
    return {
        "_date": "DATE",
        **{key: types[key] for key in problem.keys},
        "event_time": "TIMESTAMPTZ",
        problem.label.column: types.get(problem.label.column, target),
        **{name: types[name] for name in problem.after_event},
        "known_at": "TIMESTAMPTZ",
        "superseded_at": "TIMESTAMPTZ",
    }
