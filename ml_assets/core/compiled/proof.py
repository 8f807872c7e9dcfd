"""Whether a compiled model answers as scikit-learn does, on the rows where it could go wrong.

Trees go wrong on thresholds, so values are put on them, beside them, and on the grid of a sensor
that rounds. Trees must be equal to the bit. Sums of a linear model are added in another order; two
units in the last place of the sum of the terms' absolute values are allowed to both sides together.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from ml_assets.core.compiled.estimators import Linear
from ml_assets.core.compiled.model import Answer, CompiledModel
from ml_assets.core.errors import DataError
from ml_assets.core.metrics import Predictions
from ml_assets.core.problem.learning import Task
from ml_assets.core.training import predict

MOST_ROWS = 4000
ULPS = 2.0
_ALONE = 50
_DIGITS = 2
_UNSEEN = "\x00unseen\x00"


def columns_of(compiled: CompiledModel, inputs: pd.DataFrame) -> tuple[np.ndarray, list, list]:
    """Return a frame's numbers, texts and further columns as ``CompiledModel.predict`` takes them.

    Args:
        compiled: Says which.
        inputs: Holds its inputs by name.
    """
    numbers = inputs[list(compiled.numeric)].to_numpy(dtype=np.float64)
    texts = [inputs[name].tolist() for name in compiled.categorical]
    return numbers, texts, [inputs[name].tolist() for name in compiled.extra]


def difference(
    compiled: CompiledModel,
    model: Any,  # noqa: ANN401
    inputs: pd.DataFrame,
    task: Task,
    *,
    seed: int,
) -> str | None:
    """Return what a compiled model answers otherwise than scikit-learn, or None.

    Args:
        compiled: Of ``model``.
        model: Fitted.
        inputs: Rows that the model was fitted on, or more of their kind; at least one.
        task: Of the problem.
        seed: Of the draws of rows and thresholds.
    """
    rng = np.random.default_rng(seed)
    for name, rows in _probes(compiled, model, inputs, rng):
        found = _difference(compiled, model, rows, task)
        if found is not None:
            return f"{name}: {found}"
    return None


def _difference(
    compiled: CompiledModel,
    model: Any,  # noqa: ANN401
    rows: pd.DataFrame,
    task: Task,
) -> str | None:
    if len(rows) == 1:  # scikit-learn may add the terms of a single row in another order
        rows = pd.concat([rows, rows], ignore_index=True)
    asked = columns_of(compiled, rows)
    try:
        with warnings.catch_warnings():  # of unseen categories and vast numbers, which are meant
            warnings.simplefilter("ignore")
            expected = predict(model, rows, task)
    except ValueError as error:
        try:
            compiled.predict(*asked)
        except DataError:
            return None
        return f"answers rows that scikit-learn refuses ({type(error).__name__})"
    try:
        together = compiled.predict(*asked)
    except DataError as error:
        return f"refuses rows that scikit-learn answers: {error}"
    if together.classes != expected.classes:
        return f"classes {together.classes}, expected {expected.classes}"
    alone = [_row(compiled, asked, n) for n in range(min(_ALONE, len(rows)))]
    if any(_unlike(one, together, n) for n, one in enumerate(alone)):
        return "a row alone is answered otherwise than among others"
    return _unequal(together, expected, allowance(compiled, *asked[:2]))


def allowance(compiled: CompiledModel, numbers: np.ndarray, texts: list) -> np.ndarray:
    """Return how far a linear model's scores may be off in each row; 0 for all other families."""
    if not isinstance(compiled.estimator, Linear):
        return np.zeros(len(numbers))
    scale = compiled.estimator.scale(compiled.matrix(numbers, texts))
    return ULPS * np.spacing(scale.max(axis=1))


def _unequal(found: Answer, expected: Predictions, allowed: np.ndarray) -> str | None:
    """Compare to the bit where nothing is allowed.

    A score's error reaches a transformed target in proportion to the target, and a probability at
    most undiminished; their own functions round a few times more.
    """
    if not allowed.any():
        same = _same(found.values, expected.values)
        if same and found.probabilities is not None:
            same = _same(found.probabilities, expected.probabilities)
        return None if same else _first(found, expected)
    eps = np.finfo(np.float64).eps
    if found.probabilities is None or expected.probabilities is None:
        size = np.abs(expected.values)
        near = np.abs(found.values - expected.values) <= allowed * (1 + size) + 4 * eps * size
        return None if near.all() else _first(found, expected)
    margin = allowed + 8 * eps
    near = np.abs(found.probabilities - expected.probabilities) <= margin[:, None]
    ordered = np.sort(expected.probabilities, axis=1)
    tied = ordered[:, -1] - ordered[:, -2] <= 2 * margin
    agree = (found.values == expected.values) | tied
    return None if near.all() and agree.all() else _first(found, expected)


def _same(one: np.ndarray, other: Any) -> bool:  # noqa: ANN401
    """Say whether two arrays hold the same bits; another NaN is the same."""
    if one.dtype.kind != "f":
        return one.tolist() == np.asarray(other).tolist()
    signs = np.array_equal(np.signbit(one), np.signbit(other))
    return np.array_equal(one, other, equal_nan=True) and (signs or bool(np.isnan(one).any()))


def _first(found: Answer, expected: Predictions) -> str:
    """Say in how many rows, without naming a value of the data."""
    differ = found.values != expected.values
    if found.probabilities is not None and expected.probabilities is not None:
        differ |= (found.probabilities != expected.probabilities).any(axis=1)
    return f"{int(differ.sum())} of {len(differ)} rows are answered otherwise"


def _row(compiled: CompiledModel, asked: tuple[np.ndarray, list, list], n: int) -> Answer:
    numbers, texts, extra = asked
    one = [[column[n]] for column in texts], [[column[n]] for column in extra]
    return compiled.predict(numbers[n : n + 1], *one)


def _unlike(alone: Answer, together: Answer, n: int) -> bool:
    if alone.probabilities is None or together.probabilities is None:
        return not _same(alone.values, together.values[n : n + 1])
    return not _same(alone.probabilities, together.probabilities[n : n + 1])


def _probes(
    compiled: CompiledModel,
    model: Any,  # noqa: ANN401
    inputs: pd.DataFrame,
    rng: np.random.Generator,
) -> Iterator[tuple[str, pd.DataFrame]]:
    chosen = rng.permutation(len(inputs))[:MOST_ROWS]
    rows = inputs.iloc[np.sort(chosen)].reset_index(drop=True)
    yield "training rows", rows
    numeric, categorical = list(compiled.numeric), list(compiled.categorical)
    yield "rounded rows", rows.assign(**{name: rows[name].round(_DIGITS) for name in numeric})
    yield (
        "rows of other rows' values",
        rows.assign(
            **{name: rng.permutation(rows[name].to_numpy()) for name in [*numeric, *categorical]}
        ),
    )
    for name in numeric:
        yield f"missing {name}", rows.head(_ALONE).assign(**{name: np.nan})
    for name in categorical:
        gaps = inputs.loc[inputs[name].isna().to_numpy(), name].tolist()
        odd = np.array([gaps[0] if gaps else None, _UNSEEN] * _ALONE, dtype=object)
        asked = rows.head(_ALONE)
        yield f"unseen {name}", asked.assign(**{name: odd[: len(asked)]})
    spread = rows[numeric].max() - rows[numeric].min()
    far = rng.uniform(-10, 10, (len(rows), len(numeric))) * spread.fillna(1.0).to_numpy()
    yield "far rows", rows.assign(**dict(zip(numeric, far.T, strict=True)))
    on_thresholds = _on_thresholds(compiled, model, rows, rng)
    if on_thresholds is not None:
        yield "rows on thresholds", on_thresholds


def _on_thresholds(
    compiled: CompiledModel,
    model: Any,  # noqa: ANN401
    rows: pd.DataFrame,
    rng: np.random.Generator,
) -> pd.DataFrame | None:
    """Return rows whose numbers are led onto thresholds, or next to them, by the preparation.

    The preparation is asked for two points a column, which is enough to invert what is affine;
    where it is not, the rows are only some more rows.
    """
    thresholds = compiled.thresholds()
    if not thresholds or type(model) is not Pipeline:
        return None
    numeric = list(compiled.numeric)
    asked = rows.assign(**{name: rows[name].fillna(0.0) for name in numeric})
    asked = asked.iloc[np.arange(MOST_ROWS // 2) % len(asked)].reset_index(drop=True)
    numbers, texts, _ = columns_of(compiled, asked.head(1))
    at_zero = compiled.matrix(np.zeros_like(numbers), texts)[0]
    for place, name in enumerate(numeric):
        unit = np.zeros_like(numbers)
        unit[0, place] = 1.0
        slope = compiled.matrix(unit, texts)[0] - at_zero
        led = [column for column in np.flatnonzero(slope) if len(thresholds.get(int(column), ()))]
        if not led:
            continue
        column = int(led[0])
        drawn = rng.choice(thresholds[column], len(asked))
        value = (drawn - at_zero[column]) / slope[column]
        steps = rng.integers(-2, 3, len(asked)) * np.spacing(value)
        value = value + steps
        asked[name] = np.where(np.isfinite(value), value, 0.0)
    return asked
