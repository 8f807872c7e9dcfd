"""What the server says beside its predictions, and what an adjustment makes of them."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from bentos.predictor.adjusting import Adjusting
from bentos.predictor.answer import _arrow, _content
from bentos.predictor.passes import Answered, Request
from bentos.predictor.serving import Serving
from ml_assets.core.adjustment import ADJUSTMENT_FILE, Adjustment
from ml_assets.core.assurance import Assurance
from ml_assets.core.baselines import TypicalRegressor
from ml_assets.core.compiled import compile_model
from ml_assets.core.conformal import ClassSets, ErrorSize, NumberIntervals
from ml_assets.core.corrections import Bounds, CorrectBias, FallBack, Recalibrate, Reweigh, Widen
from ml_assets.core.familiarity import learn_familiarity
from ml_assets.core.intervention import Intervention
from ml_assets.core.log_records import record_bytes
from ml_assets.core.release import ASSURANCE_FILE, FALLBACK_FILE, digest_of
from ml_assets.core.request_rows import Refused
from ml_assets.storage import prediction_spool
from ml_assets_tests.serving.releases import (
    CATEGORICAL,
    NUMERIC,
    batch_features,
    make_classifier_release,
    make_history,
    seal,
)

NOW = datetime.now(UTC)
BOUNDS = Bounds(shift=5.0, slope=2.0, leaning=4.0, widening=3.0)
INTERVALS = NumberIntervals(0.9, -8.0, 9.0, ErrorSize((0.0,), (1.0,)), 5.0, 300)
ROW = {"pump": "north", "load": 40.0, "starts": 3}
FAR = {"pump": "south", "load": 40.0, "starts": 90_000}


def with_assurance(files, *, unfamiliar="flag", intervals=INTERVALS):
    features = batch_features(make_history())
    texts = {name: features[name].tolist() for name in CATEGORICAL}
    known = learn_familiarity(
        features[list(NUMERIC)].to_numpy(float), texts, names=NUMERIC, rate=0.01
    )
    said = Assurance(intervals, known if unfamiliar != "answer" else None, unfamiliar, BOUNDS)
    inputs = features[[*NUMERIC, *CATEGORICAL]]
    typical = TypicalRegressor().fit(inputs, np.full(len(inputs), 7.0))
    fallback = compile_model(
        typical, task="regression", numeric=NUMERIC, categorical=CATEGORICAL
    ).to_bytes()
    return seal({**files, ASSURANCE_FILE: said.to_json(), FALLBACK_FILE: fallback})


class Server:
    """A serving predictor whose adjustment is a file."""

    def __init__(self, folder, files):
        self.place = folder / ADJUSTMENT_FILE
        self.serving = Serving(folder / "spool")
        self.serving.serve(files, digest=digest_of(files), revision=1)
        self.adjusting = Adjusting(self.serving, self.place)
        self.sequence = 0
        # From the second row of a pump on, its history is the same load again and again.
        self.ask(ROW, {**ROW, "pump": "south"})

    def ask(self, *rows):
        body = json.dumps({"rows": rows}).encode()
        return asyncio.run(self.serving.submit(Request(body)))

    def tell(self, correction=None, *, ends=timedelta(hours=1), release=None, **fields):
        self.sequence += 1
        made = None
        if correction is not None:
            began = NOW - timedelta(hours=2)
            made = Intervention("fix-1", correction, began, datetime.now(UTC) + ends, began, "why")
        digest = self.serving.loaded.digest if release is None else release
        adjustment = Adjustment(
            "pumps", "v1", digest, self.sequence, NOW, intervention=made, **fields
        )
        self.place.write_text(adjustment.to_json())
        self.adjusting.look()

    def log(self):
        paths = sorted(self.serving._spool.rglob("*.jsonl"))
        lines = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
        return lines[2:]


@pytest.fixture
def make(tmp_path, release):
    made = []

    def start(files=None, **kwargs):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        server = Server(folder, with_assurance(release, **kwargs) if files is None else files)
        made.append(server)
        return server

    yield start
    for server in made:
        server.serving.close()


def test_a_release_that_knows_nothing_more_answers_and_logs_as_ever(make, release):
    plain, more = make(release), make()
    old, new = plain.ask(ROW), more.ask(ROW)
    assert old.answers.predictions == new.answers.predictions
    assert old.answers.beside is None
    assert set(_content(old)) == {"request_id", "version", "revision", "predictions"}
    (first,), (second,) = plain.log(), more.log()
    assert {"low", "high", "raw", "unfamiliar", "intervention"}.isdisjoint(first)
    told = {name: second[name] for name in first if name not in {"request_id", "at", "event_time"}}
    assert told == {name: first[name] for name in told}
    assert set(second) - set(first) == {"low", "high"}


def test_intervals_stand_beside_predictions_in_json_arrow_and_log(make):
    server = make()
    outcome = server.ask(ROW, {**ROW, "pump": "south"})
    assert isinstance(outcome, Answered)
    predictions = outcome.answers.predictions
    expected = [[value - 8.0, value + 9.0] for value in predictions]
    assert _content(outcome)["intervals"] == expected
    table = pa.ipc.open_stream(_arrow(outcome)).read_all()
    assert list(zip(*(table[name].to_pylist() for name in ("low", "high")), strict=True)) == [
        tuple(one) for one in expected
    ]
    assert [[line["low"], line["high"]] for line in server.log()] == expected


def test_a_record_of_many_rows_holds_the_same_as_lines(make):
    server = make()
    server.tell(CorrectBias(2.5))
    predictor = server.serving.loaded.predictor
    body = json.dumps({"rows": [ROW, FAR]}).encode()
    rows = predictor.decode(body, now=NOW)
    answers = predictor.predict(rows, remember=False)
    kinds = predictor.schema.kinds
    named = {"request_id": "r", "version": "v1", "revision": 1, "at": NOW}
    content = record_bytes(rows, answers, kinds=kinds, **named)
    path = server.place.with_name("one.records")
    path.write_bytes(content)
    with duckdb.connect() as connection:
        prediction_spool.read(connection, [path], "spooled")
        found = connection.execute(
            "SELECT (prediction ->> '$')::DOUBLE, (raw ->> '$')::DOUBLE, low, high, unfamiliar, "
            'intervention FROM spooled ORDER BY "row"'
        ).fetchall()
    beside = answers.beside
    told = zip(answers.predictions, beside.raw, *zip(*beside.intervals, strict=True), strict=True)
    assert found == [
        (*one, strange, "fix-1") for one, strange in zip(told, beside.unfamiliar, strict=True)
    ]


def test_requests_of_one_pass_get_their_own_intervals(make):
    predictor = make().serving.loaded.predictor
    bodies = [
        json.dumps(
            {"rows": [{**ROW, "load": load}, {**ROW, "load": load, "pump": "south"}]}
        ).encode()
        for load in (10.0, 90.0)
    ]
    decoded = [predictor.decode(body, now=NOW) for body in bodies]
    for answers in predictor.predict_all(decoded, remember=False):
        bounds = [[value - 8.0, value + 9.0] for value in answers.predictions]
        assert answers.beside.intervals == bounds


def test_a_row_far_from_training_is_flagged_counted_and_logged(make):
    server = make()
    outcome = server.ask(ROW, FAR)
    assert _content(outcome)["unfamiliar"] == [False, True]
    assert [line.get("unfamiliar") for line in server.log()] == [None, True]
    assert server.serving.loaded.predictor.assurer.unfamiliar_rows == 1


def test_a_row_far_from_training_is_rejected_where_that_is_declared(make):
    server = make(unfamiliar="reject")
    assert isinstance(server.ask(ROW), Answered)
    outcome = server.ask(ROW, FAR)
    assert isinstance(outcome, Refused)
    fault = outcome.faults[0]
    assert (outcome.status, fault.row, fault.column, fault.rule) == (422, 1, "starts", "unfamiliar")


def test_the_baseline_answers_what_is_far_from_training_where_that_is_declared(make):
    server = make(unfamiliar="fallback")
    outcome = server.ask(ROW, FAR)
    assert outcome.answers.predictions[0] != 7.0
    assert outcome.answers.predictions[1] == 7.0
    assert outcome.answers.beside.intervals[1] == [-1.0, 16.0]
    near, far = server.log()
    assert (far["prediction"], far["raw"]) == (7.0, outcome.answers.beside.raw[1])
    assert near["raw"] == near["prediction"]


def test_an_intervention_changes_answers_names_itself_and_leaves_the_raw_prediction(make):
    server = make()
    before = server.ask(ROW).answers.predictions[0]
    server.tell(CorrectBias(2.5))
    outcome = server.ask(ROW)
    assert outcome.answers.predictions == [before + 2.5]
    assert _content(outcome)["intervention"] == "fix-1"
    assert _content(outcome)["intervals"] == [[before - 5.5, before + 11.5]]
    line = server.log()[-1]
    assert (line["prediction"], line["raw"], line["intervention"]) == (
        before + 2.5,
        before,
        "fix-1",
    )
    assert server.serving.status()["adjustment"]["intervention"]["id"] == "fix-1"


def test_an_intervention_that_is_taken_back_leaves_answers_equal_to_the_bit(make):
    server = make()
    before = server.ask(ROW).answers
    server.tell(Recalibrate(1.5, 0.0, 1.0, 5.0))
    assert server.ask(ROW).answers.predictions != before.predictions
    server.tell()
    after = server.ask(ROW).answers
    assert (after.predictions, after.beside.raw) == (before.predictions, None)
    server.tell(CorrectBias(1.0))
    server.place.unlink()
    server.adjusting.look()
    assert server.ask(ROW).answers.predictions == before.predictions


def test_an_intervention_ends_by_itself_without_any_further_word(make):
    server = make()
    before = server.ask(ROW).answers.predictions
    server.tell(CorrectBias(2.5), ends=timedelta(seconds=2), quantiles=(-1.0, 1.0))
    assert server.ask(ROW).answers.predictions != before
    while datetime.now(UTC) < server.serving.adjustment.intervention.ends:
        time.sleep(0.05)
    server.adjusting.look()
    outcome = server.ask(ROW)
    assert outcome.answers.predictions == before
    assert outcome.answers.beside.intervals == [[before[0] - 1.0, before[0] + 1.0]]


def test_the_baseline_answers_everything_after_falling_back(make):
    server = make()
    server.tell(FallBack())
    assert server.ask(ROW, FAR).answers.predictions == [7.0, 7.0]


def test_quantiles_follow_and_a_widening_widens_them(make):
    server = make()
    server.tell(Widen(2.0), quantiles=(-3.0, 3.0), corrected_quantiles=(-2.0, 4.0))
    outcome = server.ask(ROW)
    value = outcome.answers.predictions[0]
    assert outcome.answers.beside.intervals == [[value - 5.0, value + 7.0]]
    assert outcome.answers.beside.raw is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("2.5", "2.6"),
        lambda text: text[:-30],
        lambda _: "",
        lambda _: "[]",
        lambda _: '{"sha256": "0"}',
    ],
)
def test_a_file_that_is_not_what_was_written_is_refused_and_the_last_good_one_stays(make, damage):
    server = make()
    server.tell(CorrectBias(2.5))
    good = server.ask(ROW).answers.predictions
    server.place.write_text(damage(server.place.read_text()))
    server.adjusting.look()
    assert server.ask(ROW).answers.predictions == good
    assert server.serving.status()["adjustment"]["error"]
    server.tell(CorrectBias(1.0))
    assert server.serving.status()["adjustment"]["error"] is None


@pytest.mark.parametrize(
    "correction", [CorrectBias(5.1), Widen(9.0), Recalibrate(9.0, 0.0, 0.0, 1.0), Reweigh(1.0, ())]
)
def test_what_goes_beyond_the_release_is_refused_though_the_file_is_whole(make, correction):
    server = make()
    server.tell(CorrectBias(2.5))
    good = server.ask(ROW).answers.predictions
    server.tell(correction)
    assert server.ask(ROW).answers.predictions == good
    assert "ServingError" in server.serving.adjustment_error


def test_an_older_number_and_another_release_change_nothing(make):
    server = make()
    server.tell(CorrectBias(2.5))
    good = server.ask(ROW).answers.predictions
    server.sequence = 0
    server.tell(CorrectBias(1.0))
    assert server.ask(ROW).answers.predictions == good
    assert "taken on before" in server.serving.adjustment_error
    server.sequence = 5
    server.tell(CorrectBias(1.0), release="another")
    assert server.ask(ROW).answers.beside.raw is None


def test_a_new_champion_ends_the_intervention_of_the_old_one(make, other_release):
    server = make()
    server.tell(CorrectBias(2.5))
    assert server.ask(ROW).answers.beside.intervention == "fix-1"
    files = with_assurance(other_release)
    server.serving.serve(files, digest=digest_of(files), revision=2)
    server.adjusting.look()
    assert server.ask(ROW).answers.beside.intervention is None


def test_sets_and_odds_of_classes(make, release):
    files = make_classifier_release(release)
    plain = make(files)
    shares = np.array(plain.ask(ROW).answers.probabilities[0])
    classes = plain.serving.loaded.predictor.release.classes
    said = Assurance(ClassSets(0.9, 1.0, 0.1, 300), None, "answer", BOUNDS)
    server = make(seal({**files, ASSURANCE_FILE: said.to_json()}))
    outcome = server.ask(ROW)
    assert _content(outcome)["sets"] == [list(classes)]
    assert server.log()[-1]["prediction_set"] == list(classes)
    table = pa.ipc.open_stream(_arrow(outcome)).read_all()
    assert table["set"].to_pylist() == [list(classes)]
    leanings = (1.0, *(0.0 for _ in classes[1:]))
    server.tell(Reweigh(1.0, leanings), corrected_quantiles=(None, 0.0))
    outcome = server.ask(ROW)
    tilted = shares * np.exp(leanings)
    np.testing.assert_allclose(outcome.answers.probabilities[0], tilted / tilted.sum(), atol=1e-5)
    assert outcome.answers.predictions[0] == classes[int(tilted.argmax())]
    assert _content(outcome)["sets"] == [[outcome.answers.predictions[0]]]
    line = server.log()[-1]
    assert list(line["raw_probabilities"].values()) == pytest.approx(shares.tolist())
