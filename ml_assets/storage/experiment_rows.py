"""What the prediction log says of an experiment: who answered what, how well, how soon."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.gain import PairedRows, SplitRows
from ml_assets.core.guard_rails import Service
from ml_assets.core.logged_loss import row_losses
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.lake import Lake
from ml_assets.storage.serving_state import ServingState
from ml_assets.storage.truth_sql import truth_sql

# Rows an hour apart may still depend on each other: the variance is estimated over the hours.
BLOCK = timedelta(hours=1)


@dataclass(frozen=True)
class ExperimentRows:
    """The log of an experiment's present stage.

    Attributes:
        losses: Labelled rows of both versions.
        service: How the challenger served.
        in_stage: Event time between the stage's first and last answered row.
        in_all: The same of the whole experiment.
    """

    losses: PairedRows | SplitRows
    service: Service
    in_stage: timedelta
    in_all: timedelta


def experiment_rows(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    state: ServingState,
    *,
    until: datetime,
    slow_ms: float,
) -> ExperimentRows:
    """Return what was answered under the present deployment, up to a moment.

    A line carries the revision of the deployment that its server had, so no clock decides what
    belongs to a stage. Rows count once their label is due, so that a later look at the same rows
    sees the same losses; labels known after ``until`` are left out.

    Args:
        connection: Where views go.
        lake: Holds the prediction log and the labels.
        declared: The problem.
        state: Who serves, with a version in traffic.
        until: End of what is looked at.
        slow_ms: A row that took longer was slow.
    """
    traffic = state.traffic
    if traffic is None:
        message = f"No version of {declared.problem.name!r} is in traffic."
        raise ValueError(message)
    lake.register(connection, table_name(declared, "prediction_log"), name="log")
    lake.register(connection, table_name(declared, "labels"), name="truths")
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW stage AS SELECT *, coalesce(variant, 'champion') AS who "
        f"FROM log WHERE revision = {state.revision} AND event_time < {literal(until)}"
    )
    losses = (
        _paired(connection, declared, until)
        if traffic.mode == "shadow"
        else _split(connection, declared, until)
    )
    return ExperimentRows(
        losses,
        _service(connection, slow_ms),
        in_stage=_length(connection, state.revision, until),
        in_all=_length(connection, traffic.first_revision, until),
    )


def _labelled(declared: DeclaredProblem, until: datetime) -> str:
    """SQL for the stage's answered rows whose label is due and known."""
    problem = declared.problem
    due = until - problem.label.delay
    identity = ", ".join(quoted(name) for name in problem.identity)
    return (
        f"(SELECT s.*, {truth_sql(problem, 't')} AS truth FROM stage AS s JOIN ("
        f"SELECT * FROM truths WHERE known_at <= {literal(until)}) AS t USING ({identity}) "
        f"WHERE s.prediction IS NOT NULL AND s.event_time <= {literal(due)})"
    )


def _paired(
    connection: duckdb.DuckDBPyConnection, declared: DeclaredProblem, until: datetime
) -> PairedRows:
    rows = _labelled(declared, until)
    frame = connection.execute(
        f"SELECT c.event_time, c.truth, c.prediction AS heard, s.prediction AS unheard "
        f'FROM {rows} AS c JOIN {rows} AS s USING (request_id, "row") '
        "WHERE c.who = 'champion' AND s.who = 'shadow' "
        'ORDER BY c.event_time, request_id, "row"'
    ).df()
    problem = declared.problem
    return PairedRows(
        row_losses(problem, frame["truth"], frame["heard"]),
        row_losses(problem, frame["truth"], frame["unheard"]),
        _times(frame),
        BLOCK,
    )


def _split(
    connection: duckdb.DuckDBPyConnection, declared: DeclaredProblem, until: datetime
) -> SplitRows:
    frame = connection.execute(
        "SELECT event_time, truth, prediction, who = 'challenger' AS challenger, "
        f"coalesce(routing_key, request_id) AS key FROM {_labelled(declared, until)} "
        # Where the challenger failed the champion stood in. Such a row may be a hard one: it must
        # not count against the champion alone. The guard rail counts the failure.
        "ANTI JOIN (SELECT request_id, \"row\" FROM stage WHERE who = 'challenger' "
        'AND prediction IS NULL) USING (request_id, "row") '
        "WHERE who IN ('champion', 'challenger') ORDER BY event_time, request_id, \"row\""
    ).df()
    return SplitRows(
        row_losses(declared.problem, frame["truth"], frame["prediction"]),
        frame["challenger"].to_numpy(dtype=bool),
        pd.factorize(frame["key"])[0].astype(np.int64),
        _times(frame),
        BLOCK,
    )


def _service(connection: duckdb.DuckDBPyConnection, slow_ms: float) -> Service:
    ((rows, failed, timed, slow),) = connection.execute(
        "SELECT count(*), count(*) FILTER (prediction IS NULL), count(latency_ms), "
        f"count(*) FILTER (latency_ms > {slow_ms!r}) FROM stage WHERE who != 'champion'"
    ).fetchall()
    return Service(rows=rows, failed=failed, timed=timed, slow=slow)


def _length(connection: duckdb.DuckDBPyConnection, revision: int, until: datetime) -> timedelta:
    ((first, last),) = connection.execute(
        "SELECT min(event_time), max(event_time) FROM log "
        f"WHERE revision >= {revision} AND event_time < {literal(until)}"
    ).fetchall()
    return timedelta() if first is None else last - first


def _times(frame: pd.DataFrame) -> np.ndarray:
    return frame["event_time"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]")
