"""Pictures small enough to stand in a table: a word-sized line, a histogram over its reference."""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

from ml_assets.reports.axes import new_axes
from ml_assets.reports.drawing import ACCENT, RULE, drawing_style, framed, rendered
from ml_assets.reports.formats import number, share, shortened


def histogram_against_reference(
    edges: Sequence[float], reference: Sequence[float], production: Sequence[float], *, name: str
) -> str:
    """Draw a column's production histogram over its reference; heights are shares of the rows.

    Raises:
        ValueError: If there is not exactly one share for each bin.
    """
    bins = len(edges) - 1
    if not len(reference) == len(production) == bins:
        message = (
            f"Histogram of {name!r}: {len(edges)} edges make {bins} bins, found "
            f"{len(reference)} reference and {len(production)} production shares."
        )
        raise ValueError(message)
    with drawing_style():
        figure, axes = new_axes(height=150, width=320)
        axes.stairs(reference, edges, fill=True, color=RULE, linewidth=0)
        axes.stairs(production, edges, color=ACCENT, linewidth=1.8)
        axes.set_xlabel(shortened(name, 40))
        axes.locator_params(axis="x", nbins=5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        described = "Share of rows by bin, reference then production: " + "; ".join(
            f"{number(low)} to {number(high)}: {share(before)}, {share(now)}"
            for (low, high), before, now in zip(pairwise(edges), reference, production, strict=True)
        )
        return rendered(figure, title=f"{name} now, against the reference", description=described)


def sparkline(values: Sequence[float | None], *, title: str, width: int = 160) -> str:
    """Draw a word-sized line with its last value marked; gaps where a value is None."""
    height, margin = 32, 4
    known = [value for value in values if value is not None]
    if not known:
        return framed("", width=width, height=height, mark="s0", title=title, description="empty")
    low, span = min(known), (max(known) - min(known)) or 1.0
    step = (width - 2 * margin) / max(len(values) - 1, 1)
    points = [
        None
        if value is None
        else (margin + step * place, margin + (height - 2 * margin) * (1 - (value - low) / span))
        for place, value in enumerate(values)
    ]
    path, pen = "", "M"
    for point in points:
        path += "" if point is None else f"{pen}{point[0]:.1f} {point[1]:.1f}"
        pen = "M" if point is None else "L"
    x, y = [point for point in points if point is not None][-1]
    colour = f"var(--accent, {ACCENT})"
    body = (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
    )
    described = f"{number(low)} to {number(low + span)}, last {number(known[-1])}"
    mark = "s" + hashlib.sha256((title + path).encode()).hexdigest()[:10]
    return framed(body, width=width, height=height, mark=mark, title=title, description=described)
