"""Guard rails: what ends an experiment at once, with a stated chance of ending it for nothing.

Failures and slow answers are counted. The bet that their share is above its bound is a mixture of
likelihood ratios over all shares above it, uniform (Robbins 1970; Ville 1939). It is valid for
dependent rows too, as long as the chance of a hit, given the past, stays within the bound; and at
every look. A loss that is far too high is found by the sequential test itself, which does not wait
for the declared number of rows here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import exp, log, log1p

from scipy.special import betainc, betaln

from ml_assets.core.gain import PairedRows, SplitRows
from ml_assets.core.problem.traffic import GuardRails
from ml_assets.core.sequential_test import FEWEST_DEGREES, Rule, judge

RAILS = ("errors", "latency", "loss")


@dataclass(frozen=True, kw_only=True)
class RailReading:
    """What one guard rail shows.

    Attributes:
        rail: One of ``RAILS``.
        observed: A share of rows, or the worsening as a share of the champion's loss; None if
            nothing was measured.
        bound: What it must not exceed.
        rows: Rows that were measured.
        e_value: Evidence that the bound is exceeded.
        alpha: Chance of breaking for nothing, at all looks together, at most.
        broken: Whether the experiment has to end.
    """

    rail: str
    observed: float | None
    bound: float
    rows: int
    e_value: float
    alpha: float
    broken: bool


@dataclass(frozen=True, kw_only=True)
class Service:
    """How the challenger served so far.

    Attributes:
        rows: Rows that it was asked.
        failed: Rows that it could not answer.
        timed: Rows whose time to answer is known.
        slow: Those that took too long.
    """

    rows: int = 0
    failed: int = 0
    timed: int = 0
    slow: int = 0


def read_rails(
    rails: GuardRails,
    service: Service,
    losses: PairedRows | SplitRows,
    *,
    alpha: float,
) -> tuple[RailReading, ...]:
    """Return what the guard rails show.

    Args:
        rails: The bounds.
        service: How the challenger served.
        losses: Labelled rows.
        alpha: Chance that any of the rails breaks for nothing; they share it.
    """
    each = alpha / len(RAILS)
    return (
        *_counted(rails, service, each),
        _loss(rails.max_worsening, losses, each),
    )


def share_above(hits: int, rows: int, bound: float) -> float:
    """Return the evidence that the share of hits is above ``bound``.

    Example:
        >>> share_above(0, 100, 0.01) < 1 < share_above(5, 100, 0.01)
        True
    """
    # The integral over p in (bound, 1) of (p / bound)^hits ((1 - p) / (1 - bound))^misses.
    misses = rows - hits
    above = 1 - float(betainc(hits + 1, misses + 1, bound))
    if above <= 0:
        return 0.0
    whole = float(betaln(hits + 1, misses + 1)) + log(above) - log1p(-bound)
    return exp(min(whole - hits * log(bound) - misses * log1p(-bound), 700.0))


def _counted(rails: GuardRails, service: Service, alpha: float) -> Iterator[RailReading]:
    counts = {
        "errors": (service.failed, service.rows, rails.max_errors),
        "latency": (service.slow, service.timed, rails.max_slow),
    }
    for rail, (hits, rows, bound) in counts.items():
        evidence = share_above(hits, rows, bound)
        yield RailReading(
            rail=rail,
            observed=hits / rows if rows else None,
            bound=bound,
            rows=rows,
            e_value=evidence,
            alpha=alpha,
            broken=evidence >= 1 / alpha,
        )


def _loss(worsening: float, losses: PairedRows | SplitRows, alpha: float) -> RailReading:
    rule = Rule(alpha=alpha, alpha_roll_back=alpha, allowed=worsening, expected=worsening)
    found = judge(losses, rule)
    known = found.degrees > 0 and found.champion_loss > 0
    return RailReading(
        rail="loss",
        observed=found.challenger_loss / found.champion_loss - 1 if known else None,
        bound=worsening,
        rows=found.challenger_rows,
        e_value=found.e_worse,
        alpha=alpha,
        broken=found.degrees >= FEWEST_DEGREES and found.e_worse >= 1 / alpha,
    )
