"""The one constant whose change alone explains all that differs.

Where any constant may have moved, those that act alike widen each other's errors: more friction
looks much like a weaker actuator. If a single one moved, its generalised least-squares estimate
(Aitken 1936) is far sharper. It is named if it is beyond chance, if it leaves nothing unexplained,
and if every other single constant explains clearly less.
"""

from dataclasses import dataclass

import numpy as np

from ml_assets.core.change.grey_box import Floats

SMALLEST = 1e-300  # an error of zero divides nothing
UNEXPLAINED = 0.05  # chance of a rest this large, below which one cause is not enough
CLEARLY = 9.2  # twice the log likelihood ratio to the next: about 100 to 1


@dataclass(frozen=True)
class OneCause:
    """A constant that moved while no other did.

    Attributes:
        at: Its place among the constants.
        change: By how much.
        error: Standard error of ``change``.
        p_value: Chance of this without a change, corrected over the constants (Bonferroni).
    """

    at: int
    change: float
    error: float
    p_value: float


def one_cause(difference: Floats, covariance: Floats, *, freedom: int) -> OneCause | None:
    """Return the likeliest single cause of a difference, None if no single one explains it.

    Args:
        difference: After less before, shape (constants,).
        covariance: Of ``difference``, shape (constants, constants).
        freedom: Degrees of freedom of ``covariance``.
    """
    from scipy.stats import f, t  # noqa: PLC0415  readers can spare it

    count = len(difference)
    if count == 1:
        return None  # it is judged already
    errors = np.maximum(np.sqrt(np.diag(covariance)), SMALLEST)
    precision = np.linalg.pinv(covariance / errors / errors[:, None], hermitian=True)
    held = np.maximum(np.diag(precision), SMALLEST)
    pulled = precision @ (difference / errors)
    explained = pulled**2 / held
    next_, best = np.argsort(explained, kind="stable")[-2:]
    rest = (difference / errors) @ pulled - explained[best]
    if f.sf(rest / (count - 1), count - 1, freedom) < UNEXPLAINED:
        return None
    if explained[best] - explained[next_] < CLEARLY:
        return None
    return OneCause(
        int(best),
        float(pulled[best] / held[best] * errors[best]),
        float(held[best] ** -0.5 * errors[best]),
        min(1.0, float(2 * t.sf(np.sqrt(explained[best]), freedom) * count)),
    )
