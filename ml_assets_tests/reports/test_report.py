"""The evaluation report says everything it was given, and nothing leaves the page."""

import dataclasses

import pytest

from ml_assets.core.errors import MLAssetsError
from ml_assets.core.problem.learning import METRICS
from ml_assets.reports.content import DecisionTable, GateRow, Score
from ml_assets.reports.formats import common_decimals, interval, number
from ml_assets.reports.metrics import METRIC_TEXTS
from ml_assets.reports.report import evaluation_report, headline, worst_first
from ml_assets_tests.reports.html_checks import reaches_outside, read

HOSTILE = "<script>alert('x')</script>\"&$a_b$ ]]>"


def test_page_is_balanced_and_reaches_nothing_outside(report):
    read(report)
    assert reaches_outside(report) == []


def test_same_content_gives_the_same_bytes(content, report):
    assert evaluation_report(content) == report


def test_every_score_and_interval_is_on_the_page(content, report):
    text = read(report)
    for group in (content.scores, content.slices):
        for row in group:
            alike = [one for one in group if one.metric == row.metric]
            places = common_decimals(alike)
            shown = f"{number(row.value, places)} {interval(row.low, row.high, places)}"
            assert shown in text
    for rows in (content.calibration, content.importance, content.trials):
        places = common_decimals(rows)
        for row in rows:
            assert interval(row.low, row.high, places) in text
    for gate in content.decision.gates:
        assert f"{number(gate.observed, common_decimals([gate]))} " in text
        assert interval(gate.low, gate.high) in text


def test_every_word_of_the_content_is_on_the_page(content, report):
    text = read(report)
    words = [content.decision.reason, content.version, *content.warnings, *content.limits]
    words += [gate.bound for gate in content.decision.gates]
    words += [gate.explanation for gate in content.decision.gates]
    words += [row.note for row in content.slices]
    words += [trial.params for trial in content.trials]
    words += [row.version for row in content.data]
    words += [*content.configuration, *content.configuration.values()]
    assert [word for word in words if word not in text] == []


def test_page_goes_from_the_verdict_and_its_warnings_to_how_it_was_made(content, report):
    text = read(report)
    parts = (
        headline(content),
        content.decision.reason,
        content.warnings[0],
        "Gates between",
        "by model, best first",
        "Score of each fold",
        "by slice, worst first",
        "Predicted against observed, in mm",
        "Worsening of mae (mm)",
        "Intended use",
        "over many evaluations like this one",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_hostile_text_is_shown_and_never_run(content):
    hostile_score = Score(
        model=HOSTILE, kind="candidate", metric="mae", value=1.0, low=0.9, high=1.1, rows=5
    )
    content = dataclasses.replace(
        content,
        challenger=HOSTILE,
        scores=(*content.scores, hostile_score),
        slices=tuple(dataclasses.replace(row, slice=HOSTILE) for row in content.slices),
        importance=tuple(dataclasses.replace(row, feature=HOSTILE) for row in content.importance),
        problem=dataclasses.replace(content.problem, name=HOSTILE, unit=HOSTILE),
        warnings=(HOSTILE,),
        configuration={HOSTILE: HOSTILE},
    )
    page = evaluation_report(content)
    assert "<script" not in page
    assert " ".join(HOSTILE.split()) in read(page)


def test_names_in_other_scripts_are_drawn(content):
    score = dataclasses.replace(content.scores[0], model="模型_温度")
    assert "模型_温度" in read(
        evaluation_report(dataclasses.replace(content, scores=(score,), challenger="模型_温度"))
    )


def test_sparse_content_makes_a_page_without_empty_sections(content):
    content = dataclasses.replace(
        content,
        champion=None,
        scores=tuple(
            dataclasses.replace(score, value=float("nan"), low=None, high=None)
            for score in content.scores
        ),
        slices=(),
        calibration=(),
        residuals_over_time=content.residuals_over_time[:1],
        loss_over_time=content.loss_over_time[:1],
        importance=(),
        data=(),
        trials=(),
        warnings=(),
        configuration={},
    )
    text = read(evaluation_report(content))
    assert "undefined no interval" in text
    assert "becomes the first champion" in text
    assert "Where it is worst None found" in text
    for section in ("by slice, worst first", "Calibration", "What it uses", "What was tried"):
        assert section not in text


def test_a_blocking_gate_is_named_and_the_champion_stays(content):
    gate = GateRow(gate="enough rows", bound="at least 100", observed=42, passed=False)
    content = dataclasses.replace(
        content, decision=DecisionTable(promote=False, reason="Too few rows.", gates=(gate,))
    )
    text = read(evaluation_report(content))
    assert "boosted_trees is not promoted; champion_2024_03 stays champion." in text
    assert "enough rows: at least 100 blocks 42" in text
    assert "passes" not in text


@pytest.mark.parametrize(
    ("promote", "champion", "says"),
    [
        (True, "old", "new replaces old as champion."),
        (True, None, "new becomes the first champion."),
        (False, "old", "new is not promoted; old stays champion."),
        (False, None, "new is not promoted; there is no champion yet."),
    ],
)
def test_headline_says_who_is_champion(content, promote, champion, says):
    decision = DecisionTable(promote=promote, reason="")
    assert (
        headline(
            dataclasses.replace(content, decision=decision, champion=champion, challenger="new")
        )
        == says
    )


@pytest.mark.parametrize(
    ("metric", "values", "worst"),
    [("mae", (1.0, 3.0, 2.0), 3.0), ("r2", (0.1, 0.9, 0.5), 0.1), ("bias", (-4.0, 1.0, 3.0), -4.0)],
)
def test_worst_slice_comes_first_whichever_way_the_metric_points(content, metric, values, worst):
    own = [row for row in content.slices if row.model == content.challenger]
    slices = tuple(
        dataclasses.replace(row, metric=metric, value=value)
        for row, value in zip(own, values, strict=False)
    )
    content = dataclasses.replace(content, primary_metric=metric, slices=slices)
    assert worst_first(content)[0].value == worst


def test_every_declared_metric_has_words():
    assert set(METRIC_TEXTS) == set(METRICS)


def test_unknown_metric_is_named(content):
    score = dataclasses.replace(content.scores[0], metric="maee")
    with pytest.raises(MLAssetsError, match=r"'maee'. Did you mean 'mae'\?"):
        evaluation_report(dataclasses.replace(content, scores=(score,)))
