"""A made-up, realistic evaluation for the pages."""

import math
from datetime import UTC, datetime, timedelta

from ml_assets.reports.content import (
    CalibrationPoint,
    DailyResidual,
    DecisionTable,
    FeatureImportance,
    FoldLoss,
    GateRow,
    LineageRow,
    ProblemText,
    Provenance,
    ReportContent,
    Score,
    SliceScore,
    TrialRow,
)

START = datetime(2024, 3, 1, tzinfo=UTC)
MODELS = (
    ("boosted_trees", "candidate", 1.842),
    ("ridge", "candidate", 2.317),
    ("champion_2024_03", "champion", 2.061),
    ("persistence", "baseline", 3.944),
    ("typical", "baseline", 6.208),
)


def _scores():
    for metric, factor in (("mae", 1.0), ("rmse", 1.31), ("bias", 0.03)):
        for model, kind, value in MODELS:
            middle = value * factor
            yield Score(
                model=model,
                kind=kind,
                metric=metric,
                value=middle,
                low=middle - 0.057 * value,
                high=middle + 0.062 * value,
                rows=8_412,
            )
    for model, kind, value in MODELS:
        yield Score(model=model, kind=kind, metric="r2", value=1 - value / 7, rows=8_412)


def _slices():
    parts = (
        ("rig = rig_3", "declared", 2.418, ""),
        ("load > 80", "declared", 1.907, ""),
        ("rig = rig_1", "declared", 1.611, ""),
        ("ambient < 4 and speed > 1,450", "automatic", 3.206, "found on one half, judged on other"),
    )
    for name, found, value, note in parts:
        for model, factor in (("boosted_trees", 1.0), ("champion_2024_03", 1.09)):
            yield SliceScore(
                slice=name,
                model=model,
                metric="mae",
                value=value * factor,
                low=value * factor - 0.19,
                high=value * factor + 0.21,
                rows=round(4_000 / value),
                found=found,
                note=note,
            )


def _residuals():
    for day in range(28):
        mean = 0.4 * math.sin(day / 4) - 0.06
        yield DailyResidual(
            day=START + timedelta(days=day),
            mean=mean,
            low=mean - 0.33,
            high=mean + 0.31,
            mean_absolute=1.8 + 0.3 * math.cos(day / 3),
        )


GATES = (
    GateRow(
        gate="better than champion",
        bound="difference in mae below 0",
        observed=-0.219,
        low=-0.301,
        high=-0.138,
        passed=True,
        explanation="Paired over the same 8,412 rows, in blocks of one day.",
    ),
    GateRow(
        gate="beats every baseline",
        bound="difference in mae below 0",
        observed=-2.102,
        low=-2.288,
        high=-1.917,
        passed=True,
        explanation="The strongest baseline is persistence.",
    ),
    GateRow(
        gate="no slice much worse",
        bound="at most 10 % worse, beyond doubt",
        observed=0.034,
        low=-0.021,
        high=0.087,
        passed=True,
        explanation="The worst slice is rig = rig_3.",
    ),
    GateRow(gate="enough rows", bound="at least 100", observed=8412, passed=True, explanation=""),
)


def report_content() -> ReportContent:
    return ReportContent(
        problem=ProblemText(
            name="plant",
            task="regression",
            target="tip_position_mm",
            unit="mm",
            description="Where the tip of the arm comes to rest, from what its sensors measure.",
            owners=("team:plant",),
        ),
        version="2024-03-29T00:00:00+0000-9f31c2",
        cutoff=START + timedelta(days=28),
        made_at=START + timedelta(days=28, hours=2, minutes=14),
        challenger="boosted_trees",
        champion="champion_2024_03",
        primary_metric="mae",
        confidence=0.95,
        decision=DecisionTable(
            promote=True,
            reason="Its mean absolute error is lower than the champion's beyond doubt, and no "
            "gate stands against it.",
            gates=GATES,
        ),
        scores=tuple(_scores()),
        slices=tuple(_slices()),
        provenance=Provenance(
            estimator="sklearn.ensemble.HistGradientBoostingRegressor",
            training_start=START - timedelta(days=60),
            training_end=START + timedelta(days=27),
            training_rows=41_870,
            seed=17,
            code_version="3f6def4",
            libraries={"scikit-learn": "1.9.1", "duckdb": "2.0.1"},
        ),
        calibration=tuple(
            CalibrationPoint(
                predicted=5.0 * step + 2,
                observed=5.0 * step + 2 + math.sin(step),
                low=5.0 * step + 1.1 + math.sin(step),
                high=5.0 * step + 2.9 + math.sin(step),
                rows=841,
            )
            for step in range(10)
        ),
        residuals_over_time=tuple(_residuals()),
        loss_over_time=tuple(
            FoldLoss(
                fold_start=START + timedelta(days=7 * fold),
                model=model,
                value=value * (1 + 0.06 * math.sin(fold * 2 + value)),
            )
            for fold in range(4)
            for model, _, value in MODELS
        ),
        importance=tuple(
            FeatureImportance(feature=name, mean=mean, low=mean * 0.9 - 0.01, high=mean * 1.1)
            for name, mean in (
                ("angle_rad_lag_1", 2.81),
                ("force_newton", 1.34),
                ("load_kg_mean_6h", 0.71),
                ("ambient_celsius", 0.22),
                ("hours_since_service", 0.09),
                ("speed_rpm", 0.004),
            )
        ),
        data=(
            LineageRow(
                what="plant/training_set",
                version="41",
                rows=41_870,
                start=START - timedelta(days=60),
                end=START + timedelta(days=27),
            ),
            LineageRow(what="plant/rigs (reference)", version="sha256:77ab01", rows=3),
        ),
        configuration={
            "candidate": "boosted_trees",
            "max_iter": "240",
            "learning_rate": "0.0817",
            "evaluation.folds": "4",
            "evaluation.horizon": "7 days",
        },
        trials=tuple(
            TrialRow(
                rank=rank,
                params=f"learning_rate=0.0{9 - rank}, max_leaf_nodes={15 + 8 * rank}",
                loss=1.90 + 0.04 * rank,
                low=1.83 + 0.04 * rank,
                high=1.98 + 0.04 * rank,
            )
            for rank in range(1, 6)
        ),
        limits=("The plant was never run above 95 % load in the training window.",),
        warnings=("Rig 2 sent no data on 2024-03-11; its rows of that day are missing.",),
    )
