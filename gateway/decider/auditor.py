"""The auditor's question to the database: whose timer is missing, or stands where no ladder can have set it?

An open case for life safety that nobody has must have a timer of its ladder; a case that somebody has must have a timer
of the lease. Anything else would fall silent for ever.
"""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from pydantic import ValidationError

from gateway.cases.effects import TimerName
from gateway.cases.ladder import too_far
from gateway.cases.model import Case, Stage
from gateway.state import tables as t

_LONGEST_QUIET_MS = 60_000
"""Only timers further ahead than this are compared with their case."""


def lost_timers(connection: sa.Connection, now_ms: int) -> Iterator[tuple[str, TimerName]]:
    """Cases and their timers that have to be set again."""
    opened = sa.and_(
        t.cases.c.stage == Stage.OPENED.value,
        t.cases.c.body.contains('"life_safety":true', autoescape=True),  # another ladder may end
    )
    owned = t.cases.c.stage.in_((Stage.ACKNOWLEDGED.value, Stage.DISPATCHED.value))
    for name, needed in ((TimerName.LADDER, opened), (TimerName.LEASE, owned)):
        timer = sa.and_(t.timers.c.case_id == t.cases.c.id, t.timers.c.name == name.value)
        missing = sa.select(t.cases.c.id).where(t.cases.c.open, needed, ~sa.exists().where(timer))
        for case_id in connection.execute(missing).scalars().all():
            yield case_id, name
    ahead = (
        sa.select(t.cases.c.body, t.timers.c.name)
        .join(t.timers, t.timers.c.case_id == t.cases.c.id)
        .where(t.cases.c.open, t.timers.c.due_at_ms > now_ms + _LONGEST_QUIET_MS)
    )
    for body, name in connection.execute(ahead).all():
        try:
            case = Case.model_validate_json(body)
        except ValidationError:
            continue  # its timer's step will fail, and say so
        if too_far(case, TimerName(name), now_ms):
            yield case.id, TimerName(name)
