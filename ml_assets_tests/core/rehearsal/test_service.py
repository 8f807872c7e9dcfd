"""What watching a version tells at a moment hangs on nothing that became known after it."""

from dataclasses import replace

import numpy as np
import pytest

from ml_assets.core.rehearsal.fits import EXACT, Fits
from ml_assets.core.rehearsal.live import World
from ml_assets.core.window import Window
from ml_assets_tests.core.rehearsal.streams import BEGINS, DAY, corrected, past, problem, steps

DAYS = 26
WRONG = Window(BEGINS + DAY, BEGINS + 2 * DAY)
CORRECTED_AT = BEGINS + 4 * DAY


def service_of(rows, *, days=DAYS, **declared):
    partitions = steps(days)
    world = World(problem(**declared), rows, partitions, Fits({}, fidelity=EXACT, clock=float), 0)
    version = world.trial(partitions[0].start, None, None)[0].version
    return world.service(version, partitions[0].start)


@pytest.fixture
def plain():
    return service_of(past(days=DAYS))


@pytest.fixture
def mended():
    return service_of(corrected(past(days=DAYS), WRONG, by=8, at=CORRECTED_AT))


def realised(service, now):
    found = service.readings(now, opened=WRONG.start, triggers=["realised"])
    return {one.since: one for one in found if one.source == "realised"}


def test_a_loss_is_read_from_the_labels_known_then(plain, mended):
    before = WRONG.end + DAY
    assert realised(mended, before) == realised(plain, before)
    usual, found = (realised(one, CORRECTED_AT)[WRONG.start] for one in (plain, mended))
    assert found.loss > 4 * usual.loss


def test_a_corrected_label_makes_its_window_count_again(plain, mended):
    before = WRONG.end + DAY
    assert mended.verdicts(before) == plain.verdicts(before)
    drifted = [row for row in mended.verdicts(CORRECTED_AT) if row.state == "drift"]
    assert WRONG.start in {row.window_start for row in drifted}
    assert "residual" in drifted[0].columns
    assert "drift" not in {row.state for row in plain.verdicts(CORRECTED_AT)}


def test_batches_far_apart_are_judged_step_by_step_as_at_once():
    days = 45
    rows = past(days=days, seed=1)
    moved = (rows.times >= np.datetime64("2024-01-27")) * 0.3
    rows = replace(rows, frame=rows.frame.assign(load=rows.frame["load"] + moved))
    ages = (rows.times - np.datetime64("2024-01-21")) / np.timedelta64(1, "D")
    kept = np.flatnonzero((ages < 0) | (ages % 3 < 1))  # one day of three, once it serves
    rows = replace(
        rows,
        frame=rows.frame.iloc[kept].reset_index(drop=True),
        label_row=np.arange(len(kept)),
        label=rows.label[kept],
        known_at=rows.known_at[kept],
        superseded_at=rows.superseded_at[kept],
    )
    rule = {"window": "P1D", "min_rows": 100, "scales": [1]}
    stepwise, at_once = (service_of(rows, days=days, monitoring=rule) for _ in range(2))
    for step in steps(days):
        told = stepwise.verdicts(step.end)
    assert told == at_once.verdicts(steps(days)[-1].end)
    assert "drift" in {row.state for row in told}
