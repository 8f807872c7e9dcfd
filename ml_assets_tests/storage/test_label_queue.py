"""The labelling queue: asked once, answered once, taken back until it is ground truth."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from ml_assets.storage.label_queue import SOURCE, Answer, Audit, LabelQueue, LabelRequest

NOW = datetime(2024, 1, 2, tzinfo=UTC)
REQUEST = LabelRequest(
    problem="plant",
    identity="rig_1|2024-01-01T00:00",
    request_id="a",
    row=0,
    event_time=NOW - timedelta(days=1),
    strategy="uncertain",
    propensity=1.0,
    why="the model is unsure",
    details={"inputs": {"load": 3.5}, "prediction": 2.0},
    at=NOW,
)
OTHER = replace(REQUEST, identity="rig_2|2024-01-01T00:00", request_id="b", row=1)


@pytest.fixture
def queue(state):
    queue = LabelQueue(state)
    assert queue.ask([REQUEST, OTHER, REQUEST]) == 2
    return queue


def numbers(queue):
    return [one.id for one in queue.waiting("plant")]


def test_a_row_is_asked_for_once_and_answered_once(queue):
    assert queue.ask([REQUEST]) == 0
    first, second = numbers(queue)
    assert queue.answer([Answer(first, "7.5")], by="ada", at=NOW) == 1
    assert queue.answer([Answer(first, "8.5"), Answer(second, "1")], by="bob", at=NOW) == 1
    assert queue.waiting("plant") == []
    told = {one.request_id: (one.answer, one.answered_by) for one in queue.answered("plant")}
    assert told == {"a": ("7.5", "ada"), "b": ("1", "bob")}


def test_a_skipped_row_comes_last(queue):
    first, second = numbers(queue)
    queue.skip(first)
    assert numbers(queue) == [second, first]


def test_an_answer_is_taken_back_until_it_is_ground_truth(queue):
    first, second = numbers(queue)
    queue.answer([Answer(first, "7.5"), Answer(second, "1")], by="ada", at=NOW)
    assert queue.undo(first)
    assert not queue.undo(first)
    assert numbers(queue) == [first]
    assert queue.newest_answer("plant") == NOW
    assert [one.id for one in queue.take("plant", at=NOW)] == [second]
    assert queue.newest_answer("plant") is None
    assert not queue.undo(second)
    assert [one.id for one in queue.take("plant", at=NOW)] == [second]


def test_what_the_source_answers_is_no_feedback_of_a_person(queue):
    first, second = numbers(queue)
    queue.answer([Answer(second, "1")], by="ada", at=NOW)
    assert queue.close_by_source({first: ("7.5", NOW), second: ("2", NOW)}) == 1
    assert [one.id for one in queue.take("plant", at=NOW)] == [second]
    closed = queue.answered("plant")[0]
    assert (closed.answer, closed.answered_by) == ("7.5", SOURCE)
    assert not queue.undo(first)


def test_a_row_that_is_drawn_later_joins_the_audit_and_never_leaves_it(queue):
    drawn = replace(REQUEST, strategy="random_audit", propensity=0.25, why="drawn at random")
    assert queue.ask([drawn]) == 0
    assert queue.ask([REQUEST]) == 0
    assert queue.audits("plant") == [Audit("a", 0, 0.25)]
    assert queue.waiting("plant")[0].why == "drawn at random"


def test_what_was_asked_is_known_by_event_time(queue):
    day = timedelta(days=1)
    assert queue.asked_between("plant", NOW - day, NOW) == {("a", 0), ("b", 1)}
    assert queue.asked_between("plant", NOW, NOW + day) == set()


def test_a_row_that_could_not_be_chosen_is_refused(state):
    with pytest.raises(sa.exc.IntegrityError, match="propensity"):
        LabelQueue(state).ask([replace(REQUEST, propensity=0.0)])
