import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_assets.storage.lake import Lake
from ml_assets.storage.state import State
from ml_assets_tests.storage.postgres import postgres_database

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "a lake"))


@pytest.fixture
def sqlite_state(tmp_path: Path) -> Iterator[State]:
    state = State(f"sqlite:///{tmp_path / 'state.db'}")
    yield state
    state.close()


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """SQLAlchemy URL of an empty database, which is dropped afterwards."""
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def state(request: pytest.FixtureRequest) -> Iterator[State]:
    """The state database, once in SQLite and once in Postgres."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_state")
        return
    state = State(request.getfixturevalue("postgres_url"))
    yield state
    state.close()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start ``other_process`` with arguments; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "ml_assets_tests.storage.other_process"]
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def finish() -> Callable[..., list[str]]:
    """Wait for processes, which must succeed, and return what they wrote."""

    def wait(*processes: subprocess.Popen[str]) -> list[str]:
        written = []
        for process in processes:
            out, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
            written.append(out)
        return written

    return wait
