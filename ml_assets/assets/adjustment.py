"""The adjustment: what running servers add to the champion's answers until the next deployment."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.adjustments import Adjusted, adjust
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.workspace import Workspace


def adjustment(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """How servers adjust what the champion says: its intervals, and an intervention if one helps.

    Both follow from the truths that have come so far, and reach running servers within seconds.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "adjustment",
            stage="monitoring",
            kinds=["bentoml"],
            deps=[key_of(problem, name) for name in ("prediction_log", "labels", "drift_report")],
            description=adjustment.__doc__,
        )
    )
    def _adjustment(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            found = adjust(
                connection, workspace, declared, window_of(context), now=datetime.now(tz=UTC)
            )
        return result(context, _facts(declared, found))

    return _adjustment


def _facts(declared: DeclaredProblem, found: Adjusted) -> dict[str, Any]:
    decision, told = found.decision, found.adjustment
    if decision is None or told is None:
        return {"reason": "Nothing serves that says anything beside its predictions."}
    facts: dict[str, Any] = {
        "version": told.version,
        "labelled": found.rows,
        "decision": decision.outcome if found.applied else f"proposed: {decision.outcome}",
        "reason": decision.reason,
        "in_force": told.intervention.id if told.intervention else "nothing",
    }
    if told.quantiles is not None:
        facts["quantiles"] = str(told.quantiles)
    if decision.outcome == "begin" and not found.applied:
        facts["next"] = f"ml-assets intervene {declared.problem.name} --begin"
    return facts
