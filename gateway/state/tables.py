"""Every table of the state database, in one place. SQLite and PostgreSQL run the same SQL.

Instants are BIGINT milliseconds since the epoch, UTC (``*_ms``). Bodies are JSON text of their record.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

_ms = sa.BigInteger
_text = sa.Text

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("value", _text, nullable=False),
)
"""Single values: the community, the case counter of the year, the registry revision."""

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("reader", _text, primary_key=True),
    sa.Column("lane", _text, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)
"""How far each journal reader has come; the decider's moves in the transaction of its decisions."""

registry = sa.Table(
    "registry",
    metadata,
    sa.Column("section", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("body", _text, nullable=False),
    sa.Column("origin", _text, nullable=False, server_default="file"),
)
"""The community as applied: one row per place, person, resident, bridge, device, rule, ladder, roster, channel.

``origin``: ``file``, or ``desk`` for a device that was added or changed at the running gateway, and for a place or a
resident that was given attributes there: applying the files again keeps the device, and these attributes. ``away``
for a resident who was said to be away and is otherwise as in the files: applying them keeps the absence alone."""

registry_revisions = sa.Table(
    "registry_revisions",
    metadata,
    sa.Column("revision", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("applied_at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("summary", _text, nullable=False),
)

rule_history = sa.Table(
    "rule_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rule", _text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("what", _text, nullable=False),
    sa.Column("document", _text, nullable=False),
    sa.Column("summary", _text, nullable=False),
    sa.Index("rule_history_of_rule", "rule", "id"),
)
"""Every text a rule ever had, append only: what an alarm's ``rule_version`` said can always be found. ``what``:
applied, created, edited, enabled, disabled, shadowed, live, restored, deleted, removed; ``document``: the rule as it
was from then on, of a deleted one as it was last; ``summary``: what differs from the line before."""

rule_states = sa.Table(
    "rule_states",
    metadata,
    sa.Column("rule", _text, primary_key=True),
    sa.Column("subject", _text, primary_key=True),
    sa.Column("body", _text, nullable=False),
)
"""What each rule remembers about each subject; saved in the transaction of the decision it led to."""

device_states = sa.Table(
    "device_states",
    metadata,
    sa.Column("device", _text, primary_key=True),
    sa.Column("last_seen_ms", _ms, nullable=False),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("battery", sa.Float),
    sa.Column("rssi", sa.Float),
    sa.Column("firmware", _text),
    sa.Column("model", _text),
    sa.Column("clock_offset_ms", _ms),
    sa.Column("states", _text),
    sa.Column("states_ms", _text),
)
"""Each device's health by its own messages. ``states``: a JSON object of the kind's states (0 or 1) as heard last; with
what the journal holds beyond the decider's cursor it is what `devices.gear.memory` is restored from. ``states_ms``:
when each was received."""

device_care = sa.Table(
    "device_care",
    metadata,
    sa.Column("device", _text, primary_key=True),
    sa.Column("mode", _text, nullable=False),
    sa.Column("since_ms", _ms, nullable=False),
    sa.Column("until_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("clock_offset_ms", _ms),
    sa.Column("settle_ms", _ms),
)
"""Devices that are being worked on: ``maintenance`` or ``test``. Always with an end; past it the row only says which
late messages belong to it. ``clock_offset_ms``: how far the device's clock was off before. ``settle_ms``: when the
decider has to look which alarms that were told to nobody still hold; NULL when that is done."""

device_history = sa.Table(
    "device_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("device", _text, nullable=False, index=True),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("what", _text, nullable=False),
    sa.Column("detail", _text, nullable=False),
)
"""The life of a device, append only: added, changed, replaced, maintenance, new firmware, retired. ``detail``: JSON."""

candidates = sa.Table(
    "candidates",
    metadata,
    sa.Column("bridge", _text, primary_key=True),
    sa.Column("address", _text, primary_key=True),
    sa.Column("profile", _text, nullable=False),
    sa.Column("kind", _text),
    sa.Column("name", _text, nullable=False),
    sa.Column("vendor", _text, nullable=False),
    sa.Column("model", _text, nullable=False),
    sa.Column("firmware", _text, nullable=False),
    sa.Column("first_ms", _ms, nullable=False),
    sa.Column("last_ms", _ms, nullable=False),
    sa.Column("heard", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_source", _text, nullable=False),
    sa.Column("last_payload", _text, nullable=False),
    sa.Column("dismissed_at_ms", _ms),
)
"""Gear that spoke or was described and is not registered: what an adoption starts from. ``bridge`` is ``native`` for
gear of the native protocol. ``heard``: how often it spoke itself."""

push_keys = sa.Table(
    "push_keys",
    metadata,
    sa.Column("sender", _text, primary_key=True),
    sa.Column("sha256", _text, nullable=False),
    sa.Column("created_at_ms", _ms, nullable=False),
    sa.Column("revoked_at_ms", _ms),
)
"""The key of each device or bridge that may push over HTTP."""

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rule", _text, nullable=False),
    sa.Column("rule_version", sa.Integer, nullable=False),
    sa.Column("subject", _text, nullable=False),
    sa.Column("type", _text, nullable=False),
    sa.Column("severity", _text, nullable=False),
    sa.Column("observed_at_ms", _ms, nullable=False),
    sa.Column("raised_at_ms", _ms, nullable=False),
    sa.Column("cleared_at_ms", _ms),
    sa.Column("repeats", sa.Integer, nullable=False, server_default="0"),
    sa.Column("case_id", _text, nullable=False, index=True),
    sa.Column("body", _text, nullable=False),
    sa.Column("device", _text),
    sa.Column("place", _text),
    sa.Column("resident", _text),
    sa.Index(
        "alarms_one_open",
        "rule",
        "subject",
        unique=True,
        sqlite_where=sa.text("cleared_at_ms IS NULL"),
        postgresql_where=sa.text("cleared_at_ms IS NULL"),
    ),
    *(
        sa.Index(
            f"alarms_open_{where}",
            where,
            sqlite_where=sa.text("cleared_at_ms IS NULL"),
            postgresql_where=sa.text("cleared_at_ms IS NULL"),
        )
        for where in ("device", "place", "resident")
    ),
    sa.Index("alarms_of_rule", "rule", "raised_at_ms"),
)
"""``device``, ``place``, ``resident``: whom it is about, for alarms that hold others back. NULL in rows that had ended
before there were these columns."""

withheld = sa.Table(
    "withheld",
    metadata,
    sa.Column("rule", _text, primary_key=True),
    sa.Column("subject", _text, primary_key=True),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("by_alarm", sa.Integer, nullable=False),
    sa.Column("by_type", _text, nullable=False),
    sa.Column("by_case", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
)
"""Alarms that hold and of which nobody is told while another one stands (``by_…``). ``at_ms``: since when; ``body``:
the AlarmChange as it was decided last."""

shadow_alarms = sa.Table(
    "shadow_alarms",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rule", _text, nullable=False),
    sa.Column("rule_version", sa.Integer, nullable=False),
    sa.Column("subject", _text, nullable=False),
    sa.Column("move", _text, nullable=False),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("observed_at_ms", _ms, nullable=False),
    sa.Column("device", _text),
    sa.Column("type", _text, nullable=False),
    sa.Column("severity", _text, nullable=False),
    sa.Column("explanation", _text, nullable=False),
    sa.Column("body", _text, nullable=False),
    sa.Index("shadow_alarms_of_rule", "rule", "id"),
)
"""What rules decided that are only tried out. Append only; of each rule the newest are kept."""

shadow_totals = sa.Table(
    "shadow_totals",
    metadata,
    sa.Column("rule", _text, primary_key=True),
    sa.Column("rule_version", sa.Integer, primary_key=True),
    sa.Column("move", _text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""How much each version of such a rule has decided since it is tried out, with what is not kept any more."""

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", _text, primary_key=True),
    sa.Column("number", _text, nullable=False, unique=True),
    sa.Column("stage", _text, nullable=False),
    sa.Column("open", sa.Boolean, nullable=False, index=True),
    sa.Column("severity", _text, nullable=False),
    sa.Column("place", _text),
    sa.Column("resident", _text),
    sa.Column("opened_at_ms", _ms, nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("body", _text, nullable=False),
    sa.Column("timeline_head", _text, nullable=False),
    sa.Column("timeline_lines", sa.Integer, nullable=False),
    sa.Column("timeline_before", sa.Integer, nullable=False, server_default="0"),
    sa.Column("anchored_lines", sa.Integer, nullable=False, server_default="0"),
)
"""``timeline_head``: hash of the newest of its ``timeline_lines`` lines; ``timeline_before``: how many of them were
written before there was a chain (`gateway.cases.chain`); ``anchored_lines``: how many the newest anchor covers."""

timeline = sa.Table(
    "timeline",
    metadata,
    sa.Column("case_id", _text, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at_ms", _ms, nullable=False),
    sa.Column("actor", _text, nullable=False),
    sa.Column("what", _text, nullable=False),
    sa.Column("reason", _text, nullable=False),
    sa.Column("data", _text, nullable=False),
    sa.Column("hash", _text, nullable=False),
)
"""Append only: who did what when and why. ``hash``: over the line before it and this one (`gateway.cases.chain`)."""

timers = sa.Table(
    "timers",
    metadata,
    sa.Column("case_id", _text, primary_key=True),
    sa.Column("name", _text, primary_key=True),
    sa.Column("due_at_ms", _ms, nullable=False, index=True),
    sa.Column("generation", sa.Integer, nullable=False),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("case_id", _text, nullable=False, index=True),
    sa.Column("channel", _text, nullable=False),
    sa.Column("urgent", sa.Boolean, nullable=False),
    sa.Column("drill", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("created_at_ms", _ms, nullable=False),
    sa.Column("status", _text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_attempt_ms", _ms, nullable=False),
    sa.Column("lease_until_ms", _ms),
    sa.Column("outcome_seen", sa.Boolean, nullable=False),
    sa.Column("outcome", _text),
    sa.Column("body", _text, nullable=False),
    sa.Column("ended_at_ms", _ms),
    sa.Index("outbox_due", "status", "next_attempt_ms"),
    sa.Index("outbox_ended", "ended_at_ms"),
    sa.Index(
        "outbox_unseen",
        "key",
        sqlite_where=sa.text("outcome_seen = 0"),
        postgresql_where=sa.text("outcome_seen = false"),
    ),
)
"""``ended_at_ms``: when its fate was final; NULL while it is not."""

outbox_attempts = sa.Table(
    "outbox_attempts",
    metadata,
    sa.Column("key", _text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("started_at_ms", _ms, nullable=False),
    sa.Column("ended_at_ms", _ms),
    sa.Column("result", _text),
    sa.Column("detail", _text),
)

chronicled = sa.Table(
    "chronicled",
    metadata,
    sa.Column("store", _text, primary_key=True),
    sa.Column("what", _text, primary_key=True),
    sa.Column("id", _text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("tags", _text, nullable=False),
)
"""Which version of a case (``what`` is ``case``), and of an alarm, the telemetry store ``store`` holds as a point, and
under which tags (JSON). What differs is written again, so a crash or an outage loses nothing."""

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("name", _text, primary_key=True),
    sa.Column("sha256", _text, nullable=False, unique=True),
    sa.Column("role", _text, nullable=False),
    sa.Column("created_at_ms", _ms, nullable=False),
    sa.Column("revoked_at_ms", _ms),
)
