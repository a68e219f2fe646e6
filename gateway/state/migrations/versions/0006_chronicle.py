"""What the telemetry store was told of cases and alarms, and when the fate of a message was final."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Messages of before are final since their last attempt ended."""
    op.create_table(
        "chronicled",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("store", "what", "id"),
    )
    op.add_column("outbox", sa.Column("ended_at_ms", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE outbox SET ended_at_ms = COALESCE("
        "(SELECT max(a.ended_at_ms) FROM outbox_attempts AS a WHERE a.key = outbox.key), created_at_ms)"
        " WHERE status IN ('delivered', 'failed', 'withdrawn')"
    )
    op.create_index("outbox_ended", "outbox", ["ended_at_ms"], unique=False)
