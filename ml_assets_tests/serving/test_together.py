"""Requests that are answered in one pass get what they get one after the other."""

import json
import threading
from asyncio import gather, run, sleep
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bentos.predictor.passes import Answered, Conflict, Loaded, Passes, Request
from bentos.predictor.serving import Serving
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import RELEASE_FILE, SQL_FILE, digest_of
from ml_assets.core.request_rows import Refused
from ml_assets_tests.serving.releases import HOURS, START, seal

NEXT = START + timedelta(hours=HOURS)
# Not one row looks at another: the server computes each from itself alone.
BY_ROW = """SELECT pump, event_time, load, "pm2.5", starts, load / 3 AS load_before,
load + starts AS load_mean, load * load * load * load AS load_4, mode FROM validated_data"""


def by_row(files):
    """Return a release whose features need no history."""
    values = {**json.loads(files[RELEASE_FILE]), "reach": {"rows": 0.0, "labels": 0.0}}
    changed = {SQL_FILE: BY_ROW.encode(), RELEASE_FILE: json.dumps(values).encode()}
    return seal({**files, **changed})


@pytest.fixture(scope="module")
def predictors(release):
    """For each kind of features, one predictor for requests together and one for each in turn."""
    made = {
        "history": (Predictor(release), Predictor(release)),
        "by_row": (Predictor(by_row(release)), Predictor(by_row(release))),
    }
    yield made
    for pair in made.values():
        for predictor in pair:
            predictor.close()


rows = st.fixed_dictionaries(
    {
        "pump": st.sampled_from(["north", "south"]),
        # 3000 is beyond the contract; the power of 100 and that of 0 are within.
        "load": st.sampled_from([0.0, 12.5, 40.1, 100.0, 3000.0]),
        "starts": st.integers(0, 5),
        "mode": st.sampled_from(["eco", "other", None]),
        "event_time": st.integers(-3, 8).map(
            lambda hours: (NEXT + timedelta(hours=hours)).isoformat()
        ),
    }
)
requests = st.lists(st.lists(rows, min_size=1, max_size=3), min_size=1, max_size=8)


def outcome(found):
    if isinstance(found, Refused):
        return found
    # As bytes: a gap equals a gap.
    return found.predictions, found.features.numbers.tobytes(), found.features["mode"].tolist()


@pytest.mark.parametrize("features", ["history", "by_row"])
@given(asked=requests)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_together_is_one_after_the_other(predictors, features, asked):
    together, in_turn = predictors[features]
    now = datetime(2024, 2, 1, tzinfo=UTC)
    bodies = [json.dumps({"rows": request}).encode() for request in asked]
    decoded = [together.decode(body, now=now) for body in bodies]
    accepted = [one for one in decoded if not isinstance(one, Refused)]
    found = together.predict_all(accepted) if accepted else []
    expected = [in_turn.predict(one) for one in accepted]
    assert list(map(outcome, found)) == list(map(outcome, expected))
    assert len(together.features.recent) == len(in_turn.features.recent)


def test_features_of_a_row_alone_are_computed_without_history(predictors):
    assert predictors["by_row"][0].features._by_row is not None
    assert predictors["history"][0].features._by_row is None


def test_a_value_that_breaks_the_sql_fails_its_own_request_only(release):
    sql = release[SQL_FILE].replace(b"load * load * load * load", b"starts * starts")
    predictor = Predictor(seal({**release, SQL_FILE: sql}))
    row = {"pump": "north", "load": 40.0}
    bodies = [
        {**row, "starts": starts, "event_time": (NEXT + timedelta(hours=n)).isoformat()}
        for n, starts in enumerate((1, 2**62, 3))
    ]
    now = datetime(2024, 2, 1, tzinfo=UTC)
    asked = [predictor.decode(json.dumps(body).encode(), now=now) for body in bodies]
    before = len(predictor.features.recent)
    found = predictor.predict_all(asked)
    assert [type(one).__name__ for one in found] == ["Answers", "Refused", "Answers"]
    # The refused row is no history of the third request.
    assert found[2].features["load_before"].tolist() == [40.0]
    assert len(predictor.features.recent) == before + 2
    predictor.close()


@pytest.fixture
def passes(tmp_path):
    made = Passes(tmp_path, "pumps")
    yield made
    made.close()


@pytest.fixture
def loaded(release):
    predictor = Predictor(release)
    yield Loaded(predictor, 1, "digest", START)
    predictor.close()


def body(load, **changed):
    return json.dumps({"pump": "north", "load": load, "starts": 3, **changed}).encode()


def logged(tmp_path):
    return [
        json.loads(line)
        for path in tmp_path.glob("**/*.jsonl")
        for line in path.read_text().splitlines()
    ]


def test_a_refused_request_does_not_fail_its_neighbours(passes, loaded, tmp_path):
    asked = [Request(body(40.0)), Request(b"{"), Request(body(3000.0)), Request(body(41.0))]
    found = passes.answer(loaded, asked)
    assert [type(one) for one in found] == [Answered, Refused, Refused, Answered]
    assert [line["inputs"]["load"] for line in logged(tmp_path)] == [40.0, 41.0]


def test_rows_without_a_time_happen_in_the_order_they_came(passes, loaded, tmp_path):
    passes.answer(loaded, [Request(body(10.0)), Request(body(20.0)), Request(body(30.0))])
    lines = logged(tmp_path)
    assert [line["features"]["load_before"] for line in lines[1:]] == [10.0, 20.0]
    times = [line["event_time"] for line in lines]
    assert sorted(set(times)) == times


def test_a_retry_gets_the_same_answer_and_one_log_entry(passes, loaded, tmp_path):
    first = Request(body(10.0), request_id="a")
    (answer,) = passes.answer(loaded, [first])
    again = passes.answer(loaded, [first, Request(body(20.0), request_id="b"), first])
    assert again[0] is answer
    assert again[2] is answer
    assert [line["request_id"] for line in logged(tmp_path)] == ["a", "b"]


def test_a_retry_in_the_same_pass_is_answered_once(passes, loaded, tmp_path):
    first = Request(body(10.0), request_id="a")
    found = passes.answer(loaded, [first, first])
    assert found[0] is found[1]
    assert len(logged(tmp_path)) == 1


def test_a_name_for_two_requests_is_a_conflict(passes, loaded, tmp_path):
    passes.answer(loaded, [Request(body(10.0), request_id="a")])
    (found,) = passes.answer(loaded, [Request(body(11.0), request_id="a")])
    assert found == Conflict("a")
    assert len(logged(tmp_path)) == 1


def test_one_hundred_exchanges_mix_no_answer(tmp_path, release, other_release):
    """Each answer, asked while releases are exchanged, is that of the version it names."""
    golden = json.loads(release["golden.json"])
    row = json.dumps(golden["rows"][0]).encode()
    expected = {
        "v1": golden["predictions"][:1],
        "v2": json.loads(other_release["golden.json"])["predictions"][:1],
    }
    serving = Serving(tmp_path / "spool")
    releases = {1: release, 0: other_release}
    serving.serve(release, digest=digest_of(release), revision=1)
    over = threading.Event()

    def exchange():
        for revision in range(2, 102):
            files = releases[revision % 2]
            serving.serve(files, digest=digest_of(files), revision=revision)
        over.set()

    async def ask():
        found = []
        while not over.is_set():
            found.append(await serving.submit(Request(row)))
            await sleep(0)
        return found

    async def ask_all():
        return [one for caller in await gather(*(ask() for _ in range(4))) for one in caller]

    changing = threading.Thread(target=exchange)
    changing.start()
    found = run(ask_all())
    changing.join()
    serving.close()
    assert all(isinstance(one, Answered) for one in found)
    assert len({one.revision for one in found}) > 50
    for one in found:
        assert one.version == ("v1" if one.revision % 2 else "v2")
        assert one.answers.predictions == expected[one.version]
    lines = logged(tmp_path)
    assert len(lines) == len(found)
    assert {(line["version"], line["prediction"]) for line in lines} <= {
        (version, values[0]) for version, values in expected.items()
    }
