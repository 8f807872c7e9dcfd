"""From each input straight to masks: thresholds are moved in front of the preparation.

Every column of the estimator's matrix is made of one input. Where it is computed, it rises or falls
with the input, or stays: sums, products and roundings keep order. So a threshold of the column
cuts the numbers of the input in two. Between two neighbouring cuts all numbers leave the same
leaves, whatever is done to them on the way: one of them is prepared, once, and what it leaves is a
row of the input's table. A category has a row of its own. Nothing is left to be prepared when a
row is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ml_assets.core.compiled.cuts import Asked, cuts
from ml_assets.core.compiled.forest import Forest
from ml_assets.core.compiled.mask_tables import all_leaves, mask_tables
from ml_assets.core.compiled.preparation import Preparation
from ml_assets.core.compiled.probe import Matrix, Probe
from ml_assets.core.compiled.steps import Input
from ml_assets.core.errors import DataError

# The first one that is refused by nothing bounds the numbers that the tables are for.
_BOUNDS = tuple(2.0**exponent for exponent in (1023, 512, 256, 127, 100, 64, 32))


@dataclass(frozen=True, eq=False)
class InputTable:
    """What the values of one input leave.

    Attributes:
        source: The input.
        keys: Row by category; of a number none.
        steps: Cuts of a number and then infinity, ascending; a value has the row of how many it is
            greater than.
        rows: Shape (rows, trees). The last is for missing values; of a text, the one before it is
            for unknown ones.
        refused: Whether the preparation refuses the values of a row; shape (rows,).
    """

    source: Input
    keys: Mapping[str, int]
    steps: np.ndarray
    rows: np.ndarray
    refused: np.ndarray


@dataclass(frozen=True)
class InputTables:
    """The tables of a model's inputs.

    Attributes:
        bound: They hold for numbers up to this size.
        tables: One for each input that trees ask for, or that may be refused.
    """

    bound: float
    tables: tuple[InputTable, ...]


def input_tables(
    forest: Forest, preparation: Preparation, matrix: Matrix, *, numeric: int, categorical: int
) -> InputTables | None:
    """Return the tables, or None if the preparation does not keep order, or takes too little.

    Args:
        forest: Trees of at most ``MOST_LEAVES`` leaves.
        preparation: What is done to the inputs.
        matrix: The same as trees see it: after the rounding to 32 bits, where there is one.
        numeric: How many numeric inputs there are.
        categorical: How many categorical ones.
    """
    probe = Probe(preparation, matrix, numeric, categorical)
    bound = next((one for one in _BOUNDS if probe.takes(one)), None)
    if bound is None or not preparation.monotone:
        return None
    asked = dict(mask_tables(forest))
    made_of = preparation.made_of
    computed = [
        Asked(at, made_of[at].source.position, table.steps[:-1])
        for at, table in asked.items()
        if not made_of[at].looked_up
    ]
    tables = []
    try:
        found = cuts(computed, probe, bound)
        for source in probe.inputs:
            keys = list(dict.fromkeys(probe.keys[source]))
            if source.of_texts:
                steps, shown = np.empty(0), [*keys, _unknown(keys), None]
            else:
                steps = _steps(found.get(source.position, ()), keys, bound)
                # The right end of an interval stands for it.
                shown = [*np.minimum(steps, bound).tolist(), np.nan]
            seen, refused = probe.seen(source, shown)
            own = [at for at in asked if made_of[at].source == source]
            if own or refused.any():
                rows = np.tile(all_leaves(forest), (len(shown), 1))
                for at in own:
                    rows &= asked[at].of(seen[:, at])
                by_key = dict(zip(keys, range(len(keys)), strict=True)) if source.of_texts else {}
                tables.append(InputTable(source, by_key, steps, rows, refused))
    except DataError:  # a number is computed and, as a category, refused
        return None
    return InputTables(bound, tuple(tables))


def _steps(cut: Sequence[float], keys: Sequence[float], bound: float) -> np.ndarray:
    """Return the right ends of the intervals of a number; a category is one of its own."""
    known = [key for key in keys if abs(key) <= bound]
    return np.unique([*cut, *known, *np.nextafter(known, -np.inf), np.inf])


def _unknown(keys: Sequence[Any]) -> str:
    text = "unknown"
    while text in keys:
        text += "?"
    return text
