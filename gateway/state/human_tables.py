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
"""What people decided at a gateway that does not lead, for the one that does. ``refusal``: JSON of why it was not
done."""

reported = sa.Table(
    "reported",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("digest", _text, nullable=False),
    sa.Column("case_id", _text, nullable=False),
    sa.Column("at_ms", _ms, nullable=False),
)
"""What people reported under which key, so that what is posted twice opens one case. ``digest``: of what was said."""

dc09_messages = sa.Table(
    "dc09_messages",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("account", _text, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("at_ms", _ms, nullable=False, index=True),
)
"""Which message of the outbox went to an alarm receiving centre under which sequence number, for a week."""

attachments = sa.Table(
    "attachments",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("case_id", _text, nullable=False, index=True),
    sa.Column("kind", _text, nullable=False),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("name", _text, nullable=False),
    sa.Column("media_type", _text),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("sha256", _text),
    sa.Column("body", _text, nullable=False),
)
"""What belongs to a case beside words: ``photo`` and ``voice`` with a file in the data directory named by its sha256,
``clip`` without one: where its recording is found. ``body``: what is known of it, as a line of the timeline has it."""

anchors = sa.Table(
    "anchors",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("digest", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
)
"""Once a day: the heads of the timelines that have grown, chained. The digest is told outside. See gateway.record."""

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("channel", _text, nullable=False),
    sa.Column("ref", _text, nullable=False),
    sa.Column("sender", _text, nullable=False),
    sa.Column("text", _text, nullable=False),
    sa.Column("message", _text),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("received_ms", _ms, nullable=False),
    sa.Column("person", _text),
    sa.Column("case_id", _text, index=True),
    sa.Column("answer", _text),
    sa.Column("version", sa.Integer),
    sa.Column("reason", _text, nullable=False, server_default=""),
    sa.Column("cause", _text),
    sa.Column("acted_ms", _ms),
    sa.Column("done_ms", _ms),
    sa.Column("result", _text),
    sa.Column("reply", _text, nullable=False, server_default=""),
    sa.UniqueConstraint("channel", "ref"),
    sa.Index(
        "answers_undone",
        "id",
        sqlite_where=sa.text("done_ms IS NULL"),
        postgresql_where=sa.text("done_ms IS NULL"),
    ),
)
"""What people answered, by whatever was at hand; written down before anything is done about it. ``channel`` and
``ref``: where it came in and the channel's own id of it; ``message``: the outbox's key it answers, where that is known.
``acted_ms`` is set in the transaction that carried it out, so that this happens once; ``done_ms`` when it is settled,
with ``result`` (``acted``, ``refused``, ``asked``, ``unknown_sender``, ``failed``) and the words of ``reply``."""

answer_codes = sa.Table(
    "answer_codes",
    metadata,
    sa.Column("code", _text, primary_key=True),
    sa.Column("person", _text, nullable=False),
    sa.Column("case_id", _text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("used_ms", _ms, nullable=False),
    sa.UniqueConstraint("person", "case_id"),
)
"""Digits by which a reply names its case, one per person and case. ``version``: of the case when they went out last."""

answer_links = sa.Table(
    "answer_links",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("message", _text, nullable=False, unique=True),
    sa.Column("person", _text, nullable=False),
    sa.Column("case_id", _text, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("purpose", _text, nullable=False),
    sa.Column("made_ms", _ms, nullable=False),
)
"""Links of messages. The id is chance and says nothing; without its signature it is worthless."""

login_codes = sa.Table(
    "login_codes",
    metadata,
    sa.Column("person", _text, primary_key=True),
    sa.Column("sha256", _text, nullable=False),
    sa.Column("made_ms", _ms, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
)
"""The code that was last sent to a person's registered contact, to log in to their own page."""

person_sessions = sa.Table(
    "person_sessions",
    metadata,
    sa.Column("sha256", _text, primary_key=True),
    sa.Column("person", _text, nullable=False, index=True),
    sa.Column("made_ms", _ms, nullable=False),
    sa.Column("until_ms", _ms, nullable=False),
)
"""Telephones on which a person is logged in to their own page."""

disclosures = sa.Table(
    "disclosures",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("person", _text, nullable=False, index=True),
    sa.Column("way", _text, nullable=False),
    sa.Column("what", _text, nullable=False),
    sa.Column("case_id", _text, index=True),
    sa.Column("resident", _text, index=True),
    sa.Column("basis", _text, nullable=False),
)
"""Who was shown what of whom, append only. ``basis``: ``emergency``, ``duty`` or ``consent``."""

sms_parts = sa.Table(
    "sms_parts",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("part", sa.Integer, primary_key=True),
    sa.Column("sim", _text, nullable=False),
    sa.Column("reference", sa.Integer, nullable=False),
    sa.Column("number", _text, nullable=False),
    sa.Column("sent_at_ms", _ms, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("reported_at_ms", _ms),
    sa.Index("sms_parts_reference", "sim", "reference"),
)
"""Parts of SMS that an SMS centre has taken; ``status`` is TP-ST of the newest report. See
gateway.outbox.modem.ledger."""

roster_overrides = sa.Table(
    "roster_overrides",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("made_with", _text, nullable=False),
    sa.Column("role", _text),
    sa.Column("place", _text),
    sa.Column("instead_of", _text),
    sa.Column("person", _text),
    sa.Column("begin_ms", _ms, nullable=False),
    sa.Column("until_ms", _ms, nullable=False, index=True),
    sa.Column("actor", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("made_ms", _ms, nullable=False),
    sa.Column("ended_ms", _ms),
    sa.Column("ended_by", _text),
)
"""Somebody on duty instead of somebody, made at the running gateway; applying files leaves it. ``made_with``: the
halves of a swap share it. One that was taken back before its time has ``ended_ms``; nothing is deleted."""

duty_seen = sa.Table(
    "duty_seen",
    metadata,
    sa.Column("role", _text, primary_key=True),
    sa.Column("place", _text, primary_key=True),
    sa.Column("people", _text, nullable=False),
    sa.Column("since_ms", _ms, nullable=False),
)
"""Who was on duty when the decider last looked: what differs is a change that somebody has to hear of. ``people`` is
JSON."""

handovers = sa.Table(
    "handovers",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("role", _text, nullable=False),
    sa.Column("place", _text, nullable=False),
    sa.Column("outgoing", _text, nullable=False),
    sa.Column("incoming", _text, nullable=False),
    sa.Column("cases", _text, nullable=False),
    sa.Column("at_ms", _ms, nullable=False, index=True),
    sa.Column("due_ms", _ms, index=True),
    sa.Column("receipt_ms", _ms),
    sa.Column("receipt_by", _text),
    sa.Column("escalated_ms", _ms),
)
"""Open cases that passed to whoever came on duty. ``due_ms``: until when they have to confirm it; None where nobody
waits for that. ``outgoing`` and ``cases`` are JSON."""

drills = sa.Table(
    "drills",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("test", _text),
    sa.Column("due_ms", _ms, nullable=False, index=True),
    sa.Column("state", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
    sa.UniqueConstraint("test", "due_ms"),
    sa.Index(
        "drills_unfinished",
        "due_ms",
        sqlite_where=sa.text("state IN ('ordered', 'running', 'ending')"),
        postgresql_where=sa.text("state IN ('ordered', 'running', 'ending')"),
    ),
)
"""Drills, ordered by hand or by the self-test ``test`` that was due; at last ``ended`` or ``missed``, with the report.
``body``: gateway.decider.drill_rows.Drill."""

drill_schedule = sa.Table(
    "drill_schedule",
    metadata,
    sa.Column("test", _text, primary_key=True),
    sa.Column("looked_ms", _ms, nullable=False),
)
"""Up to when it was looked which self-tests were due: what lies between and was not begun was missed."""

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("resident", _text, nullable=False),
    sa.Column("devices", _text, nullable=False),
    sa.Column("start_ms", _ms, nullable=False),
    sa.Column("end_ms", _ms, nullable=False),
    sa.Column("spans", _text, nullable=False),
    sa.Column("store", _text, nullable=False),
    sa.Column("counts", _text, nullable=False),
    sa.Column("done_ms", _ms),
)
"""Whose telemetry was erased, append only: who ordered it, why, and how much it was; nothing of what it said.
``spans``: JSON of [device, from, until], all that they observed then; no store writer writes any of it again.
``counts``: JSON.
``done_ms``: NULL while it is under way, or was broken off. See gateway.store.erasures."""
