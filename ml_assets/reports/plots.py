"""The pictures of the evaluation report, each a function from values to SVG text.

Each is 400 pixels wide: beside its table on a desk, the whole width on a phone.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_assets.reports.axes import day_numbers, label_line_ends, new_axes, time_axis
from ml_assets.reports.content import (
    CalibrationPoint,
    DailyResidual,
    FeatureImportance,
    FoldLoss,
    Score,
    SliceScore,
)
from ml_assets.reports.drawing import (
    ACCENT,
    INK,
    MUTED,
    TINT,
    drawing_style,
    rendered,
)
from ml_assets.reports.formats import estimate, number, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LABEL_LENGTH = 22
ROW_HEIGHT = 26


def dot_and_whisker(
    scores: Sequence[Score | SliceScore],
    *,
    title: str,
    axis: str,
    highlighted: str,
    reference: float | None = None,
) -> str:
    """Draw one row a score: a dot for the value, a whisker for its interval.

    Args:
        scores: Scores of one metric. Rows are named by slice where there is one, else by model.
        title: What the picture shows, for a screen reader.
        axis: Label of the value axis: the metric and its unit.
        highlighted: Model drawn in the accent colour.
        reference: Value marked by a vertical line, such as the overall score.
    """
    names = [score.slice if isinstance(score, SliceScore) else score.model for score in scores]
    with drawing_style():
        figure, axes = new_axes(height=60 + ROW_HEIGHT * len(scores))
        if reference is not None:
            axes.axvline(reference, color=MUTED, linewidth=1, dashes=(3, 3))
        for place, score in enumerate(scores):
            colour = ACCENT if score.model == highlighted else INK
            _whisker(axes, place, score.value, score.low, score.high, colour=colour)
        _name_rows(axes, names)
        axes.set_xlabel(axis)
        described = "; ".join(
            f"{name}: {estimate(score.value, score.low, score.high)}"
            for name, score in zip(names, scores, strict=True)
        )
        return rendered(figure, title=title, description=described)


def importance(rows: Sequence[FeatureImportance], *, axis: str, limit: int = 15) -> str:
    """Draw the most important features first, each with its interval."""
    shown = sorted(rows, key=lambda row: -row.mean)[:limit]
    with drawing_style():
        figure, axes = new_axes(height=60 + ROW_HEIGHT * len(shown))
        axes.axvline(0, color=MUTED, linewidth=1)
        for place, row in enumerate(shown):
            _whisker(axes, place, row.mean, row.low, row.high, colour=ACCENT)
        _name_rows(axes, [row.feature for row in shown])
        axes.set_xlabel(axis)
        described = "; ".join(
            f"{row.feature}: {estimate(row.mean, row.low, row.high)}" for row in shown
        )
        return rendered(figure, title="Importance of the features", description=described)


def calibration(points: Sequence[CalibrationPoint], *, unit: str) -> str:
    """Draw mean truth against mean prediction; a model that is right on average is on the line."""
    in_unit = f" ({unit})" if unit else ""
    with drawing_style():
        figure, axes = new_axes(height=330)
        ends = [point.predicted for point in points] + [point.observed for point in points]
        axes.axline((min(ends), min(ends)), slope=1, color=MUTED, linewidth=1, dashes=(3, 3))
        for point in points:
            if point.low is not None and point.high is not None:
                axes.vlines(point.predicted, point.low, point.high, color=ACCENT, linewidth=1.5)
        axes.plot(
            [point.predicted for point in points],
            [point.observed for point in points],
            "o",
            color=ACCENT,
            markersize=5,
        )
        axes.set_xlabel(f"predicted{in_unit}")
        axes.set_ylabel(f"observed{in_unit}")
        axes.grid(visible=True)
        described = "; ".join(
            f"predicted {number(point.predicted)}, observed "
            f"{estimate(point.observed, point.low, point.high)}, {point.rows:,} rows"
            for point in points
        )
        return rendered(figure, title="Predicted against observed", description=described)


def residuals_over_time(days: Sequence[DailyResidual], *, unit: str) -> str:
    """Draw the daily mean residual with its interval and the daily mean absolute residual."""
    times = day_numbers(day.day for day in days)
    with drawing_style():
        figure, axes = new_axes(height=250)
        axes.axhline(0, color=MUTED, linewidth=1)
        bounded = [day for day in days if day.low is not None and day.high is not None]
        axes.fill_between(
            day_numbers(day.day for day in bounded),
            [low for day in bounded if (low := day.low) is not None],
            [high for day in bounded if (high := day.high) is not None],
            color=TINT,
            linewidth=0,
        )
        absolute = [day.mean_absolute for day in days]
        mean = [day.mean for day in days]
        lines = {
            "absolute": axes.plot(times, absolute, color=MUTED, linewidth=1.2, dashes=(4, 2))[0],
            "mean": axes.plot(times, mean, color=ACCENT, linewidth=1.8)[0],
        }
        label_line_ends(axes, lines)
        axes.set_ylabel(f"residual ({unit})" if unit else "residual")
        time_axis(axes)
        described = (
            f"{len(days)} days; the daily mean residual lies between {number(min(mean))} and "
            f"{number(max(mean))}, the mean absolute residual between {number(min(absolute))} "
            f"and {number(max(absolute))}."
        )
        return rendered(figure, title="Residuals over time", description=described)


def loss_over_time(folds: Sequence[FoldLoss], *, axis: str, highlighted: str) -> str:
    """Draw the primary metric of each model, fold after fold."""
    by_model: dict[str, list[FoldLoss]] = {}
    for fold in sorted(folds, key=lambda fold: fold.fold_start):
        by_model.setdefault(fold.model, []).append(fold)
    with drawing_style():
        figure, axes = new_axes(height=290)
        lines = {}
        for model, points in by_model.items():
            stands_out = model == highlighted
            lines[shortened(model, LABEL_LENGTH)] = axes.plot(
                day_numbers(point.fold_start for point in points),
                [point.value for point in points],
                color=ACCENT if stands_out else MUTED,
                linewidth=2 if stands_out else 1.2,
                marker="o",
                markersize=4 if stands_out else 3,
                zorder=3 if stands_out else 2,
            )[0]
        label_line_ends(axes, lines)
        axes.set_ylabel(axis)
        time_axis(axes)
        described = "; ".join(
            f"{model}: {', '.join(number(point.value) for point in points)}"
            for model, points in by_model.items()
        )
        return rendered(figure, title="Score of each fold", description=described)


def _whisker(
    axes: "Axes", place: int, value: float, low: float | None, high: float | None, *, colour: str
) -> None:
    if low is not None and high is not None:
        axes.hlines(place, low, high, color=colour, linewidth=1.8)
    axes.plot([value], [place], "o", color=colour, markersize=6)


def _name_rows(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [shortened(name, LABEL_LENGTH) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=True, axis="x")
    axes.locator_params(axis="x", nbins=5)
