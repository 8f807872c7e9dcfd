"""Corrections learned from the latest truths, held within bounds."""

from math import log

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from ml_assets.core.corrections import (
    SMALLEST_CHANCE,
    Bounds,
    CorrectBias,
    FloatArray,
    Recalibrate,
    Reweigh,
)

# Imagined rows that need no correction: few truths move little.
PRIOR_ROWS = 10.0


def learned_bias(truth: FloatArray, predictions: FloatArray, bounds: Bounds) -> CorrectBias:
    """Return what takes the mean residual away, a little less where truths are few."""
    missing = truth - predictions
    mean = missing.sum() / (len(missing) + PRIOR_ROWS)
    return CorrectBias(float(np.clip(mean, -bounds.shift, bounds.shift)))


def learned_calibration(truth: FloatArray, predictions: FloatArray, bounds: Bounds) -> Recalibrate:
    """Return the line that brings predictions nearest to truths, by least squares."""
    center = float(predictions.mean())
    apart = predictions - center
    variance = float(apart @ apart)
    shift = float((truth - predictions).sum() / (len(truth) + PRIOR_ROWS))
    slope = 1.0
    if variance > 0:
        prior = PRIOR_ROWS * variance / len(truth)
        slope = (float(apart @ (truth - truth.mean())) + prior) / (variance + prior)
    return Recalibrate(
        slope=float(np.clip(slope, 1 / bounds.slope, bounds.slope)),
        center=center,
        shift=float(np.clip(shift, -bounds.shift, bounds.shift)),
        most=bounds.shift,
    )


def learned_weights(codes: np.ndarray, probabilities: FloatArray, bounds: Bounds) -> Reweigh:
    """Return temperature and leanings with the lowest log loss, within bounds.

    Args:
        codes: Place of each row's true class, shape (n,).
        probabilities: Shape (n, k).
        bounds: Of both.
    """
    logs = np.log(np.maximum(probabilities, SMALLEST_CHANCE))
    rows, k = logs.shape

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        inverse = np.exp(-x[0])
        moved = logs * inverse + x[1:]
        normal = moved - logsumexp(moved, axis=1, keepdims=True)
        wrong = np.exp(normal)
        wrong[np.arange(rows), codes] -= 1
        slope = np.concatenate([[-(wrong * logs).sum() * inverse], wrong.sum(axis=0)])
        value = -normal[np.arange(rows), codes].sum()
        return float(value + PRIOR_ROWS * (x @ x) / 2), slope + PRIOR_ROWS * x

    edges = [(-log(bounds.slope), log(bounds.slope))] + [
        (-log(bounds.leaning), log(bounds.leaning))
    ] * k
    found = minimize(loss, np.zeros(k + 1), jac=True, method="L-BFGS-B", bounds=edges).x
    return Reweigh(float(np.exp(found[0])), tuple(found[1:].tolist()))
