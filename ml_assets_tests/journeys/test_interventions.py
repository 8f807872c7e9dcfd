"""From a champion's residuals to intervals in answers, and from late truths to an intervention."""

import asyncio
import json
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
import numpy as np
import pytest

from bentos.predictor.adjusting import Adjusting
from bentos.predictor.passes import Request
from bentos.predictor.serving import Serving
from ml_assets.components.execution import ProblemRunner
from ml_assets.core.errors import LedgerError
from ml_assets.core.problem import Interventions, Problem
from ml_assets.core.window import Window
from ml_assets.storage.adjustment_record import KIND
from ml_assets.storage.adjustments import adjust, end_intervention
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.served_skew import replay_log
from ml_assets.storage.versions import deploy
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.journeys.test_files import CONTRACT, FEATURES

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY = Window(START, START + 14 * DAY)
PRODUCTION = Window(HISTORY.end, HISTORY.end + 6 * DAY)
UNTIL = Window(PRODUCTION.start, PRODUCTION.end + DAY)
STAGES = ["training_set", "baseline_models", "candidate_models", "evaluation_report", "champion"]
SHIFT = 6.0


def readings(window, *, shift=0.0, seed=0):
    """Rows every half hour of two meters whose demand follows the load."""
    rng = np.random.default_rng(seed)
    count = int((window.end - window.start) / timedelta(minutes=30))
    for n in range(count):
        for meter in ("m1", "m2"):
            load = round(float(rng.uniform(10, 90)), 2)
            demand = round(20 + 2 * load + shift + float(rng.normal()) * 2, 3)
            yield meter, window.start + n * timedelta(minutes=30), load, demand


@pytest.fixture
def runner(tmp_path, monkeypatch):
    folder = tmp_path / "problem"
    folder.mkdir()
    (tmp_path / "in").mkdir()
    (folder / "contract.py").write_text(textwrap.dedent(CONTRACT))
    (folder / "features.sql").write_text(FEATURES)
    for name, window, shift in (("old", HISTORY, 0.0), ("new", PRODUCTION, SHIFT)):
        lines = [
            f"{m},{at:%Y-%m-%d %H:%M:%S},{x},{y}" for m, at, x, y in readings(window, shift=shift)
        ]
        (tmp_path / "in" / f"{name}.csv").write_text(
            "\n".join(["meter,at,load,demand", *lines, ""])
        )
    problem = Problem.model_validate(
        {
            "name": "meters",
            "task": "regression",
            "source": {"kind": "files", "path": "in/*.csv"},
            "time": {"columns": ["at"]},
            "partitions": {"start": "2024-01-01", "end": "2024-01-22"},
            "keys": ["meter"],
            "label": {"column": "demand", "delay": "PT1H"},
            "baselines": [{"kind": "typical"}],
            "evaluation": {"folds": 3, "horizon": "P2D"},
            "candidates": [{"name": "ridge", "estimator": "sklearn.linear_model.Ridge"}],
            "monitoring": {"window": "PT6H"},
            "serving": {"interventions": {"mode": "propose"}},
        }
    )
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        declared = DeclaredProblem.load(problem, folder)
        yield ProblemRunner(declared, Workspace(tmp_path / "home"), instance)


def serving_of(workspace, release):
    folder = workspace.artefacts.folder(release)
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    serving = Serving(workspace.spool)
    serving.serve(files, digest=release, revision=1)
    return serving


def ask(serving, rows):
    sent = [{"meter": m, "load": x, "event_time": at.isoformat()} for m, at, x, _ in rows]
    return asyncio.run(serving.submit(Request(json.dumps({"rows": sent}).encode())))


def share_inside(outcome, rows):
    low, high = np.array(outcome.answers.beside.intervals).T
    truth = np.array([y for *_, y in rows])
    return ((truth >= low) & (truth <= high)).mean()


def looked(runner, *, by_hand=False, declared=None, window=UNTIL):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        now = datetime.now(UTC)
        declared = declared or runner.declared
        return adjust(connection, runner.workspace, declared, window, now=now, by_hand=by_hand)


def adjusting_file(workspace):
    return workspace.adjustment("meters").path.read_text()


def as_by_default(declared):
    """The problem with interventions as they are when nobody declares any."""
    serving = declared.problem.serving.model_copy(update={"interventions": Interventions()})
    return replace(declared, problem=declared.problem.model_copy(update={"serving": serving}))


def test_a_shift_is_covered_proposed_corrected_and_taken_back(runner):  # noqa: PLR0915 - a story
    workspace = runner.workspace
    runner.run("data", Window(START, PRODUCTION.end))
    runner.run("training", Window(HISTORY.end - DAY, HISTORY.end), assets=STAGES)
    version = workspace.ledger.challenger("meters").version
    entry, told = deploy(
        workspace, "meters", version, event="promoted", reason="test", now=datetime.now(UTC)
    )
    serving = serving_of(workspace, told.champion)
    adjusting = Adjusting(serving, workspace.adjustment("meters").path)
    rows = list(readings(PRODUCTION, shift=SHIFT))
    for start in range(0, len(rows), 96):
        outcome = ask(serving, rows[start : start + 96])
        low, high = outcome.answers.beside.intervals[0]
        assert low < outcome.answers.predictions[0] < high
        assert high - low == pytest.approx(2 * 1.645 * 2, rel=0.25)

    run = runner.run("monitoring", PRODUCTION, assets=["prediction_log", "adjustment"])
    (covered,) = [
        one for one in run.get_asset_check_evaluations() if one.check_name == "intervals_cover"
    ]
    assert not covered.passed
    assert covered.severity == dg.AssetCheckSeverity.WARN
    proposed = workspace.decisions.recent("meters", KIND)[0]
    assert proposed.outcome == "propose"
    adjusting.look()
    assert serving.adjustment.intervention is None
    # Nothing is corrected yet, and the intervals have followed by themselves.
    soon = [(m, at + 6 * DAY, x, y) for m, at, x, y in rows[8:88]]
    assert share_inside(ask(serving, soon), soon) >= 0.8

    begun = looked(runner, declared=as_by_default(runner.declared))
    assert begun.applied
    assert begun.decision.outcome == "begin"
    adjusting.look()
    later = [(m, at + 6 * DAY, x, y) for m, at, x, y in rows[:8]]
    outcome = ask(serving, later)
    truth = np.array([y for *_, y in later])
    raw = np.array(outcome.answers.beside.raw)
    assert np.abs(truth - raw).mean() > 4
    assert np.abs(truth - np.array(outcome.answers.predictions)).mean() < 4
    assert share_inside(outcome, later) >= 0.5

    told = adjusting_file(workspace)
    older = looked(runner, window=PRODUCTION)
    assert older.decision.outcome == "keep"
    assert "have decided already" in older.decision.reason
    assert adjusting_file(workspace) == told

    runner.run("data", UNTIL)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        report = replay_log(connection, workspace, "meters", UNTIL)
    assert report.compared > 500
    assert report.equal

    ended = end_intervention(workspace, "meters", reason="enough", now=datetime.now(UTC))
    assert ended.id == begun.decision.intervention.id
    adjusting.look()
    again = ask(serving, [(m, at + DAY, x, y) for m, at, x, y in later])
    assert again.answers.beside.raw is None
    paused = looked(runner)
    assert paused.decision.outcome == "none"
    assert "Ended by hand" in paused.decision.reason
    with pytest.raises(LedgerError, match="No intervention is in force"):
        end_intervention(workspace, "meters", reason="again", now=datetime.now(UTC))
    assert looked(runner, by_hand=True).decision.outcome == "begin"
    events = [one.event for one in workspace.ledger.entries("meters")]
    assert events[-3:] == ["intervened", "intervention_ended", "intervened"]
    workspace.ledger.verify("meters")
    assert workspace.ledger.challenger("meters") is None
    assert entry.version == version
    serving.close()
