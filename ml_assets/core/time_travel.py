"""Two experiments on features.sql: take the future away, and give it a longer past.

A feature must not change when rows and labels that were not known at its time disappear, and it
must not change when it is given twice the declared lookback. Both are tried on sampled rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import numpy as np
import pandas as pd

from ml_assets.core.feature_query import FeatureQuery
from ml_assets.core.feature_rows import run_features
from ml_assets.core.feature_views import History, show
from ml_assets.core.window import Window

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Change:
    """A feature whose value depended on what it must not depend on.

    Attributes:
        feature: Name of the feature.
        event_time: Row where it was seen first.
        rows: Number of sampled rows on which it changed.
        before: Its value as the batch computed it.
        after: Its value in the experiment.
    """

    feature: str
    event_time: datetime
    rows: int
    before: object
    after: object


def changes_without_the_future(
    connection: duckdb.DuckDBPyConnection,
    query: FeatureQuery,
    *,
    moments: Sequence[datetime],
    history: History,
) -> list[Change]:
    """Return the features that change when all that was not known at a row's time is removed.

    Args:
        connection: Holds the tables ``all_validated_data`` and ``all_labels``.
        query: features.sql.
        moments: Event times of the rows to try.
        history: The declared reach.
    """
    found: list[Change] = []
    for moment in moments:
        row = Window(moment, moment + MICROSECOND)
        wide = Window(moment, moment + max(history.rows, history.labels, timedelta(days=1)))
        show(connection, wide, history, known_by=wide.end)
        before = run_features(connection, query.between(row), identity=query.identity).frame
        show(connection, row, history, known_by=moment)
        after = run_features(connection, query.between(row), identity=query.identity).frame
        found += _changes(before, after, query.identity)
    return _first_of_each(found)


def changes_with_a_longer_past(
    connection: duckdb.DuckDBPyConnection,
    query: FeatureQuery,
    *,
    moments: Sequence[datetime],
    history: History,
) -> list[Change]:
    """Return the features that change when the declared lookback is doubled."""
    found: list[Change] = []
    for moment in moments:
        row = Window(moment, moment + MICROSECOND)
        show(connection, row, history, known_by=moment)
        before = run_features(connection, query.between(row), identity=query.identity).frame
        show(connection, row, history.times(2), known_by=moment)
        after = run_features(connection, query.between(row), identity=query.identity).frame
        found += _changes(before, after, query.identity)
    return _first_of_each(found)


def _changes(before: pd.DataFrame, after: pd.DataFrame, identity: Sequence[str]) -> list[Change]:
    pairs = before.merge(after, on=list(identity), how="left", suffixes=("", "__after"))
    found = []
    for feature in before.columns.drop(list(identity)):
        old, new = pairs[feature], pairs[f"{feature}__after"]
        differs = ~((old == new) | (old.isna() & new.isna())).to_numpy(dtype=bool)
        if differs.any():
            at = int(np.argmax(differs))
            moment = pairs["event_time"].iloc[at].to_pydatetime()
            found.append(Change(feature, moment, int(differs.sum()), old.iloc[at], new.iloc[at]))
    return found


def _first_of_each(changes: list[Change]) -> list[Change]:
    first: dict[str, Change] = {}
    for change in changes:
        seen = first.get(change.feature)
        rows = change.rows + (seen.rows if seen else 0)
        kept = seen or change
        first[change.feature] = Change(kept.feature, kept.event_time, rows, kept.before, kept.after)
    return list(first.values())
