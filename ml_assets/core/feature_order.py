"""The features of each request in the order of its rows: SQL yields them in any order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ml_assets.core.asked_rows import microseconds
from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.feature_query import FeatureQuery
from ml_assets.core.feature_values import FeatureNames, FeatureValues
from ml_assets.core.request_rows import MAX_FAULTS, Fault, Refused, RequestRows


def in_order(
    columns: Mapping[str, np.ndarray],
    group: Sequence[RequestRows],
    query: FeatureQuery,
    names: FeatureNames,
) -> list[FeatureValues | Refused]:
    """Return each request's rows in its order; a row that is not there refuses its request.

    Args:
        columns: What features.sql yields, shape (n,) each: the identity of rows and the features.
        group: Requests whose rows it was asked about.
        query: Knows what names a row.
        names: Which columns the model is given.

    Raises:
        FeatureSqlError: If a row is there more than once.
    """
    identities = [_plain(columns[name]) for name in query.identity]
    place = {name: n for n, name in enumerate(zip(*identities, strict=True))}
    values = names.values(columns, len(identities[0]))
    if len(place) < len(values):
        message = "features.sql yields a row more than once: a join matches several rows."
        raise FeatureSqlError(message)
    return [_rows_of(rows, query.keys, values, place) for rows in group]


def _rows_of(
    rows: RequestRows,
    keys: Sequence[str],
    values: FeatureValues,
    place: Mapping[tuple[Any, ...], int],
) -> FeatureValues | Refused:
    asked = [tuple(map(_comparable, name)) for name in rows.identities(keys)]
    absent = [position for position, name in enumerate(asked) if name not in place]
    if absent:
        text = "features.sql leaves this row out, so the model has nothing to say of it."
        faults = [Fault(n, None, "features", text) for n in absent[:MAX_FAULTS]]
        return Refused(422, tuple(faults))
    return values.rows([place[name] for name in asked])


def _plain(column: np.ndarray) -> list[Any]:
    """Return a column's values so that they compare equal to those of a request."""
    if column.dtype.kind == "M":
        column = column.astype("datetime64[us]").astype(np.int64)
    return column.tolist()


def _comparable(value: object) -> object:
    return microseconds(value) if isinstance(value, datetime) else value
