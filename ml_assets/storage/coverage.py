"""How many truths the intervals held that callers were told."""

from dataclasses import dataclass

import duckdb
import numpy as np

from ml_assets.core.bootstrap import Blocks
from ml_assets.core.feature_query import literal, quoted
from ml_assets.core.problem import Problem
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.label_tables import known_by
from ml_assets.storage.lake import Lake
from ml_assets.storage.placement import place
from ml_assets.storage.production import LOG_COLUMNS

FEWEST_ROWS = 50  # labelled rows that say something about intervals


@dataclass(frozen=True)
class Coverage:
    """Share of truths inside their interval or set.

    Attributes:
        value: The share; NaN without rows.
        low: Lower bound, for rows that hang together in time.
        high: Upper bound.
        rows: Labelled rows with an interval.
        width: Mean width of an interval, or mean size of a set.
    """

    value: float
    low: float
    high: float
    rows: int
    width: float


def realised_coverage(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    declared: DeclaredProblem,
    window: Window,
    *,
    confidence: float,
    seed: int,
) -> Coverage:
    """Return the coverage of a window's rows whose truth is known by its end."""
    problem = declared.problem
    keys = {key: declared.contract.contract.column(key).sql_type for key in problem.keys}
    lake.register(
        connection, table_name(declared, "prediction_log"), name="log", columns=LOG_COLUMNS | keys
    )
    lake.register(connection, table_name(declared, "labels"), name="truths")
    identity = ", ".join(quoted(name) for name in problem.identity)
    truth = f"t.{quoted(problem.label.column)}"
    told = told_sql(problem)
    found = connection.execute(
        f"""
        SELECT epoch_us(l.event_time) AS moment, ({told.held})::DOUBLE AS held,
               ({told.width})::DOUBLE AS width
        FROM log AS l JOIN {known_by("truths", window.end)} AS t USING ({identity})
        WHERE {place(problem, window).where.replace("_date", "l._date")} AND {told.is_told}
          AND l.event_time >= {literal(window.start)} AND l.event_time < {literal(window.end)}
          AND l.variant IS DISTINCT FROM 'shadow' AND {truth} IS NOT NULL
        ORDER BY l.event_time
        """
    ).fetchnumpy()
    held = np.asarray(found["held"], dtype=np.float64)
    times = np.asarray(found["moment"], dtype=np.int64).astype("datetime64[us]")
    width = float(np.mean(found["width"])) if len(held) else float("nan")
    return Coverage(*share_held(held, times, confidence=confidence, seed=seed), len(held), width)


@dataclass(frozen=True)
class ToldSql:
    """What rows of the log ``l`` were told beside the prediction, in SQL.

    Attributes:
        is_told: Whether a row has an interval or a set.
        held: Whether the truth ``t`` is inside.
        width: Width of the interval, or size of the set.
    """

    is_told: str
    held: str
    width: str


def told_sql(problem: Problem) -> ToldSql:
    """Return the expressions for a problem."""
    truth = f"t.{quoted(problem.label.column)}"
    if problem.task == "regression":
        return ToldSql("l.low IS NOT NULL", f"{truth} BETWEEN l.low AND l.high", "l.high - l.low")
    # As texts: a class is written as JSON in the log, and as its own type among the labels.
    inside = "list_transform((l.prediction_set::JSON)::JSON[], one -> one ->> '$')"
    held = f"list_contains({inside}, {truth}::VARCHAR)"
    return ToldSql("l.prediction_set IS NOT NULL", held, f"len({inside})")


def share_held(
    held: np.ndarray, times: np.ndarray, *, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Return the share of truths inside, with its interval for rows that hang together in time.

    Args:
        held: 1 where the truth was inside, shape (n,), in order of time.
        times: Event times, shape (n,).
        confidence: Of the interval.
        seed: Of the resampling.
    """
    if not len(held):
        return float("nan"), 0.0, 1.0
    blocks = Blocks.draw(times, seed=seed, series=held)
    low, high = blocks.interval(blocks.means(held[:, None])[:, 0], confidence=confidence)
    return float(held.mean()), low, high
