"""The scoreboard: what the system found, against the truth that only the simulator knows."""

from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.problem import SimulatorSource
from ml_assets.plant import Plant
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.workspace import Workspace


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
    source = declared.problem.source
    if not isinstance(source, SimulatorSource):
        message = f"The truth of {declared.problem.name!r} is not known: it is not simulated."
        raise TypeError(message)
    plant = Plant(
        source.scenario, rigs=source.rigs, reading_every=source.reading_every, seed=source.seed
    )
    onset = plant.scenario.onset
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
    """Detection delay and false alarms against the simulator's truth, over all judged windows."""
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
        score = detection_score(workspace, declared, window_of(context).end)
        return result(
            context,
            {
                "windows": score.windows,
                "false_alarms": score.false_alarms,
                "onset": score.onset.isoformat() if score.onset else "nothing changes",
                "delay_windows": score.delay_windows
                if score.delay_windows is not None
                else "not seen",
            },
        )

    return _scoreboard
