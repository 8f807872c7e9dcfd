"""Models of a rehearsal: each made once, however many policies ask for it."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pandas as pd

from ml_assets.core.rehearsal.past import PLACE
from ml_assets.core.side_by_side import Clock
from ml_assets.core.training import Configuration, fit
from ml_assets.core.training_set import TrainingSet

# What one model a cutoff may take in a rehearsal, in all.
ROWS_IN_ALL, TREES_IN_ALL = 3_000_000, 28_000
FEWEST_ROWS, FEWEST_TREES, MOST_TREES, BINS = 3000, 50, 100, 64
MOST_RATE = 0.3


@dataclass(frozen=True)
class Fidelity:
    """How closely a rehearsal's models resemble the real ones; fewer rows and trees are faster.

    Attributes:
        rows: Rows a model is fitted on, at most, spread evenly over its history; None for all.
        trees: Trees of an ensemble, at most; boosted ones learn so much more each. None for all.
        bins: Bins of a feature of a histogram-based ensemble, at most; None for as many as
            declared.
    """

    rows: int | None = None
    trees: int | None = None
    bins: int | None = None

    @classmethod
    def affordable(cls, cutoffs: int) -> Self:
        """Return what a rehearsal of so many cutoffs can afford: the fewer, the closer.

        Example:
            >>> Fidelity.affordable(365)
            Fidelity(rows=8219, trees=76, bins=64)
            >>> Fidelity.affordable(24)
            Fidelity(rows=125000, trees=100, bins=64)
        """
        cutoffs = max(cutoffs, 1)
        trees = min(MOST_TREES, max(FEWEST_TREES, TREES_IN_ALL // cutoffs))
        return cls(max(FEWEST_ROWS, ROWS_IN_ALL // cutoffs), trees, BINS)

    def lightened(self, configuration: Configuration) -> Configuration:
        """Return a configuration with no more trees and bins than allowed."""
        params = dict(configuration.params)
        name = configuration.estimator.rpartition(".")[2]
        if self.trees is not None:
            if "GradientBoosting" in name:
                _with_fewer_rounds(params, "max_iter" if "Hist" in name else "n_estimators", self)
            elif ("Forest" in name or "ExtraTrees" in name) and _count(params) > self.trees:
                params["n_estimators"] = self.trees
        if self.bins is not None and _is_binned(configuration):
            params["max_bins"] = min(self.bins, params.get("max_bins", 255))
        return replace(configuration, params=params)

    def thinned(self, rows: TrainingSet) -> TrainingSet:
        """Return as many rows as are allowed, spread evenly, the newest among them."""
        count = len(rows.frame)
        if self.rows is None or count <= self.rows:
            return rows
        return rows.rows(np.arange(1, self.rows + 1) * count // self.rows - 1)

    def coarsened(self, configuration: Configuration, rows: TrainingSet) -> TrainingSet:
        """Return rows whose numbers take no more values than a feature has bins.

        A histogram-based ensemble tells no more of them apart, and finds the bins of many values
        slowly: of weighted rows it took as long as growing the trees.
        """
        if self.bins is None or not _is_binned(configuration):
            return rows
        coarse = {name: _rounded(rows.frame[name].to_numpy(), self.bins) for name in rows.numeric}
        return replace(rows, frame=rows.frame.assign(**coarse))


EXACT = Fidelity()


@dataclass(frozen=True)
class Fitted:
    """A model and what it took to make it."""

    model: Any
    seconds: float


class Fits:
    """Makes models and remembers them.

    Args:
        shelf: Where fitted models lie, by name; several processes may share one.
        fidelity: How closely the models resemble the real ones.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, shelf: MutableMapping[str, Fitted], *, fidelity: Fidelity, clock: Clock
    ) -> None:
        self.shelf = shelf
        self.fidelity = fidelity
        self.clock = clock
        self.seconds = 0.0

    def __call__(
        self, configuration: Configuration, training_set: TrainingSet, *, seed: int
    ) -> Any:  # noqa: ANN401
        """Return the model; its seconds are charged also where it was made before."""
        rows = training_set
        if configuration.window is not None:
            recent = rows.frame["event_time"] >= rows.cutoff - configuration.window
            rows = rows.rows(np.flatnonzero(recent.to_numpy()))
        rows = self.fidelity.thinned(rows)
        # The rows are chosen: neither window nor cutoff says any more of what is made.
        lightened = replace(self.fidelity.lightened(configuration), window=None)
        name = _name(lightened, rows, seed)
        fitted = self.shelf.get(name)
        if fitted is None:
            began = self.clock()
            model = fit(lightened, self.fidelity.coarsened(lightened, rows), seed=seed)
            fitted = Fitted(model, self.clock() - began)
            self.shelf[name] = fitted
        self.seconds += fitted.seconds
        return fitted.model


def _name(configuration: Configuration, rows: TrainingSet, seed: int) -> str:
    """Name a model by what it is made from: the rows of the past, with their labels.

    A fold of one cutoff often learned what another cutoff learns from.
    """
    made_from = {
        "configuration": {**configuration.to_json(), "name": ""},
        "seed": seed,
    }
    name = sha256(json.dumps(made_from, sort_keys=True).encode())
    name.update(rows.frame[PLACE].to_numpy().tobytes())
    name.update(pd.util.hash_array(rows.labels).tobytes())
    return name.hexdigest()


def _is_binned(configuration: Configuration) -> bool:
    return "HistGradientBoosting" in configuration.estimator


def _rounded(values: np.ndarray, bins: int) -> np.ndarray:
    """Return each value as the middle one of its quantile bin, shape (rows,); NaN stays.

    Where there are no more different values than bins, each of them is a bin, however rare.
    """
    known = np.sort(values[~np.isnan(values)])
    if len(np.unique(known)) <= bins:
        return values
    middle = np.unique(known[(2 * np.arange(bins) + 1) * len(known) // (2 * bins)])
    nearest = middle[np.searchsorted((middle[1:] + middle[:-1]) / 2, values)]
    return np.where(np.isnan(values), np.nan, nearest)


def _with_fewer_rounds(params: dict[str, Any], rounds: str, fidelity: Fidelity) -> None:
    declared, allowed = params.get(rounds, 100), fidelity.trees
    if allowed is not None and declared > allowed:
        rate = params.get("learning_rate", 0.1) * declared / allowed
        params |= {rounds: allowed, "learning_rate": min(MOST_RATE, rate)}


def _count(params: dict[str, Any]) -> int:
    return params.get("n_estimators", 100)
