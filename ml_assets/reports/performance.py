"""The page on performance: realised, estimated and audited loss by cohort, and which to believe."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time
from itertools import pairwise
from math import nan
from typing import TYPE_CHECKING

from ml_assets.reports.axes import day_numbers, label_line_ends, new_axes, time_axis
from ml_assets.reports.drawing import ACCENT, INK, MUTED, RULE, TINT, drawing_style, rendered
from ml_assets.reports.formats import NONE, estimate, number
from ml_assets.reports.metrics import metric_text
from ml_assets.reports.page import html_page
from ml_assets.reports.performance_content import Band, CohortRow, PerformanceContent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

WIDE, NARROW = 960, 400
BELIEFS: Mapping[str, str] = {
    "realised": "the labels",
    "corrected": "the labels, corrected",
    "audited": "the audit",
    "estimated": "the estimate",
    "none": "none",
}


def performance_page(content: PerformanceContent) -> str:
    """Return the page as self-contained HTML."""
    axis = _axis(content)
    main = tuple(largest_by_date(content.cohorts))
    return html_page(
        "performance.html.j2",
        content=content,
        newest=main[-1],
        axis=axis,
        beliefs=BELIEFS,
        shown=tuple(reversed(content.cohorts)),
        pictures={
            name: performance_chart(main, axis=axis, width=width)
            for name, width in (("wide", WIDE), ("narrow", NARROW))
        },
        figure_of=_figure,
        none_text=NONE,
    )


def largest_by_date(cohorts: Sequence[CohortRow]) -> Iterator[CohortRow]:
    """Yield of each date the version that answered most, in order of time."""
    by_date: dict[object, CohortRow] = {}
    for row in sorted(cohorts, key=lambda row: (row.date, row.answered)):
        by_date[row.date] = row
    yield from by_date.values()


def performance_chart(rows: Sequence[CohortRow], *, axis: str, width: int = WIDE) -> str:
    """Draw the three losses over time with their intervals; a vertical line is a new version.

    Args:
        rows: One a date, in order of time.
        axis: Label of the loss axis: the metric and its unit.
        width: Width in pixels.
    """
    times = day_numbers(datetime.combine(row.date, time(), UTC) for row in rows)
    with drawing_style():
        figure, axes = new_axes(height=320, width=width)
        estimated = [row.estimated for row in rows]
        audited = [row.audited for row in rows]
        realised = [row.corrected if row.is_corrected else row.realised for row in rows]
        _fill(axes, times, audited, colour=TINT, level=0)
        _fill(axes, times, estimated, colour=RULE, level=1)
        for place, band in zip(times, realised, strict=True):
            if band.low is not None and band.high is not None:
                axes.vlines(place, band.low, band.high, color=INK, linewidth=1.2, zorder=4)
        drawn = {
            "estimated": _line(axes, times, estimated, colour=MUTED, dashes=(4, 2)),
            "audited": _line(axes, times, audited, colour=ACCENT, marker="o"),
            "realised": _line(axes, times, realised, colour=INK, marker="s"),
        }
        lines = {name: line for name, line in drawn.items() if line is not None}
        for (_, before), (place, after) in pairwise(zip(times, rows, strict=True)):
            if before.version != after.version:
                axes.axvline(place - 0.5, color=MUTED, linewidth=1, dashes=(2, 2), zorder=1)
        axes.set_ylabel(axis)
        axes.set_ylim(bottom=0)
        time_axis(axes, ticks=8 if width >= WIDE else 4)
        axes.margins(x=0.02)
        label_line_ends(axes, lines)
        return rendered(figure, title="Loss by cohort, three ways", description=_described(rows))


def _fill(
    axes: "Axes", times: Sequence[float], bands: Sequence[Band], *, colour: str, level: int
) -> None:
    low = [nan if band.low is None or band.high is None else band.low for band in bands]
    high = [nan if band.low is None or band.high is None else band.high for band in bands]
    axes.fill_between(times, low, high, color=colour, linewidth=0, alpha=0.75, zorder=level)


def _line(
    axes: "Axes",
    times: Sequence[float],
    bands: Sequence[Band],
    *,
    colour: str,
    marker: str = "",
    dashes: tuple[float, float] = (1, 0),
) -> "Line2D | None":
    if all(band.value is None for band in bands):
        return None
    values = [nan if band.value is None else band.value for band in bands]
    return axes.plot(
        times,
        values,
        color=colour,
        linewidth=1.6,
        dashes=dashes,
        marker=marker,
        markersize=4,
        zorder=3,
    )[0]


def _axis(content: PerformanceContent) -> str:
    if content.metric == "accuracy":
        return "Share of wrong answers"
    return metric_text(content.metric).labelled("")


def _figure(band: Band) -> str:
    return NONE if band.value is None else estimate(band.value, band.low, band.high)


def _described(rows: Sequence[CohortRow]) -> str:
    return "; ".join(
        f"{row.date}: realised {number(row.realised.value)}, estimated "
        f"{number(row.estimated.value)}, audited {number(row.audited.value)}"
        for row in rows
    )
