"""The evaluation report: one HTML file that needs nothing else to be read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ml_assets.reports import plots
from ml_assets.reports.content import ReportContent, Score, SliceScore
from ml_assets.reports.formats import common_decimals
from ml_assets.reports.metrics import MetricText, metric_text
from ml_assets.reports.model_card import card_sections
from ml_assets.reports.page import html_page

MOST_TRIALS = 20


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """All models under one metric, best first, with their picture."""

    metric: str
    text: MetricText
    unit: str
    scores: tuple[Score, ...]
    decimals: int | None
    plot: str


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """The pictures of the page; None where there is nothing to draw."""

    loss: str | None
    residuals: str | None
    slices: str | None
    calibration: str | None
    importance: str | None


def evaluation_report(content: ReportContent) -> str:
    """Return the report as a self-contained HTML page; the same content gives the same bytes.

    Raises:
        MLAssetsError: If a score has a metric that has no words.
    """
    slices = worst_first(content)
    own = _own_score(content)
    return html_page(
        "report.html.j2",
        content=content,
        headline=headline(content),
        own=own,
        primary=metric_text(content.primary_metric),
        axis=_axis(content, content.primary_metric),
        score_tables=tuple(_score_tables(content)),
        slice_groups=_slice_groups(slices),
        slice_decimals=_decimals_by_metric(slices),
        own_decimals=common_decimals([own] if own else []),
        calibration_decimals=common_decimals(content.calibration),
        importance_decimals=common_decimals(content.importance),
        trial_decimals=common_decimals(content.trials),
        decimals=lambda row: common_decimals([row]),
        plots=_pictures(content, slices),
        trials=sorted(content.trials, key=lambda trial: trial.rank)[:MOST_TRIALS],
        card=tuple(card_sections(content)),
    )


def headline(content: ReportContent) -> str:
    """Return the verdict as one sentence."""
    match content.decision.promote, content.champion:
        case True, None:
            return f"{content.challenger} becomes the first champion."
        case True, champion:
            return f"{content.challenger} replaces {champion} as champion."
        case False, None:
            return f"{content.challenger} is not promoted; there is no champion yet."
        case _, champion:
            return f"{content.challenger} is not promoted; {champion} stays champion."


def worst_first(content: ReportContent) -> tuple[SliceScore, ...]:
    """Return the slice scores: primary metric first, the challenger's worst slice on top."""
    worst: dict[str, float] = {}
    for row in content.slices:
        if row.metric == content.primary_metric and row.model == content.challenger:
            worst[row.slice] = metric_text(row.metric).badness(row.value)
    return tuple(
        sorted(
            content.slices,
            key=lambda row: (
                row.metric != content.primary_metric,
                -worst.get(row.slice, float("-inf")),
                row.slice,
                row.model != content.challenger,
            ),
        )
    )


def _slice_groups(rows: tuple[SliceScore, ...]) -> list[list[SliceScore]]:
    return [list(group) for _, group in groupby(rows, key=lambda row: (row.metric, row.slice))]


def _decimals_by_metric(rows: tuple[SliceScore, ...]) -> dict[str, int | None]:
    return {
        metric: common_decimals([row for row in rows if row.metric == metric])
        for metric in {row.metric for row in rows}
    }


def _own_score(content: ReportContent) -> Score | None:
    for score in content.scores:
        if score.model == content.challenger and score.metric == content.primary_metric:
            return score
    return None


def _axis(content: ReportContent, metric: str) -> str:
    return metric_text(metric).labelled(content.problem.unit)


def _score_tables(content: ReportContent) -> Iterator[ScoreTable]:
    metrics = dict.fromkeys(score.metric for score in content.scores)
    for metric in sorted(metrics, key=lambda name: name != content.primary_metric):
        text = metric_text(metric)
        scores = sorted(
            (score for score in content.scores if score.metric == metric),
            key=lambda score: text.badness(score.value),
        )
        yield ScoreTable(
            metric=metric,
            text=text,
            unit=text.unit(content.problem.unit),
            scores=tuple(scores),
            decimals=common_decimals(scores),
            plot=plots.dot_and_whisker(
                scores,
                title=f"{text.label} of each model",
                axis=_axis(content, metric),
                highlighted=content.challenger,
            ),
        )


def _pictures(content: ReportContent, slices: tuple[SliceScore, ...]) -> Pictures:
    axis, unit = _axis(content, content.primary_metric), content.problem.unit
    is_number = content.problem.task == "regression"
    loss_unit = metric_text(content.primary_metric).unit(unit)
    worsening = f"worsening of {content.primary_metric}{f' ({loss_unit})' if loss_unit else ''}"
    return Pictures(
        loss=_drawn(
            plots.loss_over_time,
            content.loss_over_time,
            axis=axis,
            highlighted=content.challenger,
        ),
        residuals=_drawn(plots.residuals_over_time, content.residuals_over_time, unit=unit),
        slices=_slice_picture(content, slices),
        calibration=_drawn(plots.calibration, content.calibration, unit=unit if is_number else ""),
        importance=_drawn(plots.importance, content.importance, axis=worsening),
    )


def _slice_picture(content: ReportContent, slices: tuple[SliceScore, ...]) -> str | None:
    own = _own_score(content)
    axis = _axis(content, content.primary_metric)
    rows = [
        row
        for row in slices
        if row.model == content.challenger and row.metric == content.primary_metric
    ]
    return _drawn(
        plots.dot_and_whisker,
        rows,
        title=f"{axis} of {content.challenger} by slice",
        axis=axis,
        highlighted=content.challenger,
        reference=own.value if own else None,
    )


def _drawn(
    plot: Callable[..., str], rows: Sequence[object], **options: str | float | None
) -> str | None:
    return plot(rows, **options) if rows else None
