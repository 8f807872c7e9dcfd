"""Which features and which slices a change of the loss is due to.

Three questions, each a counterfactual of its own, asked of one feature at a time; what they leave
is named as the remainder, since features overlap.

- Other rows: had only this feature's distribution moved, what would the loss have become? The
  reference's rows are reweighted to the recent distribution of the feature.
- Another relation: had the stored model's answers been corrected as a function of this feature
  alone, how much of the excess loss would be gone? Corrections are learned on other stretches of
  time than they are judged on.
- A fault: had the column been right, what would the stored model have answered? It is asked again
  with the column repaired.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.bootstrap import Blocks, FloatArray
from ml_assets.core.change.faults.fault import Fault
from ml_assets.core.change.rows import ComparedRows

Loss = Callable[[NDArray, NDArray], FloatArray]  # truth and answers -> one loss a row
Ask = Callable[[pd.DataFrame], NDArray]  # features -> answers of the stored model

CONFIDENCE = 0.95
RESAMPLES = 400
BINS = 10
STRETCHES = 12
MIN_ROWS = 20
EVERYWHERE = "everywhere alike"
REMAINDER = "remainder"

ShareOf = Literal["rows", "relation", "fault", "slice"]


@dataclass(frozen=True)
class Share:
    """The part of the change of the loss that one feature or slice explains.

    Attributes:
        name: Of the feature, of the slice, ``everywhere alike`` or ``remainder``.
        of: Which question it answers.
        share: Of the change of the mean loss.
        low: Lower bound.
        high: Upper bound.
    """

    name: str
    of: ShareOf
    share: float
    low: float
    high: float


def shares_of_rows(reference: ComparedRows, recent: ComparedRows, *, seed: int) -> list[Share]:
    """Return what each feature's own move explains, the most first."""
    total = recent.loss.mean() - reference.loss.mean()
    codes = {name: _codes(name, reference, recent) for name in reference.features}
    columns, names = [reference.loss], []
    for name, (before, since) in codes.items():
        size = max(before.max(), since.max()) + 1
        shares = [(np.bincount(own, minlength=size) + 0.5) / len(own) for own in (before, since)]
        weight = (shares[1] / shares[0])[before]
        columns += [weight * reference.loss, weight]
        names.append(name)
    drawn = _drawn(reference, np.column_stack(columns), seed)
    values = drawn[:, 1::2] / drawn[:, 2::2] - drawn[:, :1]
    return _ordered(_shares(names, "rows", values / total))


def shares_of_relation(
    reference: ComparedRows, recent: ComparedRows, *, loss: Loss, signed: bool, seed: int
) -> list[Share]:
    """Return what a correction by each feature alone would undo, the most first.

    Args:
        reference: Labelled rows from before.
        recent: Labelled rows since.
        loss: The problem's.
        signed: Whether answers are numbers, to which a correction is added. Classes are replaced
            by the most frequent truth of their bin.
        seed: Of the resamples.
    """
    total = recent.loss.mean() - reference.loss.mean()
    alike = {EVERYWHERE: np.zeros(len(recent), dtype=np.intp)}
    codes = alike | {name: _codes(name, reference, recent)[1] for name in reference.features}
    columns = [recent.loss]
    for bins in codes.values():
        answers = _corrected(recent, bins) if signed else _reclassified(recent, bins)
        columns.append(loss(recent.truth, answers))
    drawn = _drawn(recent, np.column_stack(columns), seed)
    found = _shares([*codes], "relation", (drawn[:, :1] - drawn[:, 1:]) / total)
    return [found[0], *_ordered(found[1:])]


def shares_of_faults(
    reference: ComparedRows,
    recent: ComparedRows,
    faults: Sequence[Fault],
    *,
    ask: Ask,
    loss: Loss,
    seed: int,
) -> list[Share]:
    """Return what each fault costs, by asking the stored model again without it.

    Where the same columns feed further features, those keep the values that were logged.
    """
    total = recent.loss.mean() - reference.loss.mean()
    repairable = [fault for fault in faults if fault.repair is not None]
    columns = [recent.loss]
    for fault in repairable:
        repaired = fault.repair(recent.frame) if fault.repair else recent.frame
        columns.append(loss(recent.truth, ask(repaired[list(recent.features)])))
    drawn = _drawn(recent, np.column_stack(columns), seed)
    names = [", ".join(fault.columns) for fault in repairable]
    return _ordered(_shares(names, "fault", (drawn[:, :1] - drawn[:, 1:]) / total))


def shares_of_slices(
    reference: ComparedRows,
    recent: ComparedRows,
    slices: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    *,
    seed: int,
) -> list[Share]:
    """Return the part of the change that lies in each slice: its rows times the rise of its loss.

    Args:
        reference: Labelled rows from before.
        recent: Labelled rows since.
        slices: By name, which rows of either side belong to it.
        seed: Of the resamples.
    """
    total = recent.loss.mean() - reference.loss.mean()
    kept = {
        name: masks
        for name, masks in slices.items()
        if min(masks[0].sum(), masks[1].sum()) >= MIN_ROWS
    }
    if not kept:
        return []
    before = np.array([reference.loss[masks[0]].mean() for masks in kept.values()])
    inside = np.column_stack([masks[1] for masks in kept.values()]).astype(np.float64)
    drawn = _drawn(recent, inside * (recent.loss[:, None] - before), seed)
    return _ordered(_shares([*kept], "slice", drawn / total))


def text_slices(
    reference: ComparedRows, recent: ComparedRows, *, most: int = 12
) -> Iterator[tuple[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]]]:
    """Yield a slice for each value of each text feature that has few of them."""
    for name in reference.categorical:
        before, since = (rows.frame[name].to_numpy(object) for rows in (reference, recent))
        known = sorted({value for value in before if value is not None})
        if len(known) <= most:
            for value in known:
                yield f"{name} is {value}", (before == value, since == value)


def remainder(shares: Sequence[Share]) -> float:
    """Return what the shares leave of the whole change."""
    return 1 - sum(one.share for one in shares)


def _codes(
    name: str, reference: ComparedRows, recent: ComparedRows
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the bin of each row, in the reference's quantiles or texts; missing is a bin."""
    if name in reference.categorical:
        before, since = (rows.frame[name].to_numpy(object) for rows in (reference, recent))
        codes, _ = pd.factorize(np.r_[before, since])
        return codes[: len(before)] + 1, codes[len(before) :] + 1
    values = reference.numbers(name)
    present = values[np.isfinite(values)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(present, inner)) if len(present) else np.empty(0)
    sides = []
    for own in (values, recent.numbers(name)):
        bins = np.searchsorted(edges, own, side="right") + 1
        sides.append(np.where(np.isfinite(own), bins, 0))
    return sides[0], sides[1]


def _stretch(rows: ComparedRows) -> NDArray[np.intp]:
    return np.arange(len(rows)) * STRETCHES // max(len(rows), 1)


def _corrected(rows: ComparedRows, bins: NDArray[np.intp]) -> FloatArray:
    """Return answers less the mean residual of their bin, learned on the other stretches."""
    answers = rows.prediction.astype(np.float64)
    residuals = answers - rows.truth.astype(np.float64)
    stretch, size = _stretch(rows), int(bins.max()) + 1
    corrected = answers.copy()
    for number in range(STRETCHES):
        own = stretch == number
        counts = np.bincount(bins[~own], minlength=size)
        sums = np.bincount(bins[~own], weights=residuals[~own], minlength=size)
        # A bin with few rows leans on the mean of all.
        mean = residuals[~own].mean() if (~own).any() else 0.0
        corrected[own] -= ((sums + MIN_ROWS * mean) / (counts + MIN_ROWS))[bins[own]]
    return corrected


def _reclassified(rows: ComparedRows, bins: NDArray[np.intp]) -> NDArray:
    """Return the most frequent truth of a bin and answer, learned on the other stretches."""
    classes, truth = np.unique(rows.truth.astype(str), return_inverse=True)
    answers = rows.prediction.astype(str)
    _, answer = np.unique(answers, return_inverse=True)
    cell = bins * (int(answer.max()) + 1) + answer
    stretch, size = _stretch(rows), int(cell.max()) + 1
    corrected = answers.astype(object)
    for number in range(STRETCHES):
        own = stretch == number
        counts = np.zeros((size, len(classes)))
        np.add.at(counts, (cell[~own], truth[~own]), 1)
        enough = counts.sum(axis=1)[cell[own]] >= MIN_ROWS
        corrected[own] = np.where(enough, classes[counts.argmax(axis=1)[cell[own]]], answers[own])
    return corrected.astype(str)


def _drawn(rows: ComparedRows, columns: FloatArray, seed: int) -> FloatArray:
    """Return the means of columns: those of all rows first, then of each resample."""
    blocks = Blocks.draw(rows.times, seed=seed, series=rows.loss, resamples=RESAMPLES)
    return np.vstack([columns.mean(axis=0), blocks.means(columns)])


def _shares(names: Sequence[str], of: ShareOf, drawn: FloatArray) -> list[Share]:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn[1:], [tail, 1 - tail], axis=0)
    return [
        Share(name, of, float(drawn[0, at]), float(low[at]), float(high[at]))
        for at, name in enumerate(names)
    ]


def _ordered(shares: Sequence[Share]) -> list[Share]:
    return sorted(shares, key=lambda one: -one.share)
