"""An alert is one cause with an end; each message about it is a row until it is delivered."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the end of a cause and the messages; no release ever wrote an alert."""
    op.drop_column("alerts", "delivered_at")
    op.add_column("alerts", Column("closed_at", MOMENT))
    op.create_table(
        "alert_messages",
        Column("id", sa.Integer(), nullable=False),
        Column("alert", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("occasion", sa.String(length=255), nullable=False),
        Column("channel", sa.String(length=16), nullable=False),
        Column("content", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("attempts", sa.Integer(), nullable=False),
        Column("next_at", MOMENT, nullable=False),
        Column("delivered_at", MOMENT),
        Column("fault", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_messages")),
        sa.ForeignKeyConstraint(
            ["alert"], ["alerts.id"], name=op.f("fk_alert_messages_alert_alerts")
        ),
        sa.UniqueConstraint(
            "alert", "occasion", "channel", name=op.f("uq_alert_messages_alert_occasion_channel")
        ),
    )
