"""The graph of a problem: its table of contents."""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from ml_assets.assets.adjustment import adjustment
from ml_assets.assets.alerts import alerts
from ml_assets.assets.bento import bento
from ml_assets.assets.champion import champion
from ml_assets.assets.change_report import change_report
from ml_assets.assets.column_statistics import column_statistics
from ml_assets.assets.deployment import deployment
from ml_assets.assets.drift_report import drift_report
from ml_assets.assets.evaluation_report import evaluation_report
from ml_assets.assets.experiment_report import experiment_report
from ml_assets.assets.feature_table import feature_table
from ml_assets.assets.feedback import feedback
from ml_assets.assets.labelling_queue import labelling_queue
from ml_assets.assets.labels import labels
from ml_assets.assets.landed_files import landed_files
from ml_assets.assets.models import baseline_models, candidate_models
from ml_assets.assets.performance_report import performance_report
from ml_assets.assets.predictions import predictions
from ml_assets.assets.production import (
    prediction_log,
    production_profile,
    production_traffic,
)
from ml_assets.assets.raw_data import raw_data
from ml_assets.assets.reference_table import reference_table
from ml_assets.assets.rehearsal import rehearsal
from ml_assets.assets.scoreboard import has_truth, scoreboard
from ml_assets.assets.training_set import training_set
from ml_assets.assets.validated_data import validated_data
from ml_assets.automation.alerts import alert_sensor, failure_sensor
from ml_assets.automation.arrivals import can_change
from ml_assets.automation.feedback import feedback_sensor
from ml_assets.automation.ingestion import ingestion_schedule, new_content_sensor
from ml_assets.automation.jobs import JOBS, job_of
from ml_assets.automation.late_labels import labels_come_late, late_labels_sensor
from ml_assets.automation.production import production_profile_sensor, scoring_schedule
from ml_assets.automation.retraining import drift_sensor, retraining_schedule
from ml_assets.automation.tidying import tidying_job, tidying_schedule
from ml_assets.checks.drift_is_quiet import drift_is_quiet
from ml_assets.checks.every_row_accounted_for import every_row_accounted_for
from ml_assets.checks.features_respect_time import (
    lookback_is_long_enough,
    no_feature_sees_the_future,
)
from ml_assets.checks.few_rows_rejected import few_rows_rejected
from ml_assets.checks.history_is_unbroken import history_is_unbroken
from ml_assets.checks.intervals_cover import intervals_cover
from ml_assets.checks.no_dead_column import no_dead_column
from ml_assets.checks.no_file_set_aside import no_file_set_aside
from ml_assets.checks.no_leaking_column import no_leaking_column
from ml_assets.checks.no_long_gap import no_long_gap
from ml_assets.checks.one_row_per_validated_row import one_row_per_validated_row
from ml_assets.checks.served_features_equal_batch import served_features_equal_batch
from ml_assets.checks.volume_as_usual import volume_as_usual
from ml_assets.storage.declared import DeclaredProblem
from ml_assets.storage.label_tables import labels_stream
from ml_assets.storage.landing import Stream, rows_stream

CHECKS = (
    volume_as_usual,
    every_row_accounted_for,
    few_rows_rejected,
    no_long_gap,
    no_dead_column,
    one_row_per_validated_row,
    no_feature_sees_the_future,
    lookback_is_long_enough,
    no_leaking_column,
    history_is_unbroken,
    served_features_equal_batch,
    drift_is_quiet,
    intervals_cover,
)


# Used knowingly, with dagster<1.14 pinned: nothing stable runs a range at once, or depends on all
# that came before. Any other warning of that kind is shown.
UNSTABLE = (
    (dg.BetaWarning, "Parameter `backfill_policy`"),
    (dg.BetaWarning, "Parameter `allow_nonexistent_upstream_partitions`"),
)


def problem_graph(declared: DeclaredProblem) -> dg.Definitions:
    """Return all that a declared problem yields, in the order in which data flows."""
    with warnings.catch_warnings():
        for category, message in UNSTABLE:
            warnings.filterwarnings("ignore", message, category)
        return _graph(declared)


def _graph(declared: DeclaredProblem) -> dg.Definitions:
    assets = [
        *_source(declared),
        *(reference_table(declared, name) for name in declared.problem.references),
        validated_data(declared),
        column_statistics(declared),
        feedback(declared),
        labels(declared),
        feature_table(declared),
        training_set(declared),
        baseline_models(declared),
        candidate_models(declared),
        evaluation_report(declared),
        champion(declared),
        rehearsal(declared),
        bento(declared),
        deployment(declared),
        predictions(declared),
        production_traffic(declared),
        prediction_log(declared),
        production_profile(declared),
        drift_report(declared),
        adjustment(declared),
        change_report(declared),
        labelling_queue(declared),
        performance_report(declared),
        experiment_report(declared),
        alerts(declared),
        *([scoreboard(declared)] if has_truth(declared) else []),
    ]
    made = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition)]
    names = {key.path[-1] for asset in made for key in asset.keys}
    found = {name: job_of(declared, name, names) for name in JOBS}
    jobs = {name: job for name, job in found.items() if job is not None}
    tidying = tidying_job(declared)
    return dg.Definitions(
        assets=assets,
        asset_checks=[
            *(check(declared) for check in CHECKS),
            *(
                no_file_set_aside(declared, stream, files=files)
                for stream, files in _streams(declared)
                if stream.comes_in_files
            ),
        ],
        jobs=[*jobs.values(), tidying],
        schedules=[
            ingestion_schedule(declared),
            scoring_schedule(declared),
            *([retraining_schedule(declared)] if declared.problem.retraining.cron else []),
            tidying_schedule(declared, job=tidying),
        ],
        sensors=[
            *_arrival_sensors(declared, jobs),
            feedback_sensor(declared, jobs=[jobs["feedback"], jobs["truth"]]),
            production_profile_sensor(declared),
            drift_sensor(declared),
            failure_sensor(declared, [*jobs.values(), tidying]),
            alert_sensor(declared),
        ],
    )


def _arrival_sensors(
    declared: DeclaredProblem, jobs: dict[str, Any]
) -> Iterator[dg.SensorDefinition]:
    asked = [jobs[name] for name in ("landing", "labels", "data") if name in jobs]
    if can_change(rows_stream(declared)):
        yield new_content_sensor(declared, jobs=asked)
    if labels_come_late(declared):
        yield late_labels_sensor(declared, jobs=asked)


def _source(declared: DeclaredProblem) -> Iterator[dg.AssetsDefinition]:
    """Yield what brings in the rows and, where they come apart, the labels."""
    for stream, files in _streams(declared):
        if stream.comes_in_files:
            yield landed_files(declared, stream, name=files)
        yield raw_data(declared, stream, files=files)


def _streams(declared: DeclaredProblem) -> Iterator[tuple[Stream, str]]:
    """Yield each stream with the name of the asset that its files become."""
    yield rows_stream(declared), "landed_files"
    own = labels_stream(declared)
    if own is not None:
        yield own, "landed_label_files"
