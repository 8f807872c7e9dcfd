"""What the system found of the plant, against the truth."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
import pytest

from ml_assets.cli.demo.plan import with_scenario
from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.window import Window
from ml_assets.storage.drift_reports import SCHEMA
from ml_assets.storage.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY, LENGTH = timedelta(days=1), timedelta(hours=6)
SHIFT = {
    "name": "friction_coefficient",
    "before": 0.04,
    "after": 0.056,
    "low": 0.014,
    "high": 0.018,
}


@pytest.fixture
def scored(tmp_path):
    """Return what the scoreboard of a scenario tells after windows of some states."""
    declared = declared_problem("plant")

    def score(scenario, states, shifts=()):
        problem = with_scenario(declared.problem, scenario)
        workspace = Workspace(tmp_path)
        rows = [
            {
                "_date": (START + number * LENGTH).date(),
                "window_start": START + number * LENGTH,
                "version": "v1",
                "state": state,
                "severity": "retrain" if state == "drift" else None,
                "rows": 360,
                "columns": "[]",
                "findings": "[]",
            }
            for number, state in enumerate(states)
        ]
        workspace.lake.replace("plant/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA))
        if shifts:
            report = {"parameters": [{**one, "moved": True} for one in shifts]}
            named = {"until": START + DAY, "since": START, "report": json.dumps(report)}
            table = pa.Table.from_pylist([{"_date": START.date(), **named}])
            workspace.lake.replace("plant/change_reports", table)
        with dg.DagsterInstance.ephemeral() as instance:
            runner = ProblemRunner(replace(declared, problem=problem), workspace, instance)
            days = -(-len(states) * LENGTH // DAY)
            done = runner.run(
                "monitoring", Window(START, START + days * DAY), assets=["scoreboard"]
            )
        events = [e.materialization.metadata for e in done.get_asset_materialization_events()]
        return {name: value.value for name, value in events[-1].items()}

    return score


def test_a_change_is_found_and_its_parameter_stands_beside_the_truth(scored):
    states = ["quiet", "drift", "quiet", "quiet", "quiet", "drift", "drift", "drift"]
    told = scored("friction_step@P1D", states, [SHIFT])
    assert (told["windows"], told["false_alarms"], told["delay_windows"]) == (8, 1, 2)
    assert "| this system | 2 | 1 of 4 |" in told["detection"]
    assert "| always fires | 1 | 4 of 4 |" in told["detection"]
    assert "| never fires | not seen | 0 of 4 |" in told["detection"]
    lines = {line.split(" | ")[0]: line for line in told["parameters"].splitlines()}
    moved = lines["| friction_coefficient"].split(" | ")
    assert float(moved[3]) == pytest.approx(0.4 * float(moved[1]), rel=0.2)
    assert moved[4] == "0.016 (0.014 to 0.018) |"
    assert lines["| stiffness_n_m"].endswith("| +0 | did not move |")


def test_without_a_change_every_alarm_is_false(scored):
    told = scored("quiet", ["quiet", "drift", "quiet", "quiet"])
    assert (told["false_alarms"], told["delay_windows"]) == (1, "not seen")
    assert "| this system | nothing to find | 1 of 4 |" in told["detection"]
