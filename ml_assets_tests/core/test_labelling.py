"""Which rows are worth a label."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from ml_assets.core.contract import Column
from ml_assets.core.errors import DataError
from ml_assets.core.label_answers import read_answer
from ml_assets.core.labelling import budget_of, choose, disagreement_of, lots
from ml_assets.core.problem import Labelling

NIGHT = datetime(2024, 1, 1, tzinfo=UTC)


def chosen(rows=100, *, budget=20, seed=0, disagreement=None, **shares):
    return choose(
        Labelling(**shares),
        lots(seed, map(str, range(rows))),
        uncertainty=np.arange(rows, dtype=float),
        disagreement=np.zeros(rows) if disagreement is None else disagreement,
        budget=budget,
    )


def test_the_budget_is_shared_and_no_row_is_chosen_twice():
    found = chosen(disagreement=np.r_[np.ones(50), np.zeros(50)])
    assert [one.strategy for one in found] == (
        ["random_audit"] * 10 + ["disagreeing"] * 5 + ["uncertain"] * 5
    )
    assert len({one.position for one in found}) == 20
    assert {one.propensity for one in found if one.strategy == "random_audit"} == {0.1}
    assert all(one.position < 50 for one in found if one.strategy == "disagreeing")
    assert min(one.position for one in found if one.strategy == "uncertain") >= 90


def test_where_models_agree_the_unsure_rows_take_the_rest():
    assert [one.strategy for one in chosen()].count("uncertain") == 10


def test_each_row_is_audited_as_often_as_its_propensity_says():
    times = np.zeros(100)
    for seed in range(2000):
        audited = [one for one in chosen(seed=seed) if one.strategy == "random_audit"]
        times[[one.position for one in audited]] += 1
    assert times.mean() == 200
    assert times.std() < 20  # √(2000 · 0.1 · 0.9) is 13.4
    assert abs(times - 200).max() < 60


def test_a_late_row_does_not_change_who_was_drawn_before():
    before = {one.position for one in chosen(1000, budget=40, audit_share=1.0)}
    after = {one.position for one in chosen(1003, budget=40, audit_share=1.0)}
    assert len(before & after) >= 38


def test_few_rows_and_no_budget():
    assert len(chosen(3)) == 3
    assert chosen(0) == []
    assert chosen(budget=0) == []


@pytest.mark.parametrize("daily", [1, 7, 24, 40])
def test_hours_share_the_budget_of_a_day(daily):
    labelling = Labelling(daily_budget=daily)
    hours = [budget_of(labelling, NIGHT + timedelta(hours=n), "hour") for n in range(24)]
    assert sum(hours) == daily
    assert max(hours) - min(hours) <= 1
    assert budget_of(labelling, NIGHT, "day") == daily


def test_disagreement_of_numbers_and_of_classes():
    numbers = disagreement_of(np.array([1.0, 2.0]), np.array([3.5, None], dtype=object))
    assert numbers.tolist() == [2.5, 0.0]
    classes = np.array(["a", "b", "c"], dtype=object)
    others = np.array(["b", "b", None], dtype=object)
    assert disagreement_of(classes, others).tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "column", "classes", "read"),
    [
        (" 7.5 ", Column("y", "float"), (), "7.5"),
        ("7", Column("y", "integer", at_least=0), (), "7"),
        ("1e3", Column("y", "float"), (), "1000.0"),
        ("No", Column("y", "boolean"), ("false", "true"), "false"),
        ("up", Column("y", "string"), ("down", "up"), "up"),
    ],
)
def test_an_answer_is_read_as_the_contract_says(text, column, classes, read):
    assert read_answer(text, column, classes=classes) == read


@pytest.mark.parametrize(
    ("text", "column", "classes", "says"),
    [
        ("", Column("y", "float"), (), "missing"),
        ("seven", Column("y", "float"), (), "not a number"),
        ("nan", Column("y", "float"), (), "not a number"),
        ("1_0", Column("y", "float"), (), "not a number"),
        ("7.5", Column("y", "integer"), (), "not a whole number"),
        ("-1", Column("y", "float", at_least=0), (), "not a number from 0"),
        ("11", Column("y", "float", at_most=10), (), "up to 10"),
        ("upp", Column("y", "string"), ("down", "up"), "Did you mean 'up'"),
        ("maybe", Column("y", "boolean"), (), "not yes or no"),
    ],
)
def test_what_is_no_label_is_refused_with_what_was_expected(text, column, classes, says):
    with pytest.raises(DataError, match=says):
        read_answer(text, column, classes=classes)
