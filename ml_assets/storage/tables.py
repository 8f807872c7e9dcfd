"""Tables of the state database."""

import sqlalchemy as sa

from ml_assets.storage.columns import JsonText, UtcMoment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("problem", sa.String(63), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("event", sa.String(16), nullable=False),
    sa.Column("version", sa.String(255), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("details", JsonText, nullable=False),
    sa.Column("previous_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String(63), nullable=False),
    sa.Column("source", sa.String(63), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("rows", sa.BigInteger),
    sa.Column("first_time", UtcMoment),
    sa.Column("last_time", UtcMoment),
    sa.Column("at", UtcMoment, nullable=False),
    sa.CheckConstraint("status IN ('landed', 'set_aside', 'superseded')", name="status"),
)
sa.Index(
    "uq_files_current",
    files.c.problem,
    files.c.source,
    files.c.path,
    unique=True,
    sqlite_where=files.c.status != "superseded",
    postgresql_where=files.c.status != "superseded",
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String(63), nullable=False),
    sa.Column("kind", sa.String(63), nullable=False),
    sa.Column("outcome", sa.String(63), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("episode", sa.String(255)),
    sa.Column("details", JsonText, nullable=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Index(None, "problem", "kind", "at"),
)

alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String(63), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("cause", sa.String(255), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("episode", sa.String(255), nullable=False),
    sa.Column("details", JsonText, nullable=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("closed_at", UtcMoment),
    sa.UniqueConstraint("problem", "episode"),
)

alert_signals = sa.Table(
    "alert_signals",
    metadata,
    sa.Column("problem", sa.String(63), primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("alert", sa.Integer, sa.ForeignKey("alerts.id"), nullable=False),
)

alert_messages = sa.Table(
    "alert_messages",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("alert", sa.Integer, sa.ForeignKey("alerts.id"), nullable=False),
    sa.Column("problem", sa.String(63), nullable=False),
    sa.Column("occasion", sa.String(255), nullable=False),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("content", JsonText, nullable=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcMoment, nullable=False),
    sa.Column("delivered_at", UtcMoment),
    sa.Column("fault", sa.Text, nullable=False),
    sa.UniqueConstraint("alert", "occasion", "channel"),
)

label_queue = sa.Table(
    "label_queue",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("problem", sa.String(63), nullable=False),
    sa.Column("identity", sa.String(512), nullable=False),
    sa.Column("request_id", sa.String(128), nullable=False),
    sa.Column("row", sa.Integer, nullable=False),
    sa.Column("event_time", UtcMoment, nullable=False),
    sa.Column("strategy", sa.String(63), nullable=False),
    sa.Column("propensity", sa.Float, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("details", JsonText, nullable=False),
    sa.Column("at", UtcMoment, nullable=False),
    sa.Column("skips", sa.Integer, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("answered_at", UtcMoment),
    sa.Column("answered_by", sa.String(255)),
    sa.Column("taken_at", UtcMoment),
    sa.UniqueConstraint("problem", "identity"),
    sa.CheckConstraint("propensity > 0 AND propensity <= 1", name="propensity"),
    sa.Index(None, "problem", "event_time"),
)
