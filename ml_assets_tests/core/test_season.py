"""A declared season in which columns stand still, or are empty, for a part of each day."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.drift import DriftVerdict, decide_each
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = 200  # an hour
RULE = Monitoring(season=DAY, scales=(1, 2), min_rows=50)
KINDS = {"number": "float", "text": "string"}
LONG_NIGHT, SHORT_NIGHT = range(5), range(3, 4)


def rows(days, *, seed, night, still, moved=0.0, at_night=None):
    """Return a number and a text that are random by day.

    Args:
        days: How many.
        seed: Of the chance by day.
        night: Hours in which they stand still.
        still: Value of the number in these, by the hour; NaN if both are missing.
        moved: Standard deviations by which the number has moved by day.
        at_night: Value of the number at night, where it is no longer as it was.
    """
    rng = np.random.default_rng(seed)
    count = days * 24 * ROWS
    times = pd.Series(pd.date_range(START, periods=count, freq=pd.Timedelta(HOUR) / ROWS))
    hours = times.dt.hour.to_numpy()
    dark = np.isin(hours, night)
    number = rng.normal(5 + moved, 1, count)
    number[dark] = still(hours[dark]) if at_night is None else at_night
    text = np.where(rng.random(count) < 0.5 + moved / 4, "a", "b").astype(object)
    text[dark] = None if np.isnan(number[dark]).any() else "off"
    return pd.DataFrame({"number": number, "text": text}), times


def zero(hours):
    return np.zeros(len(hours))


def missing(hours):
    return np.full(len(hours), np.nan)


def verdicts(*, night=LONG_NIGHT, still, rule=RULE, **change) -> dict[int, DriftVerdict]:
    """Return the verdicts on the second of two days, by the hour."""
    frame, times = rows(12, seed=1, night=night, still=still)
    reference = Reference.fit(
        frame,
        KINDS,
        roles={},
        window=HOUR,
        window_rows=ROWS,
        windows=40,
        scales=rule.scales,
        season=rule.season,
        times=times,
    )
    frame, times = rows(2, seed=2, night=night, still=still, **change)
    counts = [
        WindowCounts.of(part, reference.bins, start=start.to_pydatetime())
        for start, part in frame.groupby(times.dt.floor("h"))
    ]
    decided = decide_each(reference, counts, rule, since=START + DAY)
    return {verdict.window_start.hour: verdict for verdict in decided}


def drifting(found, column):
    """Return the hours in which a column drifts."""
    return {
        hour
        for hour, verdict in found.items()
        if column in {finding.column for finding in verdict.drifted}
    }


@pytest.mark.parametrize("night", [LONG_NIGHT, SHORT_NIGHT])
@pytest.mark.parametrize("still", [zero, missing])
def test_a_column_that_rests_at_night_is_quiet_without_a_change(night, still):
    found = verdicts(night=night, still=still)
    assert {hour: v.drifted for hour, v in found.items() if v.drifted} == {}


@pytest.mark.parametrize("column", list(KINDS))
@pytest.mark.parametrize("still", [zero, missing])
def test_a_column_that_rests_at_night_is_judged_by_day(still, column):
    found = verdicts(still=still, moved=1.0)
    day = set(range(24)) - set(LONG_NIGHT)
    assert drifting(found, column) >= day - {5}  # whose window of two hours reaches into the night
    assert all(column not in found[hour].unjudged for hour in day)


def test_at_night_another_value_than_the_constant_shows():
    found = verdicts(still=zero, at_night=0.5)
    assert drifting(found, "number") >= set(LONG_NIGHT)


@pytest.mark.parametrize("column", list(KINDS))
def test_at_night_a_column_that_was_always_missing_is_not_judged(column):
    found = verdicts(still=missing)
    assert all(column in found[hour].unjudged for hour in LONG_NIGHT)


def test_values_that_may_change_places_between_hours_that_each_stand_still_are_not_judged():
    rule = RULE.model_copy(update={"min_rows": ROWS + 1})  # more than one such hour has
    found = verdicts(night=range(24), still=lambda hours: hours.astype(float), rule=rule)
    assert {(verdict.state, verdict.unjudged) for verdict in found.values()} == {
        ("quiet", ("number",))
    }
