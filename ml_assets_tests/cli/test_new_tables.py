"""Tables that nobody described become problems that work, from one file and the target's name."""

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.inference import Asked
from ml_assets_tests.cli.drafted import drafted
from ml_assets_tests.cli.entity_tables import ENTITIES
from ml_assets_tests.cli.unseen_tables import SERIES

TEXT_OPTIONS = (
    "decimal", "thousands", "percent", "delimiter", "encoding", "null_words", "sentinels",
)  # fmt: skip


@pytest.fixture(scope="module", params=(*SERIES, *ENTITIES), ids=lambda table: table.__name__)
def case(request, tmp_path_factory):
    table = request.param()
    folder = tmp_path_factory.mktemp("unseen")
    file = folder / table.name
    file.write_bytes(table.content)
    return table, drafted(folder, file, Asked(table.target))


@pytest.fixture(scope="module")
def rows(case):
    return case[1].rows()


def test_time_keys_task_and_partitions_are_found(case):
    table, found = case
    problem = found.declared.problem
    assert (problem.time.columns, problem.time.format) == (table.time, table.form)
    assert problem.keys == table.keys
    assert problem.task == table.task
    assert problem.partitions.every == table.every


def test_columns_have_their_use(case):
    table, found = case
    features = {column.name for column in found.inference.having("feature")}
    assert set(table.features) <= features
    assert not set(table.not_features) & features


def test_text_is_read_as_it_is_written(case):
    table, found = case
    declared = found.declared.problem.source.format
    for option in TEXT_OPTIONS:
        if option in table.extra:
            assert getattr(declared, option) == table.extra[option]
    assert found.inference.truth.skewed or not table.extra.get("skewed")
    if "after_event" in table.extra:
        assert found.declared.problem.after_event == table.extra["after_event"]


def test_the_contract_accepts_the_rows_it_was_drawn_from(case, rows):
    table, found = case
    rejected = rows.rejected.to_pandas()
    assert len(rejected) == table.rejected, rejected.groupby(["rule", "column"]).size()
    assert len(rows.valid) + len(rejected) == found.inference.rows


def test_features_have_one_row_for_each_row(case, rows):
    _, found = case
    features = found.features(rows.valid)
    assert len(features.frame) == len(rows.valid)
    names = {*features.numeric, *features.categorical}
    assert any(name.endswith("_latest") for name in names)
    empty = [name for name in names if features.frame[name].isna().all()]
    assert not [name for name in empty if "_ago" not in name and "_latest" not in name], empty


def test_no_feature_sees_the_future_or_beyond_the_lookback(case, rows):
    _, found = case
    assert found.changes(rows.valid) == []


def test_outliers_of_the_target_are_doubted_and_do_not_rule_all_candidates(tmp_path):
    chance = np.random.default_rng(1)
    x = chance.normal(size=2000)
    profit = -5 + 8 * x + chance.normal(size=2000)
    profit[::150] = 1e6 * chance.choice([-1, 1], size=len(profit[::150]))
    at = pd.date_range("2025-01-01", periods=2000, freq="h")
    pd.DataFrame({"at": at, "x": x, "profit": profit}).to_csv(tmp_path / "pnl.csv", index=False)
    found = drafted(tmp_path, tmp_path / "pnl.csv", Asked("profit"))
    losses = {one.name: one.params.get("loss") for one in found.declared.problem.candidates}
    assert losses == {"boosted": None, "boosted_median": "absolute_error", "ridge": None}
    (doubt,) = [one.text for one in found.inference.doubts if one.about == "profit"]
    assert "far away from all others" in doubt


def written(folder, **columns):
    frame = pd.DataFrame(columns).sort_values("at", kind="stable")
    frame.to_csv(folder / "rows.csv", index=False)
    return folder / "rows.csv"


def seconds(chance, rows):
    return pd.Timestamp("2025-01-01") + pd.to_timedelta(chance.integers(0, 30 * 86400, rows), "s")


def test_customers_are_told_apart_by_their_text_and_no_running_number_is(tmp_path):
    chance = np.random.default_rng(2)
    same = {"at": seconds(chance, 2000), "x": chance.normal(size=2000)}
    target = {"amount": same["x"] * 3 + chance.normal(size=2000)}
    names = [f"C{number}" for number in chance.permutation(2000)]
    file = written(tmp_path, customer_id=names, **same, **target)
    found = drafted(tmp_path, file, Asked("amount"))
    assert found.declared.problem.keys == ("customer_id",)
    churned = written(tmp_path, customer_id=names, **same, churned=same["x"] > 1)
    metrics = drafted(tmp_path / "c", churned, Asked("churned")).declared.problem.metrics
    assert metrics == ("log_loss", "accuracy", "brier", "roc_auc", "f1")
    file = written(tmp_path, row_id=np.argsort(np.argsort(same["at"])), **same, **target)
    assert drafted(tmp_path / "b", file, Asked("amount")).declared.problem.keys == ()


def test_an_entity_is_found_among_corrections(tmp_path):
    chance = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"site": chance.choice(["a", "b", "c"], 2000), "at": seconds(chance, 2000)}
    )
    corrected = frame.sample(100, random_state=1)
    rows = pd.concat([frame, corrected])
    energy = chance.normal(size=len(rows))
    file = written(tmp_path, site=rows["site"], at=rows["at"], energy=energy, x=energy + 1)
    found = drafted(tmp_path, file, Asked("energy"))
    assert found.declared.problem.keys == ("site",)
    assert any("share their identity" in one.text for one in found.inference.doubts)
