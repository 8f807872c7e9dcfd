"""Whether classes became more or less frequent, and nothing else.

Under label drift P(y) moves and P(x|y) stays, so the answers to each class stay as they were: the
rows of the confusion matrix are invariant (Lipton, Wang & Smola 2018, arXiv:1802.03916). Then the
change of the loss is that of the classes' shares alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml_assets.core.bootstrap import FloatArray
from ml_assets.core.change.proportions import Counts, counts, p_values
from ml_assets.core.change.rows import ComparedRows

ERROR = 0.05  # over all tests
MIN_MOVE = 0.03  # of a class's share
MIN_ROWS_OF_CLASS = 40
MOST_CLASSES = 20


@dataclass(frozen=True)
class LabelShift:
    """How the classes' shares moved.

    Attributes:
        before: Share of each class in the reference.
        after: Share of each class in the recent rows.
        moved: Whether a share moved further than chance and enough to matter.
        answers_kept: Whether the answers to each class are as they were, as far as chance tells.
        part: Change of the mean loss that the shares explain.
    """

    before: dict[str, float]
    after: dict[str, float]
    moved: bool
    answers_kept: bool
    part: float


def label_shift(reference: ComparedRows, recent: ComparedRows, *, seed: int) -> LabelShift | None:
    """Compare the classes of labelled rows.

    Returns:
        None where there is one class only, or very many.
    """
    sides = (reference, recent)
    classes = sorted({one for rows in sides for one in rows.truth.astype(str).tolist()})
    if not 1 < len(classes) <= MOST_CLASSES:
        return None
    truths = [_is(rows.truth, classes) for rows in sides]
    shares = [
        counts(rows.times, is_class, np.ones((len(rows), 1)), series=is_class[:, 0], seed=seed)
        for rows, is_class in zip(sides, truths, strict=True)
    ]
    before, after = (side.rates for side in shares)
    often = np.min([is_class.sum(axis=0) for is_class in truths], axis=0) >= MIN_ROWS_OF_CLASS
    answers = [
        _answers(rows, is_class[:, often], classes, seed=seed)
        for rows, is_class in zip(sides, truths, strict=True)
    ]
    level = ERROR / (len(before) + len(answers[0].hits))  # Bonferroni
    moved = (p_values(*shares) < level) & (np.abs(after - before) >= MIN_MOVE)
    return LabelShift(
        dict(zip(classes, map(float, before), strict=True)),
        dict(zip(classes, map(float, after), strict=True)),
        bool(moved.any()),
        bool(often.any() and not (p_values(*answers) < level).any()),
        float((after - before) @ _losses(reference, truths[0])),
    )


def _is(values: NDArray, classes: list[str]) -> FloatArray:
    return (values.astype(str)[:, None] == classes).astype(np.float64)


def _answers(rows: ComparedRows, is_class: FloatArray, classes: list[str], *, seed: int) -> Counts:
    """Count each answer among the rows of each class."""
    trials = np.repeat(is_class, len(classes), axis=1)
    hits = trials * np.tile(_is(rows.prediction, classes), is_class.shape[1])
    wrong = (rows.truth.astype(str) != rows.prediction.astype(str)).astype(np.float64)
    return counts(rows.times, hits, trials, series=wrong, seed=seed)


def _losses(rows: ComparedRows, is_class: FloatArray) -> FloatArray:
    """Return the mean loss of each class, zero where it has no rows."""
    return rows.loss @ is_class / np.maximum(is_class.sum(axis=0), 1)
