"""The prediction log in the lake: each answered row once, placed by its event time."""

from datetime import timedelta

import duckdb
import pyarrow as pa

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.window import Window, floor
from ml_assets.storage import prediction_spool
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.placement import date_sql
from ml_assets.storage.workspace import Workspace

# Servers' clocks may be a little behind the event times they are asked about.
CLOCK_SKEW = timedelta(hours=1)


def logged_rows(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> pa.Table:
    """Return the answered rows whose event time lies in ``window``.

    Returns:
        ``_date``, the keys, ``event_time``, ``request_id``, ``row``, ``at``, ``version``,
        ``revision``, ``prediction``, ``probabilities``, ``inputs`` and ``features`` as JSON, and
        ``variant``, ``routing_key``, ``latency_ms`` and ``error``; ``raw_prediction`` and
        ``raw_probabilities``, what the model itself said, whatever an intervention made of it;
        ``low``, ``high``, ``prediction_set``, ``unfamiliar`` and ``intervention``. A row that
        several versions were asked stands there once for each; ``prediction`` is missing where one
        failed.
    """
    problem = declared.problem
    since = floor(window.start, "hour") - CLOCK_SKEW
    files = [
        path
        for hour in prediction_spool.hours(workspace.spool, problem.name)
        if hour.hour >= since
        for path in hour.files
    ]
    prediction_spool.read(connection, files, "spooled")
    kind = "DOUBLE" if problem.task == "regression" else "VARCHAR"
    keys = "".join(f"{key_of_inputs(declared, key)} AS {quoted(key)}, " for key in problem.keys)
    return connection.sql(
        f"""
        SELECT {date_sql(problem)} AS _date, {keys}event_time, request_id, "row", "at", version,
               revision, (prediction ->> '$')::{kind} AS prediction,
               probabilities::VARCHAR AS probabilities, inputs::VARCHAR AS inputs,
               features::VARCHAR AS features, variant, routing_key, latency_ms, error,
               (coalesce(raw, prediction) ->> '$')::{kind} AS raw_prediction,
               coalesce(raw_probabilities, probabilities)::VARCHAR AS raw_probabilities,
               low, high, prediction_set::VARCHAR AS prediction_set, unfamiliar, intervention
        FROM spooled
        WHERE event_time >= {literal(window.start)} AND event_time < {literal(window.end)}
        ORDER BY event_time, request_id, "row"
        """
    ).to_arrow_table()


def key_of_inputs(declared: DeclaredProblem, key: str) -> str:
    """Return SQL for a key of a logged row, taken out of its inputs."""
    path = "'$.\"" + key.replace("'", "''") + "\"'"
    return f"(inputs ->> {path})::{declared.contract.contract.column(key).sql_type}"
