"""Models: baselines and candidates, fitted on what was known at the cutoff."""

import dagster as dg

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.histories import adapting
from ml_assets.core.search import SearchResult, search
from ml_assets.core.training import Configuration
from ml_assets.resources.engine import Engine
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.fitted_models import fit_and_store, training_set_at
from ml_assets.storage.retrainings import change_before
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.workspace import Workspace


def baseline_models(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Rules without learning that every candidate has to beat; one of them may become champion."""
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "baseline_models",
            stage="models",
            kinds=["scikitlearn"],
            deps=[key_of(problem, "training_set")],
            description=baseline_models.__doc__,
        )
    )
    def _baseline_models(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            rows = training_set_at(connection, workspace, declared, window_of(context).end)
        configurations = [Configuration.of_baseline(b, problem.task) for b in problem.baselines]
        digest = fit_and_store(workspace, declared, rows, configurations, stage="baseline_models")
        return result(
            context,
            {
                "baselines": [configuration.name for configuration in configurations],
                "rows": len(rows.frame),
                "artefact": digest,
            },
        )

    return _baseline_models


def candidate_models(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """The best configuration of each candidate, searched within the budget and fitted on all rows.

    The search sees only rows before the evaluation's first fold: nothing is tuned on what it is
    judged by. A retraining that answers a change also tries each candidate on the rows since then
    alone, and with older rows weighing less.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "candidate_models",
            stage="models",
            kinds=["scikitlearn"],
            deps=[key_of(problem, "training_set")],
            description=candidate_models.__doc__,
        )
    )
    def _candidate_models(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        with duckdb.get_connection() as connection:
            rows = training_set_at(connection, workspace, declared, window_of(context).end)
        results = {c.name: search(problem, c, rows, seed=problem.seed) for c in problem.candidates}
        chosen = [found.best for found in results.values()]
        change = change_before(workspace, problem.name, rows.cutoff)
        if change is not None:
            chosen = adapting(chosen, problem.candidates, rows=rows, change=change)
        trials = {name: found.to_json() for name, found in results.items()}
        digest = fit_and_store(
            workspace,
            declared,
            rows,
            chosen,
            stage="candidate_models",
            extra={"trials.json": as_json(trials)},
        )
        facts = {
            "candidates": [one.name for one in chosen],
            "change": change.isoformat() if change else "none",
            "rows": len(rows.frame),
            "trials": sum(len(found.trials) for found in results.values()),
            "artefact": digest,
        }
        return result(context, facts, {"search": dg.MetadataValue.md(_table(results))})

    return _candidate_models


def _table(results: dict[str, SearchResult]) -> str:
    """Return the best trial of each candidate as Markdown."""
    lines = ["| candidate | trials | loss | parameters | note |", "|---|---|---|---|---|"]
    for name, found in results.items():
        best = found.trials[0]
        loss = "not measured" if best.loss is None else f"{best.loss:.5g}"
        params = ", ".join(f"{k}={v}" for k, v in sorted(best.configuration.params.items()))
        lines.append(f"| {name} | {len(found.trials)} | {loss} | {params} | {found.note} |")
    return "\n".join(lines)
