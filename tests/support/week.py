"""A community that lives for a week on a clock that jumps from one thing to the next, with people who are people.

They take calls after a while or not at all, accept and fall asleep, say "taken already", go there, put things right;
messengers hang and come back; residents press by mistake. Every choice is drawn from one seed.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.cases.commands import HumanAction, Refused
from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, Purpose, Send
from gateway.cases.model import Case
from gateway.outbox import claims as outbox_claims
from gateway.outbox import policy
from gateway.outbox.channel import Limits, Report, Result
from gateway.state import tables as t
from gateway.state.db import reading
from tests.support.deciding import DecidingRoom
from tests.support.homes import community

HOUR_MS = 3_600_000
LIMITS = Limits(timeout_s=10, parallel=8, unclear_max=3)
RUNGS: tuple[dict[str, Any], ...] = (
    {"id": "control-room", "after_s": 0, "notify": [{"role": "control_room"}]},
    {"id": "people", "after_s": 30, "notify": [{"role": "grid_staff"}, {"family": True}]},
    {"id": "supervisor", "after_s": 90, "notify": [{"role": "supervisor"}]},
    {"id": "line", "after_s": 60, "call": "120", "countdown_s": 30},
)
RULES = ("sos-pressed", "service-call", "smoke-alarm", "low-battery-reported")


class Week:
    """``week.live(days=7)``; then look at ``week.room``."""

    def __init__(self, directory: Path, seed: int, homes: int = 20) -> None:
        self.dice = random.Random(seed)
        self.homes = homes
        self.room = DecidingRoom(directory)
        self.room.apply(_community(homes))
        self.room.cycle()
        self.happened: Counter[str] = Counter()
        self._plan: list[tuple[int, int, Callable[[], object]]] = []
        self._order = itertools.count()

    # what comes

    def plan(self, seconds: float, what: Callable[[], object]) -> None:
        at = self.room.clocks.now_ms() + int(seconds * 1000)
        heapq.heappush(self._plan, (at, next(self._order), what))

    def live(self, days: float, presses: int = 24, services: int = 10, fires: int = 3, batteries: int = 3) -> None:
        end = self.room.clocks.now_ms() + int(days * 24 * HOUR_MS)
        for count, kind, event in (
            (presses, "sos", "press"),
            (services, "service", "plumbing"),
            (fires, "smoke", "smoke"),
            (batteries, "contact", "low_battery"),
        ):
            for _ in range(count):
                home = self.dice.randint(1, self.homes)
                self.plan(
                    self.dice.uniform(0, days * 86_400 - 7200),
                    lambda home=home, kind=kind, event=event: self._event(home, kind, event),  # type: ignore[misc]
                )
        while (now := self._step(end)) < end:
            assert now <= end

    def _step(self, end: int) -> int:
        """Go to the next instant at which something is due, and do it."""
        now = self.room.clocks.now_ms()
        with reading(self.room.engine) as connection:
            timer = connection.execute(sa.select(sa.func.min(t.timers.c.due_at_ms))).scalar()
            depth = outbox_claims.depth(connection, now)
        soon = [at for at in (timer, depth.next_due_ms, self._plan[0][0] if self._plan else None) if at is not None]
        if depth.waiting and depth.most_overdue_ms is not None:
            soon.append(now)
        target = min([end, *(max(now, at) for at in soon)])
        self.room.clocks.forward((target - now) / 1000)
        while self._plan and self._plan[0][0] <= target:
            heapq.heappop(self._plan)[2]()
        self.room.cycle()
        self._deliver()
        self.room.cycle()
        return self.room.clocks.now_ms()

    def _event(self, home: int, prefix: str, event: str) -> None:
        kinds = {"sos": "sos_button", "service": "service_button", "smoke": "smoke", "contact": "contact"}
        device = f"{prefix}-{home}"
        self.happened[f"{prefix} {event}"] += 1
        self.room.say(device, kinds[prefix], event)
        if prefix == "sos" and self.dice.random() < 0.2:
            self.plan(self.dice.uniform(2, 60), lambda: self._event(home, "sos", "cancel"))
        if prefix == "sos" and event == "press" and self.dice.random() < 0.2:
            self.plan(self.dice.uniform(5, 400), lambda: self.room.say(device, kinds[prefix], "press"))
        if prefix == "smoke" and event == "smoke":
            self.plan(self.dice.uniform(60, 1800), lambda: self.room.say(device, kinds[prefix], "clear"))

    # the world outside

    def _deliver(self) -> None:
        """Everything that is due goes out, with the luck of the day."""
        while True:
            now = self.room.clocks.now_ms()
            with self.room.engine.begin() as connection:
                claims = outbox_claims.claim_due(connection, now, lease_s=60, limit=100)
                for claim in claims:
                    begun = outbox_claims.begin(connection, claim, now) if claim.ask_first else claim
                    if begun is None:
                        continue
                    report = self._luck(begun.send)
                    again = policy.again_ms(begun, report, LIMITS, now, 0.0)
                    outbox_claims.finish(connection, begun.key, begun.attempts, report, now, again_ms=again)
                    if report.result is Result.DELIVERED:
                        self._arrived(begun.send, begun.case_id)
            if not claims:
                return

    def _luck(self, send: Send) -> Report:
        luck = self.dice.random()
        if send.channel == DEVICE_CHANNEL:
            return Report(result=Result.DELIVERED, detail="done")
        if send.channel == LINE_CHANNEL:
            self.happened["line"] += 1
            busy = luck < 0.2
            return Report(result=Result.RETRY, detail="busy") if busy else _taken(f"C-{self.happened['line']}")
        if luck < 0.05:
            return Report(result=Result.RETRY, detail="503")
        if luck < 0.07:
            return Report(result=Result.UNKNOWN, detail="broke off")
        if luck < 0.08:
            return Report(result=Result.REFUSED, detail="no such number")
        return Report(result=Result.DELIVERED, detail="200")

    def _arrived(self, send: Send, case_id: str) -> None:
        """Somebody reads it, sooner or later or never."""
        if send.person is None or send.purpose not in (Purpose.ALARM, Purpose.REMINDER, Purpose.OWNER_SILENT):
            return
        actor = f"person:{send.person}"
        if self.dice.random() < 0.4:
            self.plan(self.dice.uniform(10, 240), lambda: self._accept(case_id, actor))

    def _accept(self, case_id: str, actor: str) -> None:
        case = self._do(case_id, "acknowledge", actor)
        if case is None or self.dice.random() < 0.2:
            return  # refused, or fell asleep over it
        if self.dice.random() < 0.1:
            self.plan(
                60, lambda: self._do(case_id, "cancel", actor, reason="nothing is wrong", cause="pressed_by_mistake")
            )
            return
        self.plan(self.dice.uniform(5, 120), lambda: self._go(case_id, actor))

    def _go(self, case_id: str, actor: str) -> None:
        if self._do(case_id, "dispatch", actor) is None:
            return
        self.plan(self.dice.uniform(120, 1200), lambda: self._there(case_id, actor))

    def _there(self, case_id: str, actor: str) -> None:
        if self._do(case_id, "arrive", actor) is None:
            return
        minutes = self.dice.uniform(5, 40)
        self.plan(minutes * 60, lambda: self._do(case_id, "resolve", actor, reason="done"))
        self.plan(minutes * 60 + 600, lambda: self._do(case_id, "verify", "operator:inspector", reason="seen"))
        self.plan(minutes * 60 + 900, lambda: self._do(case_id, "close", "operator:inspector", reason="over"))

    def _do(self, case_id: str, action: str, actor: str, **more: Any) -> Case | None:
        said = HumanAction.model_validate({"action": action, "actor": actor, **more})
        future: Future[Case] = self.room.decider.act(case_id, said)
        self.room.cycle()
        try:
            case = future.result(timeout=0)
        except Refused as refused:
            self.happened[f"refused {refused.code}"] += 1
            return None
        self.happened[action] += 1
        return case


def _taken(reference: str) -> Report:
    return Report(result=Result.DELIVERED, detail="answered", reference=reference)


def _community(homes: int) -> dict[str, Any]:
    made = community(homes, rungs=RUNGS, cancel_window_s=30, lease_s=180, repeat_s=120)
    made["rules"] = [{"use": rule} for rule in RULES]
    made["people"] += [
        {"id": f"desk-{n}", "name": f"夜班{n}", "contacts": [{"channel": "messenger", "to": f"d{n}"}]} for n in (1, 2)
    ]
    made["rosters"][0]["duties"][0]["people"] = ["desk", "desk-1", "desk-2"]
    return made
