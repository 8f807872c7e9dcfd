"""Which constant of a grey box moved between two stretches of time, and by how much.

Each entity is its own control: the difference after less before frees it of what the model gets
wrong in both. The mean difference is judged by the larger of two errors, that of the fits and that
of the entities' own spread, by Student's t with one degree of freedom less than entities. Over the
constants Holm's procedure (1979) bounds the chance that any is named wrongly. Where that names
none, a single cause that explains all is looked for (one_cause.py); of few entities too little is
known of how the errors hang together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ml_assets.core.change.grey_box import Floats, GreyBox, Parameter
from ml_assets.core.change.identification import Estimates, identify
from ml_assets.core.change.one_cause import SMALLEST, one_cause

ERROR_RATE = 0.01
CONFIDENCE = 0.95
MANY_ENTITIES = 5  # from here on their spread is known well enough to be used
FREEDOM_OF_FITS = 6  # of an error that is measured on blocks of time


@dataclass(frozen=True)
class ParameterShift:
    """How far one constant moved, on average over the entities.

    Attributes:
        name: Of the constant.
        unit: Of ``before``, ``after`` and the bounds.
        before: Its value in the reference.
        after: Its value in the recent rows.
        low: Lower bound of the difference.
        high: Upper bound of the difference.
        p_value: Chance of a difference this large without a change, corrected over the constants.
        entities: How many entities were compared.
        moved: Whether it moved by the error rate asked for.
        alone: Whether that holds only if no other constant moved.
    """

    name: str
    unit: str
    before: float
    after: float
    low: float
    high: float
    p_value: float
    entities: int
    moved: bool
    alone: bool = False

    @property
    def change(self) -> float:
        """After less before."""
        return self.after - self.before


def shifts(
    grey_box: GreyBox,
    reference: tuple[pd.DataFrame, pd.Series],
    recent: tuple[pd.DataFrame, pd.Series],
) -> tuple[ParameterShift, ...]:
    """Compare the constants of two stretches of time, the likeliest to have moved first.

    Args:
        grey_box: The physical model.
        reference: Rows and their entities, as ``identify`` reads them, from before.
        recent: The same from after.

    Returns:
        One a constant; none where no entity has enough rows on both sides.
    """
    before = identify(grey_box, *reference)
    after = identify(grey_box, *recent, start=before)
    both = sorted({*before.entities} & {*after.entities})
    if not both:
        return ()
    return compare(grey_box.parameters, before.of(both), after.of(both))


def compare(
    parameters: Sequence[Parameter], before: Estimates, after: Estimates
) -> tuple[ParameterShift, ...]:
    """Compare estimates of the same entities."""
    from scipy.stats import t  # noqa: PLC0415  readers can spare it

    difference = after.values - before.values
    mean = difference.mean(axis=0)
    covariance, freedom = _covariance(before, after, difference)
    errors = np.sqrt(np.diag(covariance))
    far = np.abs(mean) / np.maximum(errors, SMALLEST)
    corrected = holm(2 * t.sf(far, freedom))
    reach = t.ppf((1 + CONFIDENCE) / 2, freedom)
    starts = before.values.mean(axis=0)

    def shift(at: int, change: float, error: float, p_value: float) -> ParameterShift:
        return ParameterShift(
            parameters[at].name,
            parameters[at].unit,
            before=float(starts[at]),
            after=float(starts[at] + change),
            low=float(change - reach * error),
            high=float(change + reach * error),
            p_value=float(p_value),
            entities=len(before.entities),
            moved=bool(p_value < ERROR_RATE),
        )

    order = np.argsort(-far, kind="stable")
    found = tuple(shift(at, mean[at], errors[at], corrected[at]) for at in order)
    if any(one.moved for one in found) or len(before.entities) < MANY_ENTITIES:
        return found
    single = one_cause(mean, covariance, freedom=freedom)
    if single is None:
        return found
    cause = replace(shift(single.at, single.change, single.error, single.p_value), alone=True)
    return (cause, *(one for one in found if one.name != cause.name)) if cause.moved else found


def holm(p_values: Floats) -> Floats:
    """Return p-values corrected by Holm's step-down procedure.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def _covariance(before: Estimates, after: Estimates, difference: Floats) -> tuple[Floats, int]:
    """Return the covariance of the mean difference, and its degrees of freedom.

    Where entities spread further than their fits say, the variances are those of the spread.
    """
    count = len(difference)
    of_fits = (before.covariance + after.covariance).mean(axis=0) / count
    if count < MANY_ENTITIES:
        return of_fits, FREEDOM_OF_FITS * count
    further = difference.var(axis=0, ddof=1) / count - np.diag(of_fits)
    return of_fits + np.diag(np.maximum(further, 0.0)), count - 1
