"""What monitoring finds reaches people: one alert a cause, told once, closed when it is over."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import click
import dagster as dg
import pyarrow as pa
import pytest
import sqlalchemy as sa
import typer
from rich.console import Console

from ml_assets.assets.stage import PARTITION, RANGE_END, RANGE_START
from ml_assets.cli.alerts import listed, tried
from ml_assets.cli.app import app
from ml_assets.core.problem import Alerts, Email
from ml_assets.core.problem.assurance import PredictionInterval
from ml_assets.core.window import Window
from ml_assets.storage.alerting import gather, raise_alerts
from ml_assets.storage.drift_reports import SCHEMA
from ml_assets_tests.core.alerts import signal
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


def test_the_history_is_read_once_for_many_alerts_and_not_for_those_that_are_over(watched):
    asked = []

    @sa.event.listens_for(watched.workspace.state.engine, "before_cursor_execute")
    def _note(_connection, _cursor, statement, *_):
        asked.append(statement)

    def read_for(*signals):
        """Absorb signals, and count how often the ledger and the decisions are read."""
        asked.clear()
        raise_alerts(watched.workspace, watched.declared, signals, now=NOW)
        return [sum(f"FROM {table}" in one for one in asked) for table in ("ledger", "decisions")]

    begun = [signal("failed_run", hours) for hours in range(3)]
    over = [signal("failed_run", hours, until=hours) for hours in range(10, 20)]
    assert read_for(*begun, *over) == [1, 1]
    assert read_for() == [1, 1]  # three go on
    assert read_for(*(one.ended(NOW, "mended") for one in begun)) == [1, 1]
    assert read_for(*over) == [0, 0]


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


def fail(runner, job, *, run=None):
    """Let a job fail, or take a run that did, and have people told of it."""
    run = run or record_run(runner, job, dg.DagsterEventType.RUN_FAILURE)
    sensor = runner.definitions.get_repository_def().get_sensor_def("meters_failure_sensor")
    logged = runner.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=runner.instance,
        dagster_run=runner.instance.get_run_by_id(run.run_id),
        dagster_event=logged[-1].dagster_event,
        resources={"workspace": runner.workspace},
    ).for_run_failure()
    sensor(context)


def record_run(runner, job, ended, tags=None):
    """Let Dagster remember a run of a job, and how it ended."""
    run = runner.instance.create_run_for_job(
        runner.definitions.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED, tags=tags
    )
    event = dg.DagsterEvent(event_type_value=ended.value, job_name=job)
    runner.instance.report_dagster_event(event, run_id=run.run_id)
    return run


def succeed(runner, job, tags=None):
    """Let a job succeed, and say whether no alert is open after the next tick."""
    record_run(runner, job, dg.DagsterEventType.RUN_SUCCESS, tags)
    tick(runner, "alert_sensor")
    return runner.workspace.alerts.open("meters") == []


def asked(first, last):
    return {RANGE_START: f"2024-01-{first:02}", RANGE_END: f"2024-01-{last:02}"}


def test_a_failing_job_is_told_once_and_closed_when_it_succeeds(watched, hook):
    window = Window(DAY - 24 * HOUR, DAY + 24 * HOUR)
    record_run(watched, "meters_training", dg.DagsterEventType.RUN_SUCCESS, asked(1, 3))
    for _ in range(2):
        failed = watched.run("training", window, raise_on_error=False)  # there are no features
        fail(watched, "meters_training", run=failed.dagster_run)
    (told,) = [json.loads(body) for body in hook.got]
    assert told["title"].startswith("[critical] meters: meters_training fails since")
    assert told["next_command"] == (
        "ml-assets materialize meters --job training --start 2024-01-02 --end 2024-01-04"
    )
    assert "training_set" in told["sections"]["What changed"][0]
    tick(watched, "alert_sensor")
    assert len(hook.got) == 1
    (stored,) = watched.workspace.alerts.open("meters")
    assert stored.episode.startswith("failed_run/meters_training/")
    for elsewhere in (None, asked(1, 1), asked(1, 2), {PARTITION: "2024-01-02"}):
        assert not succeed(watched, "meters_training", elsewhere)
    assert succeed(watched, "meters_training", asked(1, 3))
    assert json.loads(hook.got[-1])["state"] == "over"


def test_a_failed_run_without_partitions_is_made_good_by_any_success_of_its_job(watched):
    for success in (None, {PARTITION: "2024-01-03"}):
        fail(watched, "meters_landing")
        assert not succeed(watched, "meters_data")  # another job
        assert succeed(watched, "meters_landing", success)


def test_each_run_that_failed_is_made_good_before_the_alert_is_over(watched):
    for day in (1, 3):
        failed = record_run(
            watched, "meters_scoring", dg.DagsterEventType.RUN_FAILURE, asked(day, day)
        )
        fail(watched, "meters_scoring", run=failed)
    (stored,) = watched.workspace.alerts.open("meters")
    assert stored.alert.next_command.endswith("--start 2024-01-01 --end 2024-01-04")
    for elsewhere in (None, asked(3, 3), {PARTITION: "2024-01-02"}, asked(4, 5)):
        assert not succeed(watched, "meters_scoring", elsewhere)
    assert succeed(watched, "meters_scoring", asked(1, 1))


def test_a_failed_training_is_made_good_by_that_of_a_later_cutoff(watched):
    failed = record_run(watched, "meters_training", dg.DagsterEventType.RUN_FAILURE, asked(2, 2))
    fail(watched, "meters_training", run=failed)
    assert not succeed(watched, "meters_training", asked(1, 1))
    assert succeed(watched, "meters_training", asked(3, 3))


def test_a_run_that_dagster_forgot_is_made_good_by_any_later_success(watched):
    failed = record_run(
        watched, "meters_scoring", dg.DagsterEventType.RUN_FAILURE, {PARTITION: "2024-01-01"}
    )
    fail(watched, "meters_scoring", run=failed)
    watched.instance.delete_run(failed.run_id)
    tick(watched, "alert_sensor")
    assert watched.workspace.alerts.open("meters") != []
    assert succeed(watched, "meters_scoring", asked(3, 3))


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
