"""Fitted encoders of categories as tables: scikit-learn itself is asked once for every category.

All that it does with rare, missing, unknown and dropped categories is then in the table.
"""

import warnings
from collections.abc import Sequence
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

from ml_assets.core.compiled import layout
from ml_assets.core.compiled.reading.parts import name_of
from ml_assets.core.errors import NotCompilable

ENCODERS = (OneHotEncoder, OrdinalEncoder)
_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)
_UNSEEN_TEXT = "\x00never seen\x00"
_CELLS = 1 << 24  # of a table; one-hot columns of a great many categories are better left sparse


def read_categories(
    chain: Sequence[Any],
    names: Sequence[str],
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
) -> tuple[list[layout.Texts | layout.Codes], list[np.ndarray]]:
    """Return a block and a table for each column of a chain of transformers with one encoder.

    Args:
        chain: Fitted: a filling or none, the encoder, and scalers.
        names: Columns that it reads.
        numeric: Names of the numeric inputs.
        categorical: Names of the categorical inputs.

    Raises:
        NotCompilable: If the chain is of another form.
    """
    encoder = next(one for one in chain if type(one) in ENCODERS)
    place = list(chain).index(encoder)
    before, after = list(chain[:place]), list(chain[place + 1 :])
    for one, known in [(b, (SimpleImputer,)) for b in before] + [(a, _SCALERS) for a in after]:
        if type(one) not in known:
            message = f"{name_of(one)} stands beside {name_of(encoder)}"
            raise NotCompilable(message)
    if any(getattr(one, "add_indicator", False) for one in before):
        message = "missing categories are marked by SimpleImputer"
        raise NotCompilable(message)
    categories = encoder.categories_
    if len(categories) != len(names):
        message = "SimpleImputer left out a column of categories"
        raise NotCompilable(message)
    widths = _widths(encoder)
    ends = np.cumsum(widths)
    blocks, tables = [], []
    for n, name in enumerate(names):
        of_texts = name in categorical
        keys = _keys(categories[n], of_texts=of_texts)
        if len(keys) * widths[n] > _CELLS:
            message = f"column {name!r} has {len(keys)} categories"
            raise NotCompilable(message)
        asked = [*keys, None if of_texts else np.nan, _unseen(keys, of_texts=of_texts)]
        rows = [_answer(chain, names, n, value, categories) for value in asked]
        own = slice(int(ends[n]) - widths[n], int(ends[n]))
        if any(row is None for row in rows[:-2]):
            message = f"{name_of(encoder)} refuses a category of column {name!r} that it has seen"
            raise NotCompilable(message)
        kept = [row[own] for row in rows if row is not None]
        missing = None if rows[-2] is None else len(keys)
        unknown = None if rows[-1] is None else len(kept) - 1
        kind = layout.Texts if of_texts else layout.Codes
        column = (categorical if of_texts else numeric).index(name)
        blocks.append(kind(column, keys, missing, unknown, f"table_{name}"))
        tables.append(np.array(kept, dtype="<f8").reshape(len(kept), widths[n]))
    return blocks, tables


def _widths(encoder: OneHotEncoder | OrdinalEncoder) -> list[int]:
    if isinstance(encoder, OrdinalEncoder):
        return [1] * len(encoder.categories_)
    return [int(width) for width in encoder._n_features_outs]  # noqa: SLF001


def _keys(categories: np.ndarray, *, of_texts: bool) -> list[Any]:
    kind = str if of_texts else (int, float)
    plain = [one for one in categories.tolist() if not (one is None or one != one)]  # noqa: PLR0124
    if not all(isinstance(one, kind) for one in plain):
        message = "categories are neither texts nor numbers"
        raise NotCompilable(message)
    return plain if of_texts else [float(one) for one in plain]


def _unseen(keys: Sequence[Any], *, of_texts: bool) -> Any:  # noqa: ANN401
    return _UNSEEN_TEXT if of_texts else max([*keys, 0.0]) + 1.0


def _answer(
    chain: Sequence[Any],
    names: Sequence[str],
    place: int,
    value: Any,  # noqa: ANN401
    categories: Sequence[np.ndarray],
) -> np.ndarray | None:
    """Return what the chain makes of one value beside ordinary ones; None if it refuses it."""
    row = {name: [known[0]] for name, known in zip(names, categories, strict=True)}
    row[names[place]] = [value]
    found: Any = pd.DataFrame(
        {
            name: pd.Series(values, dtype=object if isinstance(values[0], str | None) else float)
            for name, values in row.items()
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
    return np.asarray(found.toarray() if sparse.issparse(found) else found, dtype=np.float64)[0]
