"""The table of deployments goes: the ledger says who served when, and is hash-chained."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the table; no release ever wrote to it."""
    op.drop_table("deployments")
