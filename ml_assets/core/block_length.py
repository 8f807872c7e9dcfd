"""How many moments a block of the bootstrap holds."""

import numpy as np
import numpy.typing as npt

_MICROSECONDS_A_DAY = 86_400_000_000
_DAYS_NEEDED = 20  # with fewer blocks of a day, the spread between them is poorly known
_FEWEST_BLOCKS = 3

FloatArray = npt.NDArray[np.float64]


def block_length(moments: npt.NDArray[np.int64], series: FloatArray | None = None) -> int:
    """Return the number of moments in a block: the longest of three.

    n^(1/3), the rate that minimises the error of the estimated variance (Künsch 1989); a day, if
    the rows last for twenty, since losses mostly repeat over it; and what the autocorrelation of
    ``series`` asks for. Never more than a third of the moments.

    Args:
        moments: Distinct times in microseconds, ascending, shape (n,).
        series: One number a moment, shape (n,).

    Example:
        >>> hours = np.arange(24 * 30) * 3_600_000_000
        >>> block_length(hours), block_length(hours[:48])
        (24, 4)
    """
    count = len(moments)
    length = int(np.ceil(round(count ** (1 / 3), 9)))
    days = (moments[-1] - moments[0]) / _MICROSECONDS_A_DAY
    if days >= _DAYS_NEEDED - 1:
        length = max(length, round(count / days))
    if series is not None:
        length = max(length, automatic_length(series))
    return max(1, min(length, count // _FEWEST_BLOCKS))


def automatic_length(series: FloatArray) -> int:
    """Return the block length that suits the autocorrelation of a series.

    Politis & White (2004, Econometric Reviews 23) with the correction of Patton, Politis & White
    (2009, Econometric Reviews 28), for the circular block bootstrap.

    Args:
        series: In order of time, shape (n,).

    Example:
        >>> noise = np.random.default_rng(0).normal(size=500)
        >>> automatic_length(noise) < 6 < automatic_length(noise.cumsum())
        True
    """
    count = len(series)
    run = max(5, int(np.ceil(np.sqrt(np.log10(max(count, 10))))))
    most = int(np.ceil(np.sqrt(count))) + run
    if count < 2 * run or np.ptp(series) == 0:
        return 1
    covariance = _autocovariance(series, min(2 * most, count - 1))
    quiet = np.abs(covariance[1:] / covariance[0]) < 2 * np.sqrt(np.log10(count) / count)
    # The first lag after which a run of autocorrelations is indistinguishable from zero.
    last = next((lag for lag in range(min(most, len(quiet))) if quiet[lag : lag + run].all()), most)
    bandwidth = min(2 * max(last, 1), len(covariance) - 1)
    lags = np.arange(1, bandwidth + 1)
    taper = np.minimum(1.0, 2 * (1 - lags / bandwidth))
    weighted = taper * covariance[1 : bandwidth + 1]
    slope = 2 * (lags * weighted).sum()
    density = covariance[0] + 2 * weighted.sum()
    if density <= 0:
        return 1
    ideal = (1.5 * (slope / density) ** 2 * count) ** (1 / 3)
    return int(np.ceil(min(ideal, 3 * np.sqrt(count), count / _FEWEST_BLOCKS)))


def _autocovariance(series: FloatArray, lags: int) -> FloatArray:
    """Return the autocovariances at lags 0 to ``lags``, shape (lags + 1,)."""
    centred = series - series.mean()
    size = 1 << (2 * len(centred) - 1).bit_length()  # zeros keep the ends from wrapping round
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.fft.irfft(spectrum, size)[: lags + 1] / len(centred)
