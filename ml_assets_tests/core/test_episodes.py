from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_assets.core.episodes import QUIET_WINDOWS, FaultSeen, VerdictRow, episodes_of

START = datetime(2024, 3, 1, tzinfo=UTC)
STATES = {
    "q": ("quiet", None),
    "i": ("insufficient", None),
    "w": ("drift", "warn"),
    "r": ("drift", "retrain"),
    "f": ("drift", "data_fault"),
}


def rows(letters):
    return [
        VerdictRow(
            START + timedelta(hours=hour), *STATES[letter], (f"x_{letter}",) * (letter in "wrf")
        )
        for hour, letter in enumerate(letters)
    ]


def episodes(letters):
    return episodes_of(rows(letters), problem="plant", version="v3")


@pytest.mark.parametrize(
    ("letters", "opened", "closed"),
    [
        ("", [], []),
        ("qqiq", [], []),
        ("qwwq", [1], [None]),
        ("qwqqqqqq", [1], [7]),
        ("wqqqqqwqqqqq", [0], [None]),
        ("wqqqqqqwq", [0, 7], [6, None]),
        ("wqqqiiiqqq", [0], [9]),
        ("wiiiiiiiiii", [0], [None]),
    ],
)
def test_an_episode_opens_at_drift_and_closes_after_six_quiet_windows(letters, opened, closed):
    assert QUIET_WINDOWS == 6
    found = episodes(letters)
    assert [episode.opened for episode in found] == [START + timedelta(hours=h) for h in opened]
    assert [episode.closed for episode in found] == [
        None if h is None else START + timedelta(hours=h) for h in closed
    ]
    assert [episode.is_open for episode in found] == [h is None for h in closed]


def test_an_episode_keeps_its_name_while_it_grows():
    names = {episodes("qw" + "wq" * length)[0].id for length in range(5)}
    assert names == {"plant/v3/2024-03-01T01"}


def test_an_episode_has_the_severity_of_its_newest_drift_and_all_its_columns():
    (episode,) = episodes("wfrq")
    assert episode.severity == "retrain"
    assert episode.columns == ("x_f", "x_r", "x_w")
    assert (episode.windows, episode.quiet) == (3, 1)
    assert episode.last_drift == START + timedelta(hours=2)


def test_the_order_of_the_rows_does_not_matter():
    forwards = episodes_of(rows("qwqqr"), problem="plant", version="v3")
    assert episodes_of(rows("qwqqr")[::-1], problem="plant", version="v3") == forwards


def test_drift_without_a_severity_is_an_error():
    with pytest.raises(ValueError, match="no severity"):
        episodes_of([VerdictRow(START, "drift")], problem="plant", version="v3")


def faulty(*sizes):
    """Return the episode of windows with faults of these sizes, by column."""
    found = [
        VerdictRow(
            START + timedelta(hours=hour),
            "drift",
            "data_fault",
            tuple(of),
            tuple(FaultSeen(column, "missing_rate", size) for column, size in of.items()),
        )
        for hour, of in enumerate(sizes)
    ]
    (episode,) = episodes_of(found, problem="plant", version="v3")
    return episode


@pytest.mark.parametrize(
    ("sizes", "since", "count"),
    [
        ([{"a": 0.1}, {"a": 0.12}, {"a": 0.09}], 0, 3),
        ([{"a": 0.1}, {"a": 0.3}, {"a": 0.4}], 1, 2),
        ([{"a": 0.1}, {"a": -0.1}], 1, 1),
        ([{"a": 0.1, "b": 0.1}, {"a": 0.1}, {"b": 0.1}], 0, 3),
        ([{"a": 0.1}, {"a": 0.1, "b": 0.1}, {"a": 0.1}], 1, 2),
    ],
)
def test_an_episode_knows_since_when_its_faults_are_the_same(sizes, since, count):
    episode = faulty(*sizes)
    assert episode.fault_since == START + timedelta(hours=since)
    assert episode.fault_windows == count


def with_one_fault(letters):
    """Return the episode of windows in which f shows always the same fault."""
    fault = FaultSeen("a", "missing_rate", 0.1)
    seen = [replace(row, faults=(fault,) * (row.severity == "data_fault")) for row in rows(letters)]
    (episode,) = episodes_of(seen, problem="plant", version="v3")
    return episode


@pytest.mark.parametrize(
    ("letters", "since", "count"),
    [
        ("frrrrff", 5, 2),
        ("fffqff", 4, 2),
        ("fffwqqf", 6, 1),
        ("fiiffi", 0, 3),
        ("rffrqi", 1, 2),
    ],
)
def test_a_fault_is_the_same_only_since_every_judged_window_shows_it(letters, since, count):
    episode = with_one_fault(letters)
    assert episode.fault_since == START + timedelta(hours=since)
    assert episode.fault_windows == count
    # A person who accepted it has seen it before it went and came back.
    assert episode.fault_first == START + timedelta(hours=letters.index("f"))


def test_drift_without_a_fault_has_none():
    (episode,) = episodes("wrw")
    assert (episode.fault_first, episode.fault_since, episode.fault_windows) == (None, None, 0)
