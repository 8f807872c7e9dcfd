from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from ml_assets.core.errors import MLAssetsError
from ml_assets.storage.columns import UtcMoment, canonical_json
from ml_assets.storage.decisions import DecisionLog
from ml_assets.storage.state import State, migrations
from ml_assets.storage.tables import decisions, metadata

NOW = datetime(2024, 5, 1, 12, 30, 0, 123456, tzinfo=UTC)


def test_migrating_again_changes_nothing(state: State) -> None:
    state.migrate()
    DecisionLog(state).record("plant", "retraining", "waits", "cool-down", at=NOW)
    with closing(State(state.url)) as again:
        again.migrate()
    assert len(DecisionLog(state).recent("plant")) == 1


def test_the_migrations_give_the_tables_of_the_code(state: State) -> None:
    with state.read() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    assert found == []
    assert set(metadata.tables) < set(sa.inspect(state.engine).get_table_names())


def test_processes_may_migrate_at_once(state: State, start: Callable, finish: Callable) -> None:
    finish(*[start("migrate", state.url) for _ in range(3)])
    with state.read() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar() == 1


def test_a_database_of_a_newer_release_is_refused(state: State) -> None:
    with state.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with (
        closing(State(state.url)) as older,
        pytest.raises(MLAssetsError, match=r"9999.*newer release"),
    ):
        older.migrate()


def test_the_migrations_are_written_for_postgres_too() -> None:
    config = migrations()
    config.attributes["dialect"] = "postgresql"
    config.output_buffer = StringIO()
    command.upgrade(config, "head", sql=True)
    written = config.output_buffer.getvalue()
    assert "BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger" in written
    assert "at TIMESTAMP WITH TIME ZONE NOT NULL" in written


def test_foreign_keys_waiting_and_the_write_ahead_log_are_on(sqlite_state: State) -> None:
    with sqlite_state.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 30_000


def test_moments_come_back_in_utc_to_the_microsecond(state: State) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=-7)))
    DecisionLog(state).record("plant", "drift", "alarm", "", at=there)
    moment = DecisionLog(state).recent("plant")[0].at
    assert (moment, moment.tzinfo) == (NOW, UTC)


def test_a_moment_without_a_time_zone_is_refused(state: State) -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        UtcMoment().process_bind_param(NOW.replace(tzinfo=None), state.engine.dialect)
    with pytest.raises(sa.exc.StatementError, match="needs a time zone"):
        DecisionLog(state).record("plant", "drift", "alarm", "", at=NOW.replace(tzinfo=None))


def test_a_failed_transaction_leaves_nothing(state: State) -> None:
    def write_and_fail(connection: sa.Connection) -> None:
        values = {"problem": "plant", "kind": "k", "outcome": "o", "reason": "r", "details": {}}
        connection.execute(sa.insert(decisions).values({**values, "at": NOW}))
        message = "stop"
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="stop"):
        state.write(write_and_fail)
    assert DecisionLog(state).recent("plant") == []


def test_canonical_json_has_one_form() -> None:
    assert canonical_json({"b": 1.5, "a": "é"}) == '{"a":"\\u00e9","b":1.5}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})
