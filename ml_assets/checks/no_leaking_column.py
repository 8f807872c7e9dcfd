"""No column knows the label."""

from datetime import timedelta

import dagster as dg
import numpy as np
import pandas as pd
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed
from ml_assets.core.feature_query import quoted
from ml_assets.core.leakage import FEWEST_ROWS, MIN_ROWS, Leak, find_leaks
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

ROWS = 50_000
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def no_leaking_column(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No column, no difference to its recent mean and no sum of columns reproduces the label.

    Neither does whether a column is filled, nor which of its frequent values it has.

    A leak through columns that are declared ``after_event`` is named and does no harm: features
    cannot see them.
    """
    problem = declared.problem

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        frame = _rows_with_labels(connection, workspace, declared, window)
        leaks = find_leaks(
            frame.drop(columns=[problem.label.column, "event_time"]),
            frame[problem.label.column],
            task=problem.task,
            keys=problem.keys,
            periods=_periods(frame["event_time"]),
        )
        late = set(problem.after_event)
        kept_out = [_words(leak) for leak in leaks if set(leak.columns) & late]
        harmful = [_words(leak) for leak in leaks if not set(leak.columns) & late]
        advice = "Name the columns of a leak under after_event."
        if harmful:
            found = f"{listed(harmful)}. {advice}"
        elif kept_out:
            found = f"Kept from the features by after_event: {listed(kept_out)}."
        elif len(frame) < (FEWEST_ROWS if problem.task == "regression" else MIN_ROWS):
            found = f"Insufficient data: {len(frame)} rows have a label."
        elif len(frame) < MIN_ROWS:
            found = f"No sum of columns is the label of {len(frame)} rows; more was not looked for."
        else:
            found = f"Nothing reproduces the label of {len(frame):,} rows."
        return dg.AssetCheckResult(
            passed=not harmful,
            description=found,
            metadata={
                "rows": len(frame),
                "leaks": harmful,
                "leaks_through_after_event_columns": kept_out,
                "what_to_do": advice,
            },
        )

    return asset_property(declared, "training_set", no_leaking_column, judge, blocking=True)


def _words(leak: Leak) -> str:
    return f"{leak.formula} reproduces {leak.score:.2%} of the label"


def _rows_with_labels(
    connection: DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    window: Window,
) -> pd.DataFrame:
    problem = declared.problem
    for table in ("validated_data", "labels"):
        workspace.lake.register(connection, table_name(declared, table), name=table)
    columns = [c for c in declared.contract.contract.names if c != problem.label.column]
    chosen = "".join(f"v.{quoted(name)}, " for name in columns if name != "event_time")
    identity = ", ".join(quoted(name) for name in problem.identity)
    return connection.execute(
        f"""
        SELECT * FROM (
            SELECT v.event_time, {chosen}l.{quoted(problem.label.column)}
            FROM validated_data AS v
            JOIN (FROM labels WHERE superseded_at IS NULL) AS l USING ({identity})
            WHERE {place(problem, window).where.replace("_date", "v._date")}
            ORDER BY v.event_time DESC LIMIT {ROWS}
        ) ORDER BY event_time
        """
    ).df()


def _periods(times: pd.Series) -> tuple[int, ...]:
    """Return the numbers of rows in a step, a day and a week, for the usual step of the table."""
    moments = times.drop_duplicates().to_numpy(dtype="datetime64[us]").astype(np.int64)
    steps = np.diff(moments) / 1e6
    if not len(steps) or np.median(steps) <= 0:
        return (1,)
    step = float(np.median(steps))
    counts = (max(1, round(length.total_seconds() / step)) for length in (DAY, WEEK))
    return tuple(sorted({1, *counts}))
