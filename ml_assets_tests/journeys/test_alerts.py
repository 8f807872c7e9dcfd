"""What monitoring finds reaches people: one alert a cause, told once, closed when it is over."""

import json
import shlex
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import dagster as dg
import pyarrow as pa
import pytest
import typer
from rich.console import Console

from ml_assets.cli.alerts import listed, tried
from ml_assets.cli.app import app
from ml_assets.core.problem import Alerts, Email
from ml_assets.core.problem.assurance import PredictionInterval
from ml_assets.core.window import Window
from ml_assets.storage.alerting import gather
from ml_assets.storage.drift_reports import SCHEMA
from ml_assets_tests.journeys.test_automation import tick
from ml_assets_tests.journeys.test_files import runner
from ml_assets_tests.storage.receivers import SECRET, Letterbox, running, webhook

__all__ = ["runner"]

DAY = datetime(2024, 1, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def hook():
    with webhook() as server:
        yield server


@pytest.fixture
def watched(runner, hook):
    """The problem with a webhook and a serving version."""
    problem = runner.declared.problem.model_copy(update={"alerts": Alerts(webhook=hook.address)})
    ledger = runner.workspace.ledger
    for event in ("trained", "promoted"):
        ledger.record("meters", event, "v1", reason="test", at=DAY)
    return replace(runner, declared=replace(runner.declared, problem=problem))


def judge(runner, *states, findings=("load", "residual")):
    """Keep verdicts, one an hour, as the drift report keeps them."""
    rows = [
        {
            "_date": DAY.date(),
            "window_start": DAY + hour * HOUR,
            "version": "v1",
            "state": "quiet" if state == "quiet" else "drift",
            "severity": None if state == "quiet" else state,
            "rows": 300,
            "columns": json.dumps(list(findings) if state != "quiet" else []),
            "findings": json.dumps(
                [
                    {
                        "column": column,
                        "kind": "missing_rate" if state == "data_fault" else "shift",
                        "role": "feature",
                        "scale": 1,
                        "p_value": 1e-9,
                        "effect": 0.4,
                    }
                    for column in findings
                    if state != "quiet"
                ]
            ),
        }
        for hour, state in enumerate(states)
    ]
    runner.workspace.lake.replace(
        "meters/drift_verdicts", pa.Table.from_pylist(rows, schema=SCHEMA)
    )


def report(runner):
    """Materialise the alerts, and return what the run tells of them."""
    done = runner.run("monitoring", Window(DAY, DAY + 24 * HOUR), assets=["alerts"])
    (event,) = done.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_two_columns_are_one_alert_told_once_and_closed(watched, hook):
    judge(watched, "quiet", "warn", "warn")
    first = report(watched)
    assert (first["open"], first["told_now"], first["messages_sent"]) == (1, 1, 2)
    assert "drift in load, residual" in first["alerts"]
    assert "WHAT CHANGED" in first["text_1"]
    assert report(watched)["told_now"] == 0
    judge(watched, "quiet", "warn", "warn", "retrain")
    assert report(watched)["told_now"] == 1
    judge(watched, "quiet", "warn", "warn", "retrain", *["quiet"] * 6)
    last = report(watched)
    assert (last["open"], last["told_now"]) == (0, 1)
    bodies = [json.loads(body) for body in hook.got]
    assert [body["title"].split()[0] for body in bodies] == ["[warn]", "[critical]", "[over]"]
    assert "six windows in a row were quiet" in bodies[-1]["text"]


def test_what_was_done_is_told_with_the_end(watched, hook):
    judge(watched, "retrain")
    report(watched)
    ledger, decisions = watched.workspace.ledger, watched.workspace.decisions
    now = datetime.now(tz=UTC)
    decisions.record(
        "meters",
        "retraining",
        "retrain",
        "Drift was seen.",
        episode="meters/v1/2024-01-03T00",
        at=now,
    )
    decisions.record("meters", "retraining", "keep", "Another.", episode="other", at=now)
    for event in ("trained", "promoted"):
        ledger.record("meters", event, "v2", reason="better by 9 %", at=now)
    report(watched)
    (_, over) = [json.loads(body) for body in hook.got]
    assert over["state"] == "over"
    assert "v2 answers instead of v1" in over["text"]
    assert [line[21:] for line in over["sections"]["Done already"]] == [
        "retraining: retrain. Drift was seen.",
        "v2 promoted. better by 9 %",
    ]


def test_an_intervention_that_began_in_the_same_look_is_told_at_once(watched, hook):
    ledger, now = watched.workspace.ledger, datetime.now(tz=UTC)
    for event, reason in (("intervened", "one"), ("intervention_ended", "over")):
        ledger.record("meters", event, "v1", reason=reason, at=now)
    judge(watched, "retrain")
    report(watched)
    assert json.loads(hook.got[-1])["sections"]["Done already"] == ["Nothing."]
    ledger.record("meters", "intervened", "v1", reason="adds +2 to each prediction", at=now)
    judge(watched, "retrain", *["quiet"] * 6, "retrain")
    report(watched)
    (opened,) = [body for body in map(json.loads, hook.got[1:]) if body["state"] == "open"]
    assert "v1 intervened. adds +2" in opened["sections"]["Done already"][-1]


def perform(runner, *losses, covered=0.9):
    """Keep a loss a day, the last one today, as the performance report keeps them."""
    cohorts = [
        {
            "_date": (DAY - days * 24 * HOUR).date(),
            "version": "v1",
            "metric": "mae",
            "belief": "audited",
            "believed": loss,
            "believed_low": loss - 0.1,
            "believed_high": loss + 0.1,
            "usual": 0.6,
            "usual_high": 0.7,
            "covered": covered,
            "covered_high": covered + 0.03,
            "covered_rows": 200,
        }
        for days, loss in enumerate(reversed(losses))
    ]
    runner.workspace.lake.replace("meters/performance_report", pa.Table.from_pylist(cohorts))


def test_one_bad_day_is_chance_and_two_in_a_row_are_told_until_a_better_one(watched, hook):
    judge(watched, "quiet")
    perform(watched, 0.6, 1.9)
    assert report(watched)["open"] == 0
    perform(watched, 0.6, 1.9, 1.7)
    assert report(watched)["open"] == 1
    (told,) = [json.loads(body) for body in hook.got]
    assert told["kinds"] == ["performance"]
    assert told["title"] == "[critical] meters: mae is worse since 2024-01-02 00:00 UTC"
    assert told["sections"]["What changed"] == [
        "v1 loses 183% more than where it was judged: mae 1.7 (audited) on 2024-01-03, 0.6 there."
    ]
    assert told["sections"]["Expected loss"] == [
        "mae 1.7 a row (95%: 1.6 to 1.8; 0.6 before; audited)."
    ]
    perform(watched, 0.6, 1.9, 1.7, 0.6)
    assert report(watched)["open"] == 0


def test_intervals_that_hold_too_few_truths_are_told(watched, hook):
    serving = watched.declared.problem.serving.model_copy(
        update={"interval": PredictionInterval(coverage=0.9)}
    )
    problem = watched.declared.problem.model_copy(update={"serving": serving})
    watched = replace(watched, declared=replace(watched.declared, problem=problem))
    judge(watched, "quiet")
    perform(watched, 0.6, 0.6, covered=0.88)
    assert report(watched)["open"] == 0
    perform(watched, 0.6, 0.6, covered=0.7)
    assert report(watched)["open"] == 1
    (told,) = [json.loads(body) for body in hook.got]
    assert told["kinds"] == ["coverage"]
    assert told["sections"]["What changed"] == [
        "70.0% of the truths lie inside what v1 told on 2024-01-03; 90.0% is declared."
    ]


def test_the_loss_and_the_name_of_the_change_are_told(watched, hook):
    judge(watched, "quiet", "retrain")
    perform(watched, 0.5, 0.7, 1.9)
    lake = watched.workspace.lake
    named = {
        "_date": DAY.date(),
        "episode": "meters/v1/2024-01-03T01",
        "until": DAY + 2 * HOUR,
        "sentence": "The relation changed: the stiffness fell by 9 %.",
    }
    lake.replace("meters/change_reports", pa.Table.from_pylist([named]))
    report(watched)
    (told,) = [json.loads(body) for body in hook.got]
    assert told["sections"]["Expected loss"] == [
        "mae 1.9 a row (95%: 1.8 to 2; 0.6 before; audited)."
    ]
    assert told["sections"]["What changed"][0] == named["sentence"]


def test_verdicts_that_were_judged_again_close_what_they_take_back(watched):
    judge(watched, "quiet", "warn")
    report(watched)
    judge(watched, "quiet", "quiet", "quiet")
    assert report(watched)["open"] == 0


def test_an_unreachable_webhook_fails_no_run_and_is_tried_at_the_next_tick(watched, hook):
    hook.answers = [404]
    judge(watched, "data_fault")
    first = report(watched)
    assert (first["messages_sent"], first["messages_waiting"]) == (1, 1)
    skipped = tick(watched, "alert_sensor").skip_message
    assert skipped == "0 messages were sent."  # its pause is not over
    log = watched.workspace.alerts
    (waiting,) = [m for m in log.messages("meters") if m.delivered_at is None]
    assert "answered 404" in waiting.fault
    assert SECRET not in waiting.fault
    log.failed(waiting, waiting.fault, at=datetime.now(tz=UTC) - HOUR)
    assert tick(watched, "alert_sensor").skip_message == "1 messages were sent."


def test_a_failing_job_is_told_once_and_closed_when_it_succeeds(watched, hook):
    window = Window(DAY, DAY + 24 * HOUR)
    repository = watched.definitions.get_repository_def()
    sensor = repository.get_sensor_def("meters_failure_sensor")
    for _ in range(2):
        failed = watched.run("training", window, raise_on_error=False)  # there are no features
        assert not failed.success
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_instance=watched.instance,
            dagster_run=failed.dagster_run,
            dagster_event=next(e for e in failed.all_events if e.is_run_failure),
            resources={"workspace": watched.workspace},
        ).for_run_failure()
        sensor(context)
    (told,) = [json.loads(body) for body in hook.got]
    assert told["title"].startswith("[critical] meters: meters_training fails since")
    assert told["next_command"] == (
        "ml-assets materialize meters --job training --start 2024-01-03 --end 2024-01-04"
    )
    assert "training_set" in told["sections"]["What changed"][0]
    tick(watched, "alert_sensor")
    assert len(hook.got) == 1
    stored = watched.workspace.alerts.open("meters")[0]
    _record_success(watched, "meters_training")
    tick(watched, "alert_sensor")
    assert watched.workspace.alerts.open("meters") == []
    assert stored.episode.startswith("failed_run/meters_training/")
    assert json.loads(hook.got[-1])["state"] == "over"


def _record_success(runner, job):
    """Let Dagster remember a run of a job that succeeded."""
    time.sleep(1.1)  # Dagster keeps seconds
    runner.instance.create_run_for_job(
        runner.definitions.resolve_job_def(job), status=dg.DagsterRunStatus.SUCCESS
    )


def command(text):
    """Return the command that a line of a shell names, parsed as the program parses it."""
    program, name, *arguments = shlex.split(text)
    assert program == "ml-assets"
    group = typer.main.get_command(app)
    found = group.get_command(click.Context(group), name)
    assert found is not None, text
    return found.make_context(name, arguments)


def test_every_next_command_exists(watched):
    judge(watched, "data_fault")
    report(watched)
    judge(watched, *["data_fault"] * 2, *["quiet"] * 6, *["warn"] * 2)
    report(watched)
    for stored in watched.workspace.alerts.recent("meters"):
        assert command(stored.alert.next_command).params["problem"] == "meters"
    with pytest.raises(click.UsageError):
        command("ml-assets status --nothing")


def test_the_list_shows_open_alerts_in_full_and_what_waits(watched, hook):
    console = Console(record=True, width=160)
    listed(watched.workspace, watched.declared.problem, console)
    assert "No alert yet" in console.export_text()
    hook.answers = [404]
    judge(watched, "warn")
    report(watched)
    listed(watched.workspace, watched.declared.problem, console)
    text = console.export_text()
    assert "HOW SURE" in text
    assert "webhook: not delivered after 1 attempts" in text
    assert "Next: ml-assets status meters" in text


def test_a_test_goes_through_each_channel(watched, hook):
    console = Console(record=True, width=160)
    with running(Letterbox()) as server:
        email = Email(
            host="localhost", port=server.port, security="none", sender="a@b.c", to=("d@e.f",)
        )
        alerts = Alerts(webhook=hook.address, email=email)
        problem = watched.declared.problem.model_copy(update={"alerts": alerts})
        tried(problem, console, now=NOW)
        assert len(server.letters) == len(hook.got) == 1
    hook.answers = [404]
    with pytest.raises(click.exceptions.Exit):
        tried(problem, console, now=NOW)
    text = console.export_text()
    assert "email: The mail server localhost" in text
    assert watched.workspace.alerts.recent("meters") == []


def test_without_verdicts_nobody_is_told(watched):
    assert gather(watched.workspace, watched.declared, now=NOW) == []
