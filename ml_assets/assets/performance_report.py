"""Performance: how well versions answer, by three figures and a verdict on which to believe."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from ml_assets.assets.describe import WrittenTable, picture, result, table_metadata
from ml_assets.assets.stage import before, declare, window_of
from ml_assets.reports.formats import NONE, estimate
from ml_assets.reports.performance import (
    BELIEFS,
    largest_by_date,
    performance_chart,
    performance_page,
)
from ml_assets.reports.performance_content import Band, CohortRow, PerformanceContent
from ml_assets.resources.engine import Engine
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.cohort_rows import look_at
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.feature_tables import table_name
from ml_assets.storage.performance import Performance, performance, to_row
from ml_assets.storage.placement import place
from ml_assets.storage.workspace import Workspace

TABLE = "performance_report"
SHOWN = 60  # dates on the page
FIGURES = (
    *("realised", "corrected", "estimated", "audited", "audit_alone", "believed"),
    *("covered", "usual"),
)
SCHEMA = pa.schema(
    {
        "_date": pa.date32(),
        "version": pa.string(),
        "metric": pa.string(),
        "until": pa.timestamp("us", tz="UTC"),
        "answered": pa.int64(),
        "labelled": pa.int64(),
        "audit_asked": pa.int64(),
        "audit_rows": pa.int64(),
        "audit_weight": pa.float64(),
        "bias": pa.float64(),
        "covered_rows": pa.int64(),
        **{f"{figure}{part}": pa.float64() for figure in FIGURES for part in ("", "_low", "_high")},
        "belief": pa.string(),
        "concept_changed": pa.bool_(),
        "reason": pa.string(),
    }
)


def performance_report(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """The loss by date and version: realised, estimated without labels, and audited.

    A sentence says which to believe, and why. Cohorts whose labels still come in are told again at
    each look. Answers of a version in the shadow count for nothing here: nobody heard them.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            TABLE,
            stage="monitoring",
            kinds=["deltalake"],
            deps=[
                before(problem, "prediction_log"),
                before(problem, "labels"),
                before(problem, "labelling_queue"),
            ],
            description=performance_report.__doc__,
            metadata=table_metadata(declared, TABLE),
        )
    )
    def _performance_report(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        until = look_at(workspace.lake, declared, window)
        with duckdb.get_connection() as connection:
            seen = performance(connection, workspace, declared, window, until=until)
        table = pa.Table.from_pylist([to_row(seen, one) for one in seen.cohorts], schema=SCHEMA)
        name = table_name(declared, TABLE)
        version = workspace.lake.replace(name, table, dates=place(problem, seen.window).dates)
        facts, pages = _facts(seen), {}
        if seen.cohorts:
            content = _content(workspace, declared, seen)
            written = _write_page(workspace, declared, content)
            facts["report"] = dg.MetadataValue.path(str(written))
            pages = _pages(content)
        return result(context, facts, pages, table=WrittenTable(version, SCHEMA))

    return _performance_report


def _facts(seen: Performance) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "known_until": seen.until.isoformat(),
        "cohorts": len(seen.cohorts),
        "answered": sum(one.known.answered for one in seen.cohorts),
        "labelled": sum(one.known.labelled for one in seen.cohorts),
        "audited": sum(one.known.audit_rows for one in seen.cohorts),
    }
    if seen.cohorts:
        newest = max(seen.cohorts, key=lambda one: (one.date, one.known.answered))
        facts["newest_verdict"] = newest.verdict.reason
        if newest.verdict.belief != "none":
            facts[seen.metric] = newest.verdict.figure.value
    return facts


def _content(
    workspace: Workspace, declared: DeclaredProblem, seen: Performance
) -> PerformanceContent:
    """Return the newest dates of the whole table, which earlier looks wrote most of."""
    problem = declared.problem
    rows = workspace.lake.read(table_name(declared, TABLE)).to_pylist()
    dates = sorted({row["_date"] for row in rows})[-SHOWN:]
    kept = [_row(row) for row in rows if row["_date"] >= dates[0]]
    return PerformanceContent(
        problem=problem.name,
        metric=seen.metric,
        confidence=problem.gates.confidence,
        until=seen.until,
        made_at=datetime.now(tz=UTC),
        cohorts=tuple(sorted(kept, key=lambda one: (one.date, one.version))),
        command=f"ml-assets label {problem.name}",
    )


def _row(row: dict[str, Any]) -> CohortRow:
    return CohortRow(
        date=row["_date"],
        version=row["version"],
        answered=row["answered"],
        labelled=row["labelled"],
        audit_asked=row["audit_asked"],
        audit_rows=row["audit_rows"],
        realised=_band(row, "realised"),
        corrected=_band(row, "corrected"),
        estimated=_band(row, "estimated"),
        audited=_band(row, "audited"),
        believed=_band(row, "believed"),
        belief=row["belief"],
        concept_changed=row["concept_changed"],
        reason=row["reason"],
    )


def _band(row: dict[str, Any], name: str) -> Band:
    return Band(value=row[name], low=row[f"{name}_low"], high=row[f"{name}_high"])


def _write_page(
    workspace: Workspace, declared: DeclaredProblem, content: PerformanceContent
) -> Path:
    written = workspace.performance_page(declared.problem.name)
    write_atomically(written, performance_page(content).encode())
    return written


def _pages(content: PerformanceContent) -> dict[str, Any]:
    main = list(largest_by_date(content.cohorts))
    chart = performance_chart(main, axis=content.metric, width=600)
    return {
        "loss_by_day": picture(chart, alt="Loss by day, three ways"),
        "cohorts": dg.MetadataValue.md(_table(content)),
    }


def _table(content: PerformanceContent) -> str:
    lines = [
        "| date | version | labels | realised | estimated | audited | believe | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.date} | {row.version} | {row.labelled} of {row.answered} | "
        f"{_text(row.corrected if row.is_corrected else row.realised)} | {_text(row.estimated)} | "
        f"{_text(row.audited)} | {BELIEFS[row.belief]} | {row.reason} |"
        for row in content.cohorts[-SHOWN:]
    ]
    return "\n".join(lines)


def _text(band: Band) -> str:
    return NONE if band.value is None else estimate(band.value, band.low, band.high)
