"""The constants of a grey box as readings tell them, by least squares, entity by entity.

Rows close in time share what the model leaves out, so the covariance is not that of independent
rows but the jackknife over blocks of an entity's consecutive rows: how far the estimate moves when
a block is left out, to first order (Bell & McCaffrey 2002, Survey Methodology 28). With few rows
the plain sandwich (Liang & Zeger 1986, Biometrika 73) is too small. What no row tells of, such as a
heater that was off or two constants that act the same at one setpoint, is known no better than by
the declared bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml_assets.core.change.grey_box import TRUTH, Floats, GreyBox

ROBUST_FROM = 3.0  # residuals beyond this many standard deviations weigh less
STEP = 1e-5
TOLERANCE = 1e-5
MOST_STEPS = 40
ENTITIES_AT_ONCE = 8  # the matrix of one solve stays small
BLOCKS = 8
ROWS_AN_ENTITY = 200
MIN_ROWS_AN_ENTITY = 2 * BLOCKS


@dataclass(frozen=True, eq=False)
class Estimates:
    """The constants of each entity in a stretch of time.

    Attributes:
        entities: Names.
        values: Shape (entities, parameters).
        covariance: Of the estimates, shape (entities, parameters, parameters).
    """

    entities: tuple[str, ...]
    values: Floats
    covariance: Floats

    def of(self, entities: Sequence[str]) -> "Estimates":
        """Return some entities, in the order asked for."""
        at = [self.entities.index(name) for name in entities]
        return Estimates(tuple(entities), self.values[at], self.covariance[at])


def identify(
    grey_box: GreyBox,
    rows: pd.DataFrame,
    entity: pd.Series,
    *,
    start: Estimates | None = None,
) -> Estimates:
    """Estimate each entity's constants.

    Entities with too few whole rows are left out; of many rows every so-manieth is read.

    Args:
        grey_box: The physical model.
        rows: Its columns and ``truth``, in order of time.
        entity: Name of the entity of each row.
        start: Estimates to start from, where they know an entity.
    """
    whole = _whole(rows[[*grey_box.columns, TRUTH]])
    chosen = [
        own.index[_spread(len(own))]
        for _, own in rows[whole].groupby(entity[whole], sort=True)
        if len(own) >= MIN_ROWS_AN_ENTITY
    ]
    count = len(grey_box.parameters)
    values, covariances = [np.empty((0, count))], [np.empty((0, count, count))]
    for at in range(0, len(chosen), ENTITIES_AT_ONCE):
        part = rows.loc[np.concatenate(chosen[at : at + ENTITIES_AT_ONCE])]
        found, covariance = _identified(grey_box, part, entity[part.index], start)
        values.append(found)
        covariances.append(covariance)
    names = tuple(str(entity[index[0]]) for index in chosen)
    return Estimates(names, np.concatenate(values), np.concatenate(covariances))


def _whole(columns: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which rows lack nothing; a number that is not finite is none."""
    numbers = columns.select_dtypes("number").to_numpy(float)
    finite = np.logical_and.reduce(np.isfinite(numbers), axis=1)
    return columns.notna().all(axis=1).to_numpy(bool) & finite


def _spread(count: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, ROWS_AN_ENTITY)).astype(np.intp))


def _identified(
    grey_box: GreyBox, rows: pd.DataFrame, entity: pd.Series, start: Estimates | None
) -> tuple[Floats, Floats]:
    from scipy.optimize import least_squares  # noqa: PLC0415  readers can spare it

    names, number = np.unique(entity.astype(str), return_inverse=True)
    fit = _Fit(grey_box, rows, number, len(names))
    low, high, guess = fit.bounds()
    for at, name in enumerate(names):
        if start is not None and name in start.entities:
            guess[at] = start.values[start.entities.index(name)] / fit.sizes
    solved = least_squares(
        fit.residuals,
        np.clip(guess, low, high).ravel(),
        jac=fit.jacobian,
        bounds=(np.tile(low, len(names)), np.tile(high, len(names))),
        loss="soft_l1",
        f_scale=ROBUST_FROM,
        xtol=TOLERANCE,
        ftol=TOLERANCE,
        max_nfev=MOST_STEPS,
    )
    return solved.x.reshape(len(names), -1) * fit.sizes, fit.covariance(solved.x)


@dataclass(frozen=True, eq=False)
class _Fit:
    grey_box: GreyBox
    rows: pd.DataFrame
    entity: NDArray[np.intp]
    entities: int

    @property
    def sizes(self) -> Floats:
        return np.array([one.size for one in self.grey_box.parameters])

    def bounds(self) -> tuple[Floats, Floats, Floats]:
        known = self.grey_box.parameters
        low, high = np.array([[one.low, one.high] for one in known]).T / self.sizes
        start = np.array([one.start for one in known]) / self.sizes
        return low, high, np.tile(start, (self.entities, 1))

    def residuals(self, scaled: Floats) -> Floats:
        return self._by_row(scaled.reshape(self.entities, -1)).ravel()

    def jacobian(self, scaled: Floats) -> Floats:
        steep = self._slopes(scaled)
        rows, readings, count = steep.shape
        matrix = np.zeros((rows, readings, self.entities, count))
        matrix[np.arange(rows), :, self.entity] = steep
        return matrix.reshape(rows * readings, -1)

    def covariance(self, scaled: Floats) -> Floats:
        steep = self._slopes(scaled)
        residuals = self._by_row(scaled.reshape(self.entities, -1))
        weight = 1 / np.sqrt(1 + (residuals / ROBUST_FROM) ** 2)
        curved = np.einsum("nri,nr,nrj->nij", steep, weight, steep)
        pushed = np.einsum("nri,nr->ni", steep, weight * residuals)
        low, high, _ = self.bounds()
        bounds = np.diag((high - low) ** -2.0)
        found = []
        for number in range(self.entities):
            own = np.flatnonzero(self.entity == number)
            starts = np.arange(BLOCKS) * len(own) // BLOCKS
            held = np.add.reduceat(curved[own], starts)
            summed = np.add.reduceat(pushed[own], starts)
            whole = held.sum(axis=0) + bounds
            moved = np.einsum("bij,bj->bi", np.linalg.inv(whole - held), summed)
            untold = np.linalg.inv(whole)
            found.append((BLOCKS - 1) / BLOCKS * moved.T @ moved + untold @ bounds @ untold)
        return np.array(found) * np.outer(self.sizes, self.sizes)

    def _by_row(self, scaled: Floats) -> Floats:
        of_row = (scaled * self.sizes)[self.entity].T
        names = [one.name for one in self.grey_box.parameters]
        return self.grey_box.residuals(dict(zip(names, of_row, strict=True)), self.rows)

    def _slopes(self, scaled: Floats) -> Floats:
        """Return the residuals' derivative by each parameter, shape (rows, readings, parameters).

        One entity's parameters move no other's readings, so all are moved together.
        """
        values = scaled.reshape(self.entities, -1)
        here = self._by_row(values)
        _, high, _ = self.bounds()
        # Towards the inside: beyond its bounds a model need not be defined.
        steps = np.where(values + STEP > high, -STEP, STEP)
        slopes = []
        for number, one in enumerate(np.eye(values.shape[1])):
            step = steps[self.entity, number]
            slopes.append((self._by_row(values + steps * one) - here) / step[:, None])
        return np.stack(slopes, axis=2)
