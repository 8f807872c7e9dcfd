import random
import subprocess
import time
from collections.abc import Callable

import pytest
from deltalake import DeltaTable

from ml_assets.core.errors import LakeError
from ml_assets.storage import delta_tables
from ml_assets.storage.delta_tables import DeltaTables
from ml_assets.storage.lake import Lake
from ml_assets_tests.storage.lake_rows import ROWS_A_DAY, one, rows
from ml_assets_tests.storage.test_lake import TABLE, counts

Start = Callable[..., subprocess.Popen[str]]
Finish = Callable[..., list[str]]


def is_whole(lake: Lake) -> bool:
    """Say whether each day has all its rows, of one replacement."""
    found = counts(lake)
    return all(count == ROWS_A_DAY and len(values) == 1 for count, values in found.values())


def test_processes_replace_different_dates_at_once_and_readers_see_whole_ones(
    lake: Lake, start: Start, finish: Finish
) -> None:
    lake.replace(TABLE, rows(1, 2, 3))
    writers = [start("replace", lake.root, number, 5) for number in (1, 2)]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        assert is_whole(lake)
        reads += 1
    finish(*writers)
    assert reads > 3
    assert counts(lake) == {1: (50, {4.0}), 2: (50, {4.0}), 3: (50, {0.0})}
    assert lake.version(TABLE) == 11


def test_processes_that_replace_the_same_date_take_turns(
    lake: Lake, start: Start, finish: Finish
) -> None:
    finish(*[start("replace", lake.root, 1, 4) for _ in range(2)])
    assert is_whole(lake)
    assert lake.version(TABLE) == 8


def test_a_kill_in_mid_write_loses_nothing(lake: Lake, start: Start) -> None:
    chance = random.Random(7)  # noqa: S311
    lake.replace(TABLE, rows(1, 2))
    for _ in range(2):
        before = lake.version(TABLE)
        writer = start("replace", lake.root, 1, 100_000)
        while lake.version(TABLE) == before:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.1))
        writer.kill()
        writer.wait()
        assert is_whole(lake)
    lake.replace(TABLE, rows(1, value=-1.0), dates=one(1))
    assert counts(lake)[1] == (50, {-1.0})


def lose(lake: Lake, times: int) -> tuple[int, int]:
    """Commit while another writer is faster so many times; return the version and the attempts."""
    tables = DeltaTables(lake.root)
    attempts = 0

    def write(handle: DeltaTable) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= times:
            lake.replace(TABLE, rows(1, value=5.0), dates=one(1))
        tables.overwrite(handle, rows(1, value=9.0), where="_date = '2024-01-01'")

    return tables.commit(TABLE, write), attempts


def test_a_commit_that_lost_the_race_is_made_again(lake: Lake) -> None:
    lake.replace(TABLE, rows(1))
    assert lose(lake, times=2) == (lake.version(TABLE), 3)
    assert counts(lake) == {1: (50, {9.0})}


def test_a_commit_that_always_loses_says_so(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_tables, "COMMIT_ATTEMPTS", 2)
    lake.replace(TABLE, rows(1))
    with pytest.raises(LakeError, match="other writers during each of 2 attempts"):
        lose(lake, times=2)
    assert counts(lake) == {1: (50, {5.0})}
