"""What is told to people: of an asset, by its definition, and of a materialisation, by its run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pyarrow as pa

from ml_assets.assets.stage import KEY_FORMATS
from ml_assets.core.contract import Contract
from ml_assets.core.problem import Problem
from ml_assets.reports.drawing import markdown_image
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name

LINEAGE = "dagster/column_lineage"
SCHEMA = "dagster/column_schema"
SHOWN = 5


@dataclass(frozen=True)
class WrittenTable:
    """A table as a run left it.

    Attributes:
        version: Its version in the lake, as ``Lake.version`` tells it.
        schema: Its columns.
        rows: Rows that the run wrote, by partition key; None where they are not cut like the
            partitions.
    """

    version: int | None
    schema: pa.Schema
    rows: Mapping[str, int] | None = None


def table_metadata(
    declared: DeclaredProblem,
    table: str,
    *,
    lineage: dg.TableColumnLineage | None = None,
    contract: Contract | None = None,
) -> dict[str, Any]:
    """Return what is true of a table before any run: its name, columns and their origins.

    Args:
        declared: The problem.
        table: Name of the asset, and of its table.
        lineage: From which columns its own are made.
        contract: Its columns, where they are declared.
    """
    columns = dg.TableSchema(
        [
            dg.TableColumn(column.name, column.sql_type.lower(), description=column.description)
            for column in (contract.columns if contract else ())
        ]
    )
    return {
        "dagster/table_name": table_name(declared, table),
        **({LINEAGE: lineage} if lineage else {}),
        **({SCHEMA: columns} if contract else {}),
    }


def result(
    context: dg.AssetExecutionContext,
    facts: Mapping[str, Any],
    pages: Mapping[str, Any] | None = None,
    *,
    table: WrittenTable | None = None,
    asset: dg.AssetKey | None = None,
) -> dg.MaterializeResult:
    """Return what a run tells: of a range, its last partition tells it for all of them.

    Dagster writes one event for each partition of a range, and all that it is given into each of
    them. So a partition gets its own number of rows and the table's version; the figures of the
    whole run, pictures and columns are written once.

    Args:
        context: Of the run.
        facts: Numbers and short texts.
        pages: Pictures, tables and documents.
        table: What was written.
        asset: Which asset is told of, where a run makes several.
    """
    key = asset or context.asset_key
    definition = context.assets_def.metadata_by_key[key]
    told = {**facts, **(pages or {})}
    each: dict[str, Any] = {}
    if table is not None:
        each["lake_version"] = table.version
        lineage = definition.get(LINEAGE)
        if isinstance(lineage, dg.TableColumnLineageMetadataValue):  # as Dagster has wrapped it
            lineage = lineage.value
        told[SCHEMA] = _columns(table.schema, lineage)
        told.update({LINEAGE: lineage} if lineage else {})
    if context.assets_def.partitions_def is None:
        return dg.MaterializeResult(asset_key=key, metadata={**each, **told})
    keys = context.partition_keys
    if table is not None and table.rows is not None:
        for partition in keys:
            count = {"dagster/partition_row_count": table.rows.get(partition, 0)}
            context.add_asset_metadata(count, asset_key=key, partition_key=partition)
    if len(keys) > 1:
        told["partitions_of_the_run"] = len(keys)
    context.add_asset_metadata(told, asset_key=key, partition_key=keys[-1])
    return dg.MaterializeResult(asset_key=key, metadata=each)


def rows_by_partition(
    problem: Problem, table: pa.Table, *, moment: str = "event_time"
) -> dict[str, int]:
    """Return how many rows of a table belong to each partition, by partition key.

    Args:
        problem: Its partitions cut the rows.
        table: Rows with their storage date.
        moment: Column that holds the time by which rows are placed.
    """
    every = problem.partitions.every
    # A storage date is a partition's first day; only hours are cut finer than that.
    if every == "hour":
        starts = pa.chunked_array([pa.array(table[moment].to_pandas().dt.floor("h"))])
    else:
        starts = table["_date"]
    return {
        f"{found['values']:{KEY_FORMATS[every]}}": found["counts"]
        for found in starts.value_counts().to_pylist()
    }


def picture(svg: str, *, alt: str = "plot") -> dg.MetadataValue:
    """Return an SVG as metadata that the UI draws in its table."""
    return dg.MetadataValue.md(markdown_image(svg, alt=alt))


def _columns(schema: pa.Schema, lineage: dg.TableColumnLineage | None) -> dg.TableSchema:
    origins = lineage.deps_by_column if lineage else {}
    return dg.TableSchema(
        [
            dg.TableColumn(field.name, str(field.type), description=_from(origins.get(field.name)))
            for field in schema
        ]
    )


def _from(origins: Sequence[dg.TableColumnDep] | None) -> str | None:
    """Say in words what a column is made from: the UI draws no lineage of columns."""
    if not origins:
        return None
    names = [f"{origin.asset_key.path[-1]}.{origin.column_name}" for origin in origins[:SHOWN]]
    more = f" and {len(origins) - SHOWN} more" if len(origins) > SHOWN else ""
    return f"From {', '.join(names)}{more}."
