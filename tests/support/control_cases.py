"""Cases of the simulated control room, lived through the real case machine: every type, every stage, every end."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from devices.kinds import KINDS
from gateway.alarms import AlarmChange, AlarmMove, Evidence
from gateway.cases import figures, machine, opening
from gateway.cases.causes import CAUSES
from gateway.cases.commands import Command, DrillOver, HumanAction, Refused, TimerDue
from gateway.cases.drill import DrillOrder
from gateway.cases.effects import Effect, Send, SetTimer, StopTimer, TimerName
from gateway.cases.model import Case
from gateway.cases.policy import Ladder
from gateway.cases.report import Report, Source
from gateway.chronicle.cases import AlarmSeen, alarm_point, care_point, case_point
from gateway.chronicle.ground import Ground
from gateway.chronicle.messages import Said, message_point
from gateway.registry.directory import CommunityDirectory
from gateway.rules.library import library
from gateway.store.protocol import Point
from tests.support.control_town import Fitted, devices

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
Plan = tuple[tuple[str, float], ...]
"""What people do, and how many seconds after the case was opened."""
FATES: tuple[Plan, ...] = (
    (("acknowledge", 20), ("dispatch", 60), ("arrive", 400), ("resolve", 1500), ("verify", 2400), ("close", 3000)),
    (("acknowledge", 45), ("cancel", 300)),
    (("acknowledge", 95), ("dispatch", 140), ("arrive", 900), ("resolve", 2000), ("verify", 2600), ("close", 2700)),
    (("acknowledge", 210), ("dispatch", 260), ("arrive", 3100), ("resolve", 4000), ("verify", 5000), ("close", 5100)),
    (("acknowledge", 33), ("cancel", 90)),
)
"""Of cases that are over by now."""
STAGES: tuple[Plan, ...] = (
    (),
    (("acknowledge", 40),),
    (("acknowledge", 25), ("dispatch", 80)),
    (("acknowledge", 50), ("dispatch", 90), ("arrive", 500)),
    (("acknowledge", 30), ("dispatch", 70), ("arrive", 300), ("resolve", 1000)),
    (("acknowledge", 30), ("dispatch", 70), ("arrive", 300), ("resolve", 1000), ("verify", 1300)),
)
"""Of cases that are open now."""

TROUBLES = (
    ("device-silent", "smoke-6"),
    ("device-fault", "gas-4"),
    ("camera-frozen", "camera-5"),
    ("street-device-silent", "sign-3"),
    ("low-battery", "bin-2a"),
    ("kiosk-silent", "kiosk-3"),
)
"""What is out of order now, and the rule that says so."""


class Raised(NamedTuple):
    """An alarm that a rule raised, and its case."""

    rule: str
    device: Fitted
    at_ms: int


@dataclass
class Life:
    """One case on its own clock."""

    case: Case
    directory: CommunityDirectory
    now_ms: int
    timers: dict[TimerName, int] = field(default_factory=dict)
    sent: list[tuple[int, Send]] = field(default_factory=list)

    def take(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self.sent.append((self.now_ms, effect))
                case SetTimer():
                    self.timers[effect.name] = effect.due_at_ms
                case StopTimer():
                    self.timers.pop(effect.name, None)
                case _:
                    pass

    def hear(self, command: Command) -> None:
        moved = machine.step(self.case, command, self.directory, self.now_ms)
        self.case = moved.case
        self.take(moved.effects)

    def until(self, at_ms: int) -> None:
        """Timers fire when they are due, up to ``at_ms``; a hundred of them at most."""
        for _ in range(100):
            due = {name: at for name, at in self.timers.items() if at <= at_ms}
            if not due or not self.case.open:
                break
            name = min(due, key=lambda timer: due[timer])
            self.now_ms = max(self.now_ms, self.timers.pop(name))
            self.hear(TimerDue(name=name))
        self.now_ms = at_ms

    def act(self, action: str, **more: Any) -> None:
        # Who checks and closes is somebody else than who did it.
        actor = "operator:inspector" if action in ("verify", "close") else "person:wang"
        self.hear(HumanAction.model_validate({"action": action, "actor": actor, "reason": "已处理", **more}))


@dataclass
class Casework:
    """All cases of the week, their alarms and their messages."""

    ground: Ground
    end_ms: int
    dice: random.Random
    lives: list[Life] = field(default_factory=list)
    raised: list[tuple[Raised, Life]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _causes: Iterator[str] = field(default_factory=lambda: itertools.cycle(CAUSES))

    def live(self) -> None:
        """Every type of alarm three times: some days ago, yesterday, and in the last hours; and the rest."""
        fates, stages = itertools.cycle(FATES), itertools.cycle(STAGES)
        rules = {document["raises"]["type"]: rule for rule, document in sorted(library().items(), reverse=True)}
        for index, rule in enumerate(rules.values()):
            device = _speaker(rule, index)
            if device is None:
                continue
            ago = DAY_MS + self.dice.uniform(0.2, 5.8) * DAY_MS
            self._alarm(Raised(rule, device, self.end_ms - int(ago)), next(fates))
            self._alarm(Raised(rule, device, self.end_ms - int(self.dice.uniform(4, 23) * HOUR_MS)), next(fates))
            self._alarm(Raised(rule, device, self.end_ms - int(self.dice.uniform(0.1, 3) * HOUR_MS)), next(stages))
        for days, cause in enumerate(CAUSES):
            # A false alarm for every cause that people give.
            device = _speaker("smoke-alarm", days)
            assert device is not None
            at_ms = self.end_ms - DAY_MS // 2 * (days % 13) - 7 * HOUR_MS
            self._alarm(Raised("smoke-alarm", device, at_ms), (("acknowledge", 50), ("cancel", 200)), cause=cause)
        self._unanswered()
        self._drills()
        self._reports()
        for hours, (rule, id_) in enumerate(TROUBLES):
            (device,) = (one for one in devices() if one.id == id_)
            self._alarm(Raised(rule, device, self.end_ms - (5 + 9 * hours) * HOUR_MS), STAGES[hours % 3])
        self._merge()

    def _unanswered(self) -> None:
        """Nobody comes until the line has been called."""
        device = _speaker("sos-pressed", 0)
        assert device is not None
        late = (("acknowledge", 260), ("arrive", 900), ("resolve", 2400), ("verify", 3000), ("close", 3100))
        self._alarm(Raised("sos-pressed", device, self.end_ms - 30 * HOUR_MS), late)
        self._alarm(Raised("sos-pressed", device, self.end_ms - 280_000), ())

    def _drills(self) -> None:
        device = _speaker("sos-pressed", 1)
        assert device is not None
        for hours in (50, 26, 3):
            at_ms = self.end_ms - hours * HOUR_MS
            life = self._alarm(Raised("sos-pressed", device, at_ms), FATES[0][:3], drill=True)
            life.hear(DrillOver(reason="演练结束"))
        self._alarm(Raised("sos-pressed", device, self.end_ms - 240_000), (("acknowledge", 60),), drill=True)

    def _reports(self) -> None:
        work = {one.id: one for one in self.ground.directory.community.work}
        sources = itertools.cycle((Source.KIOSK, Source.PHONE, Source.POLE, Source.HOTLINE, Source.INSPECTION))
        plans = (FATES[2], FATES[3], STAGES[1], STAGES[0], STAGES[4], STAGES[2])
        for index, (kind, plan) in enumerate(itertools.product(("rubbish", "stall"), plans)):
            at_ms = self.end_ms - int((index * 13 % 150 + 2) * HOUR_MS)
            number = next(self._numbers)
            source, grid = next(sources), index % 3 + 1
            report = Report(
                key=f"r-{index}",
                actor=f"device:kiosk-{grid}" if source is Source.KIOSK else "operator:desk",
                source=source,
                work=kind,
                text="路边有垃圾",
                place=f"square-{grid}",
            )
            moved = opening.open_report(
                case_id=f"2026-{number:06d}-abcdef",
                number=f"2026-{number:06d}",
                report=report,
                work=work[kind],
                ladder=self._ladder("service"),
                directory=self.ground.directory,
                now_ms=at_ms,
            )
            life = Life(moved.case, self.ground.directory, at_ms)
            life.take(moved.effects)
            self._act_out(life, plan, at_ms)
            self.lives.append(life)

    def _merge(self) -> None:
        """Somebody reported what another had reported already."""
        told = [life for life in self.lives if life.case.open and life.case.source is not Source.ALARM]
        first, again = told[0], told[-1]
        said = HumanAction(action="merge", actor="operator:inspector", reason="同一件事", into=first.case.number)
        moved, into = opening.merge(again.case, first.case, said, self.ground.directory, self.end_ms)
        again.case, first.case = moved.case, into.case

    def _alarm(self, raised: Raised, plan: Plan, *, drill: bool = False, cause: str = "") -> Life:
        number = next(self._numbers)
        change = _change(raised)
        order = DrillOrder(id="d-1", ends_at_ms=raised.at_ms + HOUR_MS) if drill else None
        moved = machine.open_case(
            case_id=f"2026-{number:06d}-abcdef",
            number=f"2026-{number:06d}",
            change=change,
            ladder=self._ladder(change.ladder),
            directory=self.ground.directory,
            now_ms=raised.at_ms,
            drill=order,
        )
        life = Life(moved.case, self.ground.directory, raised.at_ms)
        life.take(moved.effects)
        self._act_out(life, plan, raised.at_ms, cause)
        self.lives.append(life)
        self.raised.append((raised, life))
        return life

    def _act_out(self, life: Life, plan: Plan, at_ms: int, cause: str = "") -> None:
        for action, after_s in plan:
            when = at_ms + int(after_s * self.dice.uniform(0.9, 1.1) * 1000)
            if when > self.end_ms:
                break
            life.until(when)
            more = {"cause": cause or next(self._causes)} if action == "cancel" else {}
            try:
                life.act(action, **more)
            except Refused:
                break  # it ended otherwise meanwhile
        life.until(self.end_ms)

    def _ladder(self, id_: str) -> Ladder:
        return next(one for one in self.ground.directory.community.ladders if one.id == id_)

    def points(self) -> Iterator[Point]:
        """Cases, alarms and messages, as the chronicle writes them at the end of the week."""
        for life in self.lives:
            seen = figures.seen(life.case.model_dump_json())
            point = case_point(life.case, seen, self.ground, self.end_ms)
            yield point
            if (care := care_point(life.case, point)) is not None:
                yield care
            for sent_ms, send in life.sent:
                said = self._said(sent_ms, send, life.case)
                if said is not None:
                    yield message_point(said, self.ground)
        for number, (raised, life) in enumerate(self.raised, start=1):
            yield self._alarm_point(number, raised, life.case)

    def _said(self, sent_ms: int, send: Send, case: Case) -> Said | None:
        if send.person is None:
            return None
        luck = self.dice.random()
        took_ms = int(self.dice.uniform(300, 4000)) if luck < 0.9 else int(self.dice.uniform(20_000, 90_000))
        if sent_ms + took_ms > self.end_ms:
            return None
        result = "delivered" if luck < 0.93 else "failed" if luck < 0.97 else "withdrawn"
        ended_ms, urgent = sent_ms + took_ms, case.ladder.life_safety
        return Said(
            send.key, send.channel, result, urgent, case.drill, sent_ms, ended_ms, 1 + (luck > 0.9), case.number
        )

    def _alarm_point(self, number: int, raised: Raised, case: Case) -> Point:
        ended_ms = case.times.get("resolved") or case.times.get("closed")
        known: Mapping[str, Any] = library()[raised.rule]["raises"]
        seen = AlarmSeen(
            id=number,
            rule=raised.rule,
            type=known["type"],
            severity=known["severity"],
            raised_at_ms=raised.at_ms,
            cleared_at_ms=ended_ms,
            repeats=number % 3,
            device=raised.device.id,
            place=raised.device.place,
            number=case.number,
            drill=case.drill,
            life=case.ladder.life_safety,
        )
        return alarm_point(seen, self.ground)


def _speaker(rule: str, index: int) -> Fitted | None:
    """A device of a kind that the rule hears; None where the town has none."""
    document = library()[rule]
    kinds = set(document.get("kinds") or ())
    for one in (document.get("inputs") or {}).values():
        kinds |= set(one.get("kinds") or ())
    if kinds == set() or kinds == {"*"}:
        kinds = set(KINDS)
    found = [one for one in devices() if one.kind in kinds]
    return found[index % len(found)] if found else None


def _change(raised: Raised) -> AlarmChange:
    document = library()[raised.rule]
    raises = document["raises"]
    device = raised.device
    of_resident = document.get("subject") == "resident" and device.resident is not None
    return AlarmChange(
        move=AlarmMove.RAISED,
        rule=raised.rule,
        rule_version=int(document["version"]),
        subject=f"resident:{device.resident}" if of_resident else f"device:{device.id}",
        type=raises["type"],
        severity=raises["severity"],
        ladder=raises["ladder"],
        at_ms=raised.at_ms,
        observed_at_ms=raised.at_ms - 800,
        device=device.id,
        place=device.place,
        resident=device.resident,
        momentary=document["form"] == "event",
        explanation="simulated",
        evidence=(
            Evidence(
                message_id=f"{device.id}:1:1",
                device=device.id,
                observed_at_ms=raised.at_ms - 800,
                received_at_ms=raised.at_ms - 300,
            ),
        ),
    )
