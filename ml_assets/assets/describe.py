"""What a materialisation shows to people: columns, counts, lineage and small pictures."""

from collections.abc import Iterable
from typing import Any

import dagster as dg
import pyarrow as pa

from ml_assets.core.contract import Contract
from ml_assets.reports.drawing import markdown_image


def picture(svg: str, *, alt: str = "plot") -> dg.MetadataValue:
    """Return an SVG as metadata that the UI draws in its table."""
    return dg.MetadataValue.md(markdown_image(svg, alt=alt))


def result(
    context: dg.AssetExecutionContext, facts: dict[str, Any], pages: dict[str, Any]
) -> dg.MaterializeResult:
    """Return what a run tells: figures on every partition, pictures and pages on the last one.

    Dagster repeats metadata on each partition of a range, and a year of pictures is megabytes.

    Args:
        context: Of the run.
        facts: Numbers and short texts.
        pages: Pictures, tables and documents.
    """
    keys = context.partition_keys
    if len(keys) == 1:
        return dg.MaterializeResult(metadata={**facts, **pages})
    context.log_event(
        dg.AssetObservation(asset_key=context.asset_key, partition=keys[-1], metadata=pages)
    )
    return dg.MaterializeResult(metadata=facts)


def columns_of(schema: pa.Schema, contract: Contract | None = None) -> dg.TableSchema:
    """Return a table's columns, with the contract's descriptions where it has them."""
    described = {column.name: column.description for column in contract.columns} if contract else {}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(field.name, str(field.type), description=described.get(field.name))
            for field in schema
        ]
    )


def table_facts(
    name: str, version: int, rows: int, schema: pa.Schema, contract: Contract | None = None
) -> dict[str, Any]:
    """Return the metadata that every table carries.

    Args:
        name: Its name in the lake.
        version: Its version after the run.
        rows: Rows that the run wrote.
        schema: Its columns.
        contract: Descriptions of columns.
    """
    return {
        "dagster/table_name": name,
        "dagster/partition_row_count": rows,
        "dagster/column_schema": columns_of(schema, contract),
        "lake_version": version,
    }


def lineage(
    pairs: Iterable[tuple[str, Iterable[tuple[dg.AssetKey, str]]]],
) -> dg.TableColumnLineage:
    """Return which upstream columns each column was made from."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=key, column_name=name) for key, name in sources]
            for column, sources in pairs
        }
    )
