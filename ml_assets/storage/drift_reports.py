"""Verdicts on production, window by window, and the episodes they make."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import pyarrow as pa

from ml_assets.core.drift import DriftVerdict, decide_each, reach
from ml_assets.core.episodes import Episode, FaultSeen, VerdictRow, episodes_of
from ml_assets.core.histograms import window_start
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference
from ml_assets.core.window import Window, floor
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.profiles import ProfileStore, StoredProfile
from ml_assets.storage.versions import reference_of, stored_version
from ml_assets.storage.workspace import Workspace

TABLE = "drift_verdicts"
MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    {
        "_date": pa.date32(),
        "window_start": MOMENT,
        "version": pa.string(),
        "state": pa.string(),
        "severity": pa.string(),
        "rows": pa.int64(),
        "columns": pa.string(),
        "findings": pa.string(),
    }
)


@dataclass(frozen=True)
class Judgement:
    """The verdict on one window of one version."""

    version: str
    verdict: DriftVerdict


def judge_windows(
    workspace: Workspace, declared: DeclaredProblem, window: Window
) -> list[Judgement]:
    """Judge every monitoring window that ends inside ``window``, by version, in order of time."""
    # The first window that ends inside may have begun before, and be the last of its version.
    begun = window_start(window.start, declared.problem.monitoring.window)
    asked = workspace.profiles.hours(declared.problem.name, since=begun)
    versions = sorted({profile.version for profile in asked if profile.hour < window.end})
    judged = [
        judgement
        for version in versions
        for judgement in _judged(workspace, declared, window, version)
    ]
    return sorted(judged, key=lambda one: (one.verdict.window_start, one.version))


def _judged(
    workspace: Workspace, declared: DeclaredProblem, window: Window, version: str
) -> Iterator[Judgement]:
    monitoring = declared.problem.monitoring
    reference = reference_of(workspace, stored_version(workspace, declared.problem.name, version))
    # Windows are as long as the reference's, which may be older than the declaration.
    length = reference.window
    since = window_start(window.start - length, length) + length  # the first that ends inside
    seen = looked_at(
        workspace.profiles,
        declared.problem.name,
        version,
        reference=reference,
        monitoring=monitoring,
        since=since,
    )
    windows = workspace.profiles.read_windows(
        [profile for profile in seen if profile.hour < window.end], reference
    )
    for verdict in decide_each(reference, windows, monitoring, since=since):
        if verdict.window_start + length <= window.end:
            yield Judgement(version, verdict)


def looked_at(
    store: ProfileStore,
    problem: str,
    version: str,
    *,
    reference: Reference,
    monitoring: Monitoring,
    since: datetime,
) -> list[StoredProfile]:
    """Return the profiles that verdicts on the windows from ``since`` on look at.

    An hour without rows has no profile, so the hours that have one tell which windows had rows.
    """
    heard = store.hours_before(problem, since, version=version)
    spoken = (start for start, _ in groupby(window_start(h, reference.window) for h in heard))
    first = reach(reference, monitoring, since=since, spoken=spoken)
    return store.hours(problem, first, version=version)


def verdict_table(declared: DeclaredProblem, judged: list[Judgement]) -> pa.Table:
    """Return judgements as rows of the lake."""
    every = declared.problem.partitions.every
    grain = "day" if every == "hour" else every
    ends = declared.problem.monitoring.window - timedelta(microseconds=1)
    rows = [
        {
            "_date": floor(one.verdict.window_start + ends, grain).date(),
            "window_start": one.verdict.window_start,
            "version": one.version,
            "state": one.verdict.state,
            "severity": one.verdict.severity,
            "rows": one.verdict.rows,
            "columns": json.dumps(list(VerdictRow.of(one.verdict).columns)),
            "findings": json.dumps(
                [
                    {
                        "column": f.column,
                        "kind": f.kind,
                        "role": f.role,
                        "scale": f.scale,
                        "p_value": f.p_value,
                        "effect": f.effect,
                        "detail": f.detail,
                    }
                    for f in one.verdict.drifted
                ]
            ),
        }
        for one in judged
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def episodes(workspace: Workspace, declared: DeclaredProblem, version: str) -> list[Episode]:
    """Return the episodes that a version has seen, in order of time."""
    name = table_name(declared, TABLE)
    if not workspace.lake.exists(name):
        return []
    rows = workspace.lake.read(name).to_pylist()
    verdicts = [
        VerdictRow(
            row["window_start"],
            row["state"],
            row["severity"],
            tuple(json.loads(row["columns"])),
            tuple(
                FaultSeen(found["column"], found["kind"], found["effect"])
                for found in json.loads(row["findings"])
                if found["kind"] != "shift"
            ),
        )
        for row in rows
        if row["version"] == version
    ]
    return episodes_of(verdicts, problem=declared.problem.name, version=version)


def newest_window_end(workspace: Workspace, declared: DeclaredProblem) -> datetime | None:
    """Return the end of the newest window that was judged: what policies call now."""
    name = table_name(declared, TABLE)
    if not workspace.lake.exists(name):
        return None
    starts = workspace.lake.read(name, columns=["window_start"])["window_start"].to_pylist()
    return max(starts) + declared.problem.monitoring.window if starts else None
