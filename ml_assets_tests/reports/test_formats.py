"""Numbers are written as people read them; colours can be read by all."""

import doctest
import re

import pytest

from ml_assets.reports import formats, page
from ml_assets.reports.drawing import COLOURS
from ml_assets.reports.formats import common_decimals, estimate, interval, number
from ml_assets.reports.page import html_page


@pytest.mark.parametrize("module", [formats, page])
def test_examples_hold(module):
    assert doctest.testmod(module) == (0, len_examples(module))


def len_examples(module):
    found = sum(len(test.examples) for test in doctest.DocTestFinder().find(module))
    assert found > 0
    return found


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1234567.0, "1,234,567"),
        (-12.345, "\N{MINUS SIGN}12.3"),
        (0.00012345, "0.000123"),
        (1.5e-9, "1.50e\N{MINUS SIGN}09"),
        (float("nan"), "undefined"),
        (float("inf"), "undefined"),
        (None, "undefined"),
    ],
)
def test_number_has_sensible_digits(value, text):
    assert number(value) == text


def test_a_rounded_zero_has_no_sign():
    assert number(-0.0004, 2) == "0.00"


def test_interval_decides_the_digits_of_its_number():
    assert estimate(1234.5678, 1200.1, 1267.9) == "1,235 (1,200 to 1,268)"
    assert estimate(0.91234, 0.9119, 0.9127) == "0.91234 (0.91190 to 0.91270)"
    assert interval(2.0, 2.0) == "2.00 to 2.00"
    assert interval(None, 2.0) == "no interval"


def test_a_column_has_one_number_of_decimals(content):
    assert common_decimals(content.slices) == 2
    assert common_decimals([]) is None


def themes():
    style = html_page("_style.css.j2")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark", "print"])
@pytest.mark.parametrize("paper", ["paper", "band"])
@pytest.mark.parametrize("text", ["ink", "muted", "accent", "alarm"])
def test_text_stands_out_from_its_paper(theme, paper, text):
    light, dark = sorted((luminance(theme[paper]), luminance(theme[text])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_pictures_and_the_light_page_have_the_same_colours():
    light = themes()[0]
    assert {name: light[name] for name in COLOURS.values()} == {
        name: colour for colour, name in COLOURS.items()
    }
