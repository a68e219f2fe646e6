"""The human side: answers, duty, attachments, drills."""

import json

import sqlalchemy as sa
from alembic import op

from gateway.cases import chain

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what was not there."""
    _sms()
    _several_gateways()
    _duty()
    _answers()
    _record()
    _reports()
    _outside()
    _drills()


def _several_gateways() -> None:
    op.create_table(
        "gateways",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.create_table(
        "leadership",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("decided_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "decided",
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("ix_decided_at_ms", "decided", ["at_ms"], unique=False)
    op.create_table(
        "relayed",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_at_ms", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "relayed_waiting",
        "relayed",
        ["at_ms"],
        unique=False,
        sqlite_where=sa.text("done_at_ms IS NULL"),
        postgresql_where=sa.text("done_at_ms IS NULL"),
    )


def _outside() -> None:
    op.create_table(
        "dc09_messages",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_dc09_messages_at_ms", "dc09_messages", ["at_ms"], unique=False)


def _reports() -> None:
    op.create_table(
        "reported",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )


def _record() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_attachments_case_id", "attachments", ["case_id"], unique=False)
    op.create_table(
        "anchors",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    with op.batch_alter_table("timeline") as timeline:
        timeline.add_column(sa.Column("hash", sa.Text(), nullable=True))
    with op.batch_alter_table("cases") as cases:
        cases.add_column(sa.Column("timeline_head", sa.Text(), nullable=True))
        cases.add_column(sa.Column("timeline_lines", sa.Integer(), nullable=True))
        cases.add_column(sa.Column("timeline_before", sa.Integer(), nullable=False, server_default="0"))
        cases.add_column(sa.Column("anchored_lines", sa.Integer(), nullable=False, server_default="0"))
    _begin_chains(op.get_bind())
    with op.batch_alter_table("timeline") as timeline:
        timeline.alter_column("hash", existing_type=sa.Text(), nullable=False)
    with op.batch_alter_table("cases") as cases:
        cases.alter_column("timeline_head", existing_type=sa.Text(), nullable=False)
        cases.alter_column("timeline_lines", existing_type=sa.Integer(), nullable=False)


def _begin_chains(connection: sa.Connection) -> None:
    """What was written before there was a chain is chained now: it shows what is changed from here on."""
    link = sa.text("UPDATE timeline SET hash = :hash WHERE case_id = :case AND seq = :seq")
    head = sa.text(
        "UPDATE cases SET timeline_head = :head, timeline_lines = :lines, timeline_before = :lines WHERE id = :case"
    )
    of_case = sa.text("SELECT seq, at_ms, actor, what, reason, data FROM timeline WHERE case_id = :case ORDER BY seq")
    for case in connection.execute(sa.text("SELECT id, number FROM cases")).all():
        lines = connection.execute(of_case, {"case": case.id}).all()
        newest = chain.origin(case.id, case.number, len(lines))
        for line in lines:
            said = json.loads(line.data)
            newest = chain.link(newest, case.id, line.seq, line.at_ms, line.actor, line.what, line.reason, said)
            connection.execute(link, {"hash": newest, "case": case.id, "seq": line.seq})
        connection.execute(head, {"head": newest, "lines": len(lines), "case": case.id})


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("acted_ms", sa.BigInteger(), nullable=True),
        sa.Column("done_ms", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("channel", "ref"),
    )
    op.create_index("ix_answers_case_id", "answers", ["case_id"], unique=False)
    undone = sa.text("done_ms IS NULL")
    op.create_index("answers_undone", "answers", ["id"], unique=False, sqlite_where=undone, postgresql_where=undone)
    op.create_table(
        "answer_codes",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("code"),
        sa.UniqueConstraint("person", "case_id"),
    )
    op.create_index("ix_answer_codes_case_id", "answer_codes", ["case_id"], unique=False)
    op.create_table(
        "answer_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message"),
    )
    op.create_index("ix_answer_links_case_id", "answer_links", ["case_id"], unique=False)
    op.create_table(
        "login_codes",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("person"),
    )
    op.create_table(
        "person_sessions",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("ix_person_sessions_person", "person_sessions", ["person"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("way", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("resident", sa.Text(), nullable=True),
        sa.Column("basis", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for column in ("person", "case_id", "resident"):
        op.create_index(f"ix_disclosures_{column}", "disclosures", [column], unique=False)


def _sms() -> None:
    op.create_table(
        "sms_parts",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("sim", sa.Text(), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("sent_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reported_at_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", "part"),
    )
    op.create_index("sms_parts_reference", "sms_parts", ["sim", "reference"], unique=False)


def _duty() -> None:
    op.create_table(
        "roster_overrides",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("made_with", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("instead_of", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("begin_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_roster_overrides_until_ms", "roster_overrides", ["until_ms"], unique=False)
    op.create_table(
        "duty_seen",
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("people", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("role", "place"),
    )
    op.create_table(
        "handovers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("outgoing", sa.Text(), nullable=False),
        sa.Column("incoming", sa.Text(), nullable=False),
        sa.Column("cases", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=True),
        sa.Column("receipt_ms", sa.BigInteger(), nullable=True),
        sa.Column("receipt_by", sa.Text(), nullable=True),
        sa.Column("escalated_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_handovers_at_ms", "handovers", ["at_ms"], unique=False)
    op.create_index("ix_handovers_due_ms", "handovers", ["due_ms"], unique=False)


def _drills() -> None:
    op.create_table(
        "drills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("test", sa.Text(), nullable=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("test", "due_ms"),
    )
    op.create_index("ix_drills_due_ms", "drills", ["due_ms"], unique=False)
    unfinished = sa.text("state IN ('ordered', 'running', 'ending')")
    op.create_index(
        "drills_unfinished", "drills", ["due_ms"], unique=False, sqlite_where=unfinished, postgresql_where=unfinished
    )
    op.create_table(
        "drill_schedule",
        sa.Column("test", sa.Text(), nullable=False),
        sa.Column("looked_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("test"),
    )
    with op.batch_alter_table("outbox") as outbox:
        outbox.add_column(sa.Column("drill", sa.Boolean(), nullable=False, server_default=sa.false()))
