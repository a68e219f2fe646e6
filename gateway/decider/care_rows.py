"""Devices that are being worked on, as rows: what was hidden of them, and whose work is over."""

from __future__ import annotations

import sqlalchemy as sa

from devices.observation import Observation
from gateway.alarms import AlarmChange
from gateway.registry import care as cares
from gateway.registry import history
from gateway.registry.care import Care
from gateway.state import tables as t

LINES_MOST = 200
"""Lines of history one care may write: a motion sensor that is walked past for two hours must not fill the disk."""
LATE_SETTLE_MS = 10_000
"""After a late message, so long for the rest of its backlog: a smoke that was cleared in it is told to nobody."""
WAIT_MOST_MS = 30_000
"""However much is still to be read: what holds is told at last."""
_TRIED, _HIDDEN = "tried", "hidden"
_c = t.device_care.c


def tried(connection: sa.Connection, care: Care, observation: Observation, now_ms: int) -> None:
    """Write down what a device said during a test."""
    detail: dict[str, object] = {
        "kind": observation.kind,
        "event": observation.event,
        "metrics": observation.metrics,
        "message_id": observation.message_id,
    }
    _write(connection, care, _TRIED, detail, now_ms)


def hide(connection: sa.Connection, care: Care, change: AlarmChange, now_ms: int) -> None:
    """Write down an alarm of which nobody is told."""
    _write(connection, care, _HIDDEN, {"mode": care.mode, "change": change.model_dump(mode="json")}, now_ms)
    if now_ms >= care.until_ms:  # it came late: what it began may still hold
        postpone(connection, care, now_ms + LATE_SETTLE_MS)


def _write(connection: sa.Connection, care: Care, what: str, detail: dict[str, object], now_ms: int) -> None:
    h = t.device_history.c
    mine = sa.and_(h.device == care.device, h.what.in_((_TRIED, _HIDDEN)), h.at_ms >= care.since_ms)
    if connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one() < LINES_MOST:
        line = history.Line(device=care.device, at_ms=now_ms, actor=history.ITSELF, what=what, detail=detail)
        history.write(connection, line)


def last_hidden(connection: sa.Connection, device: str, held: AlarmChange) -> AlarmChange | None:
    """The alarm as it was hidden, with its explanation and evidence."""
    for line in history.read(connection, device, LINES_MOST):
        change = line.detail.get("change") if line.what == _HIDDEN else None
        if isinstance(change, dict) and (change["rule"], change["subject"]) == (held.rule, held.subject):
            return AlarmChange.model_validate(change)
    return None


def due(connection: sa.Connection, now_ms: int, read_until_ms: int | None) -> list[Care]:
    """What is to be settled, once all that was received before has been decided."""
    read_ms = now_ms - WAIT_MOST_MS if read_until_ms is None else max(read_until_ms, now_ms - WAIT_MOST_MS)
    query = cares.select().where(_c.settle_ms <= min(now_ms, read_ms)).order_by(_c.settle_ms, _c.device)
    return [Care(**row._mapping) for row in connection.execute(query)]


def postpone(connection: sa.Connection, care: Care, until_ms: int) -> None:
    """Try again later what could not be settled."""
    connection.execute(sa.update(t.device_care).where(_c.device == care.device).values(settle_ms=until_ms))


def settled(connection: sa.Connection, care: Care, now_ms: int) -> None:
    """It has been looked at; again when the care that runs ends. Rows that mean nothing any more go."""
    again_ms = care.until_ms if care.running(now_ms) else None
    connection.execute(sa.update(t.device_care).where(_c.device == care.device).values(settle_ms=again_ms))
    connection.execute(sa.delete(t.device_care).where(_c.until_ms <= now_ms - cares.LATE_MS, _c.settle_ms.is_(None)))


def move(connection: sa.Connection, by_ms: int) -> None:
    """The wall clock was set: a test lasts no longer and no shorter for that."""
    moved = {name: _c[name] + by_ms for name in ("since_ms", "until_ms", "settle_ms")}
    connection.execute(sa.update(t.device_care).values(moved))
