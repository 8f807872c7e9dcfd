"""Changes with a known cause get their name, their share and an honest doubt."""

import json
from datetime import timedelta

import numpy as np
import pytest

from ml_assets.core.change.naming import Question, name_change
from ml_assets.core.change.report import ChangeReport
from ml_assets.core.change.rows import ComparedRows
from ml_assets_tests.core.change.cases import START, absolute, answered, model, split, table, world

SINCE = START + timedelta(hours=336)


def question(**changes):
    values = {
        "since": SINCE,
        "until": START + timedelta(hours=480),
        "drifted": (),
        "signed": True,
        "loss": absolute,
        "ask": model,
        "metric": "mae",
    }
    return Question(**values | changes)


def sides(seed=0):
    before, after = split(table(seed=seed, hours=480))
    return answered(before, world(before)), after


def test_another_relation_is_concept_drift_and_its_feature_is_named():
    for seed in range(3):
        before, after = sides(seed)
        truth = world(after) + 0.8 * np.where(after["kind"] == "y", 1.0, 0.0)
        report = name_change(before, answered(after, truth), question(seed=seed))
        assert report.kind == "concept"
        assert report.decomposition.concept.low > 0
        corrections = [one for one in report.shares if one.of == "relation"]
        best = max(corrections, key=lambda one: one.share)
        assert best.name == "kind"
        assert best.low > 0.5
        (worst, *_) = [one for one in report.shares if one.of == "slice"]
        assert worst.name == "kind is y"
        assert worst.share == pytest.approx(1, abs=0.35)


def test_other_rows_are_covariate_drift_and_their_feature_is_named():
    # The world is noisier where it is fast; now it is fast more often.
    for seed in range(3):
        before, after = split(table(seed=seed, hours=800))
        often = np.random.default_rng(seed).random(len(after)) < 0.15
        kept = after[(after["speed"] > 6.5) | often]
        rows = answered(kept, world(kept))
        report = name_change(
            answered(before, world(before)), rows, question(seed=seed, drifted=("speed",))
        )
        assert report.kind == "covariate"
        assert report.decomposition.covariate.value > abs(report.decomposition.concept.value)
        if report.shares:
            assert report.shares[0].name == "speed"


def test_without_labels_nobody_can_tell_the_relation():
    before, after = sides()
    report = name_change(before, answered(after), question())
    assert report.kind == "cannot_tell"
    assert "Too few labels" in report.sentence
    report = name_change(before, answered(after), question(drifted=("speed",)))
    assert report.kind == "covariate"
    assert report.decomposition is None


def test_rows_with_nothing_in_common_are_not_compared():
    before, after = sides()
    far = after.assign(speed=after["speed"] + 40)
    report = name_change(before, answered(far, world(far)), question(drifted=("speed",)))
    assert not report.decomposition.overlaps
    assert report.kind == "covariate"
    assert "Too few rows resemble" in report.sentence


def test_a_fault_explains_the_loss_by_replay():
    before, after = sides()
    broken = after.assign(speed=after["speed"] * 3.6)
    rows = answered(broken, world(after))
    report = name_change(before, rows, question())
    assert report.kind == "data_fault"
    assert report.is_data_fault
    (fault, *_) = [one for one in report.shares if one.of == "fault"]
    assert fault.name == "speed"
    assert fault.share == pytest.approx(1, abs=0.1)


def test_more_of_a_class_is_label_drift():
    rng = np.random.default_rng(0)

    def rows(frame, share):
        frame = frame.reset_index(drop=True)
        truth = np.where(rng.random(len(frame)) < share, "yes", "no").astype(object)
        score = np.where(truth == "yes", 1.2, -1.2) + rng.normal(size=len(frame))
        answers = np.where(score > 0, "yes", "no").astype(object)
        frame = frame.assign(speed=score)
        loss = (truth != answers).astype(float)
        return ComparedRows(
            frame, ("speed", "load"), ("kind",), frame["entity"].to_numpy(), answers, truth, loss
        )

    before, after = split(table())
    asked = question(
        signed=False,
        loss=lambda truth, answers: (truth.astype(str) != answers.astype(str)).astype(float),
        drifted=("speed",),
        metric="accuracy",
    )
    report = name_change(rows(before, 0.3), rows(after, 0.6), asked)
    assert report.kind == "label"
    assert "yes 28% to 62%" in report.sentence
    report = name_change(rows(before, 0.3), rows(after, 0.3), asked)
    assert report.kind != "label"


def test_no_change_is_seldom_called_concept_drift():
    called = 0
    for seed in range(10, 30):
        before, after = sides(seed)
        report = name_change(before, answered(after, world(after)), question(seed=seed))
        called += report.kind == "concept"
    assert called <= 4  # two tests at 5 % each


def test_a_report_survives_storage():
    before, after = sides()
    report = name_change(before, answered(after, world(after) + 1), question())
    stored = json.loads(json.dumps(report.to_json()))
    assert ChangeReport.from_json(stored) == report
