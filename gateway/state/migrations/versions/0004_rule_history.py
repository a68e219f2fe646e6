"""Every text a rule ever had, and who gave it which."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the table; the rules that are in force stand in it from the beginning."""
    history = op.create_table(
        "rule_history",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("rule_history_of_rule", "rule_history", ["rule", "id"], unique=False)
    connection = op.get_bind()
    applied = connection.execute(
        sa.text("SELECT applied_at_ms, actor FROM registry_revisions ORDER BY revision DESC LIMIT 1")
    ).one_or_none()
    rules = connection.execute(sa.text("SELECT id, body FROM registry WHERE section = 'rules' ORDER BY id")).all()
    if applied is not None and rules:
        op.bulk_insert(
            history,
            [
                {
                    "rule": rule.id,
                    "version": json.loads(rule.body)["version"],
                    "at_ms": applied.applied_at_ms,
                    "actor": applied.actor,
                    "what": "applied",
                    "document": rule.body,
                    "summary": "",
                }
                for rule in rules
            ],
        )
