"""Whether an alarm is late, or only the clock of its device slow: a button that is an hour behind is no hour under way.

What was under way (a backlog, an outage) has its own delay each time. A clock that is slow is so in the device's
message before as well, and by as much, although time has passed between the two.
"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.alarms import AlarmChange
from gateway.state import tables as t

SAME_MS = 60_000
"""Two delays that differ by no more are the same; and no more is no delay."""
APART_MS = 120_000
"""Messages of a backlog come one after the other: those that are further apart did not come with it."""


def allowed_for(connection: sa.Connection, change: AlarmChange) -> AlarmChange:
    """``change`` with how slow the clock of its device is known to be, before the device's state takes in what raised
    it."""
    own = [one for one in change.evidence if one.device == change.device]
    if not own:
        return change
    newest = max(own, key=lambda one: one.received_at_ms)
    behind_ms = newest.received_at_ms - newest.observed_at_ms
    if behind_ms <= SAME_MS:
        return change
    s = t.device_states.c
    query = sa.select(s.last_seen_ms, s.clock_offset_ms).where(s.device == change.device)
    before = connection.execute(query).one_or_none()
    if before is None or before.clock_offset_ms is None or newest.received_at_ms - before.last_seen_ms < APART_MS:
        return change
    if abs(behind_ms + before.clock_offset_ms) > SAME_MS:
        return change
    minutes = behind_ms // 60_000
    why = f"{change.explanation}; 设备时钟慢 {minutes} 分钟 the device's clock is {minutes} min slow"
    return change.model_copy(update={"slow_ms": behind_ms, "explanation": why})
