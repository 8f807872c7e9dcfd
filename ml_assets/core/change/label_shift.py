"""Whether classes became more or less frequent, and nothing else.

Under label drift P(y) moves and P(x|y) stays, so the answers to each class stay as they were: the
rows of the confusion matrix are invariant (Lipton, Wang & Smola 2018, arXiv:1802.03916). Then the
change of the loss is that of the classes' shares alone.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.core.bootstrap import Blocks, FloatArray
from ml_assets.core.change.rows import ComparedRows

CONFIDENCE = 0.95
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
        answers_kept: Whether the answers to each class are as they were.
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
    sides = [rows.truth.astype(str) for rows in (reference, recent)]
    classes = sorted({*sides[0].tolist()} | {*sides[1].tolist()})
    if not 1 < len(classes) <= MOST_CLASSES:
        return None
    tests = len(classes) ** 2 + len(classes)
    shares, cells, losses = [], [], []
    for rows, truth in zip((reference, recent), sides, strict=True):
        is_class = (truth[:, None] == classes).astype(np.float64)
        is_answer = (rows.prediction.astype(str)[:, None] == classes).astype(np.float64)
        terms = (is_class[:, :, None] * is_answer[:, None, :]).reshape(len(rows), -1)
        own = _means(rows, np.column_stack([is_class, terms]), seed)
        shares.append(own[:, : len(classes)])
        with np.errstate(invalid="ignore", divide="ignore"):
            cells.append(own[:, len(classes) :] / np.repeat(shares[-1], len(classes), axis=1))
        losses.append(
            np.array(
                [
                    rows.loss[truth == one].mean() if (truth == one).any() else np.nan
                    for one in classes
                ]
            )
        )
    move = shares[1] - shares[0]
    often = np.array([min((side == one).sum() for side in sides) for one in classes])
    judged = np.repeat(often >= MIN_ROWS_OF_CLASS, len(classes))
    differs = _beyond_chance(cells[1] - cells[0], tests)
    before, after = shares[0][0], shares[1][0]
    return LabelShift(
        dict(zip(classes, map(float, before), strict=True)),
        dict(zip(classes, map(float, after), strict=True)),
        bool((_beyond_chance(move, tests) & (np.abs(move[0]) >= MIN_MOVE)).any()),
        bool(judged.any() and not (differs & judged).any()),
        float(np.nansum((after - before) * losses[0])),
    )


def _means(rows: ComparedRows, columns: FloatArray, seed: int) -> FloatArray:
    blocks = Blocks.draw(rows.times, seed=seed, series=columns[:, 0])
    return np.vstack([columns.mean(axis=0), blocks.means(columns)])


def _beyond_chance(drawn: FloatArray, tests: int) -> np.ndarray:
    """Say of each column whether its interval, corrected for the number of tests, lacks zero."""
    tail = max((1 - CONFIDENCE) / 2 / tests, 1 / len(drawn))
    low, high = np.nanquantile(drawn[1:], [tail, 1 - tail], axis=0)
    return (low > 0) | (high < 0)
