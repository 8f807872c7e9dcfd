"""Whether a challenger is better than the champion, asked at any time and as often as one likes.

The gain is estimated with a variance that knows of keys and of time (``gain``), and is judged by an
e-value and an interval that hold at all looks together (``anytime``).

What is assumed: the versions do not change what happens (the truth of a row is the same whoever
answers); rows with a label are not chosen by the version that answered; blocks of time far apart
are nearly independent; the mean loss exists, and there is enough data that means of blocks, or of
keys, are nearly normal. ``benchmarks/sequential_test.py`` measures what comes of it.
"""

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Literal

from ml_assets.core.anytime import e_value, margin_of_error
from ml_assets.core.gain import Gain, PairedRows, SplitRows

Verdict = Literal["promote", "roll_back", "go_on"]

FEWEST_DEGREES = 4.0


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What has to be shown.

    Attributes:
        alpha: Chance that a challenger which is not better is ever promoted, at most.
        alpha_roll_back: Chance that one which is not worse is ever rolled back, at most.
        allowed: Share of the champion's loss by which the challenger may be worse.
        min_rows: Labelled rows that each version needs.
        expected: Size of the gains that one bets on, as a share of the champion's loss. Where it is
            off by a factor of three, the bet still wins, only later.
    """

    alpha: float
    alpha_roll_back: float
    allowed: float = 0.0
    min_rows: int = 0
    expected: float = 0.1


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the labelled requests say.

    Attributes:
        design: ``paired``: both answered the same rows. ``split``: the key's hash chose who did.
        verdict: What follows from it.
        estimate: Gain over the champion's loss, with what is allowed on top; NaN if unknown.
        low: The gain is above this, but for a chance of ``alpha``, at all looks together.
        high: The gain is below this, but for a chance of ``alpha_roll_back``.
        e_better: Evidence that the gain is above zero; from 1 / alpha on it is enough.
        e_worse: Evidence that the gain is below zero.
        degrees: Independent pieces of evidence, roughly.
        champion_loss: Mean of the labelled rows.
        challenger_loss: Mean of the labelled rows.
        champion_rows: Labelled rows.
        challenger_rows: Labelled rows.
        rule: What had to be shown.
    """

    design: Literal["paired", "split"]
    verdict: Verdict
    estimate: float
    low: float
    high: float
    e_better: float
    e_worse: float
    degrees: float
    champion_loss: float
    challenger_loss: float
    champion_rows: int
    challenger_rows: int
    rule: Rule

    @property
    def is_enough_data(self) -> bool:
        """Whether there are as many rows as the rule asks for."""
        return min(self.champion_rows, self.challenger_rows) >= self.rule.min_rows

    def to_json(self) -> dict[str, Any]:
        """Return plain values; None where a number is not finite."""
        return {
            name: None if isinstance(value, float) and not isfinite(value) else value
            for name, value in asdict(self).items()
        }


def judge(rows: PairedRows | SplitRows, rule: Rule) -> Evidence:
    """Return what the rows say of the challenger now; every look at a growing log is allowed.

    Args:
        rows: Labelled rows up to some moment, all of them.
        rule: What has to be shown.

    Example:
        >>> import numpy as np
        >>> from datetime import timedelta
        >>> noise = np.random.default_rng(0).exponential(size=(2, 500))
        >>> times = np.datetime64("2024-01-01") + np.arange(500).astype("timedelta64[h]")
        >>> rows = PairedRows(noise[0], 0.5 * noise[1], times, timedelta(hours=1))
        >>> judge(rows, Rule(alpha=0.05, alpha_roll_back=0.05)).verdict
        'promote'
    """
    design: Literal["paired", "split"] = "paired" if isinstance(rows, PairedRows) else "split"
    gain = rows.gain(allowed=rule.allowed)
    if gain is None:
        return _nothing_yet(rows, design, rule)
    chance = {
        "variance": gain.variance,
        "degrees": gain.degrees,
        "scale": rule.expected * gain.champion_loss,
    }
    better, worse = e_value(gain.estimate, **chance), e_value(-gain.estimate, **chance)
    return Evidence(
        design=design,
        verdict=_verdict(gain, better, worse, rule),
        estimate=gain.estimate,
        low=gain.estimate - margin_of_error(**chance, alpha=rule.alpha),
        high=gain.estimate + margin_of_error(**chance, alpha=rule.alpha_roll_back),
        e_better=better,
        e_worse=worse,
        degrees=gain.degrees,
        champion_loss=gain.champion_loss,
        challenger_loss=gain.challenger_loss,
        champion_rows=gain.champion_rows,
        challenger_rows=gain.challenger_rows,
        rule=rule,
    )


def _verdict(gain: Gain, better: float, worse: float, rule: Rule) -> Verdict:
    rows = min(gain.champion_rows, gain.challenger_rows)
    if rows < rule.min_rows or gain.degrees < FEWEST_DEGREES:
        return "go_on"
    if better >= 1 / rule.alpha:
        return "promote"
    return "roll_back" if worse >= 1 / rule.alpha_roll_back else "go_on"


def _nothing_yet(
    rows: PairedRows | SplitRows, design: Literal["paired", "split"], rule: Rule
) -> Evidence:
    if isinstance(rows, PairedRows):
        ours = theirs = len(rows.champion)
    else:
        ours = int(rows.challenger.sum())
        theirs = len(rows.challenger) - ours
    unknown = float("nan")
    return Evidence(
        design=design,
        verdict="go_on",
        estimate=unknown,
        low=-float("inf"),
        high=float("inf"),
        e_better=1.0,
        e_worse=1.0,
        degrees=0.0,
        champion_loss=unknown,
        challenger_loss=unknown,
        champion_rows=theirs,
        challenger_rows=ours,
        rule=rule,
    )
