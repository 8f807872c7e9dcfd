"""The worker's lane: what waits is taken at once, what is too much is turned away."""

import asyncio
import threading

import pytest

from bentos.predictor.lane import SHORT_SECONDS, Lane, Unavailable


class Slow:
    """Answers a pass when it is allowed to, and keeps what each pass held."""

    def __init__(self):
        self.passes = []
        self.begun, self.allowed = threading.Event(), threading.Event()

    def __call__(self, asked):
        self.begun.set()
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


async def asked(lane, slow, *names, size=1):
    """Ask in the given order; the worker has taken the first one alone, the others wait."""
    first, *others = names
    tasks = [asyncio.ensure_future(lane.ask(first, size=size))]
    await asyncio.get_running_loop().run_in_executor(None, slow.begun.wait, 30)
    tasks += [asyncio.ensure_future(lane.ask(name, size=size)) for name in others]
    await waiting(lane, len(others))
    return tasks


async def waiting(lane, count):
    """Return when so much waits for the worker."""
    while lane._queue.qsize() < count:
        await asyncio.sleep(0.001)


def test_what_waits_is_answered_in_one_pass(lane, slow):
    async def run():
        tasks = await asked(lane, slow, "a", "b", "c")
        slow.allowed.set()
        return await asyncio.gather(*tasks)

    assert asyncio.run(run()) == ["A", "B", "C"]
    assert slow.passes == [["a"], ["b", "c"]]


def test_large_requests_do_not_share_a_pass(lane, slow):
    async def run():
        tasks = await asked(lane, slow, "a", "b", "c", size=10)
        slow.allowed.set()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    assert slow.passes == [["a"], ["b"], ["c"]]


def test_beyond_the_capacity_requests_are_turned_away(lane, slow):
    async def run():
        tasks = await asked(lane, slow, *"abcd")
        with pytest.raises(Unavailable, match="Too many"):
            await lane.ask("e", size=1)
        slow.allowed.set()
        await asyncio.gather(*tasks)
        return await lane.ask("f", size=1)

    assert asyncio.run(run()) == "F"


def test_draining_answers_what_was_taken_and_takes_nothing_more(lane, slow):
    async def run():
        tasks = await asked(lane, slow, "a", "b")
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
        tasks = await asked(lane, slow, "a", "b", "c")
        tasks[1].cancel()
        await asyncio.sleep(0)
        slow.allowed.set()
        await asyncio.gather(tasks[0], tasks[2])
        return await lane.ask("d", size=1)  # its place is free again

    asyncio.run(run())
    assert slow.passes == [["a"], ["c"], ["d"]]


def test_an_error_fails_its_pass_and_no_other(lane, slow):
    async def run():
        tasks = await asked(lane, slow, "a", "bad", "b")
        slow.allowed.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        return [*found, await lane.ask("c", size=1)]

    first, second, third, last = asyncio.run(run())
    assert (first, last) == ("A", "C")
    assert isinstance(second, ValueError)
    assert isinstance(third, ValueError)


def test_a_change_happens_between_two_passes(lane, slow):
    async def run():
        tasks = await asked(lane, slow, "a", "b")
        change = asyncio.get_running_loop().run_in_executor(
            None, lane.between_passes, lambda: list(slow.passes)
        )
        await waiting(lane, 2)
        slow.allowed.set()
        await asyncio.gather(*tasks)
        return await change

    assert asyncio.run(run()) == [["a"], ["b"]]


class Threads:
    """Answers with the thread it ran in, after some time on a clock of its own."""

    def __init__(self):
        self.now = self.seconds = 0.0
        self.passes = []

    def clock(self):
        return self.now

    def __call__(self, asked):
        self.passes.append(list(asked))
        self.now += self.seconds
        if "bad" in asked:
            message = "bad"
            raise ValueError(message)
        return [threading.current_thread() for _ in asked]


@pytest.fixture
def answer(monkeypatch):
    made = Threads()
    monkeypatch.setattr("bentos.predictor.lane.perf_counter", made.clock)
    return made


@pytest.fixture
def short(answer):
    made = Lane(answer, capacity=9, pass_size=10, short_size=5)
    yield made
    made.close()


def test_a_short_pass_is_computed_in_the_event_loop_and_a_large_one_is_not(short):
    async def run():
        return await short.ask("a", size=5), await short.ask("b", size=6)

    here, elsewhere = asyncio.run(run())
    assert here is threading.current_thread()
    assert elsewhere is not here


def test_what_comes_together_is_one_pass_in_the_event_loop(short, answer):
    async def run():
        await asyncio.gather(*(short.ask(name, size=1) for name in "abc"))

    asyncio.run(run())
    assert answer.passes == [["a", "b", "c"]]


def test_passes_that_turn_out_long_leave_the_event_loop(short, answer):
    answer.seconds = 3 * SHORT_SECONDS

    async def run():
        return await short.ask("a", size=1), await short.ask("b", size=1)

    first, second = asyncio.run(run())
    assert first is threading.current_thread()
    assert second is not first


def test_passes_that_turn_out_short_come_back_to_the_event_loop(short, answer):
    answer.seconds = 3 * SHORT_SECONDS

    async def run():
        await short.ask("a", size=4)
        answer.seconds = 0.0
        sizes = (("b", 2), ("c", 3), ("d", 3))
        threads = [await short.ask(name, size=size) for name, size in sizes]
        return [thread is threading.current_thread() for thread in threads]

    assert asyncio.run(run()) == [True, False, True]


def test_an_error_in_the_event_loop_fails_its_pass_and_no_other(short):
    async def run():
        with pytest.raises(ValueError, match="bad"):
            await short.ask("bad", size=1)
        return await short.ask("a", size=1)

    assert isinstance(asyncio.run(run()), threading.Thread)


def test_the_event_loop_does_not_wait_for_a_change(short):
    begun, over = threading.Event(), threading.Event()

    def change():
        begun.set()
        return over.wait(30)

    async def run():
        loop = asyncio.get_running_loop()
        changed = loop.run_in_executor(None, short.between_passes, change)
        await loop.run_in_executor(None, begun.wait, 30)
        asking = asyncio.ensure_future(short.ask("a", size=1))
        await asyncio.sleep(0.05)
        assert not asking.done()
        over.set()
        return await changed, await asking

    changed, answered_in = asyncio.run(run())
    assert changed
    assert answered_in is not threading.current_thread()
