"""Further tables of the state database, of the human side: answers, duty, attachments, drills."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.state.tables import metadata

_ms = sa.BigInteger
_text = sa.Text

gateways = sa.Table(
    "gateways",
    metadata,
    sa.Column("gateway", _text, primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),
    sa.Column("url", _text, nullable=False),
    sa.Column("seen_ms", _ms, nullable=False),
)
"""Every gateway that works on this database. See gateway.state.leadership."""

leadership = sa.Table(
    "leadership",
    metadata,
    sa.Column("name", _text, primary_key=True),
    sa.Column("holder", _text, nullable=False),
    sa.Column("instance", _text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("decided_ms", _ms, nullable=False),
)
"""One row: which gateway decides and speaks. ``instance``: its process, empty where it gave the lead up; ``beat`` grows
while it lives; ``decided_ms``: up to when it has decided what was received."""

decided = sa.Table(
    "decided",
    metadata,
    sa.Column("message_id", _text, primary_key=True),
    sa.Column("at_ms", _ms, nullable=False, index=True),
)
"""Urgent messages that the leader has decided, for the hour that another gateway needs to know; only where there is
another one."""

relayed = sa.Table(
    "relayed",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("case_id", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
    sa.Column("gateway", _text, nullable=False),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("done_at_ms", _ms),
    sa.Column("refusal", _text),
    sa.Index(
        "relayed_waiting",
        "at_ms",
        sqlite_where=sa.text("done_at_ms IS NULL"),
        postgresql_where=sa.text("done_at_ms IS NULL"),
    ),
)
"""What people decided at a gateway that does not lead, for the one that does. ``refusal``: JSON of why it was not done."""
