"""The page of a demonstration: what happened, when it was seen, what each policy made of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ml_assets.reports.axes import day_numbers, label_line_ends, new_axes, time_axis
from ml_assets.reports.demo_content import (
    DemoContent,
    DemoEvent,
    ErrorSeries,
    EventKind,
)
from ml_assets.reports.drawing import ACCENT, ALARM, INK, MUTED, drawing_style, rendered
from ml_assets.reports.formats import NONE, common_decimals, minute, number
from ml_assets.reports.metrics import metric_text
from ml_assets.reports.page import html_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE, NARROW = 960, 400
_NUMBER_PIXELS = 18
_EVENT_COLOURS: Mapping[EventKind, str] = {"change": ALARM, "promoted": ACCENT}
_DASHES = ((1, 0), (5, 2), (1.5, 1.5), (6, 2, 1.5, 2))


def demo_page(content: DemoContent) -> str:
    """Return the demonstration as a self-contained HTML page."""
    events = tuple(sorted(content.events, key=lambda event: event.time))
    axis = metric_text(content.metric).labelled(content.unit)
    pictures = {
        name: timeline(
            events, content.series, axis=axis, highlighted=content.highlighted, width=width
        )
        for name, width in (("wide", WIDE), ("narrow", NARROW))
    }
    return html_page(
        "demo.html.j2",
        content=content,
        events=events,
        event_colours={"change": "alarm", "promoted": "accent"},
        axis=axis,
        phases=tuple(dict.fromkeys(row.phase for row in content.phases)),
        policies=tuple(dict.fromkeys(row.policy for row in content.phases)),
        cells={(row.policy, row.phase): row for row in content.phases},
        decimals=common_decimals(content.phases),
        pictures=pictures,
        none_text=NONE,
    )


def timeline(
    events: Sequence[DemoEvent],
    series: Sequence[ErrorSeries],
    *,
    axis: str,
    highlighted: str,
    width: int = WIDE,
) -> str:
    """Draw the error of each policy over time; numbered vertical marks are the events, in order.

    Args:
        events: What happened, in order of time.
        series: One error over time a policy; None breaks the line.
        axis: Label of the error axis: the metric and its unit.
        highlighted: Policy drawn in the accent colour.
        width: Width in pixels.
    """
    with drawing_style():
        figure, axes = new_axes(height=320, width=width)
        lines = {}
        dashes = iter(_DASHES * (1 + len(series) // len(_DASHES)))
        for one in series:
            stands_out = one.policy == highlighted
            lines[one.policy] = axes.plot(
                day_numbers(one.times),
                [float("nan") if error is None else error for error in one.errors],
                color=ACCENT if stands_out else INK,
                linewidth=2 if stands_out else 1.1,
                dashes=(1, 0) if stands_out else next(dashes),
                zorder=3 if stands_out else 2,
            )[0]
        axes.set_ylabel(axis)
        time_axis(axes, ticks=8 if width >= WIDE else 4)
        axes.margins(x=0.01)
        label_line_ends(axes, lines)
        _mark_events(axes, events, width=width)
        return rendered(
            figure, title="Error of each policy over time", description=_described(events, series)
        )


def _mark_events(axes: "Axes", events: Sequence[DemoEvent], *, width: int) -> None:
    left, right = axes.get_xlim()
    gap = _NUMBER_PIXELS * (right - left) / (width * 0.8)
    places = day_numbers(event.time for event in events)
    for index, (event, level) in enumerate(zip(events, stacked(places, gap=gap), strict=True)):
        colour = _EVENT_COLOURS.get(event.kind, MUTED)
        axes.axvline(places[index], color=colour, linewidth=1, zorder=1)
        axes.annotate(
            str(index + 1),
            (places[index], 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 14 * level),
            textcoords="offset points",
            ha="center",
            color=colour,
            fontweight="bold",
        )


def stacked(places: Sequence[float], *, gap: float) -> list[int]:
    """Return for each place, in order, the lowest level on which it has ``gap`` to its left."""
    last_on_level: list[float] = []
    levels = []
    for place in places:
        free = (level for level, last in enumerate(last_on_level) if place - last >= gap)
        level = next(free, len(last_on_level))
        last_on_level[level : level + 1] = [place]
        levels.append(level)
    return levels


def _described(events: Sequence[DemoEvent], series: Sequence[ErrorSeries]) -> str:
    happened = [
        f"{index}: {event.what}, {minute(event.time)}" for index, event in enumerate(events, 1)
    ]
    ranges = []
    for one in series:
        known = [error for error in one.errors if error is not None]
        if known:
            ranges.append(f"{one.policy}: {number(min(known))} to {number(max(known))}")
    return "; ".join([*ranges, *happened])
