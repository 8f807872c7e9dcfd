"""Features neither see the future nor reach further back than declared."""

from collections.abc import Callable, Sequence
from datetime import datetime

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import Property, asset_property, listed
from ml_assets.core.feature_views import ALL_ROWS
from ml_assets.core.time_travel import (
    Change,
    changes_with_a_longer_past,
    changes_without_the_future,
)
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import offer_tables
from ml_assets.storage.workspace import Workspace

SAMPLED_ROWS = 6


def no_feature_sees_the_future(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No feature changes when rows and labels that were not known at its time are taken away."""
    return _experiment(
        declared,
        no_feature_sees_the_future,
        changes_without_the_future,
        "Read labels where known_at <= event_time, and rows up to event_time only.",
    )


def lookback_is_long_enough(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No feature changes when it is given twice the declared lookback."""
    return _experiment(
        declared,
        lookback_is_long_enough,
        changes_with_a_longer_past,
        "Raise features.lookback to the longest history that features.sql uses.",
    )


def _experiment(
    declared: DeclaredProblem,
    of: Property,
    experiment: Callable[..., list[Change]],
    advice: str,
) -> dg.AssetChecksDefinition:
    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        reach = declared.history.times(2)
        offer_tables(connection, workspace.lake, declared, window, reach=reach)
        moments = _sampled(connection, window, seed=declared.problem.seed)
        changes = experiment(connection, declared.query, moments=moments, history=declared.history)
        changed = [
            f"{c.feature}: {c.before} became {c.after} at {c.event_time:%Y-%m-%d %H:%M}"
            for c in changes
        ]
        return dg.AssetCheckResult(
            passed=not changed,
            description=f"{listed(changed)}. {advice}"
            if changed
            else f"No value changed at {len(moments)} moments.",
            metadata={
                "rows_tried_at": [f"{moment:%Y-%m-%d %H:%M}" for moment in moments],
                "features_that_changed": changed,
                "what_to_do": advice,
            },
        )

    return asset_property(declared, "feature_table", of, judge, blocking=True)


def _sampled(connection: DuckDBPyConnection, window: Window, *, seed: int) -> Sequence[datetime]:
    """Return event times spread over the window: one near its start, one near its end."""
    found = connection.execute(
        f"""
        SELECT max_by(event_time, hash(event_time, {seed})) FROM (
            SELECT event_time, ntile({SAMPLED_ROWS}) OVER (ORDER BY event_time) AS part
            FROM (SELECT DISTINCT event_time FROM {ALL_ROWS} WHERE event_time >= $start)
        ) GROUP BY part ORDER BY part
        """,
        {"start": window.start},
    ).fetchall()
    return [moment for (moment,) in found]
