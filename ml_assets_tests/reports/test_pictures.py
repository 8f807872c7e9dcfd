"""The pictures are small, named, the same each time, and say in words what they draw."""

import base64
import dataclasses
import re
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from ml_assets.reports import plots
from ml_assets.reports.axes import spread
from ml_assets.reports.drawing import COLOURS, markdown_image, standalone
from ml_assets.reports.thumbnails import histogram_against_reference, sparkline

EDGES = [0.0, 1.0, 2.0, 3.0, 4.0]


def histogram():
    return histogram_against_reference(
        EDGES, [0.1, 0.4, 0.4, 0.1], [0.0, 0.2, 0.5, 0.3], name="load"
    )


def report_pictures(content):
    mae = [score for score in content.scores if score.metric == "mae"]
    return {
        "dot_and_whisker": plots.dot_and_whisker(
            mae, title="mae of each model", axis="mae (mm)", highlighted="ridge", reference=2.0
        ),
        "calibration": plots.calibration(content.calibration, unit="mm"),
        "residuals": plots.residuals_over_time(content.residuals_over_time, unit="mm"),
        "loss": plots.loss_over_time(content.loss_over_time, axis="mae", highlighted="ridge"),
        "importance": plots.importance(content.importance, axis="worsening of mae"),
        "histogram": histogram(),
        "sparkline": sparkline([1, None, 3, 2], title="rows"),
    }


def test_every_picture_is_named_described_and_well_formed(content):
    for name, svg in report_pictures(content).items():
        root = ET.fromstring(svg)  # noqa: S314  # drawn just above
        assert (root[0].tag, root[1].tag) == ("title", "desc"), name
        assert root[0].text, name
        assert root[1].text, name
        assert root.get("role") == "img", name
        assert "://" not in svg, name


def test_pictures_are_the_same_each_time(content):
    assert report_pictures(content) == report_pictures(content)


def test_every_colour_of_a_picture_follows_the_page(content):
    for name, svg in report_pictures(content).items():
        fixed = re.sub(r"var\(--\w+, #[0-9a-f]{6}\)", "", svg)
        assert re.findall(r"#[0-9a-f]{6}\b", fixed) == [], name
        assert set(re.findall(r"var\(--(\w+)", svg)) <= set(COLOURS.values()), name


def test_pictures_name_each_value_and_interval(content):
    pictures = report_pictures(content)
    assert "boosted_trees: 1.84 (1.74 to 1.96)" in pictures["dot_and_whisker"]
    assert "angle_rad_lag_1: 2.81 (2.52 to 3.09)" in pictures["importance"]
    assert "841 rows" in pictures["calibration"]


def test_a_longer_whisker_is_drawn_longer(content):
    score = content.scores[0]
    narrow = plots.dot_and_whisker([score], title="t", axis="a", highlighted="")
    wide = plots.dot_and_whisker(
        [dataclasses.replace(score, model="w", high=9.0), score],
        title="t",
        axis="a",
        highlighted="",
    )
    assert whisker_lengths(narrow)[0] > 0
    longer, shorter = whisker_lengths(wide)
    assert longer > 10 * shorter


def whisker_lengths(svg):
    drawn = re.findall(r'd="M ([\d.]+) ([\d.]+) L ([\d.]+) \2"[^>]*stroke-width: 1.8', svg)
    return [float(end) - float(start) for start, _, end in drawn]


def test_constant_and_single_values_are_drawn(content):
    assert "<path" in sparkline([5.0, 5.0, 5.0], title="flat")
    one = content.residuals_over_time[:1]
    assert "1 days" in plots.residuals_over_time(one, unit="")
    unbounded = [dataclasses.replace(point, low=None) for point in content.calibration]
    assert "no interval" in plots.calibration(unbounded, unit="")


def test_hourly_residuals_are_drawn(content):
    first = content.residuals_over_time[0]
    hours = [dataclasses.replace(first, day=first.day + timedelta(hours=hour)) for hour in range(5)]
    assert "5 days" in plots.residuals_over_time(hours, unit="mm")


def test_sparkline_stays_below_4_kilobytes():
    svg = sparkline([1000 + 13.7 * (step % 11) for step in range(168)], title="error of a week")
    assert len(svg.encode()) < 4_000


def test_sparkline_breaks_where_a_value_is_missing():
    path = re.search(r'<path d="([^"]+)"', sparkline([1, 2, None, 3, 4], title="rows"))[1]
    assert path.count("M") == 2
    assert "empty" in sparkline([None, None], title="rows")
    assert "last 4.00" in sparkline([1, 2, None, 3, 4], title="rows")


def test_histogram_states_both_shares():
    assert "3.00 to 4.00: 10\N{NO-BREAK SPACE}%, 30\N{NO-BREAK SPACE}%" in histogram()


def test_histogram_refuses_shares_that_do_not_fit_the_edges():
    with pytest.raises(ValueError, match="5 edges make 4 bins, found 3 reference and 4"):
        histogram_against_reference(EDGES, [1, 0, 0], [1, 0, 0, 0], name="load")


def test_image_for_markdown_carries_its_data_and_is_small():
    shares = [1 / 40] * 40
    svg = histogram_against_reference(list(range(41)), shares, shares, name="load_kg_mean_6h")
    image = markdown_image(svg, alt="load [kg]")
    assert len(image) < 8_000
    alt, data = re.fullmatch(r"!\[(.*)\]\(data:image/svg\+xml;base64,(.*)\)", image).groups()
    assert alt == "load  kg "
    drawn = base64.b64decode(data).decode()
    assert drawn == standalone(svg)
    root = ET.fromstring(drawn)  # noqa: S314  # drawn just above
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in drawn


def test_spread_keeps_order_and_distance():
    places = spread({"b": 1.0, "a": 1.05, "c": 9.0}, gap=0.5)
    assert list(places) == ["b", "a", "c"]
    assert places["a"] - places["b"] == pytest.approx(0.5)
    assert places["c"] == pytest.approx(9.0, abs=0.5)
    assert spread({}, gap=1.0) == {}
