"""The jobs of a problem: which assets are materialised together."""

from typing import Any

import dagster as dg

from ml_assets.assets.stage import key_of
from ml_assets.storage.change_reports import TABLE as CHANGES
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.drift_reports import TABLE as VERDICTS

DATA = (
    "landed_files",
    "landed_label_files",
    "raw_data",
    "raw_labels",
    "validated_data",
    "rejected_rows",
    "column_statistics",
    "feedback",
    "labels",
    "feature_table",
)
LABELS = ("raw_labels", "labels", "feature_table")
TRAINING = (
    "training_set",
    "baseline_models",
    "candidate_models",
    "evaluation_report",
    "champion",
    "bento",
    "deployment",
)
REHEARSAL = ("rehearsal",)
SCORING = ("predictions",)
MONITORING = (
    "prediction_log",
    "production_profile",
    "drift_report",
    "adjustment",
    "change_report",
    "labelling_queue",
    "performance_report",
    "experiment_report",
    "alerts",
    "scoreboard",
)
FEEDBACK = ("feedback",)
TRUTH = ("labels", "production_profile", "performance_report")
LANDING = ("landed_files", "landed_label_files")
JOBS = {
    "landing": (LANDING, "Files that are new are read, once each."),
    "feedback": (FEEDBACK, "Truths that callers sent are read, once each."),
    "truth": (TRUTH, "Labels that came late, and how well they had been predicted."),
    "data": (DATA, "From the source to features and labels."),
    "labels": (LABELS, "Ground truth that came later than its rows, and features that read it."),
    "training": (TRAINING, "From what was known at a cutoff to a served model."),
    "pipeline": (DATA + TRAINING, "From the source to a served model."),
    "rehearsal": (REHEARSAL, "Retraining policies tried on past partitions."),
    "scoring": (SCORING, "Predictions for the rows of a partition."),
    "monitoring": (MONITORING, "From the prediction log to reports and decisions."),
}


def table_names(declared: DeclaredProblem) -> set[str]:
    """Return the names that a problem's tables may have, for a lake that cannot be listed."""
    assets = {asset for wanted, _ in JOBS.values() for asset in wanted}
    references = {f"reference_{name}" for name in declared.problem.references}
    return {*assets, VERDICTS, CHANGES, *references}


def job_of(declared: DeclaredProblem, name: str, existing: set[str]) -> Any:  # noqa: ANN401
    """Return one of the problem's jobs, over those of its assets that the problem has.

    Args:
        declared: The problem.
        name: One of ``JOBS``.
        existing: Names of the problem's assets.

    Returns:
        The job; None if the problem has none of its assets.
    """
    problem = declared.problem
    wanted, description = JOBS[name]
    references = [f"reference_{reference}" for reference in problem.references]
    assets = [asset for asset in (*wanted, *_with_data(wanted, references)) if asset in existing]
    if not assets:
        return None
    return dg.define_asset_job(
        name=f"{problem.name}_{name}",
        selection=dg.AssetSelection.assets(*(key_of(problem, asset) for asset in assets)),
        description=description,
        tags={"ml_assets/problem": problem.name, "ml_assets/job": name},
        executor_def=dg.in_process_executor,
    )


def _with_data(wanted: tuple[str, ...], references: list[str]) -> list[str]:
    return references if "raw_data" in wanted else []
