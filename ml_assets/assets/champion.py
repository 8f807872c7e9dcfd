"""The champion: the version that the gates let through, made ready to serve."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import dagster as dg
import duckdb as engine
import pandas as pd

from ml_assets.assets.describe import result
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.evaluation import Evaluation
from ml_assets.core.judged_answers import JudgedAnswers
from ml_assets.core.model_version import ModelVersion
from ml_assets.core.monitoring_reference import learn_reference
from ml_assets.resources.engine import Engine
from ml_assets.storage.assurances import best_baseline, learn_assurance
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.fitted_models import FittedModels, training_set_at
from ml_assets.storage.loss_estimators import estimator_files
from ml_assets.storage.releases import ReleaseSource, release_files
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.versions import store_version
from ml_assets.storage.workspace import Workspace

STAGES = {"candidate": "candidate_models", "baseline": "baseline_models"}


def champion(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """The version that may serve from this cutoff on: a promoted challenger, or who served before.

    The version, its model and what production will be compared with are stored, whether it is
    promoted or not; the ledger holds the decision and its reason.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "champion",
            stage="models",
            kinds=["scikitlearn"],
            deps=[key_of(problem, "evaluation_report")],
            description=champion.__doc__,
        )
    )
    def _champion(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        cutoff = window_of(context).end
        outputs, name = workspace.outputs, problem.name
        decision = outputs.read_json(name, cutoff, "evaluation_report", "decision.json")
        version = ModelVersion.from_json(
            outputs.read_json(name, cutoff, "evaluation_report", "version.json")
        )
        serving = workspace.ledger.champion(name)
        if serving is not None and serving.version == version.name:
            move = {"promote": False, "version": version.name, "reason": "It serves already."}
        else:
            with duckdb.get_connection() as connection:
                move = record_decision(connection, workspace, declared, version, decision)
        outputs.put(name, cutoff, "champion", {"move.json": as_json(move)})
        now_serving = workspace.ledger.champion(name)
        return result(
            context,
            {
                "promoted": move["promote"],
                "weighed_version": version.name,
                "reason": move["reason"],
                "served_before": serving.version if serving else "nothing",
                "ledger_entries": now_serving.sequence if now_serving else 0,
            },
        )

    return _champion


def record_decision(
    connection: engine.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    version: ModelVersion,
    decision: dict[str, Any],
) -> dict[str, Any]:
    """Store a version and write into the ledger what the gates decided about it."""
    problem, cutoff = declared.problem, version.cutoff
    folder = workspace.outputs.folder(problem.name, cutoff, "evaluation_report")
    evaluation = Evaluation.from_json(
        workspace.outputs.read_json(problem.name, cutoff, "evaluation_report", "evaluation.json"),
        pd.read_parquet(BytesIO((folder / "rows.parquet").read_bytes())),
    )
    rows = training_set_at(connection, workspace, declared, cutoff)
    kind = evaluation.kinds[decision["model"]]
    fitted = FittedModels.of_stage(workspace, problem.name, cutoff, STAGES[kind])
    model = fitted.model_file(decision["model"])
    reference = learn_reference(problem, evaluation, rows, decision["model"])
    judged = JudgedAnswers.of(problem, evaluation, rows, decision["model"])
    estimator = judged.loss_estimator
    digest = store_version(workspace, version, model, reference, files=estimator_files(estimator))
    now = datetime.now(tz=UTC)
    facts = {"artefact": digest, "cutoff": cutoff.isoformat(), "rows": version.rows}
    ledger = workspace.ledger
    ledger.record(
        problem.name, "trained", version.name, reason=_why(declared), details=facts, at=now
    )
    if not decision["promote"]:
        ledger.record(
            problem.name, "kept", version.name, reason=decision["reason"], details={}, at=now
        )
        return {"promote": False, "version": version.name, "reason": decision["reason"]}
    assurance = learn_assurance(problem, evaluation, rows, decision["model"])
    baseline = best_baseline(evaluation) if kind == "candidate" else None
    rules = FittedModels.of_stage(workspace, problem.name, cutoff, STAGES["baseline"])
    source = ReleaseSource(
        declared,
        version.name,
        model,
        rows,
        assurance,
        None if baseline is None else rules.model(baseline),
    )
    files = release_files(connection, workspace.lake, source)
    release = workspace.artefacts.put_folder(files)
    ledger.record(
        problem.name,
        "challenged",
        version.name,
        reason=decision["reason"],
        details={"release": release},
        at=now,
    )
    return {
        "promote": True,
        "version": version.name,
        "release": release,
        "reason": decision["reason"],
    }


def _why(declared: DeclaredProblem) -> str:
    return f"Trained on what was known at the cutoff, by features {declared.sql_digest}."
