import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from ml_assets.core.answering import Answers
from ml_assets.core.contract import Column, Contract
from ml_assets.core.errors import ArtefactError, FeatureSqlError, ServingError
from ml_assets.core.feature_query import PastLabel
from ml_assets.core.golden import GoldenRows, request_rows, tolerance_between
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    RELEASE_FILE,
    SQL_FILE,
    Release,
    digest_of,
    verify_manifest,
)
from ml_assets.core.request_rows import Refused
from ml_assets.storage.model_files import load
from ml_assets_tests.serving.releases import (
    CATEGORICAL,
    CONTRACT,
    HOURS,
    NUMERIC,
    RELEASE,
    START,
    batch_features,
    make_classifier_release,
    make_history,
    make_release,
    seal,
)

NOW = datetime(2024, 2, 1, tzinfo=UTC)
NEXT = START + timedelta(hours=HOURS)


@pytest.fixture(scope="module")
def files():
    return make_release()


@pytest.fixture
def predictor(files):
    made = Predictor(files)
    yield made
    made.close()


def ask(predictor, rows, *, remember=True):
    rows = predictor.decode(json.dumps({"rows": rows}).encode(), now=NOW)
    assert not isinstance(rows, Refused), rows
    return predictor.predict(rows, remember=remember)


def row(**changed):
    return {"pump": "north", "load": 40.0, "starts": 3, "event_time": NEXT.isoformat(), **changed}


def test_requests_are_answered_as_the_batch_to_the_bit(files, predictor):
    history = make_history().tail(120)
    batch = batch_features(make_history()).tail(120)
    expected = load(files[MODEL_FILE]).predict(batch[[*NUMERIC, *CATEGORICAL]])
    shuffled = np.random.default_rng(3).permutation(len(history))
    rows = list(request_rows(history.iloc[shuffled], CONTRACT))
    together = [
        value
        for start in range(0, 120, 40)
        for value in ask(predictor, rows[start : start + 40], remember=False).predictions
    ]
    assert together == expected[shuffled].tolist()
    alone = [ask(predictor, [one], remember=False).predictions[0] for one in rows[:15]]
    assert alone == expected[shuffled][:15].tolist()


def test_the_golden_rows_are_answered(predictor):
    predictor.prove()
    assert len(predictor.features.recent) == 2 * HOURS


def test_another_answer_than_the_golden_one_is_refused(files):
    golden = GoldenRows.from_json(files[GOLDEN_FILE])
    nudged = (np.nextafter(golden.predictions[0], np.inf).item(), *golden.predictions[1:])
    changed = seal({**files, GOLDEN_FILE: replace(golden, predictions=nudged).to_json()})
    with pytest.raises(ServingError, match="golden row 0: expected"):
        Predictor(changed).prove()


def test_the_next_request_sees_the_rows_of_the_last_one(predictor):
    ask(predictor, [row(load=11.0)])
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() == [11.0]


def test_rows_asked_only_to_look_leave_no_trace(predictor):
    ask(predictor, [row(load=11.0)], remember=False)
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() != [11.0]


def test_of_rows_with_the_same_identity_the_last_one_counts(predictor):
    before = len(predictor.features.recent)
    ask(predictor, [row(load=11.0)])
    ask(predictor, [row(load=12.0)])
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() == [12.0]
    assert len(predictor.features.recent) == before + 2


def test_rows_out_of_reach_are_forgotten_but_an_absurd_time_forgets_nothing(predictor, monkeypatch):
    monkeypatch.setattr("ml_assets.core.recent_rows.ROWS_BEFORE_FORGETTING", 4)
    ask(predictor, [row(event_time="2199-01-01T00:00:00Z")])
    for hour in range(3):
        ask(predictor, [row(event_time=(NEXT + timedelta(hours=hour)).isoformat())])
    kept = len(predictor.features.recent)
    assert 4 < kept < 30  # both pumps' rows of the last hours, and what was asked
    later = row(event_time=(NEXT + timedelta(hours=3)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() == [40.0]


def rows_of(predictor, *given):
    body = json.dumps({"rows": given}).encode()
    return predictor.decode(body, now=NOW)


def test_rows_that_came_before_are_recalled(files, predictor):
    newer = Predictor(files)
    earlier = rows_of(
        newer, row(load=11.0), row(load=12.0, event_time=NEXT.isoformat()[:-6] + ".5Z")
    )
    newer.features.recall(earlier, own=[False, False])
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(newer, [later]).features["load_before"].tolist() == [12.0]
    assert len(newer.features.recent) == len(predictor.features.recent) + 3
    newer.close()


@pytest.mark.parametrize(("own", "expected"), [(True, 11.0), (False, None)])
def test_a_row_of_an_older_revision_never_replaces_the_history(predictor, own, expected):
    last = NEXT - timedelta(hours=1)
    history = make_history()
    kept = history[(history.pump == "north") & (history.event_time == last)]["load"].item()
    earlier = rows_of(predictor, row(load=11.0, event_time=last.isoformat()))
    predictor.features.recall(earlier, own=[own])
    found = ask(predictor, [row()]).features["load_before"].tolist()
    assert found == pytest.approx([kept if expected is None else expected], rel=1e-9)


def test_of_recalled_rows_the_last_one_counts_in_every_call(predictor):
    for value in (11.0, 12.0):
        predictor.features.recall(rows_of(predictor, row(load=value)), own=[False])
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() == [12.0]


def test_a_refused_request_leaves_no_trace(files):
    sql = files[SQL_FILE].replace(b"FROM validated_data", b"FROM validated_data WHERE load <> 5")
    made = Predictor(seal({**files, SQL_FILE: sql}))
    before = len(made.features.recent)
    moments = [(NEXT + timedelta(hours=hour)).isoformat() for hour in range(3)]
    requests = [
        rows_of(made, row(load=11.0, event_time=moments[0])),
        rows_of(made, row(load=77.0, event_time=moments[1]), row(pump="south", load=5.0)),
        rows_of(made, row(load=13.0, event_time=moments[2])),
    ]
    first, refused, last = made.predict_all(requests)
    assert isinstance(refused, Refused)
    assert isinstance(first, Answers)
    assert last.features["load_before"].tolist() == [11.0]
    assert len(made.features.recent) == before + 2
    made.close()


def test_memory_is_bounded_as_declared_the_oldest_rows_go_first(files, monkeypatch):
    monkeypatch.setattr("ml_assets.core.recent_rows.ROWS_BEFORE_FORGETTING", 1)
    release = json.loads(files[RELEASE_FILE])
    release["recent_rows"] = {"per_entity": 5, "in_all": 8}
    predictor = Predictor(seal({**files, RELEASE_FILE: json.dumps(release).encode()}))
    ask(predictor, [row(load=11.0)])
    assert len(predictor.features.recent) == 8
    later = row(event_time=(NEXT + timedelta(hours=1)).isoformat())
    assert ask(predictor, [later]).features["load_before"].tolist() == [11.0]
    predictor.close()


@pytest.mark.parametrize("name", [MODEL_FILE, SQL_FILE, RELEASE_FILE])
def test_a_changed_file_is_refused(files, name):
    with pytest.raises(ArtefactError, match=f"changed: .*{name}"):
        Predictor({**files, name: files[name] + b" "})


def test_an_added_and_a_missing_file_are_refused(files):
    with pytest.raises(ArtefactError, match="not in the manifest"):
        verify_manifest({**files, "more": b""})
    fewer = {name: content for name, content in files.items() if name != SQL_FILE}
    with pytest.raises(ArtefactError, match="missing"):
        verify_manifest(fewer)
    with pytest.raises(ArtefactError, match="missing"):
        verify_manifest(seal({n: c for n, c in fewer.items() if n != MANIFEST_FILE}))


def test_another_release_than_the_named_one_is_refused(files):
    Predictor(files, digest=digest_of(files)).close()
    with pytest.raises(ArtefactError, match="not 0000"):
        Predictor(files, digest="0000")


def test_a_value_that_breaks_the_sql_refuses_the_request_and_keeps_nothing(files):
    sql = files[SQL_FILE].replace(b"load * load * load * load", b"starts * starts")
    made = Predictor(seal({**files, SQL_FILE: sql}))
    before = len(made.features.recent)
    found = ask(made, [row(starts=2**62)])
    assert (found.status, found.faults[0].rule) == (422, "features")
    assert len(made.features.recent) == before
    made.close()


def test_a_row_that_the_sql_leaves_out_is_named(files):
    sql = files[SQL_FILE].replace(b"FROM validated_data", b"FROM validated_data WHERE load > 5")
    made = Predictor(seal({**files, SQL_FILE: sql}))
    found = ask(made, [row(), row(pump="south", load=1.0)])
    assert [(fault.row, fault.rule) for fault in found.faults] == [(1, "features")]
    made.close()


def test_features_sql_reaches_no_file(files, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    sql = files[SQL_FILE].replace(
        b"load * load * load * load", f"(SELECT max(a) FROM '{secret}')".encode()
    )
    with pytest.raises(FeatureSqlError, match="file system operations are disabled"):
        Predictor(seal({**files, SQL_FILE: sql}))


def test_a_classifier_answers_classes_and_probabilities(files):
    made = Predictor(make_classifier_release(files))
    made.prove()
    golden = made.golden
    answers = ask(made, list(golden.rows[:2]))
    assert isinstance(answers, Answers)
    assert answers.classes == ("busy", "idle")
    assert answers.predictions == list(golden.predictions[:2])
    assert answers.probabilities == [list(row) for row in golden.probabilities[:2]]
    made.close()


def test_a_release_round_trips_through_json():
    past = (
        PastLabel("persistence", None, timedelta(days=9)),
        PastLabel("seasonal_86400s", timedelta(days=1), timedelta(days=9, microseconds=1)),
    )
    release = replace(RELEASE, past_labels=past, classes=(0, 1), task="binary")
    assert Release.from_json(json.loads(json.dumps(release.to_json()))) == release
    assert release.inputs[-2:] == ("baseline__persistence", "baseline__seasonal_86400s")


def test_the_tolerance_is_what_single_rows_need():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(StandardScaler().fit_transform(rng.normal(size=(200, 12))))
    model = Ridge().fit(X, rng.normal(size=200))
    together = model.predict(X)
    alone = np.concatenate([model.predict(X.iloc[[n]]) for n in range(len(X))])
    tolerance = tolerance_between(alone, together)
    assert 0 <= tolerance < 1e-9
    golden = GoldenRows(
        tuple({"n": n} for n in range(200)), tuple(together.tolist()), None, tolerance
    )
    assert golden.difference(alone.tolist(), None) is None
    assert "golden row 0" in golden.difference((alone + 1e-6).tolist(), None)


def test_request_rows_keep_kinds_and_miss_nothing():
    frame = pd.DataFrame(
        {"event_time": [NOW, NOW], "n": [2.0, np.nan], "on": [True, None], "x": [0.1 + 0.2, np.nan]}
    )
    columns = (Column("n", "integer"), Column("on", "boolean"), Column("x", "float"))
    time = "2024-02-01T00:00:00+00:00"
    assert request_rows(frame, Contract(columns)) == (
        {"n": 2, "on": True, "x": 0.1 + 0.2, "event_time": time},
        {"n": None, "on": None, "x": None, "event_time": time},
    )


def test_a_large_tolerance_is_refused():
    with pytest.raises(ServingError, match="tolerance"):
        GoldenRows(({},), (1.0,), None, 1e-3)
