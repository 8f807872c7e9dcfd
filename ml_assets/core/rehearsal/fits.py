"""Models of a rehearsal: each made once, however many policies ask for it."""

import json
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np

from ml_assets.core.side_by_side import Clock
from ml_assets.core.training import Configuration, fit
from ml_assets.core.training_set import TrainingSet


@dataclass(frozen=True)
class Fidelity:
    """How closely a rehearsal's models resemble the real ones; fewer rows and trees are faster.

    Attributes:
        rows: Rows a model is fitted on, at most, spread evenly over its history; None for all.
        trees: Trees of a boosted ensemble, at most, each learning so much more; None for all.
    """

    rows: int | None = None
    trees: int | None = None

    def lightened(self, configuration: Configuration) -> Configuration:
        """Return a configuration with no more trees than allowed."""
        params = dict(configuration.params)
        trees, rate = params.get("max_iter"), params.get("learning_rate", 0.1)
        boosts = "GradientBoosting" in configuration.estimator
        if self.trees is None or not boosts or (trees or 100) <= self.trees:
            return configuration
        rate = min(MOST_RATE, rate * (trees or 100) / self.trees)
        return replace(
            configuration, params={**params, "max_iter": self.trees, "learning_rate": rate}
        )

    def thinned(self, rows: TrainingSet) -> TrainingSet:
        """Return every k-th row, counted from the newest, so that no more than allowed are left."""
        if self.rows is None or len(rows.frame) <= self.rows:
            return rows
        step = -(-len(rows.frame) // self.rows)
        kept = np.arange(len(rows.frame) - 1, -1, -step)[::-1]
        return rows.rows(kept)


MOST_RATE = 0.3
EXACT = Fidelity()
QUICK = Fidelity(rows=3000, trees=40)


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
        lightened = self.fidelity.lightened(configuration)
        name = _name(lightened, rows, seed)
        fitted = self.shelf.get(name)
        if fitted is None:
            began = self.clock()
            model = fit(lightened, rows, seed=seed)
            fitted = Fitted(model, self.clock() - began)
            self.shelf[name] = fitted
        self.seconds += fitted.seconds
        return fitted.model


def _name(configuration: Configuration, rows: TrainingSet, seed: int) -> str:
    """Name a model by what it is made from: of one past, a cutoff and its rows say which."""
    times = rows.frame["event_time"]
    made_from = {
        "configuration": {**configuration.to_json(), "name": ""},
        "rows": len(times),
        "first": str(times.min()),
        "last": str(times.max()),
        "cutoff": _utc(rows.cutoff),
        "seed": seed,
    }
    return sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()
