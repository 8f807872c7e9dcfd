"""From the log to the queue, from the queue to labels, from labels to what is known of a day."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ml_assets.core.problem import Labelling
from ml_assets.core.window import Window
from ml_assets.storage.label_queue import SOURCE, Answer
from ml_assets.storage.label_requests import close_known, label_requests
from ml_assets.storage.performance import performance
from ml_assets_tests.journeys.test_automation import tick
from ml_assets_tests.journeys.test_files import runner, write

__all__ = ["runner"]

START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST = Window(START, START + DAY)
MOMENT = pa.timestamp("us", tz="UTC")
LABELS = pa.schema(
    {
        "_date": pa.date32(),
        "meter": pa.string(),
        "event_time": MOMENT,
        "demand": pa.float64(),
        "known_at": MOMENT,
        "superseded_at": MOMENT,
    }
)


def log_of(count, *, day=0, variant="champion", miss=1.0, seed=0):
    """A day of answered rows: the truth is 10, and answers miss by an exponential."""
    generator = np.random.default_rng(seed + day)
    times = START + day * DAY + np.arange(count) * (DAY / count)
    loads = generator.uniform(0, 100, count)
    return pd.DataFrame(
        {
            "_date": [(START + day * DAY).date()] * count,
            "meter": "m1",
            "event_time": pd.to_datetime(times).as_unit("us"),
            "request_id": [f"{day}-{n}" for n in range(count)],
            "row": 0,
            "at": pd.to_datetime(times).as_unit("us"),
            "version": "v2" if variant == "shadow" else "v1",
            "revision": 1,
            "prediction": (answers := 10 + miss * generator.exponential(size=count)),
            "low": answers - 2.0,
            "high": answers + 2.0,
            "inputs": [json.dumps({"meter": "m1", "load": load}) for load in loads],
            "features": [json.dumps({"load": load}) for load in loads],
            "variant": variant,
        }
    )


def labels_of(log, delays):
    return pd.DataFrame(
        {
            "_date": log["_date"],
            "meter": log["meter"],
            "event_time": log["event_time"],
            "demand": 10.0,
            "known_at": (log["event_time"] + delays).astype("datetime64[us, UTC]"),
            "superseded_at": pd.Series(pd.NaT, index=log.index, dtype="datetime64[us, UTC]"),
        }
    )


@pytest.fixture
def meters(runner):
    problem = runner.declared.problem
    label = problem.label.model_copy(update={"delay": DAY})
    labelling = Labelling(daily_budget=20)
    changed = problem.model_copy(update={"label": label, "labelling": labelling})
    return replace(runner, declared=replace(runner.declared, problem=changed))


def stored(meters, log, labels):
    lake = meters.workspace.lake
    log = log.assign(probabilities="null", prediction_set="null")
    lake.replace("meters/prediction_log", pa.Table.from_pandas(log, preserve_index=False))
    table = pa.Table.from_pandas(labels, schema=LABELS, preserve_index=False)
    lake.replace("meters/labels", table)


def asked(meters, window=FIRST):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = label_requests(
            connection, meters.workspace, meters.declared, window, now=window.end
        )
    meters.workspace.label_queue.ask(found)
    return found


def seen(meters, window=FIRST, *, until):
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return performance(
            connection, meters.workspace, meters.declared, window, until=until
        ).cohorts


def test_rows_are_asked_within_the_budget_and_never_again(meters):
    log = log_of(200)
    heard = pd.concat([log, log.assign(variant="shadow", version="v2", prediction=99.0)[:20]])
    stored(meters, heard, labels_of(log, DAY))
    first = asked(meters)
    assert [one.strategy for one in first].count("random_audit") == 10
    assert len(first) == 20
    disagreeing = [one for one in first if one.strategy == "disagreeing"]
    assert disagreeing
    assert all("the version in the shadow says 99" in one.why for one in disagreeing)
    assert {one.details["inputs"]["meter"] for one in first} == {"m1"}
    asked(meters)
    assert meters.workspace.label_queue.count_waiting("meters") == 20
    late = log_of(90)
    late = pd.concat([log, late.assign(request_id="late-" + late["request_id"])])
    stored(meters, late, labels_of(log, DAY))
    asked(meters)
    assert meters.workspace.label_queue.count_waiting("meters") == 20


def test_a_request_is_closed_when_its_declared_label_is_known_and_not_before(meters):
    log = log_of(50)
    stored(meters, log, labels_of(log, timedelta(hours=12)))
    asked(meters)
    queue = meters.workspace.label_queue
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        told = {"workspace": meters.workspace, "declared": meters.declared}
        assert close_known(connection, **told, until=START + timedelta(hours=12)) <= 1
        close_known(connection, **told, until=START + DAY)
        waiting = queue.waiting("meters")
        assert all(one.event_time > START + timedelta(hours=12) for one in waiting)
        assert close_known(connection, **told, until=START + 2 * DAY) == len(waiting)
    assert {one.answered_by for one in queue.answered("meters")} == {SOURCE}
    assert {one.answer for one in queue.answered("meters")} == {"10.0"}


def test_an_answer_becomes_a_label_with_who_and_when(meters, tmp_path):
    write(tmp_path, "a.csv", "m1,2024-01-01T00:00:00Z,1,2")
    log = log_of(50)
    meters.run("data", FIRST)
    stored(meters, log, labels_of(log[:0], DAY))
    asked(meters)
    queue = meters.workspace.label_queue
    begin = tick(meters, "feedback_sensor")
    assert begin.run_requests == []
    request = queue.waiting("meters")[0]
    given = START + timedelta(hours=30)
    queue.answer([Answer(request.id, "7.25")], by="ada", at=given)
    (due,) = tick(meters, "feedback_sensor", begin.cursor).run_requests
    assert due.job_name == "meters_feedback"
    meters.run("data", FIRST, assets=["feedback", "labels"])
    (row,) = meters.workspace.lake.read("meters/feedback").to_pylist()
    assert (row["truth"], row["by"], row["received_at"]) == ("7.25", "ada", given)
    labels = meters.workspace.lake.read("meters/labels").to_pylist()
    (label,) = [one for one in labels if one["event_time"] == request.event_time]
    assert (label["demand"], label["known_at"]) == (7.25, given)
    assert not queue.undo(request.id)
    assert tick(meters, "feedback_sensor").run_requests[0].job_name == "meters_truth"


def test_a_day_is_told_by_what_was_heard_and_what_is_known(meters):
    log = log_of(400)
    shadow = log.assign(variant="shadow", version="v2", prediction=500.0)
    stored(meters, pd.concat([log, shadow]), labels_of(log, DAY))
    (early,) = seen(meters, until=START + DAY + timedelta(hours=3))
    assert (early.version, early.known.answered, early.known.labelled) == ("v1", 400, 51)
    assert early.verdict.belief == "none"
    (whole,) = seen(meters, until=START + 2 * DAY)
    assert whole.known.labelled == 400
    truth = (log["prediction"] - 10).abs().mean()
    assert whole.known.realised.value == pytest.approx(truth)
    assert whole.known.realised.holds(1.0)
    assert whole.verdict.belief == "realised"
    inside = log["low"].le(10) & log["high"].ge(10)
    assert (whole.covered.value, whole.covered_rows) == (pytest.approx(inside.mean()), 400)
    assert whole.covered.holds(inside.mean())


def test_early_labels_are_corrected_by_earlier_days(meters):
    days = [log_of(600, day=day, miss=2.0) for day in range(3)]
    log = pd.concat(days, ignore_index=True)
    misses = log["prediction"] - 10
    # A large miss is complained of within hours, a small one comes with the daily settlement.
    delays = pd.to_timedelta(np.where(misses > 2, 1, 20), unit="h")
    stored(meters, log, labels_of(log, delays))
    window = Window(START + 2 * DAY, START + 3 * DAY)
    newest = seen(meters, window, until=window.end)[-1]
    assert newest.known.coverage < 0.6
    assert newest.known.realised.low > 2.1
    assert newest.known.corrected.value == pytest.approx(2.0, abs=0.35)
    assert newest.verdict.belief == "corrected"


def test_an_audit_is_believed_where_labels_are_few(meters):
    log = log_of(400)
    nothing = labels_of(log[:0], DAY)
    stored(meters, log, nothing)
    asked(meters)
    drawn = {one.request_id for one in meters.workspace.label_queue.audits("meters")}
    assert len(drawn) == 10
    stored(meters, log, labels_of(log[log["request_id"].isin(drawn)], DAY / 2))
    (cohort,) = seen(meters, until=START + 2 * DAY)
    assert (cohort.known.audit_asked, cohort.known.audit_rows) == (10, 10)
    assert cohort.known.audited.holds((log["prediction"] - 10).mean())
    assert cohort.verdict.belief == "audited"
