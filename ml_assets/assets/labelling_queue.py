"""The labelling queue: production rows whose truth is worth asking for."""

from datetime import UTC, datetime

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import before, declare, key_of, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.label_queue import LabelRequest
from ml_assets.storage.label_requests import close_known, label_requests
from ml_assets.storage.workspace import Workspace

SHOWN = 20


def labelling_queue(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Rows sent to labelling within the daily budget: a random audit, disagreement, uncertainty.

    The probability with which a row was audited is stored, so that what is estimated from audited
    rows is unbiased. A request is closed when its label comes from the declared source; others are
    answered with `ml-assets label`.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "labelling_queue",
            stage="monitoring",
            kinds=["sqlite"],
            deps=[key_of(problem, "prediction_log"), before(problem, "labels")],
            description=labelling_queue.__doc__,
        )
    )
    def _labelling_queue(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        window = window_of(context)
        queue = workspace.label_queue
        with duckdb.get_connection() as connection:
            requests = label_requests(
                connection, workspace, declared, window, now=datetime.now(tz=UTC)
            )
            asked = queue.ask(requests)
            closed = close_known(connection, workspace, declared, until=window.end)
        facts = {
            "chosen": len(requests),
            "newly_asked": asked,
            "audited": sum(one.strategy == "random_audit" for one in requests),
            "closed_by_the_label_source": closed,
            "waiting": queue.count_waiting(problem.name),
            "next": f"ml-assets label {problem.name}",
        }
        return result(context, facts, {"rows": dg.MetadataValue.md(_table(requests))})

    return _labelling_queue


def _table(requests: list[LabelRequest]) -> str:
    if not requests:
        return "none"
    lines = ["| when | prediction | why |", "|---|---|---|"]
    lines += [
        f"| {one.event_time:%Y-%m-%d %H:%M} | {one.details['prediction']} | {one.why} |"
        for one in requests[:SHOWN]
    ]
    return "\n".join(lines)
