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
from gateway.cases.timing import began_later
from gateway.state import tables as t

_LONGEST_QUIET_MS = 60_000
"""Only timers further ahead than this are compared with their case."""


def lost_timers(connection: sa.Connection, now_ms: int) -> Iterator[tuple[str, TimerName]]:
    """Cases and their timers that have to be set again."""
    life = t.cases.c.body.contains('"life_safety":true', autoescape=True)
    opened = sa.and_(t.cases.c.stage == Stage.OPENED.value, life)  # another ladder may end
    owned = t.cases.c.stage.in_((Stage.ACKNOWLEDGED.value, Stage.DISPATCHED.value))
    # Ordinary work with a limit is watched by that and not by a lease; a case that waits has its end instead of both.
    limited = sa.and_(_has("limit_at_ms"), ~_has("lease_until_ms"))
    # What a case writes of the others is written from the timers it needs: where one is due, its row must be there.
    needs = (
        (TimerName.LADDER, opened),
        (TimerName.LEASE, sa.and_(owned, ~limited)),
        (TimerName.LINE, _has("deadline_ms")),
        (TimerName.BESIDE, _has("beside_at_ms")),
        (TimerName.LIMIT, _has("limit_at_ms")),
    )
    for name, needed in needs:
        timer = sa.and_(t.timers.c.case_id == t.cases.c.id, t.timers.c.name == name.value)
        missing = sa.select(t.cases.c.id).where(t.cases.c.open, needed, ~sa.exists().where(timer))
        for case_id in connection.execute(missing).scalars().all():
            yield case_id, name
    ahead = (
        sa.select(t.cases.c.body, t.timers.c.name)
        .join(t.timers, t.timers.c.case_id == t.cases.c.id)
        .where(t.cases.c.open, t.timers.c.due_at_ms > now_ms + _LONGEST_QUIET_MS)
        # Limits of ordinary work lie days ahead: not every one of them is read again every few seconds.
        .where(sa.or_(t.timers.c.name != TimerName.LIMIT.value, life))
    )
    for body, name in connection.execute(ahead).all():
        try:
            case = Case.model_validate_json(body)
        except ValidationError:
            continue  # its timer's step will fail, and say so
        if began_later(case, now_ms) if name == TimerName.LIMIT.value else too_far(case, TimerName(name), now_ms):
            yield case.id, TimerName(name)


def _has(field: str) -> sa.ColumnElement[bool]:
    """Whether the case has an instant there. A text in it cannot look like that: its quotation marks are escaped."""
    there = t.cases.c.body.contains(f'"{field}":', autoescape=True)
    return sa.and_(there, ~t.cases.c.body.contains(f'"{field}":null', autoescape=True))
