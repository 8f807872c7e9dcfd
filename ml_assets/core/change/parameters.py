"""Which constant of a grey box moved between two stretches of time, and by how much.

Each entity is its own control: the difference after less before frees it of what the model gets
wrong in both. The mean difference is judged by the larger of two errors, that of the fits and that
of the entities' own spread, by Student's t with one degree of freedom less than entities. Over the
constants Holm's procedure (1979) bounds the chance that any is named wrongly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml_assets.core.change.grey_box import Floats, GreyBox, Parameter
from ml_assets.core.change.identification import Estimates, identify

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

    count = len(before.entities)
    difference = after.values - before.values
    mean = difference.mean(axis=0)
    error, freedom = _error(before, after, difference)
    p_values = 2 * t.sf(np.abs(mean) / np.maximum(error, 1e-300), freedom)
    corrected = holm(p_values)
    reach = t.ppf((1 + CONFIDENCE) / 2, freedom) * error
    found = [
        ParameterShift(
            parameter.name,
            parameter.unit,
            float(before.values[:, at].mean()),
            float(after.values[:, at].mean()),
            float(mean[at] - reach[at]),
            float(mean[at] + reach[at]),
            float(corrected[at]),
            count,
            bool(corrected[at] < ERROR_RATE),
        )
        for at, parameter in enumerate(parameters)
    ]
    far = np.abs(mean) / np.maximum(error, 1e-300)
    return tuple(found[at] for at in np.argsort(-far, kind="stable"))


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


def _error(before: Estimates, after: Estimates, difference: Floats) -> tuple[Floats, int]:
    """Return the standard error of the mean difference, and its degrees of freedom."""
    count = len(difference)
    variances = np.diagonal(before.covariance + after.covariance, axis1=1, axis2=2)
    of_fits = np.sqrt(variances.sum(axis=0)) / count
    if count < MANY_ENTITIES:
        return of_fits, FREEDOM_OF_FITS * count
    of_entities = difference.std(axis=0, ddof=1) / np.sqrt(count)
    return np.maximum(of_fits, of_entities), count - 1
