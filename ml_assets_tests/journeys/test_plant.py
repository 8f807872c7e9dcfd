"""From the declared plant to a served model, its log, a verdict, a rebuild and a rollback."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
import httpx
import pytest

from ml_assets.automation.retraining import decide_now
from ml_assets.cli.demo.traffic import send_day
from ml_assets.core.errors import LedgerError
from ml_assets.core.release import COMPILED_FILE
from ml_assets.core.window import Window
from ml_assets.storage.drift_reports import newest_window_end
from ml_assets.storage.rebuilding import rebuild
from ml_assets.storage.retrainings import KIND
from ml_assets.storage.served_bento import serve
from ml_assets.storage.versions import champion_version, deploy, served_release

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY = Window(START, START + 6 * DAY)
PRODUCTION = Window(HISTORY.end, HISTORY.end + DAY)


@pytest.mark.slow
@pytest.mark.serve
def test_the_loop_from_history_to_a_recorded_decision(plant):
    declared, workspace = plant.declared, plant.workspace
    queue = workspace.label_queue
    built = plant.run("pipeline", HISTORY)
    failed = [c for c in built.get_asset_check_evaluations() if not c.passed]
    assert failed == []
    first = champion_version(workspace, "plant")
    assert first is not None
    release = served_release(workspace, "plant")
    assert release is not None
    assert release.evaluator == "compiled"
    assert first.release is not None
    assert (workspace.artefacts.folder(first.release) / COMPILED_FILE).is_file()
    assert [e.event for e in workspace.ledger.entries("plant")] == [
        "trained",
        "challenged",
        "promoted",
    ]

    _serve_a_day(plant)
    plant.run("data", Window(HISTORY.end - DAY, PRODUCTION.end))
    # Before the day's truths move the intervals: a batch is told what servers say at its time.
    plant.run("scoring", PRODUCTION)
    monitored = plant.run("monitoring", PRODUCTION)
    proof = _proof(monitored)
    assert proof.passed, proof.metadata["worst"].value
    rows = workspace.lake.read("plant/prediction_log")
    validated = workspace.lake.read("plant/validated_data", where="_date = DATE '2026-01-07'")
    assert len(rows) == len(validated)
    assert proof.metadata["compared"].value == len(rows)
    assert _predictions(workspace, "predictions") == _predictions(workspace, "prediction_log")
    assert set(rows["version"].to_pylist()) == {first.name}
    verdicts = workspace.lake.read("plant/drift_verdicts").to_pylist()
    assert {row["state"] for row in verdicts} == {"quiet"}
    # The plant answers what was asked by itself, once its labels are due.
    waiting, answered = (ask("plant") for ask in (queue.waiting, queue.answered))
    assert answered
    assert len(waiting) + len(answered) <= declared.problem.labelling.daily_budget

    decision = decide_now(workspace, declared, now=newest_window_end(workspace, declared))
    assert not decision.retrain
    assert workspace.decisions.recent("plant", KIND)[0].reason == decision.reason

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rebuilt = rebuild(connection, workspace, declared, first)
    assert rebuilt.equal
    assert rebuilt.rows == first.version.rows

    _edit_a_logged_feature(workspace)
    proof = _proof(plant.run("monitoring", PRODUCTION, assets=["prediction_log"]))
    assert not proof.passed
    assert proof.severity == dg.AssetCheckSeverity.ERROR
    assert proof.metadata["different_by_column"].value == {"amplitude_recent_mm": 1}
    assert "amplitude_recent_mm" in proof.metadata["worst"].value


def _proof(result):
    (proof,) = [
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "served_features_equal_batch"
    ]
    return proof


def _edit_a_logged_feature(workspace):
    path = next(workspace.spool.rglob("*.jsonl"))
    first, *others = path.read_bytes().splitlines(keepends=True)
    line = json.loads(first)
    line["features"]["amplitude_recent_mm"] += 1e-6
    path.write_bytes(b"".join([json.dumps(line).encode(), b"\n", *others]))


def _predictions(workspace, table):
    """Return what was said of each row of the day and beside it, by its identity."""
    found = workspace.lake.read(f"plant/{table}", where="_date = DATE '2026-01-07'").to_pylist()
    assert found
    said = ("prediction", "low", "high", "unfamiliar", "raw_prediction")
    return {(row["rig"], row["event_time"]): [row[name] for name in said] for row in found}


def _serve_a_day(plant):
    workspace = plant.workspace
    plant.run("data", PRODUCTION)
    server = serve(
        workspace.ledger.champion("plant").details["bento"],
        home=workspace.bentos,
        log=workspace.home / "server.log",
        spool=workspace.spool,
        deployment=workspace.deployment("plant").path,
    )
    try:
        with httpx.Client(base_url=server.url, timeout=30.0, trust_env=False) as client:
            sent = send_day(client, workspace, plant.declared, PRODUCTION)
    finally:
        server.stop()
    assert sent.requests == 24


@pytest.mark.slow
@pytest.mark.serve
def test_the_same_cutoff_twice_changes_nothing_and_a_rollback_is_an_entry(plant):
    workspace = plant.workspace
    plant.run("pipeline", HISTORY)
    first = champion_version(workspace, "plant").name
    plant.run("training", Window(HISTORY.end - DAY, HISTORY.end))
    assert [e.version for e in workspace.ledger.entries("plant")] == [first] * 3
    with pytest.raises(LedgerError, match="has no version 'nothing'"):
        deploy(workspace, "plant", "nothing", event="rolled_back", reason="", now=datetime.now(UTC))
    entry, deployment = deploy(
        workspace, "plant", first, event="rolled_back", reason="test", now=datetime.now(UTC)
    )
    assert entry.event == "rolled_back"
    assert deployment.revision == 2
    workspace.ledger.verify("plant")
