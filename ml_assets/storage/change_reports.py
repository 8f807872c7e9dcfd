"""Changes of production, named: one row an episode of drift and look."""

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib import import_module
from itertools import takewhile

import duckdb
import pandas as pd
import pyarrow as pa

from ml_assets.core.change.grey_box import GreyBox
from ml_assets.core.change.report import ChangeReport
from ml_assets.core.drift import MEMORY
from ml_assets.core.episodes import Episode
from ml_assets.core.errors import DeclarationError, nearest
from ml_assets.core.logged_loss import logged_metric
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window, floor
from ml_assets.storage.change_rows import compared, evaluated_rows, losses, production_rows
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE as VERDICTS
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.production_profiles import value_kind
from ml_assets.storage.versions import StoredVersion, model_of, reference_of, stored_version
from ml_assets.storage.workspace import Workspace

TABLE = "change_reports"
MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        "_date": pa.date32(),
        "episode": pa.string(),
        "version": pa.string(),
        "until": MOMENT,
        "since": MOMENT,
        "kind": pa.string(),
        "parameter": pa.string(),
        "sentence": pa.string(),
        "report": pa.string(),
    }
)

# The mean of the row losses, for people.
IN_WORDS = {
    "mae": "mean absolute error",
    "rmse": "mean squared error",
    "accuracy": "share of wrong answers",
    "log_loss": "log loss",
    "brier": "Brier score",
}


@dataclass(frozen=True)
class NamedChange:
    """An episode of drift with the name of what changed."""

    episode: Episode
    report: ChangeReport


def name_changes(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> list[NamedChange]:
    """Name what changed in every episode that drifted in a window, as was known at its end.

    Where nothing drifted, one small table is read and no more.
    """
    newest = newest_window_end(workspace, declared)
    if newest is None:
        return []
    until = min(window.end, newest)
    found = []
    for version in _versions(workspace, declared):
        for episode in episodes(workspace, declared, version):
            end = episode.last_drift + declared.problem.monitoring.window
            if episode.opened < until and end > window.start:
                report = _named(connection, workspace, declared, episode, until)
                found.append(NamedChange(episode, report))
    return found


def change_table(declared: DeclaredProblem, named: list[NamedChange]) -> pa.Table:
    """Return named changes as rows of the lake."""
    every = declared.problem.partitions.every
    grain = "day" if every == "hour" else every
    tick = pd.Timedelta(microseconds=1)
    rows = [
        {
            "_date": floor(one.report.until - tick, grain).date(),
            "episode": one.episode.id,
            "version": one.episode.version,
            "until": one.report.until,
            "since": one.report.since,
            "kind": one.report.kind,
            "parameter": one.report.parameter.name if one.report.parameter else None,
            "sentence": one.report.sentence,
            "report": json.dumps(one.report.to_json()),
        }
        for one in named
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def change_of(
    workspace: Workspace, declared: DeclaredProblem, episode: str, *, until: datetime | None = None
) -> ChangeReport | None:
    """Return the newest report on an episode; None if there is none.

    Args:
        workspace: Holds the reports.
        declared: The problem.
        episode: Its id.
        until: Reports that were made later are not looked at, so that a replay knows no more.
    """
    reports = _changes_of(workspace, declared, episode, until=until)
    return reports[-1] if reports else None


def _changes_of(
    workspace: Workspace, declared: DeclaredProblem, episode: str, *, until: datetime | None
) -> list[ChangeReport]:
    """Return the reports on an episode in the order in which they were made."""
    name = table_name(declared, TABLE)
    if not workspace.lake.exists(name):
        return []
    rows = [
        row
        for row in workspace.lake.read(name, columns=["episode", "until", "report"]).to_pylist()
        if row["episode"] == episode and (until is None or row["until"] <= until)
    ]
    ordered = sorted(rows, key=lambda row: row["until"])
    return [ChangeReport.from_json(json.loads(row["report"])) for row in ordered]


def as_named(
    workspace: Workspace, declared: DeclaredProblem, episode: Episode, *, until: datetime
) -> Episode:
    """Return an episode with the severity of a data fault, if its change was named one.

    The drift rule sees one column at a time: a new unit or rows out of order look like drift to it.
    The fault is as old as the first of the newest reports that all name the same.
    """
    reports = _changes_of(workspace, declared, episode.id, until=until)
    if not reports or not reports[-1].is_data_fault:
        return episode
    named = [{(fault.kind, fault.columns) for fault in one.faults} for one in reports]
    same = list(takewhile(lambda one: one == named[-1], reversed(named)))
    since = max(episode.opened, reports[-len(same)].until - declared.problem.monitoring.window)
    return replace(
        episode,
        severity="data_fault",
        columns=tuple(sorted({name for _, columns in named[-1] for name in columns})),
        fault_first=max(since, episode.fault_first or since),
        fault_since=max(since, episode.fault_since or since),
        fault_windows=len(same),
    )


def _versions(workspace: Workspace, declared: DeclaredProblem) -> list[str]:
    rows = workspace.lake.read(table_name(declared, VERDICTS), columns=["version", "state"])
    return sorted({row["version"] for row in rows.to_pylist() if row["state"] == "drift"})


def _named(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    episode: Episode,
    until: datetime,
) -> ChangeReport:
    from ml_assets.core.change.naming import Question, name_change  # noqa: PLC0415
    from ml_assets.core.slices import declared_slices  # noqa: PLC0415  both import scikit-learn
    from ml_assets.core.training import predict  # noqa: PLC0415

    problem = declared.problem
    stored = stored_version(workspace, problem.name, episode.version)
    drift_reference = reference_of(workspace, stored)
    model = model_of(workspace, stored)
    period = Window(episode.opened, until)
    length = drift_reference.window
    before, since = _sides(connection, workspace, declared, stored, period, length)
    inputs = list(model.feature_names_in_)
    features = tuple(name for name in inputs if name in before)
    kinds = {name: value_kind(column.bins) for name, column in drift_reference.columns.items()}
    numeric = tuple(
        name
        for name in features
        if kinds.get(name) == "float" or pd.api.types.is_float_dtype(before[name])
    )
    categorical = tuple(name for name in features if name not in numeric)
    roles = {name: column.role for name, column in drift_reference.columns.items()}
    slices = tuple(one for one in problem.slices if one.column in features)
    question = Question(
        since=episode.opened,
        until=until,
        drifted=tuple(name for name in episode.columns if roles.get(name) == "feature"),
        signed=problem.task == "regression",
        loss=lambda truth, answers: losses(problem, truth, answers),
        ask=lambda frame: predict(model, frame[inputs], problem.task).values,
        metric=IN_WORDS[logged_metric(problem)],
        grey_box=load_grey_box(problem, features),
        slices=lambda frame: {one.name: one.mask for one in declared_slices(frame, slices)},
        seed=problem.seed,
    )
    sides = [
        compared(problem, frame, numeric=numeric, categorical=categorical)
        for frame in (before, since)
    ]
    return name_change(sides[0], sides[1], question)


def _sides(  # noqa: PLR0917  each of them is another thing
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    stored: StoredVersion,
    drifting: Window,
    length: timedelta,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows before and since.

    Drift is believed once it lasts: rows of the windows just before may have changed already. They
    are no reference.
    """
    cut = drifting.start - (MEMORY - 1) * length
    start = min(drifting.start - declared.problem.monitoring.reference_windows * length, cut)
    window = Window(start, drifting.end)
    answered = production_rows(connection, workspace, declared, stored, window)
    early = (answered["event_time"] < cut).to_numpy()
    evaluated = evaluated_rows(connection, workspace, declared, stored)
    shared = [name for name in evaluated.columns if name in answered.columns]
    before = pd.concat([evaluated[shared], answered.loc[early, shared]], ignore_index=True)
    return before, answered[~early].reset_index(drop=True)


def load_grey_box(problem: Problem, features: Collection[str]) -> GreyBox | None:
    """Return the user's physical model, if one is declared.

    Raises:
        DeclarationError: If it reads what is no feature.
    """
    if problem.grey_box is None:
        return None
    module, _, name = problem.grey_box.rpartition(".")
    grey_box: GreyBox = getattr(import_module(module), name)()
    for column in grey_box.columns:
        if column not in features:
            message = (
                f"{problem.grey_box} reads {column!r}, which is no feature of {problem.name!r}. "
                f"{nearest(column, features)}"
            )
            raise DeclarationError(message)
    return grey_box
