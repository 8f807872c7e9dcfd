"""What the sensor reads of the champion's loss is what a rehearsal reads of the same rows."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import duckdb
import numpy as np
import pytest

from ml_assets.automation.jobs import DATA, TRAINING
from ml_assets.components.execution import ProblemRunner
from ml_assets.components.loading import declared_problem
from ml_assets.core.rehearsal.service import Service
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.window import Window, cut
from ml_assets.storage.champion_readings import champion_readings, usual_loss
from ml_assets.storage.label_queue import AUDIT, LabelRequest
from ml_assets.storage.loss_estimators import estimator_of
from ml_assets.storage.rehearsal import read_past
from ml_assets.storage.versions import champion_version, model_of, reference_of
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.journeys.answered import answer

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY = Window(START, START + 4 * DAY)
PRODUCTION = Window(HISTORY.end, HISTORY.end + DAY)
NOW = PRODUCTION.end
TRIGGERS = ("drift", "realised", "estimated", "audited")


@pytest.mark.slow
def test_live_and_rehearsed_readings_are_the_same(tmp_path, instance):
    plain = declared_problem("plant")
    update = {
        "candidates": plain.problem.candidates[-1:],  # the quickest to learn
        "retraining": plain.problem.retraining.model_copy(update={"triggers": TRIGGERS}),
    }
    declared = replace(plain, problem=plain.problem.model_copy(update=update))
    workspace = Workspace(tmp_path)
    runner = ProblemRunner(declared, workspace, instance)
    graph = runner.definitions.resolve_asset_graph().get_all_asset_keys()
    wanted = [name for name in DATA + TRAINING if name not in ("bento", "deployment")]
    made = [name for name in wanted if dg.AssetKey(["plant", name]) in graph]
    runner.run("pipeline", HISTORY, assets=[*made, "reference_rigs"])
    [trained, *_] = workspace.ledger.entries("plant")
    workspace.ledger.record("plant", "promoted", trained.version, reason="test", at=NOW)
    runner.run("data", PRODUCTION)
    answer(runner, PRODUCTION)
    stored = champion_version(workspace, "plant")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        past = read_past(
            connection, workspace.lake, declared, Window(HISTORY.start, PRODUCTION.end)
        )
        drawn = np.random.default_rng(0).random(len(past.times)) < 0.2
        _ask(workspace, past, drawn)
        opened = PRODUCTION.start + DAY / 2
        live = champion_readings(
            connection, workspace, declared, stored.name, now=NOW, opened=opened
        )
    version = Version(
        stored.name,
        stored.version.configuration,
        model_of(workspace, stored),
        HISTORY.end,
        reference_of(workspace, stored),
        usual_loss(workspace, declared, stored),
        SimpleNamespace(loss_estimator=estimator_of(workspace, stored)),
    )
    service = Service(
        declared.problem,
        past,
        version,
        list(cut(PRODUCTION, "day")),
        PRODUCTION.start,
        past.last_labels(),
        drawn,
    )
    rehearsed = service.readings(NOW, opened=opened, triggers=TRIGGERS)
    assert {one.source for one in rehearsed} == {"realised", "estimated", "audited"}
    # Of a longer stretch than the version has served, a rehearsal reads what it has served.
    first = PRODUCTION.start
    clipped = {(one.source, max(one.since, first)): one for one in live}
    assert len(clipped) == len(rehearsed)
    for one in rehearsed:
        same = clipped[one.source, one.since]
        assert one.rows == same.rows
        # The test's log rounds features at the 15th decimal, which trees of the estimate can see.
        allowed = 1e-9 if one.source == "realised" else 2e-3
        assert one.loss == pytest.approx(same.loss, rel=allowed)
        assert one.error == pytest.approx(same.error, rel=allowed)


def _ask(workspace, past, drawn):
    """Draw the rows for the audit, as the labelling queue would have done."""
    first = np.datetime64(PRODUCTION.start.replace(tzinfo=None), "us")
    produced = np.flatnonzero(past.times >= first)
    chance = float(drawn.mean())
    frame = past.frame.iloc[produced]
    workspace.label_queue.ask(
        LabelRequest(
            problem="plant",
            identity=str(number),
            request_id=f"{moment:%Y%m%d%H%M}-{number}",
            row=0,
            event_time=moment.to_pydatetime(),
            strategy=AUDIT,
            propensity=chance,
            why="test",
            details={},
            at=NOW,
        )
        for number, moment in enumerate(frame["event_time"])
        if drawn[produced[number]]
    )
