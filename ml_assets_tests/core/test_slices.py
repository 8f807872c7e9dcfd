import numpy as np
import pandas as pd
import pytest

from ml_assets.core.errors import DeclarationError
from ml_assets.core.problem import Slice
from ml_assets.core.slices import declared_slices, worst_slice


def _frame(rows=2000):
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"heat": generator.uniform(0, 40, rows), "hour": np.arange(rows) % 24.0})
    frame["rig"] = pd.Series(generator.choice(["a", "b", "c"], rows), dtype=object)
    return frame


def _worst(frame, loss):
    return worst_slice(frame, numeric=("heat", "hour"), categorical=("rig",), loss=loss)


def test_the_worst_place_is_found_on_one_half_and_holds_rows_of_the_other():
    frame = _frame()
    bad = ((frame["heat"] > 31.2) & (frame["hour"] <= 6)).to_numpy()
    noise = np.random.default_rng(1).exponential(0.2, len(frame))
    found = _worst(frame, noise + 5.0 * bad)
    assert found.found == "automatic"
    assert "heat > 31." in found.name
    assert "hour <= 6.5" in found.name
    assert not found.mask[:1000].any()
    assert found.mask[1000:].sum() == pytest.approx(bad[1000:].sum(), abs=3)


def test_categories_and_missing_values_are_put_in_words():
    frame = _frame()
    of_b = (frame["rig"] == "b").to_numpy()
    frame.loc[of_b & (frame["hour"] < 12), "heat"] = np.nan
    loss = np.where(of_b, 2.0, 1.0) + np.where(frame["heat"].isna(), 3.0, 0.0)
    assert "missing" in _worst(frame, loss).name
    assert _worst(_frame(), of_b * 1.0).name == "rig = b"


def test_nothing_is_found_where_the_loss_is_the_same_or_rows_are_few():
    frame = _frame()
    assert _worst(frame, np.ones(len(frame))) is None
    assert _worst(frame[:120], np.arange(120.0)) is None
    assert worst_slice(frame, numeric=(), categorical=(), loss=np.ones(len(frame))) is None


def test_a_place_that_is_no_worse_later_is_not_shown():
    frame = _frame()
    early = np.arange(len(frame)) < 1000
    of_b = (frame["rig"] == "b").to_numpy()
    assert _worst(frame, np.where(of_b & early, 2.0, 1.0)) is None
    assert _worst(frame, np.where(of_b, np.where(early, 2.0, 0.5), 1.0)) is None
    harder_later = np.where(early, np.where(of_b, 2.0, 0.5), np.where(of_b, 3.0, 4.0))
    assert _worst(frame, harder_later) is None


def test_declared_slices_cover_every_row_once():
    frame = _frame()
    frame.loc[::10, ["heat", "rig"]] = [np.nan, None]
    for declared in (
        Slice(column="rig"),
        Slice(column="heat", bins=(10, 30)),
        Slice(column="heat"),
    ):
        parts = declared_slices(frame, (declared,))
        assert (np.sum([part.mask for part in parts], axis=0) == 1).all()
        assert parts[-1].name.endswith("is missing")


def test_bins_include_their_lower_edge():
    frame = pd.DataFrame({"heat": [9.0, 10.0, 30.0]})
    parts = declared_slices(frame, (Slice(column="heat", bins=(10, 30)),))
    assert [(part.name, part.mask.tolist()) for part in parts] == [
        ("heat < 10", [True, False, False]),
        ("10 <= heat < 30", [False, True, False]),
        ("heat >= 30", [False, False, True]),
    ]


def test_rare_categories_are_one_slice():
    frame = pd.DataFrame({"site": [f"s{number % 50:02}" for number in range(500)]}, dtype=object)
    parts = declared_slices(frame, (Slice(column="site"),))
    assert len(parts) == 21
    assert parts[-1].name == "site is another"


def test_a_slice_that_cannot_be_cut_is_refused():
    with pytest.raises(DeclarationError, match="'heat'"):
        declared_slices(_frame(), (Slice(column="heet"),))
    with pytest.raises(DeclarationError, match="no numbers"):
        declared_slices(_frame(), (Slice(column="rig", bins=(1,)),))
