import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ml_assets.core.errors import LedgerError
from ml_assets.storage.ledger import FIRST_HASH, Event, Ledger
from ml_assets.storage.state import State
from ml_assets.storage.tables import ledger as table

START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(state: State) -> Ledger:
    return Ledger(state)


def tell(ledger: Ledger, *moves: tuple[Event, str]) -> None:
    """Record moves, one an hour."""
    first = len(ledger.entries("plant"))
    for hour, (event, version) in enumerate(moves, start=first):
        at = START + timedelta(hours=hour)
        ledger.record("plant", event, version, reason="test", details={"mae": 0.5}, at=at)


def test_entries_are_chained_for_each_problem(ledger: Ledger) -> None:
    tell(ledger, ("trained", "v1"), ("promoted", "v1"))
    other = ledger.record("mill", "trained", "v1", reason="test", at=START)
    first, second = ledger.entries("plant")
    assert (first.sequence, first.previous_hash) == (1, FIRST_HASH)
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    assert (other.sequence, other.previous_hash) == (1, FIRST_HASH)
    ledger.verify("plant")


def test_the_champion_is_known_for_every_moment(ledger: Ledger) -> None:
    tell(ledger, ("trained", "v1"), ("promoted", "v1"), ("promoted", "v2"), ("rolled_back", "v1"))
    served = [ledger.champion("plant", START + timedelta(hours=hour)) for hour in range(4)]
    assert [entry and entry.version for entry in served] == [None, "v1", "v2", "v1"]
    just_before = START + timedelta(hours=2, microseconds=-1)
    assert ledger.champion("plant", just_before).version == "v1"
    assert ledger.champion("plant").event == "rolled_back"
    assert ledger.champion("mill") is None


def test_a_challenger_waits_until_it_is_decided_on(ledger: Ledger) -> None:
    assert ledger.challenger("plant") is None
    tell(ledger, ("trained", "v1"), ("promoted", "v1"), ("trained", "v2"), ("challenged", "v2"))
    assert ledger.challenger("plant").version == "v2"
    tell(ledger, ("kept", "v2"))
    assert ledger.challenger("plant") is None


def test_only_a_version_that_served_is_rolled_back_to(ledger: Ledger) -> None:
    tell(ledger, ("trained", "v1"), ("promoted", "v1"), ("trained", "v2"))
    with pytest.raises(LedgerError, match="'v2', which never served"):
        tell(ledger, ("rolled_back", "v2"))
    assert len(ledger.entries("plant")) == 3


def test_unknown_events_and_details_without_json_are_refused(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="Did you mean 'promoted'"):
        ledger.record("plant", "promote", "v1", reason="", at=START)
    with pytest.raises(LedgerError, match="JSON"):
        ledger.record("plant", "trained", "v1", reason="", details={"x": float("nan")}, at=START)


@pytest.mark.parametrize(
    "statement",
    ["UPDATE ledger SET version = 'v9'", "DELETE FROM ledger"],
)
def test_the_database_refuses_to_rewrite_history(
    ledger: Ledger, state: State, statement: str
) -> None:
    tell(ledger, ("trained", "v1"), ("promoted", "v1"))
    before = ledger.entries("plant")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), state.engine.begin() as raw:
        raw.execute(sa.text(statement))
    assert ledger.entries("plant") == before


def test_sqlite_refuses_to_replace_history(sqlite_state: State) -> None:
    ledger = Ledger(sqlite_state)
    tell(ledger, ("trained", "v1"))
    replace_first = "INSERT OR REPLACE INTO ledger SELECT * FROM ledger WHERE sequence = 1"
    with (
        pytest.raises(sa.exc.IntegrityError, match="append-only"),
        sqlite_state.engine.begin() as raw,
    ):
        raw.execute(sa.text(replace_first))


def test_postgres_refuses_to_empty_history(postgres_url: str) -> None:
    state = State(postgres_url)
    tell(Ledger(state), ("trained", "v1"))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), state.engine.begin() as raw:
        raw.execute(sa.text("TRUNCATE ledger"))
    assert len(Ledger(state).entries("plant")) == 1
    state.close()


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("UPDATE ledger SET version = 'v9' WHERE sequence = 2", "entry 2.*was changed"),
        ("UPDATE ledger SET details = '{\"mae\":0.4}' WHERE sequence = 1", "entry 1.*was changed"),
        ("UPDATE ledger SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 3", "entry 3.*was"),
        ("DELETE FROM ledger WHERE sequence = 2", "entry 3.*entry 2 is missing"),
        ("UPDATE ledger SET previous_hash = hash WHERE sequence = 2", "entry 2.*does not follow"),
        ("UPDATE ledger SET details = '{' WHERE sequence = 2", "no entry was written with"),
    ],
)
def test_tampering_below_the_database_is_found(
    sqlite_state: State, tmp_path: Path, statement: str, names: str
) -> None:
    ledger = Ledger(sqlite_state)
    tell(ledger, ("trained", "v1"), ("promoted", "v1"), ("trained", "v2"))
    with sqlite3.connect(tmp_path / "state.db") as raw:
        raw.execute("DROP TRIGGER ledger_no_update")
        raw.execute("DROP TRIGGER ledger_no_delete")
        assert raw.execute(statement).rowcount == 1
    raw.close()
    with pytest.raises(LedgerError, match=names):
        ledger.verify("plant")


def test_processes_do_not_fork_the_chain(
    ledger: Ledger, state: State, start: Callable, finish: Callable
) -> None:
    finish(*[start("record", state.url, name, 20) for name in ("a", "b")])
    ledger.verify("plant")
    versions = [entry.version for entry in ledger.entries("plant")]
    assert sorted(versions) == sorted(f"{name}{place}" for name in "ab" for place in range(20))


def test_a_lost_race_is_run_again(ledger: Ledger, state: State) -> None:
    """Where writers do not wait for each other, the key refuses the second one."""
    tell(ledger, ("trained", "v1"))
    [first] = ledger.entries("plant")
    calls = []

    def collide(connection: sa.Connection) -> int:
        calls.append(len(calls))
        values = {name: getattr(first, name) for name in table.columns.keys()}  # noqa: SIM118
        sequence = 1 if len(calls) == 1 else 2
        connection.execute(sa.insert(table).values({**values, "sequence": sequence}))
        return sequence

    assert state.write(collide) == 2
    assert calls == [0, 1]


def test_the_export_can_be_checked_by_anyone(ledger: Ledger, tmp_path: Path) -> None:
    tell(ledger, ("trained", "v1"), ("promoted", "v1"))
    assert ledger.export("plant", tmp_path / "out" / "ledger.jsonl") == 2
    lines = (tmp_path / "out" / "ledger.jsonl").read_text("utf-8").splitlines()
    exported = [json.loads(line) for line in lines]
    assert [line["hash"] for line in exported] == [e.hash for e in ledger.entries("plant")]
    assert exported[1]["at"] == "2024-01-01T01:00:00.000000+00:00"
