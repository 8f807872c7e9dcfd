"""Each signal has a row that names its alert, so that an old alert is found by any of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SIGNALS = {
    "sqlite": ("json_extract(one.value, '$.key')", "json_each(alerts.details, '$.signals')"),
    "postgresql": (
        "one.value ->> 'key'",
        "jsonb_array_elements(alerts.details::jsonb -> 'signals')",
    ),
}


def upgrade() -> None:
    """Add the table, and the signals of the alerts that are there."""
    op.create_table(
        "alert_signals",
        Column("problem", sa.String(length=63), nullable=False),
        Column("key", sa.String(length=255), nullable=False),
        Column("alert", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("problem", "key", name=op.f("pk_alert_signals")),
        sa.ForeignKeyConstraint(
            ["alert"], ["alerts.id"], name=op.f("fk_alert_signals_alert_alerts")
        ),
    )
    key, signals = SIGNALS[op.get_context().dialect.name]
    # A signal that stands in two alerts belongs to the first, as it always did.
    op.execute(
        f"INSERT INTO alert_signals (problem, key, alert) SELECT alerts.problem, {key}, "
        f"min(alerts.id) FROM alerts, {signals} AS one GROUP BY alerts.problem, {key}"
    )
