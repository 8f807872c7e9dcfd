"""Each real table runs from its file to a served model with one folder and no other Python."""

from datetime import UTC, datetime

import pytest

from ml_assets.core.window import Window
from ml_assets.storage.versions import champion_version

RUNS = {
    "bike_sharing": Window(datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 5, 1, tzinfo=UTC)),
    "elec2": Window(datetime(1996, 5, 7, tzinfo=UTC), datetime(1996, 8, 1, tzinfo=UTC)),
    "metro_traffic": Window(datetime(2012, 10, 1, tzinfo=UTC), datetime(2013, 7, 1, tzinfo=UTC)),
}
LEAKS = {
    "bike_sharing": "registered + casual = cnt",
    "elec2": "nswprice against the mean of its 48 previous values",
}


def failed_checks(result):
    return {c.check_name: c for c in result.get_asset_check_evaluations() if not c.passed}


@pytest.mark.slow
@pytest.mark.serve
@pytest.mark.parametrize("name", RUNS)
def test_from_file_to_served_model(real_problem, name):
    runner = real_problem(name)
    result = runner.run("pipeline", RUNS[name])
    assert result.success
    serving = runner.workspace.deployment(name).read()
    assert serving.champion_version == champion_version(runner.workspace, name).name
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert checks["no_leaking_column"].passed
    if name in LEAKS:
        assert LEAKS[name] in checks["no_leaking_column"].description


@pytest.mark.slow
def test_the_leak_blocks_where_it_is_not_declared(real_problem):
    runner = real_problem("bike_sharing", after_event=())
    runner.run("data", RUNS["bike_sharing"])
    result = runner.run("training", RUNS["bike_sharing"], raise_on_error=False)
    assert not result.success
    leaks = failed_checks(result)["no_leaking_column"].metadata["leaks"].value
    assert "registered + casual = cnt" in str(leaks)


@pytest.mark.slow
def test_hurricane_days_and_the_failed_hygrometer_are_named(real_problem):
    runner = real_problem("bike_sharing")
    autumn = Window(datetime(2012, 9, 1, tzinfo=UTC), datetime(2012, 12, 1, tzinfo=UTC))
    failed = failed_checks(runner.run("data", autumn))
    low = failed["volume_as_usual"].metadata["lowest"].value
    assert [text[:10] for text in low] == ["2012-10-29", "2012-10-30"]
    assert "2012-10-29 00:00 to 2012-10-30 13:00" in str(
        failed["no_long_gap"].metadata["longest_first"].value
    )


@pytest.mark.slow
def test_columns_that_come_alive_are_dated(real_problem):
    runner = real_problem("elec2")
    year = Window(datetime(1996, 9, 1, tzinfo=UTC), datetime(1997, 9, 1, tzinfo=UTC))
    failed = failed_checks(runner.run("data", year))
    named = failed["no_dead_column"].metadata["columns_that_died_or_came_alive"].value
    assert "vicprice comes alive on 1997-05-05" in named
    assert "vicdemand comes alive on 1997-05-05" in named


@pytest.mark.slow
def test_the_dirty_rows_and_the_gap_of_the_traffic_table_are_named(real_problem):
    runner = real_problem("metro_traffic")
    whole = Window(datetime(2012, 10, 1, tzinfo=UTC), datetime(2018, 10, 1, tzinfo=UTC))
    result = runner.run("data", whole)
    rejected = runner.workspace.lake.read("metro_traffic/rejected_rows").to_pylist()
    rules = [(row["rule"], row["column"]) for row in rejected if row["rule"] != "duplicate"]
    assert len(rules) == 11
    assert {column for _, column in rules} == {"temp", "rain_1h"}
    gap = failed_checks(result)["no_long_gap"].metadata["longest_first"].value[0]
    assert gap.startswith("2014-08-08")
    counts = result.get_asset_check_evaluations()
    accounted = next(c for c in counts if c.check_name == "every_row_accounted_for")
    assert accounted.metadata["rows_in"].value == 48_204
