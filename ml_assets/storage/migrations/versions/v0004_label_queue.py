"""The labelling queue knows the request, the reason, who answered, and what became of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table anew; no release ever wrote to it."""
    op.drop_table("label_queue")
    op.create_table(
        "label_queue",
        Column("id", sa.Integer(), nullable=False),
        Column("problem", sa.String(length=63), nullable=False),
        Column("identity", sa.String(length=512), nullable=False),
        Column("request_id", sa.String(length=128), nullable=False),
        Column("row", sa.Integer(), nullable=False),
        Column("event_time", MOMENT, nullable=False),
        Column("strategy", sa.String(length=63), nullable=False),
        Column("propensity", sa.Float(), nullable=False),
        Column("why", sa.Text(), nullable=False),
        Column("details", sa.Text(), nullable=False),
        Column("at", MOMENT, nullable=False),
        Column("skips", sa.Integer(), nullable=False),
        Column("answer", sa.Text()),
        Column("answered_at", MOMENT),
        Column("answered_by", sa.String(length=255)),
        Column("taken_at", MOMENT),
        sa.CheckConstraint(
            "propensity > 0 AND propensity <= 1", name=op.f("ck_label_queue_propensity")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label_queue")),
        sa.UniqueConstraint("problem", "identity", name=op.f("uq_label_queue_problem_identity")),
    )
    op.create_index(
        op.f("ix_label_queue_problem_event_time"), "label_queue", ["problem", "event_time"]
    )
