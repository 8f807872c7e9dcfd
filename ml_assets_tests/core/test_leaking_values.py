"""A column's presence and its values that know the label are named, honest ones are not."""

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.leakage import find_leaks

ROWS = 4000


@pytest.fixture
def chance():
    return np.random.default_rng(1)


@pytest.fixture
def rare(chance):
    """A label that is true on 3 % of the rows."""
    return pd.Series(chance.random(ROWS) < 0.03, name="churned")


def _where(mask, values):
    return pd.Series(np.where(mask, values, None), dtype=object)


def _named(columns, label, task="binary"):
    return {
        leak.columns: leak.formula for leak in find_leaks(pd.DataFrame(columns), label, task=task)
    }


def test_a_column_that_is_filled_for_one_class_only_is_named(chance, rare):
    reasons = chance.choice(["price", "moved", "competitor"], ROWS)
    moments = pd.Series(pd.Timestamp("2025-01-01"), index=rare.index).where(rare)
    amounts = pd.Series(chance.normal(size=ROWS)).where(~rare)
    unique = [f"case {number}" for number in range(ROWS)]
    for values in (_where(rare, reasons), moments, amounts, _where(rare, unique)):
        assert _named({"x": values}, rare) == {("x",): "whether x is filled"}


def test_a_share_of_rows_that_is_right_by_the_rarity_of_a_class_is_no_leak(chance, rare):
    half_of_them = _where(rare & (chance.random(ROWS) < 0.5), "price")
    always_filled = _where(chance.random(ROWS) < 0.97, "a")
    assert _named({"half": half_of_them, "other": always_filled}, rare) == {}


def test_few_rows_beside_the_rule_do_not_hide_a_leak(chance):
    label = pd.Series(chance.random(ROWS) < 0.5)
    flawed = label.copy()
    flawed.iloc[[7, 1200]] ^= True
    assert _named({"x": _where(flawed, "a")}, label) == {("x",): "whether x is filled"}
    flawed.iloc[100:200] ^= True
    assert _named({"x": _where(flawed, "a")}, label) == {}


@pytest.mark.parametrize("form", [str, int, float])
def test_another_name_of_each_class_is_named(chance, form):
    label = pd.Series(chance.choice(["ok", "dent", "scratch"], ROWS))
    code = label.map({"ok": 2, "dent": 1, "scratch": 3}).map(form)
    assert _named({"code": code}, label, "multiclass") == {("code",): "which value code has"}
    partly = code.where(chance.random(ROWS) < 0.5)
    assert _named({"code": partly}, label, "multiclass") == {("code",): "which value code has"}


def test_a_boolean_copy_is_named(rare):
    assert _named({"gone": ~rare}, rare) == {("gone",): "which value gone has"}
    with_missing = (~rare).astype(object).where(np.arange(ROWS) % 5 > 0)
    assert _named({"gone": with_missing}, rare) == {("gone",): "which value gone has"}


def test_classes_are_told_by_values_and_their_absence_together(chance):
    label = pd.Series(chance.choice(["ok", "dent", "scratch"], ROWS, p=[0.94, 0.03, 0.03]))
    note = label.where(label != "ok")
    assert _named({"note": note}, label, "multiclass") == {("note",): "which value note has"}


def test_a_number_is_told_by_values_or_by_presence(chance):
    grade = pd.Series(chance.choice(["a", "b", "c", "d"], ROWS))
    price = grade.map({"a": 3.0, "b": 1.0, "c": 9.0, "d": 4.0}).rename("price")
    found = _named({"grade": grade}, price, "regression")
    assert found == {("grade",): "which value grade has"}
    assert _named({"grade": grade}, price + chance.normal(size=ROWS), "regression") == {}
    paid = pd.Series(chance.random(ROWS) < 0.5)
    fee = paid.map({True: 5.0, False: 0.0})
    assert _named({"x": _where(paid, "card")}, fee, "regression") == {("x",): "whether x is filled"}


def test_texts_that_tell_rows_apart_are_no_leak(chance, rare):
    names = pd.Series([f"C{number}" for number in range(ROWS)])
    tens = pd.Series([f"C{number // 10}" for number in range(ROWS)])  # each has one label or two
    assert _named({"name": names, "ten": tens}, rare) == {}
    assert _named({"name": names, "ten": tens}, pd.Series(chance.random(ROWS)), "regression") == {}


def test_noise_of_many_columns_is_no_leak(chance):
    columns = {}
    for number in range(150):
        values = chance.integers(0, 2 + number, ROWS).astype(str)
        columns[f"c{number}"] = _where(chance.random(ROWS) < chance.random(), values)
    frame = pd.DataFrame(columns)
    for share in (0.003, 0.03, 0.5):
        assert find_leaks(frame, pd.Series(chance.random(ROWS) < share), task="binary") == []
    assert find_leaks(frame, pd.Series(chance.gamma(2, size=ROWS)), task="regression") == []
