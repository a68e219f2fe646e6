"""Drills in a `DecidingRoom`: self-tests in its community, drills by hand, and an outbox that delivers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.cases.effects import Send
from gateway.cases.model import Case
from gateway.decider import drill_rows
from gateway.decider.drill_rows import Drill, Subject
from gateway.outbox import claims as outbox_claims
from gateway.outbox.channel import Report, Result
from gateway.state.db import reading, writing
from tests.support.deciding import DecidingRoom

MONDAY = {
    "id": "weekly",
    "name": {"zh": "每周自检", "en": "weekly self-test"},
    "when": {"days": ["mon"], "at": "10:00"},
    "alarm": "personal_emergency",
    "ladder": "life-safety",
    "resident": "r-1",
    "lasts_s": 300,
}


def set_clock(room: DecidingRoom, text: str, zone: str = "Asia/Shanghai") -> None:
    """``2026-09-14 09:59``, local."""
    at = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    room.clocks.forward(at.timestamp() - room.clocks.wall_ms / 1000)


def with_test(room: DecidingRoom, **changes: Any) -> None:
    room.document["drills"] = [MONDAY | changes]
    room.apply(room.document)
    room.cycle()


def drills(room: DecidingRoom) -> list[Drill]:
    """The oldest first."""
    with reading(room.engine) as connection:
        return drill_rows.newest(connection, 1000)[::-1]


def order(room: DecidingRoom, *subjects: Subject, lasts_s: int = 600, **more: Any) -> Drill:
    """A drill by hand, as the API orders it."""
    now_ms = room.clocks.now_ms()
    drill = Drill(
        id=f"hand-{now_ms}",
        zh="手动演练",
        en="drill by hand",
        reason="培训 training",
        actor="operator:night",
        ordered_ms=now_ms,
        due_ms=now_ms,
        ends_at_ms=now_ms + lasts_s * 1000,
        lasts_s=lasts_s,
        alarm="personal_emergency",
        ladder="life-safety",
        subjects=subjects,
        **more,
    )
    with writing(room.engine) as connection:
        assert drill_rows.add(connection, drill)
    room.cycle()
    return drill


def drilled(room: DecidingRoom) -> list[Case]:
    return [case for case in room.cases() if case.drill]


def deliver(room: DecidingRoom, *, failing: tuple[str, ...] = ()) -> list[Send]:
    """Everything that is due goes out: delivered, but refused on ``failing`` channels."""
    now_ms = room.clocks.now_ms()
    with room.engine.begin() as connection:
        claims = outbox_claims.claim_due(connection, now_ms, lease_s=60, limit=1000)
        for claim in claims:
            bad = claim.send.channel in failing
            report = Report(result=Result.REFUSED if bad else Result.DELIVERED, detail="no line" if bad else "ok")
            outbox_claims.finish(connection, claim.key, claim.attempts, report, now_ms, again_ms=None)
    room.cycle()
    return [claim.send for claim in claims]


def live(room: DecidingRoom, seconds: int, *, step_s: int = 5, failing: tuple[str, ...] = ()) -> None:
    """Time passes, and what is said is delivered."""
    for _ in range(0, seconds, step_s):
        deliver(room, failing=failing)
        room.clocks.forward(step_s)
        room.cycle()
    deliver(room, failing=failing)
