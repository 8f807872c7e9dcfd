"""A batch is told what the server tells each of its rows alone: answer, interval, flag, refusal."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.core.adjustment import Adjustment
from ml_assets.core.answering import Answering
from ml_assets.core.assurance import Assurance
from ml_assets.core.batch_answers import batch_answers, schema_of
from ml_assets.core.conformal import ClassSets
from ml_assets.core.corrections import CorrectBias, Widen
from ml_assets.core.golden import request_rows
from ml_assets.core.intervention import Intervention
from ml_assets.core.prediction import Predictor
from ml_assets.core.release import ASSURANCE_FILE, digest_of
from ml_assets.core.request_rows import Refused
from ml_assets.storage.served_answers import served_answers
from ml_assets.storage.workspace import Workspace
from ml_assets_tests.serving.releases import (
    CONTRACT,
    batch_features,
    make_classifier_release,
    make_history,
    seal,
)
from ml_assets_tests.serving.test_assurance import BOUNDS, with_assurance

NOW = datetime.now(UTC)
ROWS = 40


@pytest.fixture
def history():
    """Rows of which the tenth from the end is far from all others."""
    found = make_history()
    found.loc[found.index[-10], "starts"] = 90_000
    return found


def features_of(release, history):
    frame = batch_features(history).tail(ROWS)
    names = release.feature_names
    if release.task != "regression":  # its features.sql fills gaps
        frame = frame.fillna(dict.fromkeys(names.numeric, 0.0))
    return names.values({name: frame[name].to_numpy() for name in names.all}, len(frame))


def told_online(predictor, history):
    """Return what the server says of each row alone, as the batch is to hold it."""
    found = []
    for row in request_rows(history.tail(ROWS), CONTRACT):
        rows = predictor.decode(json.dumps({"rows": [row]}).encode(), now=NOW)
        answers = predictor.predict(rows, remember=False)
        said = dict.fromkeys(schema_of(predictor.release.task).names)
        if isinstance(answers, Refused):
            said |= {"refusal": answers.faults[0].message, "unfamiliar": True}
        else:
            beside = answers.beside
            said["prediction"] = answers.predictions[0]
            said["intervention"] = beside.intervention
            said["unfamiliar"] = beside.unfamiliar and beside.unfamiliar[0]
            said["raw_prediction"] = (beside.raw or answers.predictions)[0]
            if beside.intervals:
                said["low"], said["high"] = beside.intervals[0]
            if beside.sets:
                said["prediction_set"] = beside.sets[0]
        found.append(said)
    return found


@pytest.mark.parametrize("unfamiliar", ["answer", "flag", "reject", "fallback"])
@pytest.mark.parametrize("correction", [None, CorrectBias(2.5), Widen(2.0)])
def test_batch_and_online_say_the_same_of_numbers(
    tmp_path, release, history, unfamiliar, correction
):
    files = with_assurance(release, unfamiliar=unfamiliar)
    workspace = Workspace(tmp_path / "home")
    digest = workspace.artefacts.put_folder(
        {name: content for name, content in files.items() if name != "manifest.json"}
    )
    predictor = Predictor(files, digest=digest)
    if correction is not None:
        began = NOW - timedelta(hours=2)
        made = Intervention("fix-1", correction, began, NOW + timedelta(hours=1), began, "why")
        adjustment = Adjustment(
            "pumps", "v1", digest, 1, NOW, (-3.0, 3.0), made, corrected_quantiles=(-2.0, 4.0)
        )
        predictor.assurer.adjust(adjustment)
        workspace.adjustment("pumps").write(adjustment)
    stored, answering = served_answers(workspace, digest, now=NOW)
    table = batch_answers(answering, features_of(stored, history), stored.task)
    online = told_online(predictor, history)
    assert table.to_pylist() == online
    assert table.schema == schema_of("regression")
    strange = [row["unfamiliar"] for row in online]
    assert any(strange) == (unfamiliar != "answer")
    assert (table["refusal"].null_count < ROWS) == (unfamiliar == "reject")


def test_an_intervention_that_is_over_or_about_another_release_counts_for_nothing(
    tmp_path, release, history
):
    files = with_assurance(release)
    workspace = Workspace(tmp_path / "home")
    digest = workspace.artefacts.put_folder(
        {name: content for name, content in files.items() if name != "manifest.json"}
    )
    began = NOW - timedelta(hours=2)
    made = Intervention("fix-1", CorrectBias(2.5), began, NOW, began, "why")
    over = Adjustment("pumps", "v1", digest, 1, NOW, (-3.0, 3.0), made)
    plain = None
    for adjustment in (
        replace(over, quantiles=None),
        replace(over, release="another"),
        replace(
            over,
            intervention=replace(made, correction=CorrectBias(99.0), ends=NOW + NOW.resolution),
        ),
    ):
        workspace.adjustment("pumps").write(adjustment)
        stored, answering = served_answers(workspace, digest, now=NOW)
        found = batch_answers(answering, features_of(stored, history), stored.task)
        plain = plain or found
        assert found.equals(plain)
        assert found["intervention"].null_count == ROWS
    workspace.adjustment("pumps").write(over)
    stored, answering = served_answers(workspace, digest, now=NOW)
    found = batch_answers(answering, features_of(stored, history), stored.task)
    assert found["prediction"].equals(plain["prediction"])
    assert not found["low"].equals(plain["low"])


def test_batch_and_online_say_the_same_of_classes(release, history):
    said = Assurance(ClassSets(0.9, 0.45, 0.1, 300), None, "answer", BOUNDS)
    files = seal({**make_classifier_release(release), ASSURANCE_FILE: said.to_json()})
    predictor = Predictor(files, digest=digest_of(files))
    answering = Answering(predictor.release, files)
    inputs = features_of(predictor.release, history)
    table = batch_answers(answering, inputs, predictor.release.task)
    assert table.to_pylist() == told_online(predictor, history)
    assert table["prediction_set"].null_count == 0


def test_no_row_has_no_answer(release):
    predictor = Predictor(release)
    nothing = features_of(predictor.release, make_history()).rows([])
    table = batch_answers(Answering(predictor.release, release), nothing, "regression")
    assert (table.num_rows, table.schema) == (0, schema_of("regression"))
