"""A partition holds about as many rows as its neighbours."""

from datetime import datetime

import dagster as dg
import pandas as pd
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed, warn_unless
from ml_assets.core.window import Window, cut, floor
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

USUAL_OVER = 28
SHOWN = 50
ENOUGH = 12


def volume_as_usual(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """Each partition holds no fewer rows than declared, and not far fewer than the median of 28.

    A partition with no row at all is named as well, unless most have none. The bound is
    ``quality.volume_drop``. The very first partition may hold few: data begin somewhere in it.
    """
    problem = declared.problem

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        table = table_name(declared, "raw_data")
        columns = {"_date": "DATE", "_time": "TIMESTAMPTZ"}
        workspace.lake.register(connection, table, name="raw", columns=columns)
        rows = connection.execute(
            f"SELECT date_trunc('{problem.partitions.every}', _time) AS start, count(*) AS rows "
            f"FROM raw WHERE {place(problem, window, moment='_time').where} GROUP BY 1"
        ).df()
        counts = pd.Series(0, index=[part.start for part in cut(window, problem.partitions.every)])
        counts.update(rows.set_index(rows["start"].map(pd.Timestamp.to_pydatetime))["rows"])
        low = unusually_low(
            counts,
            drop=problem.quality.volume_drop,
            least=problem.quality.min_rows,
            first=floor(problem.partitions.start, problem.partitions.every),
        )
        named = [f"{start:%Y-%m-%d %H:%M}: {count} rows" for start, count in low.items()]
        return warn_unless(
            low.empty,
            f"Few rows on {listed(named)}; the median is {counts.median():,.0f}."
            if named
            else f"{len(counts)} partitions, {counts.median():,.0f} rows in the median.",
            {
                "partitions": len(counts),
                "low_partitions": len(low),
                "lowest": named[:SHOWN],
                "median_rows": float(counts.median()) if len(counts) else 0.0,
            },
        )

    return asset_property(declared, "raw_data", volume_as_usual, judge)


def unusually_low(
    counts: pd.Series, *, drop: float, least: int, first: datetime | None = None
) -> pd.Series:
    """Return the partitions that hold too few rows.

    Args:
        counts: Rows by partition, in order of time.
        drop: A partition is low when it holds this share fewer rows than the median around it.
        least: A partition is low when it holds fewer.
        first: The partition in which data begin, which is compared with no other.
    """
    usual = counts.rolling(USUAL_OVER, min_periods=1, center=True).median()
    dropped = (counts < usual * (1 - drop)) & (counts.index != first)
    # Where rows are rarer than partitions, an empty one is as usual; few partitions do not show it.
    rare = (usual == 0) & (len(counts) >= ENOUGH)
    return counts[dropped | (counts < least) | ((counts == 0) & ~rare)]
