"""Validation: each raw row becomes a validated row or a rejected one."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa

from ml_assets.assets.column_lineage import validated_lineage
from ml_assets.assets.describe import WrittenTable, result, rows_by_partition, table_metadata
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.validation import validate_rows
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

VALIDATED = "Rows that keep the contract: typed, in time, one for each key and moment."
REJECTED = "Rows that break a rule: the rule, the value, the original text and where it came from."


def validated_data(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Rows by the contract, and the rows that break it."""
    problem = declared.problem
    shared = declare(
        declared, "validated_data", stage="data", kinds=["pandera", "deltalake"], description=None
    )
    raw = [key_of(problem, "raw_data")]
    described = table_metadata(
        declared,
        "validated_data",
        lineage=validated_lineage(declared),
        contract=declared.contract.contract,
    )

    @dg.multi_asset(
        name=f"{problem.name}__validation",
        specs=[
            dg.AssetSpec(
                key_of(problem, name),
                deps=raw,
                description=description,
                group_name=shared["group_name"],
                kinds=shared["kinds"],
                owners=shared["owners"],
                partitions_def=shared["partitions_def"],
                metadata=metadata,
            )
            for name, description, metadata in (
                ("validated_data", VALIDATED, described),
                ("rejected_rows", REJECTED, table_metadata(declared, "rejected_rows")),
            )
        ],
        backfill_policy=shared["backfill_policy"],
        pool=shared["pool"],
    )
    def _validated_data(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> Iterator[dg.MaterializeResult]:
        window = window_of(context)
        by_time = place(problem, window, moment="_time")
        with duckdb.get_connection() as connection:
            name = table_name(declared, "raw_data")
            workspace.lake.register(connection, name, name="raw_all")
            connection.execute(
                f"CREATE TEMP VIEW raw AS SELECT * FROM raw_all WHERE {by_time.where}"
            )
            found = validate_rows(connection, "raw", problem, declared.contract)
            broken = _rules(found.rejected)
        for asset, rows, moment in (
            ("validated_data", found.valid, "event_time"),
            ("rejected_rows", found.rejected, "_time"),
        ):
            placement = place(problem, window, moment=moment)
            table = table_name(declared, asset)
            version = workspace.lake.replace(
                table, rows, dates=placement.dates, predicate=placement.predicate
            )
            counts = rows_by_partition(problem, rows, moment=moment)
            yield result(
                context,
                {"rows": len(rows)},
                {"rules_broken": dg.MetadataValue.md(broken)} if asset == "rejected_rows" else {},
                table=WrittenTable(version, rows.schema, counts),
                asset=key_of(problem, asset),
            )

    return _validated_data


def _rules(rejected: pa.Table) -> str:
    """Return a table of the broken rules, the most frequent first, as Markdown."""
    if not len(rejected):
        return "none"
    counted = rejected.group_by(["rule", "column"]).aggregate([("rule", "count")])
    rows = sorted(counted.to_pylist(), key=lambda row: -row["rule_count"])
    lines = [f"| {r['rule']} | {r['column'] or ''} | {r['rule_count']} |" for r in rows[:20]]
    return "\n".join(["| rule | column | rows |", "|---|---|---|", *lines])
