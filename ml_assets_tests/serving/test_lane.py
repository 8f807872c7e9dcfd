"""The worker's lane: what waits is taken at once, what is too much is turned away."""

import asyncio
import threading

import pytest

from bentos.predictor.lane import Lane, Unavailable


class Slow:
    """Answers a pass when it is allowed to, and keeps what each pass held."""

    def __init__(self):
        self.passes = []
        self.allowed = threading.Event()

    def __call__(self, asked):
        self.allowed.wait(30)
        self.passes.append(list(asked))
        if "bad" in asked:
            message = "bad"
            raise ValueError(message)
        return [one.upper() for one in asked]


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def lane(slow):
    made = Lane(slow, capacity=4, pass_size=10)
    yield made
    slow.allowed.set()
    made.close()


async def asked(lane, *names, size=1):
    """Ask in the given order, and let the worker take the first one alone."""
    tasks = []
    for name in names:
        tasks.append(asyncio.ensure_future(lane.ask(name, size=size)))
        await asyncio.sleep(0.05 if len(tasks) == 1 else 0)
    return tasks


def test_what_waits_is_answered_in_one_pass(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "b", "c")
        slow.allowed.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(run()) == ["A", "B", "C"]
    assert slow.passes == [["a"], ["b", "c"]]


def test_large_requests_do_not_share_a_pass(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "b", "c", size=10)
        slow.allowed.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert slow.passes == [["a"], ["b"], ["c"]]


def test_beyond_the_capacity_requests_are_turned_away(lane, slow):
    async def run():
        tasks = await asked(lane, *"abcd")
        with pytest.raises(Unavailable, match="Too many"):
            await lane.ask("e", size=1)
        slow.allowed.set()
        await asyncio.gather(*tasks)
        return await lane.ask("f", size=1)

    assert asyncio.run(run()) == "F"


def test_draining_answers_what_was_taken_and_takes_nothing_more(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "b")
        drained = asyncio.ensure_future(lane.drained())
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="stopping"):
            await lane.ask("c", size=1)
        assert not drained.done()
        slow.allowed.set()
        await drained
        return [task.result() for task in tasks]

    assert asyncio.run(run()) == ["A", "B"]


def test_a_caller_that_is_gone_is_not_answered(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "b", "c")
        tasks[1].cancel()
        await asyncio.sleep(0)
        slow.allowed.set()
        await asyncio.gather(tasks[0], tasks[2])
        return await lane.ask("d", size=1)  # its place is free again

    asyncio.run(run())
    assert slow.passes == [["a"], ["c"], ["d"]]


def test_an_error_fails_its_pass_and_no_other(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "bad", "b")
        slow.allowed.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [*found, await lane.ask("c", size=1)]

    first, second, third, last = asyncio.run(run())
    assert (first, last) == ("A", "C")
    assert isinstance(second, ValueError)
    assert isinstance(third, ValueError)


def test_a_change_happens_between_two_passes(lane, slow):
    async def run():
        tasks = await asked(lane, "a", "b")
        change = asyncio.get_running_loop().run_in_executor(
            None, lane.between_passes, lambda: list(slow.passes)
        )
        await asyncio.sleep(0.05)
        slow.allowed.set()
        await asyncio.gather(*tasks)
        return await change

    assert asyncio.run(run()) == [["a"], ["b"]]
