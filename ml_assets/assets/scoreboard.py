"""The scoreboard: what the system found, against the truth that only the simulator knows."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.problem import SimulatorSource
from ml_assets.core.window import Window
from ml_assets.plant import Plant
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.workspace import Workspace

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class DetectionScore:
    """How drift detection did over the judged windows.

    Attributes:
        onset: When the plant began to change; None in a scenario without change.
        windows: Windows that were judged.
        quiet_windows: Those of them that were over before anything changed.
        false_alarms: Windows that said drift before anything had changed.
        delay_windows: Windows from the onset up to, and with, the first that said drift; None if
            none did.
    """

    onset: datetime | None
    windows: int
    quiet_windows: int
    false_alarms: int
    delay_windows: int | None


def has_truth(declared: DeclaredProblem) -> bool:
    """Say whether the problem's truth is known."""
    return isinstance(declared.problem.source, SimulatorSource)


def detection_score(
    workspace: Workspace, declared: DeclaredProblem, until: datetime
) -> DetectionScore:
    """Compare all verdicts up to a moment with what the simulator did."""
    onset = _plant(declared).scenario.onset
    name = table_name(declared, TABLE)
    rows = workspace.lake.read(name).to_pylist() if workspace.lake.exists(name) else []
    length = declared.problem.monitoring.window
    rows = sorted((r for r in rows if r["window_start"] < until), key=lambda r: r["window_start"])
    drifted = [row["window_start"] for row in rows if row["state"] == "drift"]
    before = [start for start in drifted if onset is None or start + length <= onset]
    after = [start for start in drifted if onset is not None and start + length > onset]
    delay = None
    if after and onset is not None:
        starts = sorted({row["window_start"] for row in rows})
        delay = sum(onset < start + length and start <= after[0] for start in starts)
    quiet = sum(onset is None or row["window_start"] + length <= onset for row in rows)
    return DetectionScore(onset, len(rows), quiet, len(before), delay)


def scoreboard(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """What the system found of the plant, against the simulator's truth, in physical units.

    Beside it stand a rule that always fires and one that never does.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "scoreboard",
            stage="monitoring",
            kinds=["python"],
            deps=[key_of(problem, "drift_report")],
            description=scoreboard.__doc__,
        )
    )
    def _scoreboard(
        context: dg.AssetExecutionContext, workspace: dg.ResourceParam[Workspace]
    ) -> dg.MaterializeResult:
        until = window_of(context).end
        score = detection_score(workspace, declared, until)
        names = named_parameters(workspace, declared, until)
        facts = {
            "windows": score.windows,
            "false_alarms": score.false_alarms,
            "onset": score.onset.isoformat() if score.onset else "nothing changes",
            "delay_windows": _delay_text(score),
        }
        pages = {
            "detection": dg.MetadataValue.md(_detection_table(score)),
            "parameters": dg.MetadataValue.md(_parameter_table(declared, until, names)),
        }
        return result(context, facts, pages)

    return _scoreboard


@dataclass(frozen=True)
class NamedParameter:
    """A parameter that a change report named.

    Attributes:
        name: Its name.
        change: Its change, in its unit.
        low: Lower bound.
        high: Upper bound.
    """

    name: str
    change: float
    low: float
    high: float


def named_parameters(
    workspace: Workspace, declared: DeclaredProblem, until: datetime
) -> list[NamedParameter]:
    """Return what the newest change report up to a moment named."""
    table = table_name(declared, "change_reports")
    if not workspace.lake.exists(table):
        return []
    rows = [row for row in workspace.lake.read(table).to_pylist() if row["until"] <= until]
    if not rows:
        return []
    newest = max(rows, key=lambda row: (row["until"], row["since"]))
    return [
        NamedParameter(one["name"], one["after"] - one["before"], one["low"], one["high"])
        for one in json.loads(newest["report"])["parameters"]
        if one["moved"]
    ]


def _delay_text(score: DetectionScore) -> int | str:
    return score.delay_windows if score.delay_windows is not None else "not seen"


def _detection_table(score: DetectionScore) -> str:
    """Say how the system did, and how two rules do that look at nothing."""
    changed = score.onset is not None and score.windows > score.quiet_windows
    nothing = "nothing to find"
    delays = {
        "this system": _delay_text(score) if changed else nothing,
        "always fires": 1 if changed else nothing,
        "never fires": "not seen" if changed else nothing,
    }
    alarms = (score.false_alarms, score.quiet_windows, 0)
    lines = ["| rule | change found in window | alarms in quiet windows |", "|---|---|---|"]
    lines += [
        f"| {rule} | {delay} | {count} of {score.quiet_windows} |"
        for (rule, delay), count in zip(delays.items(), alarms, strict=True)
    ]
    return "\n".join(lines)


def _parameter_table(
    declared: DeclaredProblem, until: datetime, names: list[NamedParameter]
) -> str:
    """Say what every parameter was, is now, and is said to have changed by."""
    plant = _plant(declared)
    start = declared.problem.partitions.start
    first = plant.truth(Window(start, start + HOUR))
    last = plant.truth(Window(until - HOUR, until))
    said = {one.name: one for one in names}
    lines = ["| parameter | before | now | true change | said |", "|---|---|---|---|---|"]
    for name in first.columns.drop(["rig", "at"]):
        before, now = float(first[name].mean()), float(last[name].mean())
        one = said.get(name)
        told = (
            "did not move" if one is None else f"{one.change:.4g} ({one.low:.4g} to {one.high:.4g})"
        )
        lines.append(f"| {name} | {before:.4g} | {now:.4g} | {now - before:+.4g} | {told} |")
    return "\n".join(lines)


def _plant(declared: DeclaredProblem) -> Plant:
    source = declared.problem.source
    if not isinstance(source, SimulatorSource):
        message = f"The truth of {declared.problem.name!r} is not known: it is not simulated."
        raise TypeError(message)
    return Plant(
        source.scenario, rigs=source.rigs, reading_every=source.reading_every, seed=source.seed
    )
