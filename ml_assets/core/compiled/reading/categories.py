"""Fitted encoders of categories as tables: scikit-learn itself is asked once for every category.

All that it does with rare, missing, unknown and dropped categories is then in the table.
"""

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from ml_assets.core.compiled.reading.parts import name_of
from ml_assets.core.errors import NotCompilable

ENCODERS = (OneHotEncoder, OrdinalEncoder)
_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
_UNSEEN_TEXT = "\x00never seen\x00"
_CELLS = 1 << 24  # of a table; one-hot columns of a great many categories are better left sparse


@dataclass(frozen=True)
class CategoryTable:
    """What a chain of transformers makes of one column.

    Attributes:
        name: Of the column.
        keys: Its categories, each with a row of ``rows``; the rows of a missing and of an unknown
            value stand behind them.
        missing: Row of a missing value; None if it is refused.
        unknown: Row of any other value; None if it is refused.
        rows: Shape (rows, width), float64.
    """

    name: str
    keys: list[Any]
    missing: int | None
    unknown: int | None
    rows: np.ndarray


def read_categories(
    chain: Sequence[Any], names: Sequence[str], *, texts: Collection[str]
) -> list[CategoryTable]:
    """Return a table for each column of a chain of transformers with one encoder.

    Args:
        chain: Fitted: a filling or none, the encoder, and scalers.
        names: Columns that it reads.
        texts: Those of all columns that are texts; the others are numbers.

    Raises:
        NotCompilable: If the chain is of another form.
    """
    encoder, fillings = _checked(chain)
    categories = encoder.categories_
    if len(categories) != len(names):
        message = "SimpleImputer left out a column of categories"
        raise NotCompilable(message)
    ordinary = dict(zip(names, (known[0] for known in categories), strict=True))
    widths = _widths(encoder)
    ends = np.cumsum(widths)
    tables = []
    for name, known, width, end in zip(names, categories, widths, ends.tolist(), strict=True):
        keys = _keys(known, of_texts=name in texts)
        if len(keys) * width > _CELLS:
            message = f"column {name!r} has {len(keys)} categories"
            raise NotCompilable(message)

        def answer(
            values: list[Any], name: str = name, own: slice = slice(end - width, end)
        ) -> Any:  # noqa: ANN401
            found = _answer(chain, {**ordinary, name: values}, texts)
            return None if found is None else found[:, own]

        seen = answer(keys) if keys else np.empty((0, width))
        if seen is None:
            message = f"{name_of(encoder)} refuses a category of column {name!r} that it has seen"
            raise NotCompilable(message)
        gap = answer([_missing(fillings, known, of_texts=name in texts)])
        odd = answer([_unseen(keys, of_texts=name in texts)])
        rows = np.concatenate([part for part in (seen, gap, odd) if part is not None])
        missing = None if gap is None else len(keys)
        unknown = None if odd is None else len(rows) - 1
        tables.append(CategoryTable(name, keys, missing, unknown, rows))
    return tables


def _checked(chain: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the encoder and what stands before it."""
    place = next(n for n, one in enumerate(chain) if type(one) in ENCODERS)
    before, after = list(chain[:place]), list(chain[place + 1 :])
    for one, known in [(b, (SimpleImputer,)) for b in before] + [(a, _SCALERS) for a in after]:
        if type(one) not in known:
            message = f"{name_of(one)} stands beside {name_of(chain[place])}"
            raise NotCompilable(message)
    if any(one.add_indicator for one in before):
        message = "missing categories are marked by SimpleImputer"
        raise NotCompilable(message)
    return chain[place], before


def _widths(encoder: Any) -> list[int]:  # noqa: ANN401
    if type(encoder) is OrdinalEncoder:
        return [1] * len(encoder.categories_)
    return [int(width) for width in encoder._n_features_outs]  # noqa: SLF001


def _keys(categories: np.ndarray, *, of_texts: bool) -> list[Any]:
    kind = str if of_texts else (int, float)
    plain = [one for one in categories.tolist() if not (one is None or one != one)]  # noqa: PLR0124
    if not all(isinstance(one, kind) for one in plain):
        message = "categories are neither texts nor numbers"
        raise NotCompilable(message)
    return plain if of_texts else [float(one) for one in plain]


def _missing(before: Sequence[Any], categories: np.ndarray, *, of_texts: bool) -> float | None:
    """Return what stands for a missing value in this chain: NaN or None."""
    if not of_texts:
        return np.nan
    if before:
        return before[0].missing_values
    return np.nan if any(isinstance(one, float) for one in categories.tolist()) else None


def _unseen(keys: Sequence[Any], *, of_texts: bool) -> Any:  # noqa: ANN401
    return _UNSEEN_TEXT if of_texts else max([*keys, 0.0]) + 1.0


def _answer(
    chain: Sequence[Any], values: Mapping[str, Any], texts: Collection[str]
) -> np.ndarray | None:
    """Return what the chain makes of rows; None if it refuses one."""
    rows = max(len(one) if isinstance(one, list) else 1 for one in values.values())
    found: Any = pd.DataFrame(
        {
            name: pd.Series(
                one if isinstance(one, list) else [one] * rows,
                dtype=object if name in texts else np.float64,
            )
            for name, one in values.items()
        }
    )
    if not hasattr(chain[0], "feature_names_in_"):
        found = found.to_numpy()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for one in chain:
                found = one.transform(found)
    except ValueError:
        return None
    return np.asarray(found.toarray() if sparse.issparse(found) else found, dtype=np.float64)
