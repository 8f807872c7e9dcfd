"""Answered rows with what is known of their truth at a moment, for reports on performance."""

from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.window import Window, floor, following
from ml_assets.storage.coverage import told_sql
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_queue import Audit
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.lake import Lake
from ml_assets.storage.production import log_columns
from ml_assets.storage.truth_sql import truth_sql

AUDITS = pa.schema({"request_id": pa.string(), "row": pa.int64(), "propensity": pa.float64()})


def look_at(lake: Lake, declared: DeclaredProblem, window: Window) -> datetime:
    """Return the moment up to which a report knows: the window's end, or that of the newest log.

    An earlier partition that is made again is told with what is known by now.
    """
    name, every = table_name(declared, "prediction_log"), declared.problem.partitions.every
    if not lake.exists(name):
        return window.end
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        lake.register(connection, name, name="log")
        newest = connection.execute("SELECT max(event_time) FROM log").fetchall()[0][0]
    return window.end if newest is None else max(window.end, following(floor(newest, every), every))


def cohort_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    cohorts: Window,
    *,
    past: timedelta,
    until: datetime,
    audits: list[Audit],
) -> pd.DataFrame:
    """Return the rows that were answered for someone: a shadow's answers are no traffic.

    Args:
        connection: Where views go.
        lake: Holds the prediction log and the labels.
        declared: The problem.
        cohorts: Event times that are reported on.
        past: How much longer ago rows are read, to learn from.
        until: Labels that became known later are not seen.
        audits: Rows that were drawn at random.

    Returns:
        In order of time: ``_date``, ``event_time``, ``version``, ``prediction``,
        ``probabilities``, ``features`` (missing for past rows without an audit), ``truth``,
        ``delay`` (seconds from the event to the first label, NaN without one), ``propensity`` (NaN
        without an audit), ``held`` (1 where the truth is inside what was told beside the
        prediction, 0 outside, NaN where nothing was told or the truth is unknown), ``is_past``.
    """
    problem = declared.problem
    columns = log_columns(declared)
    lake.register(connection, table_name(declared, "prediction_log"), name="log", columns=columns)
    lake.register(connection, table_name(declared, "labels"), name="truths")
    connection.register("audits", _table(audits))
    identity = ", ".join(quoted(name) for name in problem.identity)
    told = told_sql(problem)
    first = literal(cohorts.start)
    frame = connection.execute(
        f"""
        SELECT l._date, l.event_time, l.version, l.prediction, l.probabilities,
               l.event_time < {first} AS is_past,
               CASE WHEN NOT is_past OR a.propensity IS NOT NULL THEN l.features END AS features,
               {truth_sql(problem, "t")} AS truth,
               CASE WHEN {told.is_told} THEN ({told.held})::DOUBLE END AS held,
               epoch(f.first_known - l.event_time)::DOUBLE AS delay, a.propensity
        FROM log AS l
        LEFT JOIN {known_by("truths", until)} AS t USING ({identity})
        LEFT JOIN (SELECT {identity}, min(known_at) AS first_known FROM truths GROUP BY ALL) AS f
            ON t.known_at IS NOT NULL AND {_same(problem.identity)}
        LEFT JOIN audits AS a ON a.request_id = l.request_id AND a."row" = l."row"
        WHERE l.event_time >= {literal(cohorts.start - past)}
          AND l.event_time < {literal(cohorts.end)}
          AND l.prediction IS NOT NULL AND l.variant IS DISTINCT FROM 'shadow'
        ORDER BY l.event_time, l.request_id, l."row"
        """
    ).df()
    connection.unregister("audits")
    frame["event_time"] = frame["event_time"].astype("datetime64[us, UTC]")
    return frame


def times_of(frame: pd.DataFrame) -> np.ndarray:
    """Return event times in UTC as numpy has them, shape (n,)."""
    return frame["event_time"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")


def _same(identity: tuple[str, ...]) -> str:
    return " AND ".join(f"f.{quoted(name)} = l.{quoted(name)}" for name in identity)


def _table(audits: list[Audit]) -> pa.Table:
    rows = [
        {"request_id": one.request_id, "row": one.row, "propensity": one.propensity}
        for one in audits
    ]
    return pa.Table.from_pylist(rows, schema=AUDITS)
