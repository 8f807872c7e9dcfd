"""What the model saw and answered in production, beside the truth as far as it is known."""

import json

import duckdb
import pandas as pd

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.monitoring_reference import with_residuals
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.lake import Lake
from ml_assets.storage.placement import place
from ml_assets.storage.truth_sql import truth_sql

LOG_COLUMNS = {
    "_date": "DATE",
    "event_time": "TIMESTAMPTZ",
    "version": "VARCHAR",
    "prediction": "DOUBLE",
    "raw_prediction": "DOUBLE",
    "raw_probabilities": "VARCHAR",
    "low": "DOUBLE",
    "high": "DOUBLE",
    "prediction_set": "VARCHAR",
    "probabilities": "VARCHAR",
    "features": "VARCHAR",
    "request_id": "VARCHAR",
    "row": "BIGINT",
    "variant": "VARCHAR",
}


def log_columns(declared: DeclaredProblem) -> dict[str, str]:
    """Return what reports read of the prediction log, for an empty view before there is one."""
    contract = declared.contract.contract
    return {**LOG_COLUMNS, **{key: contract.column(key).sql_type for key in declared.problem.keys}}


def answered_rows(
    connection: duckdb.DuckDBPyConnection, lake: Lake, declared: DeclaredProblem, window: Window
) -> pd.DataFrame:
    """Return the answered rows of a window with their features, residuals and truth.

    Labels that became known after the window's end are left out, so that a replay sees what live
    operation saw. ``prediction`` is what the model itself said: an intervention must not hide that
    the world has changed.

    Returns:
        In order of time: the keys, ``_variant`` (the shadow is not heard), ``event_time``,
        ``version``, ``request_id``, ``row``, the features, ``prediction``, ``_probabilities``
        (JSON), ``truth``, ``_delay`` (seconds from the event to the label), ``residual`` and
        ``absolute_residual``.
    """
    problem = declared.problem
    empty = log_columns(declared)
    lake.register(connection, table_name(declared, "prediction_log"), name="log", columns=empty)
    lake.register(connection, table_name(declared, "labels"), name="truths")
    identity = ", ".join(quoted(name) for name in problem.identity)
    chosen = "".join(f"l.{quoted(key)}, " for key in problem.keys)
    frame = connection.execute(
        f"""
        SELECT {chosen}coalesce(l.variant, 'champion') AS _variant,
               l.event_time, l.version, l.request_id, l."row", l.features,
               l.raw_prediction AS prediction, l.raw_probabilities AS _probabilities,
               {truth_sql(problem, "t")} AS truth,
               epoch(t.known_at - l.event_time)::DOUBLE AS _delay
        FROM log AS l LEFT JOIN {known_by("truths", window.end)} AS t USING ({identity})
        WHERE {place(problem, window).where.replace("_date", "l._date")}
          AND l.event_time >= {literal(window.start)} AND l.event_time < {literal(window.end)}
          AND l.prediction IS NOT NULL
        ORDER BY l.event_time
        """
    ).df()
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    features = pd.DataFrame([json.loads(text) for text in frame.pop("features")], index=frame.index)
    joined = pd.concat([frame, features], axis=1)
    return with_residuals(problem, joined, truth=frame["truth"], predicted=frame["prediction"])
