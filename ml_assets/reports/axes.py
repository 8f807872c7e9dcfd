"""Axes as the pages draw them: sized in pixels, sparse in time, lines named at their ends."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from ml_assets.reports.drawing import PIXELS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTH = 400
_LABEL_PIXELS = 14


def new_axes(*, height: float, width: float = WIDTH) -> "tuple[Figure, Axes]":
    """Return a figure of this many pixels with one pair of axes, not tied to any window."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # slow to import: only who draws pays

    size = (width / PIXELS_PER_INCH, height / PIXELS_PER_INCH)
    figure = Figure(figsize=size, dpi=PIXELS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    return figure, axes


def day_numbers(times: Iterable[datetime]) -> list[float]:
    """Return times as the plotting library counts them, in days."""
    from matplotlib.dates import date2num  # noqa: PLC0415

    return [float(date2num(time)) for time in times]


def time_axis(axes: "Axes", *, ticks: int = 5) -> None:
    """Write times on the x axis as briefly as they allow, and rule the y axis."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

    locator = AutoDateLocator(minticks=2, maxticks=ticks)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(visible=True, axis="y")


def label_line_ends(axes: "Axes", lines: "Mapping[str, Line2D]") -> None:
    """Write each line's name at its right end, moved apart where two would overlap."""
    ends = {name: _last_height(line) for name, line in lines.items()}
    low, high = axes.get_ylim()
    gap = _LABEL_PIXELS * (high - low) / axes.bbox.height
    for name, place in spread(ends, gap=gap).items():
        axes.annotate(
            name,
            (1, place),
            xycoords=("axes fraction", "data"),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=lines[name].get_color(),
            annotation_clip=False,
        )
    axes.set_ylim(low, high)


def spread(places: Mapping[str, float], *, gap: float) -> dict[str, float]:
    """Move places apart to at least ``gap``, keeping their order and, roughly, their middle."""
    names = sorted(places, key=lambda name: places[name])
    moved: dict[str, float] = {}
    for before, name in zip([None, *names], names, strict=False):
        lowest = -np.inf if before is None else moved[before] + gap
        moved[name] = max(places[name], lowest)
    shift = np.mean([moved[name] - places[name] for name in names]) if names else 0.0
    return {name: float(place - shift) for name, place in moved.items()}


def _last_height(line: "Line2D") -> float:
    heights = np.asarray(line.get_ydata(), dtype=float)
    known = heights[np.isfinite(heights)]
    return float(known[-1]) if len(known) else 0.0
