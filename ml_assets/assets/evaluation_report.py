"""Evaluation: every model judged on the same rows, forward in time, with intervals."""

from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb as engine

from ml_assets.assets.describe import picture, result
from ml_assets.assets.report_content import report_content
from ml_assets.assets.stage import declare, key_of, window_of
from ml_assets.core.evaluation import Evaluation, evaluate
from ml_assets.core.gates import Decision, decide
from ml_assets.core.histories import judged_since
from ml_assets.core.model_version import ModelVersion
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet
from ml_assets.core.walk_forward import Champion
from ml_assets.reports.content import Score
from ml_assets.reports.model_card import model_card
from ml_assets.reports.plots import dot_and_whisker
from ml_assets.reports.report import evaluation_report as page_of
from ml_assets.resources.engine import Engine
from ml_assets.storage.atomic import write_atomically
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.fitted_models import FittedModels, recipe_at, training_set_at
from ml_assets.storage.retrainings import change_before
from ml_assets.storage.stage_outputs import as_json
from ml_assets.storage.versions import StoredVersion, champion_version, code_version, model_of
from ml_assets.storage.workspace import Workspace

JUDGED_BESIDE = "judged_beside.json"
STAGES = ("candidate_models", "baseline_models")


@dataclass(frozen=True)
class Judged:
    """What the evaluation of one cutoff found.

    Attributes:
        evaluation: Every model on the same rows.
        decision: What follows from the gates.
        version: The version that was weighed.
        rows: The training set.
        champion: The version that served then; None if nothing did.
        warnings: What a reader should know.
    """

    evaluation: Evaluation
    decision: Decision
    version: ModelVersion
    rows: TrainingSet
    champion: str | None
    warnings: tuple[str, ...]


def evaluation_report(declared: DeclaredProblem) -> dg.AssetsDefinition:
    """Candidates, baselines and the champion, walked forward through time; the gates' verdict.

    The page is one file: scores with intervals, slices, calibration, residuals, importance, the
    decision table and the model card.
    """
    problem = declared.problem

    @dg.asset(
        **declare(
            declared,
            "evaluation_report",
            stage="models",
            kinds=["scikitlearn"],
            deps=[key_of(problem, stage) for stage in STAGES],
            description=evaluation_report.__doc__,
        )
    )
    def _evaluation_report(
        context: dg.AssetExecutionContext,
        workspace: dg.ResourceParam[Workspace],
        duckdb: Engine,
    ) -> dg.MaterializeResult:
        cutoff = window_of(context).end
        with duckdb.get_connection() as connection:
            judged = judge(connection, workspace, declared, cutoff)
        content = report_content(
            problem,
            judged.evaluation,
            judged.decision,
            version=judged.version.name,
            configuration=judged.version.configuration,
            rows=judged.rows,
            recipe=recipe_at(workspace, problem.name, cutoff),
            trials=workspace.outputs.read_json(
                problem.name, cutoff, "candidate_models", "trials.json"
            ),
            warnings=judged.warnings,
            made_at=datetime.now(tz=UTC),
        )
        html, card = page_of(content).encode(), model_card(content).encode()
        workspace.outputs.put(
            problem.name, cutoff, "evaluation_report", {**stored(judged), "report.html": html}
        )
        place = workspace.report(problem.name, cutoff)
        write_atomically(place, html)
        write_atomically(place.with_suffix(".md"), card)
        return result(context, _facts(judged, place), _pages(judged, card))

    return _evaluation_report


def judge(
    connection: engine.DuckDBPyConnection,
    workspace: Workspace,
    declared: DeclaredProblem,
    cutoff: datetime,
) -> Judged:
    """Evaluate the models that were fitted at a cutoff against each other and the champion."""
    problem = declared.problem
    rows = training_set_at(connection, workspace, declared, cutoff)
    configurations: dict[str, Configuration] = {}
    for stage in STAGES:
        fitted = FittedModels.of_stage(workspace, problem.name, cutoff, stage)
        configurations.update(fitted.configurations)
    serving = champion_version(workspace, problem.name)
    champion, warnings = _champion(workspace, serving, rows)
    evaluation = evaluate(
        problem,
        rows,
        list(configurations.values()),
        champion=champion,
        seed=problem.seed,
        change=judged_since(problem, rows, change_before(workspace, problem.name, cutoff)),
    )
    decision = decide(problem, evaluation, champion=champion.name if champion else None)
    version = ModelVersion(
        problem=problem.name,
        cutoff=cutoff,
        configuration=configurations[decision.model],
        recipe=recipe_at(workspace, problem.name, cutoff).to_json(),
        features_digest=declared.sql_digest,
        code_version=code_version(),
        seed=problem.seed,
        rows=len(rows.frame),
    )
    name = serving.name if serving else None
    return Judged(evaluation, decision, version, rows, name, warnings)


def stored(judged: Judged) -> dict[str, bytes]:
    """Return the files that later stages read."""
    table = BytesIO()
    judged.evaluation.rows.to_parquet(table, index=False)
    return {
        "evaluation.json": as_json(judged.evaluation.to_json()),
        "rows.parquet": table.getvalue(),
        "decision.json": as_json(judged.decision.to_json()),
        JUDGED_BESIDE: as_json({"champion": judged.champion}),
        "version.json": as_json(judged.version.to_json()),
    }


def _champion(
    workspace: Workspace, current: StoredVersion | None, rows: TrainingSet
) -> tuple[Champion | None, tuple[str, ...]]:
    """Return the champion as a model to compare with, or why it cannot be compared."""
    if current is None:
        return None, ()
    model = model_of(workspace, current)
    needed = getattr(model, "feature_names_in_", ())
    gone = sorted(set(needed) - set(rows.inputs.columns))
    if gone:
        text = (
            f"The champion {current.name} reads {gone}, which features.sql no longer makes: it was "
            "not compared, and the gates treat this as a first champion."
        )
        return None, (text,)
    return Champion(model, current.version.cutoff), ()


def _facts(judged: Judged, place: Path) -> dict[str, Any]:
    evaluation, decision = judged.evaluation, judged.decision
    score = evaluation.score(decision.model, evaluation.primary_metric)
    own = {} if score is None else {evaluation.primary_metric: score.value}
    return {
        **own,
        "interval": f"{score.low:.4g} to {score.high:.4g}" if score else "none",
        "weighed": decision.model,
        "promote": decision.promote,
        "reason": decision.reason,
        "report": dg.MetadataValue.path(str(place)),
        "version": judged.version.name,
    }


def _pages(judged: Judged, card: bytes) -> dict[str, Any]:
    evaluation, decision = judged.evaluation, judged.decision
    shown = [Score(**vars(s)) for s in evaluation.scores if s.metric == evaluation.primary_metric]
    return {
        "scores": picture(
            dot_and_whisker(
                shown,
                title="Scores with intervals",
                axis=evaluation.primary_metric,
                highlighted=decision.model,
            )
        ),
        "gates": dg.MetadataValue.md(_gates(decision)),
        "model_card": dg.MetadataValue.md(card.decode()),
    }


def _gates(decision: Decision) -> str:
    lines = ["| gate | bound | observed | interval | passed |", "|---|---|---|---|---|"]
    for row in decision.rows:
        between = "" if row.low is None else f"{_short(row.low)} to {_short(row.high)}"
        passed = "yes" if row.passed else "**no**"
        lines.append(
            f"| {row.gate} | {row.bound} | {_short(row.observed)} | {between} | {passed} |"
        )
    return "\n".join(lines)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
