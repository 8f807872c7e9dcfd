"""From a matplotlib figure to a small SVG that takes the colours of the page it stands in."""

import base64
import hashlib
import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ml_assets.reports.svg import compact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours of the light page. In a page each becomes var(--name), which has a dark value too.
INK = "#1d1f23"
MUTED = "#5a6068"
RULE = "#d9dce1"
ACCENT = "#0b5aa6"
TINT = "#d5e5f6"
ALARM = "#a3290f"
PAPER = "#ffffff"
COLOURS = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    ACCENT: "accent",
    TINT: "tint",
    ALARM: "alarm",
    PAPER: "paper",
}
PIXELS_PER_INCH = 72  # matplotlib's SVG has one pixel a point
_STYLE = {
    "svg.fonttype": "none",  # text stays text: readable aloud, and in the page's own font
    "svg.hashsalt": "ml_assets",  # the same figure gives the same bytes
    "text.parse_math": False,  # a '$' in a column's name is a '$'
    "font.size": 11,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.linewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.color": RULE,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 11,
}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@contextmanager
def drawing_style() -> Generator[None, None, None]:
    """Draw in the style of the pages; figures must be made and rendered inside."""
    import matplotlib as mpl  # noqa: PLC0415  # slow to import: only who draws pays

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's browser has glyphs that the measuring font lacks.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing")
        yield


def rendered(figure: "Figure", *, title: str, description: str) -> str:
    """Return the figure as SVG for a page, in its colours and named for screen readers."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA)
    raw = buffer.getvalue()
    mark = "p" + hashlib.sha256(raw.encode()).hexdigest()[:6]
    width, height = (side * PIXELS_PER_INCH for side in figure.get_size_inches())
    body = _themed(compact(raw, mark=mark))
    return framed(body, width=width, height=height, mark=mark, title=title, description=description)


def framed(
    body: str, *, width: float, height: float, mark: str, title: str, description: str
) -> str:
    """Return an SVG element around ``body`` that a screen reader can name."""
    return (
        f'<svg role="img" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" aria-labelledby="{mark}t {mark}d" stroke-linejoin="round" '
        f'font-family="system-ui, sans-serif"><title id="{mark}t">{escape(title)}</title>'
        f'<desc id="{mark}d">{escape(description)}</desc>{body}</svg>'
    )


def standalone(svg: str) -> str:
    """Return a page's SVG as a file of its own, on white paper, with fixed colours."""
    fixed = re.sub(r"var\(--\w+, (#[0-9a-f]{6})\)", r"\1", svg)
    paper = f'</desc><rect width="100%" height="100%" fill="{PAPER}"/>'
    fixed = fixed.replace("</desc>", paper, 1)
    return fixed.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def markdown_image(svg: str, *, alt: str) -> str:
    """Return a page's SVG as a Markdown image that carries its own data."""
    data = base64.b64encode(standalone(svg).encode()).decode()
    text = re.sub(r"[\[\]\\\r\n]", " ", alt)
    return f"![{text}](data:image/svg+xml;base64,{data})"


def _themed(body: str) -> str:
    for colour, name in COLOURS.items():
        body = re.sub(f'{colour}(?=[;"])', f"var(--{name}, {colour})", body)
    return body
