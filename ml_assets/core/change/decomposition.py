"""How much of a change of the loss comes from other rows, and how much from another relation.

DISDE (Cai, Namkoong & Yadlowsky 2023, arXiv:2303.02011) compares both periods on the rows that
they share. With pi(x) the chance that a row is recent, the reference's rows weigh pi and the recent
ones 1 - pi: both are then distributed as the shared rows S. With the mean loss R of the reference P
and of the recent rows Q,

    R_Q - R_P = (R_P on S - R_P on P) + (R_Q on S - R_P on S) + (R_Q on Q - R_Q on S)

The first and last terms are due to the rows (covariate drift), the middle one to the relation of
features and truth (concept drift). Where too few rows are shared nobody can tell.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.core.bootstrap import Blocks, Estimate, FloatArray
from ml_assets.core.change.overlap import MOST_ROWS, chance_recent, separation
from ml_assets.core.change.rows import ComparedRows

CONFIDENCE = 0.95
MIN_LABELLED = 100
MIN_SHARED = 50.0  # effective rows


@dataclass(frozen=True)
class Decomposition:
    """The change of the mean loss, taken apart; values in the unit of the loss.

    Attributes:
        before: Mean loss of the reference.
        after: Mean loss of the recent rows.
        total: After less before.
        covariate: Part that other rows explain.
        concept: Part that another relation explains.
        bias: Change of the mean residual on shared rows; NaN where residuals have no sign.
        noise: Standard deviation of the reference's residuals; NaN as above.
        shared_reference: Effective number of the reference's rows that are shared.
        shared_recent: Effective number of the recent rows that are shared.
        separation: How well features tell the periods apart: 0.5 not at all, 1 entirely.
    """

    before: float
    after: float
    total: Estimate
    covariate: Estimate
    concept: Estimate
    bias: Estimate
    noise: float
    shared_reference: float
    shared_recent: float
    separation: float

    @property
    def overlaps(self) -> bool:
        """Whether enough rows are shared to tell rows and relation apart."""
        return min(self.shared_reference, self.shared_recent) >= MIN_SHARED


def decompose(
    reference: ComparedRows, recent: ComparedRows, *, signed: bool, seed: int
) -> Decomposition | None:
    """Take the change of the loss apart.

    Args:
        reference: Rows from before the change, in order of time.
        recent: Rows since.
        signed: Whether prediction and truth are numbers, whose difference has a sign.
        seed: Of the classifier and the resamples.

    Returns:
        None where one side has too few labelled rows.
    """
    sides = [rows.labelled.thinned(MOST_ROWS) for rows in (reference, recent)]
    if min(map(len, sides)) < MIN_LABELLED:
        return None
    before, after = sides
    of_before, of_after = chance_recent(before, after, seed=seed)
    weights = of_before, 1 - of_after
    terms = [
        _terms(rows, weight, signed=signed) for rows, weight in zip(sides, weights, strict=True)
    ]
    blocks = [Blocks.draw(rows.times, seed=seed, series=rows.loss) for rows in sides]
    parts = _parts(*(_figures(one.mean(axis=0)[None]) for one in terms))[0]
    drawn = _parts(*(_figures(own.means(one)) for own, one in zip(blocks, terms, strict=True)))
    # The side with fewer blocks knows its spread less well: it widens the intervals.
    fewest = min(blocks, key=lambda own: len(own.first) / own.length)
    total, covariate, concept, bias = (
        Estimate(float(value), *fewest.interval(drawn[:, at], confidence=CONFIDENCE))
        for at, value in enumerate(parts)
    )
    # Effective rows (Kish 1965), and no more than lie in the common part: 2 pi is 1 without drift.
    shared = [float(min(w.sum() ** 2 / (w**2).sum(), 2 * w.sum())) for w in weights]
    residuals = _residuals(before, signed=signed)
    return Decomposition(
        float(before.loss.mean()),
        float(after.loss.mean()),
        total,
        covariate,
        concept,
        bias if signed else Estimate(np.nan, np.nan, np.nan),
        float(residuals.std()) if signed else float("nan"),
        shared[0],
        shared[1],
        separation(of_before, of_after),
    )


def _terms(rows: ComparedRows, weight: FloatArray, *, signed: bool) -> FloatArray:
    residuals = _residuals(rows, signed=signed)
    return np.column_stack([rows.loss, weight * rows.loss, weight * residuals, weight])


def _figures(means: FloatArray) -> FloatArray:
    """Return mean loss, mean loss on shared rows, mean residual on them; shape (n, 3)."""
    return np.column_stack([means[:, 0], means[:, 1:3] / means[:, 3:]])


def _parts(before: FloatArray, after: FloatArray) -> FloatArray:
    """Return total, covariate, concept and bias; shape (n, 4)."""
    total = after[:, 0] - before[:, 0]
    concept = after[:, 1] - before[:, 1]
    return np.column_stack([total, total - concept, concept, after[:, 2] - before[:, 2]])


def _residuals(rows: ComparedRows, *, signed: bool) -> FloatArray:
    if not signed:
        return np.zeros(len(rows))
    return rows.prediction.astype(float) - rows.truth.astype(float)
