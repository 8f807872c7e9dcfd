"""The features of each request in the order of its rows: SQL yields them in any order."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ml_assets.core.arrow_columns import microseconds
from ml_assets.core.errors import FeatureSqlError
from ml_assets.core.feature_query import FeatureQuery
from ml_assets.core.feature_values import FeatureNames
from ml_assets.core.found_features import FoundFeatures
from ml_assets.core.request_rows import MAX_FAULTS, Fault, Refused, RequestRows


def in_order(
    columns: Mapping[str, np.ndarray],
    group: Sequence[RequestRows],
    query: FeatureQuery,
    names: FeatureNames,
) -> FoundFeatures:
    """Return the rows of requests in their order; a row that is not there refuses its request.

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
    places = [_places_of(rows, query.keys, place) for rows in group]
    answered = [n for one in places if not isinstance(one, Refused) for n in one]
    outcomes = tuple(one if isinstance(one, Refused) else len(one) for one in places)
    return FoundFeatures(values.rows(answered), outcomes)


def _places_of(
    rows: RequestRows, keys: Sequence[str], place: Mapping[tuple[Any, ...], int]
) -> list[int] | Refused:
    asked = [tuple(map(_comparable, name)) for name in rows.identities(keys)]
    absent = [position for position, name in enumerate(asked) if name not in place]
    if absent:
        text = "features.sql leaves this row out, so the model has nothing to say of it."
        faults = [Fault(n, None, "features", text) for n in absent[:MAX_FAULTS]]
        return Refused(422, tuple(faults))
    return [place[name] for name in asked]


def _plain(column: np.ndarray) -> list[Any]:
    """Return a column's values so that they compare equal to those of a request."""
    if column.dtype.kind == "M":
        column = column.astype("datetime64[us]").astype(np.int64)
    return column.tolist()


def _comparable(value: object) -> object:
    return microseconds(value) if isinstance(value, datetime) else value
