"""Drift in production is named, and what is a fault of the data retrains nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ml_assets.automation.jobs import DATA, TRAINING
from ml_assets.automation.retraining import decide_now
from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.window import Window
from ml_assets.storage.change_reports import change_of
from ml_assets.storage.drift_reports import episodes, newest_window_end
from ml_assets.storage.versions import champion_version
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.journeys.answered import answer

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY = Window(START, START + 5 * DAY)


def with_scenario(declared, scenario):
    problem = declared.problem

    def changed(source):
        return source.model_copy(update={"scenario": scenario})

    label = problem.label.source
    rigs = problem.references["rigs"]
    update = {
        "candidates": problem.candidates[-1:],  # the quickest to learn
        "source": changed(problem.source),
        "label": problem.label.model_copy(
            update={"source": label.model_copy(update={"source": changed(label.source)})}
        ),
        "references": {"rigs": rigs.model_copy(update={"source": changed(rigs.source)})},
    }
    return replace(declared, problem=problem.model_copy(update=update))


def assets_of(runner):
    return runner.definitions.resolve_asset_graph().get_all_asset_keys()


@pytest.mark.slow
def test_friction_that_rose_is_named_with_its_interval(tmp_path, instance):
    declared = with_scenario(declared_problem("plant"), "friction_step@P5DT12H")
    runner = ProblemRunner(declared, Workspace(tmp_path), instance)
    learning = [name for name in DATA + TRAINING if name not in ("bento", "deployment")]
    made = [name for name in learning if dg.AssetKey(["plant", name]) in assets_of(runner)]
    runner.run("pipeline", HISTORY, assets=[*made, "reference_rigs"])
    [trained, *_] = runner.workspace.ledger.entries("plant")
    runner.workspace.ledger.record(
        "plant", "promoted", trained.version, reason="test", at=HISTORY.end
    )
    production = Window(HISTORY.end, HISTORY.end + 2 * DAY)
    runner.run("data", production)
    answer(runner, production)
    watching = ["production_profile", "drift_report", "change_report"]
    runner.run("monitoring", production, assets=watching)
    version = champion_version(runner.workspace, "plant").name
    (episode,) = episodes(runner.workspace, declared, version)
    report = change_of(runner.workspace, declared, episode.id)
    assert report.kind == "concept"
    assert report.parameter.name == "friction_coefficient"
    assert report.parameter.low > 0
    assert report.parameter.change == pytest.approx(0.4 * report.parameter.before, rel=0.4)
    assert "friction_coefficient rose" in report.sentence
    now = newest_window_end(runner.workspace, declared)
    assert decide_now(runner.workspace, declared, now=now).retrain
