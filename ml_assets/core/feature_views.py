"""What features.sql sees: the views ``validated_data`` and ``labels`` of one asked window."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from ml_assets.core.feature_query import literal
from ml_assets.core.window import Window

ALL_ROWS = "all_validated_data"
ALL_LABELS = "all_labels"


@dataclass(frozen=True)
class History:
    """How far back the views reach.

    Attributes:
        rows: Reach of ``validated_data`` before the asked window.
        labels: Reach of ``labels`` before the asked window.
    """

    rows: timedelta
    labels: timedelta

    def times(self, factor: int) -> "History":
        """Return a history that is longer."""
        return History(self.rows * factor, self.labels * factor)


def show(
    connection: duckdb.DuckDBPyConnection, window: Window, history: History, *, known_by: datetime
) -> None:
    """Set the views ``validated_data`` and ``labels`` to what a window may see.

    Args:
        connection: Holds the tables ``all_validated_data`` and ``all_labels``.
        window: Rows that are asked for.
        history: What is added before the window.
        known_by: Labels that became known later are hidden.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW validated_data AS SELECT * FROM {ALL_ROWS} "
        f"WHERE event_time >= {literal(window.start - history.rows)} "
        f"AND event_time < {literal(window.end)}"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW labels AS SELECT * FROM {ALL_LABELS} "
        f"WHERE event_time >= {literal(window.start - history.labels)} "
        f"AND known_at <= {literal(known_by)}"
    )
