"""The page of a demonstration shows each event, each policy and each delay."""

import dataclasses
import re

import pytest

from ml_assets.reports.demo_content import ErrorSeries
from ml_assets.reports.formats import common_decimals, interval, minute, number
from ml_assets.reports.timeline import demo_page, stacked, timeline
from ml_assets_tests.reports.html_checks import reaches_outside, read


def test_page_is_balanced_and_reaches_nothing_outside(demo_html):
    read(demo_html)
    assert reaches_outside(demo_html) == []


def test_same_content_gives_the_same_bytes(demo, demo_html):
    assert demo_page(demo) == demo_html


def test_everything_of_the_content_is_on_the_page(demo, demo_html):
    text = read(demo_html)
    places = common_decimals(demo.phases)
    words = [demo.verdict, demo.description, "not seen"]
    words += [number(row.value, places) for row in demo.phases]
    words += [interval(row.low, row.high, places) for row in demo.phases]
    for index, event in enumerate(demo.events, 1):
        words.append(f"{index} {minute(event.time)} {event.what}")
        words.append(event.detail)
    words += [*demo.paths.values(), *(part for pair in demo.next_commands for part in pair)]
    words += ["1 in 168 windows", "0.006 (0.000 to 0.033)"]
    assert [word for word in words if word not in text] == []


def test_hostile_text_is_shown_and_never_run(demo):
    hostile = "<script>alert(1)</script>"
    demo = dataclasses.replace(
        demo,
        verdict=hostile,
        events=tuple(dataclasses.replace(event, what=hostile) for event in demo.events),
        series=tuple(dataclasses.replace(one, policy=hostile) for one in demo.series),
        paths={hostile: hostile},
    )
    page = demo_page(demo)
    assert "<script" not in page
    assert hostile in read(page)


def test_page_without_events_and_delays_has_no_empty_sections(demo):
    text = read(
        demo_page(
            dataclasses.replace(
                demo, events=(), detections=(), false_alarms=None, paths={}, next_commands=()
            )
        )
    )
    assert "How soon it was seen" not in text
    assert "Where to look next" not in text


def test_a_phase_that_was_not_measured_says_so(demo):
    text = read(demo_page(dataclasses.replace(demo, phases=demo.phases[:-1])))
    assert "not measured" in text


def test_each_event_is_a_vertical_mark_in_order_of_time(demo):
    svg = timeline(demo.events, demo.series, axis="mae", highlighted="adaptive")
    marks = re.findall(r'd="M ([\d.]+) ([\d.]+) L \1 ([\d.]+)" clip-path', svg)
    tall = [float(x) for x, start, end in marks if abs(float(start) - float(end)) > 100]
    assert len(tall) == len(demo.events)
    assert tall == sorted(tall)


def test_marks_that_stand_close_are_numbered_on_levels():
    assert stacked([0.0, 1.0, 1.5, 9.0], gap=2.0) == [0, 1, 2, 0]
    assert stacked([], gap=2.0) == []


def test_a_series_needs_one_error_a_time(demo):
    with pytest.raises(ValueError, match=r"'never' has 192 times and 1 errors"):
        ErrorSeries(policy="never", times=demo.series[0].times, errors=(1.0,))
