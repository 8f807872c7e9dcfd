"""Labels that come early are not a fair sample: each counts by how rarely its like comes early.

Earlier cohorts, whose labels have all come, say how soon the label of a row comes, by stratum of
its score and of its loss. A row that has its label weighs one over the chance of having it by now
(Horvitz & Thompson 1952, JASA 47; Hájek's ratio). The assumption: labels go on coming as they did
in those cohorts, given score and loss, and rows of one cohort are alike at any hour of it. Only
labelled rows need a weight, and of those the loss is known: so this also mends delays that depend
on the truth itself, as complaints that come first. The chance is one over the whole cohort: a kind
of row whose label takes a day is seen among the oldest rows only, and these stand for the others.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

SCORES, LOSSES = 3, 8  # strata; within one, chances should hardly differ
FEWEST = 25  # rows that tell a chance; a stratum with fewer is told by its losses, or by all rows
SMALLEST = 0.02  # chance below which a weight would be no more than noise
FEWEST_PAST = 100  # rows whose label is due, from which it is worth learning how labels arrive


@dataclass(frozen=True, eq=False)
class LabelArrivals:
    """How soon labels came in cohorts that are complete.

    Attributes:
        score_edges: Inner edges of the strata of scores.
        loss_edges: Inner edges of the strata of losses.
        delays: Sorted delays of each stratum, in seconds.
    """

    score_edges: FloatArray
    loss_edges: FloatArray
    delays: tuple[FloatArray, ...]

    @classmethod
    def learn(cls, scores: FloatArray, losses: FloatArray, delays: FloatArray) -> Self:
        """Learn from rows of complete cohorts.

        Args:
            scores: What the model answered, as a number, shape (n,).
            losses: Shape (n,).
            delays: From the event to the label, in seconds, shape (n,).
        """
        score_edges, loss_edges = _edges(scores, SCORES), _edges(losses, LOSSES)
        strata = _strata(scores, losses, score_edges, loss_edges)
        by_loss = len(loss_edges) + 1
        told = []
        for stratum in range((len(score_edges) + 1) * by_loss):
            own = strata == stratum
            alike = strata % by_loss == stratum % by_loss
            rows = next((at for at in (own, alike) if at.sum() >= FEWEST), slice(None))
            told.append(np.sort(delays[rows]))
        return cls(score_edges, loss_edges, tuple(told))

    def chances(self, scores: FloatArray, losses: FloatArray, *, ages: FloatArray) -> FloatArray:
        """Return the chance that a row like this, of any age in its cohort, has its label by now.

        Args:
            scores: Of labelled rows, shape (n,).
            losses: Of the same rows, shape (n,).
            ages: From the event to now, in seconds, of all rows of the cohort, shape (N,).
        """
        strata = _strata(scores, losses, self.score_edges, self.loss_edges)
        found = np.empty(len(scores))
        for stratum in np.unique(strata):
            at, delays = strata == stratum, self.delays[stratum]
            come = np.searchsorted(delays, ages, side="right").mean()
            found[at] = (come + 0.5) / (len(delays) + 1)
        return np.clip(found, SMALLEST, 1.0)


def _edges(values: FloatArray, strata: int) -> FloatArray:
    """Return inner edges; values that are few, such as 0 and 1, get a stratum each."""
    distinct = np.unique(values)
    if len(distinct) <= strata:
        return (distinct[1:] + distinct[:-1]) / 2
    return np.unique(np.quantile(values, np.linspace(0, 1, strata + 1)[1:-1]))


def _strata(
    scores: FloatArray, losses: FloatArray, score_edges: FloatArray, loss_edges: FloatArray
) -> IntArray:
    by_score = np.searchsorted(score_edges, scores, side="right")
    by_loss = np.searchsorted(loss_edges, losses, side="right")
    return by_score * (len(loss_edges) + 1) + by_loss
