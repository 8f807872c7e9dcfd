"""All tables of the first release, and a ledger that the database itself keeps append-only."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
REFUSAL = "the ledger is append-only"


def upgrade() -> None:
    """Create the tables."""
    _create_ledger()
    _create_files()
    _create_decisions()
    _create_alerts()
    _create_deployments()
    _create_label_queue()
    match op.get_context().dialect.name:
        case "sqlite":
            _guard_in_sqlite()
        case "postgresql":
            _guard_in_postgres()
        case other:
            message = f"The state database is SQLite or Postgres; found {other!r}."
            raise ValueError(message)


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        Column("problem", sa.String(length=63), nullable=False),
        Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("event", sa.String(length=16), nullable=False),
        Column("version", sa.String(length=255), nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("details", sa.Text(), nullable=False),
        Column("previous_hash", sa.String(length=64), nullable=False),
        Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("problem", "sequence", name=op.f("pk_ledger")),
    )


def _create_files() -> None:
    op.create_table(
        "files",
        Column("id", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("source", sa.String(length=63), nullable=False),
        Column("path", sa.Text(), nullable=False),
        Column("digest", sa.String(length=64), nullable=False),
        Column("status", sa.String(length=16), nullable=False),
        Column("reason", sa.Text()),
        Column("rows", sa.BigInteger()),
        Column("first_time", MOMENT),
        Column("last_time", MOMENT),
        Column("at", MOMENT, nullable=False),
        sa.CheckConstraint(
            "status IN ('landed', 'set_aside', 'superseded')", name=op.f("ck_files_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_files")),
    )
    op.create_index(
        "uq_files_current",
        "files",
        ["problem", "source", "path"],
        unique=True,
        sqlite_where=sa.text("status != 'superseded'"),
        postgresql_where=sa.text("status != 'superseded'"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        Column("id", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("kind", sa.String(length=63), nullable=False),
        Column("outcome", sa.String(length=63), nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("episode", sa.String(length=255)),
        Column("details", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(
        op.f("ix_decisions_problem_kind_at"), "decisions", ["problem", "kind", "at"], unique=False
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        Column("id", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("severity", sa.String(length=16), nullable=False),
        Column("cause", sa.String(length=255), nullable=False),
        Column("text", sa.Text(), nullable=False),
        Column("episode", sa.String(length=255), nullable=False),
        Column("details", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("delivered_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("problem", "episode", name=op.f("uq_alerts_problem_episode")),
    )


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        Column("problem", sa.String(length=63), nullable=False),
        Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        Column("champion", sa.String(length=64), nullable=False),
        Column("champion_version", sa.String(length=255), nullable=False),
        Column("release_folder", sa.Text(), nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("problem", "revision", name=op.f("pk_deployments")),
    )


def _create_label_queue() -> None:
    op.create_table(
        "label_queue",
        Column("id", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("identity", sa.String(length=512), nullable=False),
        Column("strategy", sa.String(length=63), nullable=False),
        Column("propensity", sa.Float(), nullable=False),
        Column("details", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("answer", sa.Text()),
        Column("answered_at", MOMENT),
        sa.CheckConstraint(
            "propensity > 0 AND propensity <= 1", name=op.f("ck_label_queue_propensity")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_queue")),
        sa.UniqueConstraint("problem", "identity", name=op.f("uq_label_queue_problem_identity")),
    )


def _guard_in_sqlite() -> None:
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER ledger_no_{event.lower()} BEFORE {event} ON ledger "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
    # INSERT OR REPLACE would delete the old row without firing the trigger above.
    op.execute(
        "CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger WHEN EXISTS (SELECT 1 FROM ledger"
        " WHERE problem = NEW.problem AND sequence = NEW.sequence) "
        f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    )


def _guard_in_postgres() -> None:
    op.execute(
        "CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()"
    )
