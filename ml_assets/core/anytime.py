"""Evidence that may be looked at as often as one likes.

An e-value is a bet against a hypothesis: if the hypothesis holds, the chance that the stake is
ever multiplied by 1 / alpha is at most alpha, however often one looks (Ville 1939). Here the
hypothesis is that a mean is not above zero, and the bet is a mixture over means above zero: half a
normal distribution. This is the one-sided normal mixture of Robbins (1970, Annals of Mathematical
Statistics 41) as Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024, Annals of Statistics 52) use
it for asymptotic confidence sequences: estimated variances are allowed, and the error rate is the
stated one for large samples. Small ones are met with Student's distribution in place of the normal
one.
"""

from functools import cache
from math import exp, inf, log, sqrt
from typing import cast

from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_ndtr, ndtr, ndtri, stdtr, stdtrit

_SMALLEST = 1e-300
_FARTHEST = 40.0  # standard errors


def e_value(estimate: float, *, variance: float, degrees: float, scale: float) -> float:
    """Return the evidence that the mean behind ``estimate`` is above zero.

    Args:
        estimate: Of the mean.
        variance: Of the estimate.
        degrees: Degrees of freedom of the variance.
        scale: Size of the means that one bets on: their root mean square.

    Example:
        >>> round(e_value(3.0, variance=1.0, degrees=1e9, scale=3.0), 2)
        36.22
        >>> e_value(-3.0, variance=1.0, degrees=1e9, scale=3.0) < 0.1
        True
    """
    if variance <= 0 or degrees <= 0:
        return 1.0
    z = _normal_score(estimate / sqrt(variance), degrees)
    return exp(min(_log_e(z, scale**2 / variance), 700.0))


def margin_of_error(*, variance: float, degrees: float, scale: float, alpha: float) -> float:
    """Return how far an estimate lies above zero when its e-value reaches 1 / alpha.

    The estimate less this margin is a lower bound of the mean that holds at all times at once,
    but for a chance of ``alpha``.
    """
    if variance <= 0 or degrees <= 0 or scale <= 0:
        return inf
    return _student_score(_bound(scale**2 / variance, alpha), degrees) * sqrt(variance)


@cache
def best_ratio(alpha: float) -> float:
    """Return scale² over variance where the margin of error is smallest.

    Example:
        >>> round(best_ratio(0.025), 1)
        8.2
    """
    found = minimize_scalar(lambda x: _bound(exp(x), alpha), bounds=(-2.0, 6.0), method="bounded")
    return exp(float(found.x))


def _bound(ratio: float, alpha: float) -> float:
    """Return the standard score at which the mixture reaches 1 / alpha; infinite if none does."""
    if _log_e(_FARTHEST, ratio) < -log(alpha):
        return inf
    z = brentq(lambda z: _log_e(z, ratio) + log(alpha), 0.0, _FARTHEST, xtol=1e-9)
    return cast("float", z)


def _log_e(z: float, ratio: float) -> float:
    """Log of the mixture's e-value of a standard score; ``ratio`` is scale² over variance."""
    part = ratio / (1 + ratio)
    return float(log(2) - 0.5 * log(1 + ratio) + 0.5 * z**2 * part + log_ndtr(z * sqrt(part)))


def _normal_score(score: float, degrees: float) -> float:
    """Return the normal score that is as rare as Student's ``score``."""
    tail = max(float(stdtr(degrees, -abs(score))), _SMALLEST)
    return float(-ndtri(tail)) * (1 if score >= 0 else -1)


def _student_score(z: float, degrees: float) -> float:
    if z == inf:
        return inf
    return float(-stdtrit(degrees, max(float(ndtr(-z)), _SMALLEST)))
