"""What else follows from an alarm: rules that are tried out, alarms that hold others back, storms."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add what was not there; alarms that stand learn whom they are about."""
    for column in ("device", "place", "resident"):
        op.add_column("alarms", sa.Column(column, sa.Text(), nullable=True))
        op.create_index(
            f"alarms_open_{column}",
            "alarms",
            [column],
            unique=False,
            sqlite_where=sa.text("cleared_at_ms IS NULL"),
            postgresql_where=sa.text("cleared_at_ms IS NULL"),
        )
    op.create_index("alarms_of_rule", "alarms", ["rule", "raised_at_ms"], unique=False)
    connection = op.get_bind()
    for id_, body in connection.execute(sa.text("SELECT id, body FROM alarms WHERE cleared_at_ms IS NULL")).all():
        about = json.loads(body)
        connection.execute(
            sa.text("UPDATE alarms SET device = :device, place = :place, resident = :resident WHERE id = :id"),
            {"id": id_} | {column: about.get(column) for column in ("device", "place", "resident")},
        )
    op.create_table(
        "withheld",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by_alarm", sa.Integer(), nullable=False),
        sa.Column("by_type", sa.Text(), nullable=False),
        sa.Column("by_case", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "subject"),
    )
    op.create_table(
        "shadow_alarms",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("observed_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("shadow_alarms_of_rule", "shadow_alarms", ["rule", "id"], unique=False)
    op.create_table(
        "shadow_totals",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("move", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "rule_version", "move"),
    )
