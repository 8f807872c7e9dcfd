"""What ends an experiment at once."""

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import binom

from ml_assets.core.gain import PairedRows
from ml_assets.core.guard_rails import Service, read_rails, share_above
from ml_assets.core.problem import GuardRails

TIMES = np.datetime64("2024-01-01", "us") + np.arange(300).astype("timedelta64[h]")
LOSSES = np.random.default_rng(0).exponential(size=(2, 300))


def rows(worsening=0.0):
    return PairedRows(LOSSES[0], (1 + worsening) * LOSSES[1], TIMES, timedelta(hours=1))


def broken(service=None, losses=None):
    found = read_rails(GuardRails(), service or Service(), losses or rows(), alpha=0.05)
    return [rail.rail for rail in found if rail.broken]


@pytest.mark.parametrize("bound", [0.01, 0.2])
@pytest.mark.parametrize("rows", [1, 30, 100])
def test_the_bet_is_fair_at_the_bound(bound, rows):
    hits = np.arange(rows + 1)
    bets = np.array([share_above(int(hit), rows, bound) for hit in hits])
    assert (binom.pmf(hits, rows, bound) * bets).sum() == pytest.approx(1.0, rel=1e-6)


def test_a_share_below_its_bound_is_no_evidence():
    assert share_above(0, 100_000, 0.01) < 1e-6
    assert share_above(100_000, 100_000, 0.01) > 1e6


def test_what_serves_well_breaks_no_rail():
    assert broken(Service(rows=1000, failed=8, timed=1000, slow=40)) == []


def test_nothing_measured_breaks_no_rail_and_says_so():
    nothing = PairedRows(np.zeros(0), np.zeros(0), TIMES[:0], timedelta(hours=1))
    found = read_rails(GuardRails(), Service(), nothing, alpha=0.05)
    assert [(rail.rail, rail.observed, rail.rows) for rail in found] == [
        ("errors", None, 0),
        ("latency", None, 0),
        ("loss", None, 0),
    ]
    assert not any(rail.broken for rail in found)


@pytest.mark.parametrize(
    ("service", "losses", "rail"),
    [
        (Service(rows=40, failed=6), rows(), "errors"),
        (Service(rows=60, timed=60, slow=20), rows(), "latency"),
        (Service(), rows(worsening=2.0), "loss"),
    ],
)
def test_harm_breaks_its_rail(service, losses, rail):
    assert broken(service, losses) == [rail]


def test_the_rails_share_one_chance_of_breaking_for_nothing():
    found = read_rails(GuardRails(), Service(), rows(), alpha=0.03)
    assert sum(rail.alpha for rail in found) == pytest.approx(0.03)
    generator, breaks = np.random.default_rng(1), 0
    for _ in range(400):
        failed = (generator.random(600) < GuardRails().max_errors).cumsum()
        looks = range(5, 601, 5)
        bets = (share_above(int(failed[n - 1]), n, GuardRails().max_errors) for n in looks)
        breaks += any(bet >= 20 for bet in bets)
    assert breaks / 400 <= 0.05
