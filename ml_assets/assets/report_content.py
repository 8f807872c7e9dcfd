"""From an evaluation to what its page shows."""

from datetime import datetime
from importlib.metadata import version as package_version
from typing import Any

from ml_assets.core.evaluation import Evaluation
from ml_assets.core.gates import Decision
from ml_assets.core.problem import Problem
from ml_assets.core.scores import SliceScore
from ml_assets.core.training import Configuration
from ml_assets.core.training_set import TrainingSet
from ml_assets.reports import content as page
from ml_assets.storage.training_sets import TrainingRecipe
from ml_assets.storage.versions import code_version

LIBRARIES = ("scikit-learn", "numpy", "pandas", "duckdb")
TABLES = {
    "feature_table": "features_version",
    "labels": "labels_version",
    "validated_data": "rows_version",
}


def report_content(
    problem: Problem,
    evaluation: Evaluation,
    decision: Decision,
    *,
    version: str,
    configuration: Configuration,
    rows: TrainingSet,
    recipe: TrainingRecipe,
    trials: dict[str, Any],
    warnings: tuple[str, ...],
    made_at: datetime,
) -> page.ReportContent:
    """Return the content of the report on one cutoff."""
    model = decision.model
    times = rows.frame["event_time"]
    return page.ReportContent(
        problem=page.ProblemText(
            name=problem.name,
            task=problem.task,
            target=rows.target,
            description=problem.description,
            owners=problem.owners,
        ),
        version=version,
        cutoff=rows.cutoff,
        made_at=made_at,
        challenger=model,
        champion="champion" if "champion" in evaluation.kinds else None,
        primary_metric=evaluation.primary_metric,
        confidence=evaluation.confidence,
        decision=page.DecisionTable(
            promote=decision.promote,
            reason=decision.reason,
            gates=tuple(page.GateRow(**vars(row)) for row in decision.rows),
        ),
        scores=tuple(page.Score(**vars(score)) for score in evaluation.scores),
        provenance=page.Provenance(
            estimator=configuration.estimator,
            training_start=times.iloc[0].to_pydatetime(),
            training_end=times.iloc[-1].to_pydatetime(),
            training_rows=len(rows.frame),
            seed=problem.seed,
            code_version=code_version(),
            libraries={name: package_version(name) for name in LIBRARIES},
        ),
        slices=tuple(page.SliceScore(**vars(score)) for score in shown_slices(evaluation, model)),
        calibration=tuple(
            page.CalibrationPoint(
                predicted=p.predicted, observed=p.observed, low=p.low, high=p.high, rows=p.rows
            )
            for p in evaluation.calibration
            if p.model == model
        ),
        residuals_over_time=tuple(
            page.DailyResidual(day=day.day, mean=day.mean, mean_absolute=day.mean_absolute)
            for day in evaluation.residuals
            if day.model == model
        ),
        loss_over_time=tuple(
            page.FoldLoss(fold_start=loss.start, model=loss.model, value=loss.value)
            for loss in evaluation.fold_losses
        ),
        importance=tuple(
            page.FeatureImportance(feature=i.feature, mean=i.mean, low=i.low, high=i.high)
            for i in evaluation.importance
            if i.model == model
        ),
        data=tuple(
            page.LineageRow(
                what=f"{problem.name}/{table}",
                version=str(getattr(recipe, field)),
                rows=len(rows.frame),
            )
            for table, field in TABLES.items()
        ),
        configuration={name: str(value) for name, value in configuration.to_json().items()},
        trials=_trials(trials.get(model)),
        warnings=(*evaluation.warnings, *warnings),
    )


def shown_slices(evaluation: Evaluation, model: str) -> list[SliceScore]:
    """Return the slices of a model, and the champion's loss on the same ones."""
    own = [score for score in evaluation.slices if score.model == model and score.rows]
    names = {score.slice for score in own}
    beside = [
        score
        for score in evaluation.slices
        if evaluation.kinds[score.model] == "champion" and score.slice in names
    ]
    return [*own, *beside]


def _trials(result: dict[str, Any] | None) -> tuple[page.TrialRow, ...]:
    """Return the measured trials of one candidate, the best first."""
    measured = [t for t in (result or {}).get("trials", []) if t["loss"] is not None]
    return tuple(
        page.TrialRow(
            rank=rank,
            params=", ".join(f"{k}={v}" for k, v in trial["configuration"]["params"].items()),
            loss=trial["loss"],
        )
        for rank, trial in enumerate(measured, start=1)
    )
