"""The share of rejected rows stays under the declared bound."""

import dagster as dg
from duckdb import DuckDBPyConnection

from ml_assets.checks.property import asset_property, listed
from ml_assets.core.window import Window
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.partition_counts import partition_counts
from ml_assets.storage.placement import place
from ml_assets.storage.rejections import broken_rules
from ml_assets.storage.workspace import Workspace

# One bad row of three is no reason to stop: smaller partitions are judged as if they had 20 rows.
MIN_ROWS = 20
NAMED = 3


def few_rows_rejected(declared: DeclaredProblem) -> dg.AssetChecksDefinition:
    """No partition rejects a larger share of its rows than ``quality.max_rejected``.

    Duplicates are resolved by a declared rule and do not count.
    """
    bound = declared.problem.quality.max_rejected

    def judge(
        connection: DuckDBPyConnection, workspace: Workspace, window: Window
    ) -> dg.AssetCheckResult:
        counts = partition_counts(connection, workspace.lake, declared, window)
        bad = counts["rejected"] - counts["duplicates"]
        share = bad / (counts["raw"] - counts["duplicates"]).clip(lower=MIN_ROWS)
        over = counts[share > bound]
        worst = float(share.max()) if len(share) else 0.0
        days = [str(day)[:10] for day in over["_date"]]
        found = f"At most {worst:.1%} of a partition's rows are rejected; {bound:.1%} are allowed."
        if days:
            reasons = _reasons(connection, workspace, declared, window)
            found = f"{found} More are on {listed(days)}. {'; '.join(reasons)}."
        return dg.AssetCheckResult(
            passed=not days,
            description=found,
            metadata={
                "worst_share": worst,
                "bound": bound,
                "partitions_over_the_bound": days,
                "what_to_do": (
                    "Mend the source or the contract, or raise quality.max_rejected. The rows: "
                    f'ml-assets sql {declared.problem.name} "SELECT * FROM rejected_rows"'
                ),
            },
        )

    return asset_property(declared, "validated_data", few_rows_rejected, judge, blocking=True)


def _reasons(
    connection: DuckDBPyConnection, workspace: Workspace, declared: DeclaredProblem, window: Window
) -> list[str]:
    """Say of the commonest reasons how often rows were rejected for them, and by which value."""
    workspace.lake.register(connection, table_name(declared, "rejected_rows"), name="rejected")
    where = place(declared.problem, window, moment="_time").where
    broken = broken_rules(connection, f"FROM rejected WHERE {where} AND rule <> 'duplicate'")
    return [
        f"{one.rule}{f' in {one.column!r}' if one.column else ''}: {one.rows:,} rows"
        f"{f', most often {one.examples[0]!r}' if one.examples else ''}"
        for one in broken[:NAMED]
    ]
