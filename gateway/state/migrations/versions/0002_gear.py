"""Off-the-shelf gear and the life of a device: candidates, history, care, keys, states as heard last."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what was not there; nothing that stands is changed."""
    op.add_column("registry", sa.Column("origin", sa.Text(), nullable=False, server_default="file"))
    op.add_column("device_states", sa.Column("model", sa.Text(), nullable=True))
    op.add_column("device_states", sa.Column("states", sa.Text(), nullable=True))
    op.add_column("device_states", sa.Column("states_ms", sa.Text(), nullable=True))
    op.create_table(
        "device_care",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("clock_offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("settle_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "device_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_device_history_device", "device_history", ["device"], unique=False)
    op.create_table(
        "candidates",
        sa.Column("bridge", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_source", sa.Text(), nullable=False),
        sa.Column("last_payload", sa.Text(), nullable=False),
        sa.Column("dismissed_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("bridge", "address"),
    )
    op.create_table(
        "push_keys",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("sender"),
    )
