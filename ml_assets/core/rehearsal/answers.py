"""What a version answers from some moment on, and what it errs by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from ml_assets.core.estimation.loss_estimator import AnsweredRows, LossEstimator
from ml_assets.core.logged_loss import logged_metric
from ml_assets.core.metrics import Predictions, row_loss
from ml_assets.core.problem import Problem
from ml_assets.core.rehearsal.growing import GrowingArray
from ml_assets.core.rehearsal.past import KnownLabels, Past
from ml_assets.core.rehearsal.version import Version
from ml_assets.core.training import predict
from ml_assets.core.window import Window

FloatArray = npt.NDArray[np.float64]
MOST_STEPS_AHEAD = 64


@dataclass(eq=False)
class Answers:
    """The answers of one version; a row is answered when somebody first asks for it.

    Attributes:
        problem: Declares the metric.
        past: The rows it answers.
        version: Who answers.
        steps: All partitions of the rehearsal.
        since: From when it answers; no row before it is asked for.
        truth: The last label of every row of the past; missing where none ever came.
    """

    problem: Problem
    past: Past
    version: Version
    steps: Sequence[Window]
    since: datetime
    truth: np.ndarray
    _end: int = field(default=0, init=False)
    _ahead: int = field(default=1, init=False)
    _values: GrowingArray = field(default_factory=GrowingArray, init=False)
    _scores: GrowingArray = field(default_factory=GrowingArray, init=False)
    _losses: GrowingArray = field(default_factory=GrowingArray, init=False)
    _logged: GrowingArray = field(default_factory=GrowingArray, init=False)
    _estimated: GrowingArray = field(default_factory=GrowingArray, init=False)

    def __post_init__(self) -> None:
        self._first = self.past.between(Window(self.since, self.steps[-1].end)).start
        self._end = self._first

    def values(self, rows: slice) -> np.ndarray:
        """Return the answers to some rows."""
        return self._part(self._values, rows)

    def scores(self, rows: slice) -> FloatArray:
        """Return each answer as a number: a regression's, or the chance of the answered class."""
        return self._part(self._scores, rows)

    def losses(self, rows: slice) -> FloatArray:
        """Return the primary metric's loss of some rows by their last labels; NaN without one."""
        return self._part(self._losses, rows)

    def losses_by(self, known: KnownLabels) -> FloatArray:
        """Return the logged metric's loss by labels that may have been corrected since."""
        if not len(known.rows):
            return np.empty(0)
        self._answer(int(known.rows[-1]) + 1)
        at = known.rows - self._first
        losses = self._logged.joined()[at]
        corrected = np.flatnonzero(~known.is_last)
        if len(corrected):
            labels = np.array(known.labels[corrected].tolist())
            answers = Predictions(self._values.joined()[at[corrected]])
            losses[corrected] = row_loss(logged_metric(self.problem), labels, answers)
        return losses

    def estimates(self, estimator: LossEstimator, rows: slice) -> FloatArray:
        """Return the expected losses of some rows; each row is estimated once."""
        first, last = self._first + len(self._estimated), rows.stop
        if first < last:
            part = slice(first, last)
            values, regression = self.values(part), self.problem.task == "regression"
            answered = AnsweredRows(
                self.past.frame.iloc[part].reset_index(drop=True),
                values if regression else values.astype(str),
                None if regression else self.scores(part),
            )
            self._estimated.append(estimator.losses(answered))
        return self._estimated.joined()[rows.start - self._first : rows.stop - self._first]

    def _part(self, grown: GrowingArray, rows: slice) -> np.ndarray:
        self._answer(rows.stop)
        return grown.joined()[rows.start - self._first : rows.stop - self._first]

    def _answer(self, stop: int) -> None:
        """Answer all rows before ``stop``, and some after, since a call costs more than a row."""
        while self._end < stop:
            ends = [self.past.between(step).stop for step in self.steps]
            place = int(np.searchsorted(ends, self._end, side="right"))
            last = min(place + self._ahead, len(ends)) - 1
            until = max(stop, ends[last])
            self._ahead = min(2 * self._ahead, MOST_STEPS_AHEAD)
            self._append(slice(self._end, until))
            self._end = until

    def _append(self, rows: slice) -> None:
        problem = self.problem
        inputs = self.past.frame.iloc[rows]
        answers = predict(self.version.model, inputs, problem.task)
        truth = self.truth[rows]
        known = np.flatnonzero(pd.notna(truth))
        losses, logged = np.full((2, len(truth)), np.nan)
        if len(known):
            labels = np.array(truth[known].tolist())
            classes = tuple(sorted({*answers.classes, *labels.tolist()})) if answers.classes else ()
            given = answers.among(classes).rows(known)
            losses[known] = row_loss(problem.primary_metric, labels, given)
            logged[known] = row_loss(logged_metric(problem), labels, given)
        self._values.append(answers.values)
        self._scores.append(answers.confidence if answers.classes else answers.values)
        self._losses.append(losses)
        self._logged.append(logged)
