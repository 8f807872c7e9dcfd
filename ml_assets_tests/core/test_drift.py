from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pandas as pd
import pytest

from ml_assets.core.drift import MEMORY, decide, decide_each, reach
from ml_assets.core.errors import DataError
from ml_assets.core.histograms import WindowCounts
from ml_assets.core.problem import Monitoring
from ml_assets.core.reference import Reference

HOUR = timedelta(hours=1)
START = datetime(2024, 3, 1, tzinfo=UTC)
ROWS = 400
RULE = Monitoring()
NUMBERS = tuple(f"x{i}" for i in range(6))
KINDS = dict.fromkeys(NUMBERS, "float") | {
    "kind": "string",
    "prediction": "float",
    "residual": "float",
}
ROLES = {"prediction": "prediction", "residual": "residual"}


def rows(count, *, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(size=count) for name in NUMBERS})
    frame["kind"] = rng.choice(np.array(list("abcd"), object), count)
    frame["prediction"] = rng.normal(size=count)
    frame["residual"] = rng.normal(size=count)
    return frame


@cache
def reference():
    return Reference.fit(
        rows(40 * ROWS, seed=0),
        KINDS,
        roles=ROLES,
        window=HOUR,
        window_rows=ROWS,
        windows=40,
    )


def windows(count, *, change=None, since=0, seed=1, row_count=ROWS, known=None):
    known = known or reference()
    found = []
    for index in range(count):
        frame = rows(row_count, seed=1000 * seed + index)
        if change is not None and index >= since:
            frame = change(frame)
        found.append(WindowCounts.of(frame, known.bins, start=START + index * HOUR))
    return found


def verdicts(found, rule=RULE, known=None):
    known = known or reference()
    return [decide(known, found[: end + 1], rule) for end in range(len(found))]


def assigned(**values):
    return lambda frame: frame.assign(
        **{name: value(frame) if callable(value) else value for name, value in values.items()}
    )


def some(column, value, share):
    def change(frame):
        hit = np.arange(len(frame)) % round(1 / share) == 0
        return frame.assign(**{column: frame[column].where(~hit, value)})

    return change


def test_without_a_change_it_is_quiet():
    states = [verdict.state for verdict in verdicts(windows(30))]
    assert states == ["quiet"] * 30


CHANGES = {
    "shift of a feature": (assigned(x0=lambda f: f.x0 + 0.35), "x0", "shift", "warn"),
    "large shift of a feature": (assigned(x0=lambda f: f.x0 + 1), "x0", "shift", "retrain"),
    "wider spread of a feature": (assigned(x0=lambda f: f.x0 * 1.4), "x0", "shift", "warn"),
    "shift of the prediction": (
        assigned(prediction=lambda f: f.prediction + 0.35),
        "prediction",
        "shift",
        "retrain",
    ),
    "wider residuals": (
        assigned(residual=lambda f: f.residual * 1.4),
        "residual",
        "shift",
        "retrain",
    ),
    "missing values": (some("x1", np.nan, 0.05), "x1", "missing_rate", "data_fault"),
    "unseen category": (some("kind", "new", 0.02), "kind", "unseen_category", "data_fault"),
    "frozen number": (assigned(x2=0.3), "x2", "frozen_column", "data_fault"),
    "frozen category": (assigned(kind="a"), "kind", "frozen_column", "data_fault"),
    "dead column": (assigned(x3=np.nan), "x3", "dead_column", "data_fault"),
    "values in another unit": (
        assigned(x2=lambda f: f.x2 * 3.6),
        "x2",
        "unit_change",
        "data_fault",
    ),
    "absent column": (lambda f: f.drop(columns="x4"), "x4", "absent_column", "data_fault"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_change_is_found_within_two_windows_and_named(name):
    change, column, kind, severity = CHANGES[name]
    found = windows(8, change=change, since=6)
    before, after = verdicts(found)[5], verdicts(found)[7]
    assert before.state == "quiet"
    assert after.state == "drift"
    assert after.severity == severity
    assert (after.drifted[0].column, after.drifted[0].kind) == (column, kind)
    assert {finding.column for finding in after.drifted} == {column}


def test_a_broken_column_does_not_also_count_as_shifted():
    verdict = verdicts(windows(8, change=assigned(x2=0.3), since=6))[-1]
    assert {finding.kind for finding in verdict.tested if finding.column == "x2"} == {
        "frozen_column"
    }


def test_broken_data_comes_before_a_moved_prediction():
    def change(frame):
        return assigned(x2=0.3, residual=lambda f: f.residual + 1)(frame)

    verdict = verdicts(windows(8, change=change, since=6))[-1]
    assert {"x2", "residual"} <= {finding.column for finding in verdict.drifted}
    assert verdict.severity == "data_fault"


def test_one_odd_window_is_not_drift_unless_it_is_blatant():
    rule = Monitoring(min_effect=0.2)

    def odd(size):
        found = windows(8)
        found[6] = windows(8, change=assigned(x0=lambda f: f.x0 + size))[6]
        return verdicts(found, rule)

    mild, blatant = odd(0.3), odd(1.0)
    assert any(finding.is_hot for finding in mild[6].tested)
    assert [mild[6].state, mild[7].state] == ["quiet", "quiet"]
    assert blatant[6].state == "drift"


def test_a_small_change_shows_in_longer_windows():
    found = windows(40, change=assigned(x0=lambda f: f.x0 + 0.14), since=10)
    last = verdicts(found)[-1]
    assert last.state == "drift"
    assert last.drifted[0].scale > 1


def test_a_significant_trifle_is_no_drift():
    change = assigned(x0=lambda f: f.x0 + 0.05)
    last = decide(reference(), windows(6, change=change, row_count=20_000), RULE)
    trifle = min(last.tested, key=lambda finding: finding.p_value)
    assert (trifle.column, trifle.is_significant) == ("x0", True)
    assert last.state == "quiet"


def test_too_few_rows_are_not_quiet():
    few = verdicts(windows(3, row_count=50))[-1]
    assert (few.state, few.severity, few.tested) == ("insufficient", None, ())
    assert set(few.unjudged) == set(KINDS)


def test_a_silent_window_is_not_quiet():
    found = windows(6, change=assigned(x0=lambda f: f.x0 + 1))
    silent = WindowCounts.of(rows(0, seed=1), reference().bins, start=START + 6 * HOUR)
    assert decide(reference(), [*found, silent], RULE).state == "insufficient"


def test_little_traffic_is_judged_over_longer_windows():
    verdict = verdicts(windows(24, row_count=50))[-1]
    assert verdict.state == "quiet"
    assert {finding.scale for finding in verdict.tested} == {4, 24}


def test_dependent_rows_count_less():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": np.repeat(rng.normal(size=800), 20)})  # 20 equal rows in a row
    known = Reference.fit(
        frame, {"x": "float"}, roles={}, window=HOUR, window_rows=ROWS, windows=40
    )
    found = [WindowCounts.of(frame[:ROWS], known.bins, start=START)]
    verdict = decide(known, found, RULE)
    assert verdict.state == "insufficient"
    assert verdict.unjudged == ("x",)


def test_residuals_that_have_not_come_are_no_fault():
    verdict = verdicts(windows(8, change=assigned(residual=np.nan), since=3))[-1]
    assert verdict.state == "quiet"
    assert not any(
        finding.kind == "missing_rate" for finding in verdict.tested if finding.column == "residual"
    )


def test_residuals_without_any_value_are_unjudged():
    verdict = decide(reference(), windows(2, change=assigned(residual=np.nan)), RULE)
    assert verdict.unjudged == ("residual",)


def test_the_verdict_depends_on_nothing_but_the_last_windows():
    found = windows(40, change=assigned(x0=lambda f: f.x0 + 0.2), since=30)
    spoken = [window.start for window in found[-2::-1]]
    since = reach(reference(), RULE, since=found[-1].start, spoken=spoken)
    recent = [window for window in found if window.start >= since]
    assert len(recent) == 26
    again = decide(reference(), recent[::-1], RULE)
    assert again == decide(reference(), found, RULE)


def test_windows_far_apart_confirm_each_other_however_they_are_read():
    known, week = reference(), timedelta(days=7)
    found = [
        replace(window, start=START + place * week)
        for place, window in enumerate(
            windows(6, change=assigned(x0=lambda f: f.x0 + 0.25), since=2, seed=2)
        )
    ]
    at_once = decide_each(known, found, RULE, since=START)
    assert [verdict.state for verdict in at_once] == ["quiet"] * 3 + ["drift"] * 3
    for place, verdict in enumerate(at_once):
        spoken = [window.start for window in found[:place]]
        first = reach(known, RULE, since=found[place].start, spoken=spoken[::-1])
        read = [window for window in found[: place + 1] if window.start >= first]
        assert len(read) <= MEMORY
        assert decide(known, read, RULE) == verdict


def test_no_window_is_an_error():
    with pytest.raises(DataError, match="at least the window"):
        decide(reference(), [], RULE)


def test_many_windows_are_judged_at_once_as_one_by_one():
    found = windows(14, change=assigned(x0=lambda f: f.x0 + 0.3), since=8)
    at_once = decide_each(reference(), found, RULE, since=START)
    assert at_once == verdicts(found)


@pytest.mark.parametrize("change", [{"x0": 0.22}, {"x1": 0.3}, {}])
def test_a_larger_budget_never_alarms_later(change):
    moved = assigned(
        **{name: (lambda f, n=name, s=size: f[n] + s) for name, size in change.items()}
    )
    found = windows(20, change=moved, since=8, seed=3)
    alarms = [
        {v.window_start for v in verdicts(found, rule) if v.state == "drift"}
        for rule in (Monitoring(false_alarms_per_month=b) for b in (0.01, 1, 30))
    ]
    assert alarms[0] <= alarms[1] <= alarms[2]


def test_after_a_repair_the_long_windows_that_hold_the_fault_are_quiet():
    found = windows(30)
    found[10:14] = windows(14, change=assigned(x0=lambda f: f.x0 + 2))[10:14]
    states = [verdict.state for verdict in verdicts(found)]
    assert states[10:14] == ["drift"] * 4
    assert states[16:] == ["quiet"] * 14


def daily(days, *, seed, moved=0.0):
    """Return hourly rows whose level follows the hour of the day."""
    rng = np.random.default_rng(seed)
    times = pd.Series(pd.date_range(START, periods=days * 24, freq="h").repeat(60))
    level = 2 * np.sin(2 * np.pi * times.dt.hour / 24)
    frame = pd.DataFrame({"x": level + moved + rng.normal(size=len(times))})
    frame["kind"] = np.where(rng.random(len(times)) < 0.5 + level / 5, "a", "b")
    frame["kind"] = frame["kind"].astype(object)
    return frame, times


def seasonal_verdicts(season, *, moved=0.0, window=timedelta(hours=3)):
    frame, times = daily(60, seed=1)
    kinds = {"x": "float", "kind": "string"}
    known = Reference.fit(
        frame,
        kinds,
        roles={},
        window=window,
        window_rows=180,
        windows=40,
        scales=(1, 2),
        season=season,
        times=times,
    )
    rule = Monitoring(window=window, season=season, scales=(1, 2), min_rows=100)
    production, times = daily(6, seed=2, moved=moved)
    found = [
        WindowCounts.of(part, known.bins, start=start.to_pydatetime())
        for start, part in production.groupby(times.dt.floor("3h"))
    ]
    restored = Reference.from_json(known.to_json())
    verdicts = decide_each(known, found, rule, since=START)
    assert verdicts == decide_each(restored, found, rule, since=START)
    return verdicts


def test_a_declared_season_is_compared_like_with_like():
    still = seasonal_verdicts(timedelta(days=1))
    moved = seasonal_verdicts(timedelta(days=1), moved=0.4)
    assert {verdict.state for verdict in still} == {"quiet"}
    assert [verdict.state for verdict in moved[1:]].count("drift") > 40
    # Without the season the level of the day hides the change: each window is a few effective rows.
    assert {verdict.state for verdict in seasonal_verdicts(None, moved=0.4)} == {"insufficient"}


def test_a_phase_that_the_reference_never_saw_is_not_judged():
    frame, times = daily(40, seed=1)
    morning = times.dt.hour < 12
    known = Reference.fit(
        frame[morning].reset_index(drop=True),
        {"x": "float"},
        roles={},
        window=HOUR,
        window_rows=60,
        windows=40,
        season=timedelta(days=1),
        times=times[morning].reset_index(drop=True),
    )
    rule = Monitoring(season=timedelta(days=1), scales=(1,), min_rows=50)
    evening = WindowCounts.of(
        rows(300, seed=1).rename(columns={"x0": "x"}), known.bins, start=START + 20 * HOUR
    )
    assert decide(known, [evening], rule).state == "insufficient"
