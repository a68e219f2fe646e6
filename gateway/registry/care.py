"""Devices that are being worked on: who said so, why, and until when. What that hides is `gateway.decider.care`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import sqlalchemy as sa

from gateway.registry import history
from gateway.state import tables as t
from gateway.state.db import insert

Mode = Literal["maintenance", "test"]

LONGEST_S: Mapping[Mode, int] = MappingProxyType({"maintenance": 24 * 3600, "test": 2 * 3600})
"""Nothing is hidden longer than this, whatever is forgotten."""
LATE_MS = 24 * 3_600_000
"""What happened during a test and arrives later than this after its end is told: it is better called than lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Care:
    """One device that is (or was until just now) being worked on."""

    device: str
    mode: Mode
    since_ms: int
    until_ms: int
    """Not included."""
    actor: str
    reason: str
    clock_offset_ms: int | None = None
    """How far the device's clock was from the gateway's before; None where it had not been heard."""

    def running(self, now_ms: int) -> bool:
        """Whether it has begun and not ended at that instant."""
        return self.since_ms <= now_ms < self.until_ms


def begin(
    connection: sa.Connection, device: str, mode: Mode, *, seconds: int, actor: str, reason: str, now_ms: int
) -> Care:
    """From now on ``device`` is being worked on; again in the same mode: longer. The caller knows that it exists.

    Raises ValueError for a time that is not 1 s to `LONGEST_S`, or without a reason.
    """
    if not 0 < seconds <= LONGEST_S[mode]:
        raise ValueError(f"expected 1 s to {LONGEST_S[mode] // 3600} h for {mode}, got {seconds} s")
    if not reason.strip():
        raise ValueError("missing; say why: it stands in the device's history")
    before = find(connection, device, now_ms)
    offset = connection.execute(
        sa.select(t.device_states.c.clock_offset_ms).where(t.device_states.c.device == device)
    ).scalar_one_or_none()
    same = before is not None and before.running(now_ms) and before.mode == mode
    care = Care(
        device=device,
        mode=mode,
        since_ms=before.since_ms if before is not None and same else now_ms,
        until_ms=now_ms + seconds * 1000,
        actor=actor,
        reason=reason.strip(),
        clock_offset_ms=before.clock_offset_ms if before is not None and same else offset,
    )
    values = {name: getattr(care, name) for name in _COLUMNS if name != "device"}
    # What another mode hid may not be hidden by this one: it is looked at at once.
    values["settle_ms"] = now_ms if before is not None and not same else care.until_ms
    connection.execute(
        insert(connection, t.device_care)
        .values(device=device, **values)
        .on_conflict_do_update(index_elements=["device"], set_=values)
    )
    detail = {"until_ms": care.until_ms, "reason": care.reason}
    history.write(connection, history.Line(device=device, at_ms=now_ms, actor=actor, what=mode, detail=detail))
    return care


def end(connection: sa.Connection, device: str, *, actor: str, now_ms: int) -> Care | None:
    """The work is done before its time. None where there was none."""
    care = find(connection, device, now_ms)
    if care is None or not care.running(now_ms):
        return None
    c = t.device_care.c
    connection.execute(sa.update(t.device_care).where(c.device == device).values(until_ms=now_ms, settle_ms=now_ms))
    history.write(
        connection,
        history.Line(device=device, at_ms=now_ms, actor=actor, what="care_ended", detail={"mode": care.mode}),
    )
    return care


def find(connection: sa.Connection, device: str, now_ms: int) -> Care | None:
    """The care of one device, also one that ended within `LATE_MS`."""
    return remembered(connection, now_ms, device).get(device)


def remembered(connection: sa.Connection, now_ms: int, device: str | None = None) -> dict[str, Care]:
    """By device: what runs, and what ended so shortly before that something of it may still be under way."""
    query = select().where(t.device_care.c.until_ms > now_ms - LATE_MS)
    if device is not None:
        query = query.where(t.device_care.c.device == device)
    return {row.device: Care(**row._mapping) for row in connection.execute(query)}


def select() -> sa.Select[Any]:
    """A query whose rows are the arguments of `Care`."""
    return sa.select(*(t.device_care.c[name] for name in _COLUMNS))


def running(connection: sa.Connection, now_ms: int) -> dict[str, Care]:
    """By device: the work under way."""
    return {device: care for device, care in remembered(connection, now_ms).items() if care.running(now_ms)}


_COLUMNS = ("device", "mode", "since_ms", "until_ms", "actor", "reason", "clock_offset_ms")
