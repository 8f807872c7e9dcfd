"""Whether a correction would have helped: tried on every row with what was known before.

At the beginning of each window a correction is learned from the latest truths that were known by
then, as the running system would have done, and both losses in the window are compared. So nothing
is judged on what it was learned from, and late labels are late here too. One bets on blocks of rows
that are as long as neighbouring residuals resemble each other.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

import numpy as np

from ml_assets.core.change_evidence import evidence
from ml_assets.core.conformal import ClassSets, FloatArray, Intervals, upper_quantile
from ml_assets.core.corrections import (
    SMALLEST_CHANCE,
    Bounds,
    CorrectBias,
    Correction,
    FallBack,
    Kind,
    Recalibrate,
    Reweigh,
    Widen,
    correction_to_json,
)
from ml_assets.core.evidence_blocks import Blocks, Times, resembling
from ml_assets.core.learned_corrections import (
    learned_bias,
    learned_calibration,
    learned_weights,
)
from ml_assets.core.online_quantile import adapted, followed

FIT_ROWS = 200
FEWEST_ROWS = 30
RECENT = 8  # windows that say whether there still is an effect
Loss = Literal["absolute", "squared", "log"]


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """What one version said of rows whose truth is known, in order of event time.

    Attributes:
        times: Event times in UTC, shape (n,).
        known_at: When each truth became known, shape (n,).
        truth: Numbers; for classes the place of the true class; shape (n,).
        said: Predicted numbers, shape (n,), or probabilities, shape (n, k).
        fallback: What the baseline says of the same rows; None if there is none.
    """

    times: Times
    known_at: Times
    truth: np.ndarray
    said: FloatArray
    fallback: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.times)

    def rows(self, chosen: np.ndarray | slice) -> Self:
        """Return some of the rows."""
        back = None if self.fallback is None else self.fallback[chosen]
        return type(self)(
            self.times[chosen], self.known_at[chosen], self.truth[chosen], self.said[chosen], back
        )

    def since(self, moment: np.datetime64) -> Self:
        """Return the rows from a moment on."""
        return self.rows(self.times >= moment)

    def losses(self, said: FloatArray, loss: Loss) -> FloatArray:
        """Return the loss of each row, had this been said, shape (n,)."""
        match loss:
            case "absolute":
                return np.abs(said - self.truth)
            case "squared":
                return (said - self.truth) ** 2
            case "log":
                chosen = said[np.arange(len(self)), self.truth]
                return -np.log(np.clip(chosen, SMALLEST_CHANCE, 1.0))

    def corrected(self, correction: Correction | None) -> FloatArray:
        """Return what the rows would have been told."""
        match correction:
            case CorrectBias() | Recalibrate():
                return correction.numbers(self.said)
            case Reweigh():
                return correction.chances(self.said)
            case FallBack() if self.fallback is not None:
                return self.fallback
            case _:
                return self.said


@dataclass(frozen=True, eq=False)
class KindEvidence:
    """What the rows say of one kind of correction.

    Attributes:
        kind: Of correction.
        correction: As it would be now; None if it cannot be learned.
        gains: One a block: as a share of both losses; for intervals the share of truths outside
            beyond the declared one.
        blocks: Where they are.
        unit: A gain of this is bet on as one.
    """

    kind: Kind
    correction: Correction | None
    gains: FloatArray
    blocks: Blocks
    unit: float = 1.0

    @property
    def windows(self) -> int:
        """Windows that were judged."""
        return len(np.unique(self.blocks.windows))

    @property
    def evidence(self) -> float:
        """Evidence that it helps; see ``change_evidence``."""
        return evidence(self.gains / self.unit, self.blocks.windows)

    @property
    def gain(self) -> float:
        """Mean over the latest windows."""
        latest = self.blocks.windows > self.blocks.windows.max(initial=0) - RECENT
        return float(self.gains[latest].mean()) if len(self.gains) else 0.0

    def since(self, moment: datetime) -> Self:
        """Return the same for the blocks that began at a moment or later."""
        began = np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
        chosen = self.blocks.starts >= began
        return replace(self, gains=self.gains[chosen], blocks=self.blocks.chosen(chosen))

    def to_json(self) -> dict[str, Any]:
        """Return the figures."""
        made = None if self.correction is None else correction_to_json(self.correction)
        return {
            "evidence": self.evidence,
            "gain": self.gain,
            "windows": self.windows,
            "correction": made,
        }


def judged_correction(
    kind: Kind, rows: LabelledRows, bounds: Bounds, *, window: timedelta, loss: Loss
) -> KindEvidence:
    """Return the evidence that a correction of what is said helps.

    Args:
        kind: Of correction; not ``widen``.
        rows: All that is known of a version.
        bounds: Of the correction.
        window: Time between two looks.
        loss: What should be lower.
    """
    losses = rows.losses(rows.said, loss)
    blocks = Blocks.of(rows.times, window, rows=resembling(losses))
    after = losses.copy()
    for part in blocks.parts:
        known = np.flatnonzero(rows.known_at[: part.start] <= rows.times[part.start])
        correction = _learned(kind, rows.rows(known[-FIT_ROWS:]), bounds)
        if correction is not None:
            some = rows.rows(part)
            after[part] = some.losses(some.corrected(correction), loss)
    before, corrected = blocks.sums(losses), blocks.sums(after)
    both = before + corrected
    gains = np.divide(before - corrected, both, out=np.zeros(len(both)), where=both > 0)
    newest = _learned(kind, rows.rows(_latest(rows)), bounds)
    return KindEvidence(kind, newest, gains, blocks)


def judged_widening(
    rows: LabelledRows,
    intervals: Intervals,
    bounds: Bounds,
    *,
    adaptive: bool,
    window: timedelta,
) -> KindEvidence:
    """Return the evidence that intervals hold fewer truths than they should.

    Args:
        rows: All that is known of a version.
        intervals: As they were calibrated.
        bounds: Of the widening.
        adaptive: Whether the quantiles follow the truths.
        window: Time between two looks.
    """
    scores = scores_of(intervals, rows)
    in_order = np.argsort(rows.known_at, kind="stable")
    known_at = rows.known_at[in_order]
    lows, highs = followed(intervals, scores[in_order] if adaptive else scores[:0])
    # Whether truths lie outside hangs together for longer than how far out they lie.
    blocks = Blocks.of(rows.times, window, rows=4 * resembling(np.abs(scores)))
    outside = np.zeros(len(rows))
    for part in blocks.parts:
        known = np.searchsorted(known_at, rows.times[part.start], side="right") if adaptive else 0
        outside[part] = (scores[part] > highs[known]) | (scores[part] < lows[known])
    allowed = 1 - intervals.coverage
    missed = blocks.sums(outside) / np.maximum(blocks.sums(np.ones(len(rows))), 1) - allowed
    factor = _needed(intervals, scores[_latest(rows)], float(lows[-1]), float(highs[-1]))
    correction = Widen(min(factor, bounds.widening)) if factor > 1 else None
    return KindEvidence("widen", correction, missed, blocks, unit=allowed)


def scores_of(
    intervals: Intervals, rows: LabelledRows, said: FloatArray | None = None
) -> FloatArray:
    """Return the conformity score of each row, shape (n,)."""
    told = rows.said if said is None else said
    if isinstance(intervals, ClassSets):
        return 1 - told[np.arange(len(rows)), rows.truth]
    return intervals.scores(rows.truth, told)


def quantiles_now(
    intervals: Intervals, rows: LabelledRows, correction: Correction | None
) -> tuple[float | None, float]:
    """Return the quantiles after all truths, had everything been told as it is told now."""
    in_order = np.argsort(rows.known_at, kind="stable")
    scores = scores_of(intervals, rows, rows.corrected(correction))[in_order]
    found = adapted(intervals, scores)
    return found.low, found.high


def _learned(kind: Kind, rows: LabelledRows, bounds: Bounds) -> Correction | None:
    if kind == "fall_back":
        return None if rows.fallback is None else FallBack()
    if len(rows) < FEWEST_ROWS:
        return None
    numbers = rows.said.ndim == 1
    if kind == "correct_bias":
        return learned_bias(rows.truth, rows.said, bounds) if numbers else None
    if numbers:
        return learned_calibration(rows.truth, rows.said, bounds)
    return learned_weights(rows.truth, rows.said, bounds)


def _latest(rows: LabelledRows) -> np.ndarray:
    return np.sort(np.argsort(rows.known_at, kind="stable")[-FIT_ROWS:])


def _needed(intervals: Intervals, scores: FloatArray, low: float, high: float) -> float:
    """Return the factor that would have made intervals hold the declared share of these rows."""
    if len(scores) < FEWEST_ROWS:
        return 1.0
    allowed = 1 - intervals.coverage
    if isinstance(intervals, ClassSets):
        chances = np.maximum(1 - scores, SMALLEST_CHANCE)
        return upper_quantile(max(1 - high, 0.0) / chances, allowed)
    half = (high - low) / 2
    return upper_quantile(np.abs(scores - (low + high) / 2) / half, allowed) if half > 0 else 1.0
