"""A tiny town for tests of cases: two grid staff, a daughter and a son, a control room and a supervisor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from gateway.alarms import AlarmChange, AlarmMove, Evidence, Severity
from gateway.cases import machine
from gateway.cases.commands import Action, AlarmHeard, Command, DeliveryHeard, HumanAction, TimerDue
from gateway.cases.directory import Address, Quiet, Target
from gateway.cases.effects import Delivery, Effect, Send, SetTimer, StopTimer, TimerName, Write
from gateway.cases.limits import Office, WorkCalendar
from gateway.cases.model import Case
from gateway.cases.policy import Branch, DeviceOrder, Dial, Fallback, Ladder, Recipient, Rung

START = 1_790_000_000_000

LIFE = Ladder(
    id="life-safety",
    life_safety=True,
    cancel_window_s=30,
    lease_s=180,
    repeat_s=60,
    rungs=(
        Rung(id="control-room", after_s=0, notify=(Recipient(role="control_room"),)),
        Rung(id="grid", after_s=30, notify=(Recipient(role="grid_staff"),)),
        Rung(id="family", after_s=45, notify=(Recipient(family=True),)),
        Rung(id="supervisor", after_s=45, notify=(Recipient(role="supervisor"),)),
        Rung(id="line", after_s=60, call="120"),
    ),
)
CLOCK = Ladder(
    id="life-safety",
    life_safety=True,
    cancel_window_s=30,
    rungs=(
        Rung(id="control-room", after_s=0, notify=(Recipient(role="control_room"),)),
        Rung(id="grid", after_s=30, notify=(Recipient(role="grid_staff"),)),
        Rung(id="guards", after_s=45, notify=(Recipient(role="guard"),)),
        Rung(id="supervisor", after_s=45, notify=(Recipient(role="supervisor"),)),
        Rung(id="line", after_s=60, call="120", arm_s=60, countdown_s=30),
    ),
    branches=(
        Branch(
            id="family",
            rungs=(
                Rung(id="first", after_s=30, tell="all", notify=(Recipient(family="first"),)),
                Rung(id="further", after_s=45, notify=(Recipient(family="further"), Recipient(neighbours=True))),
            ),
        ),
    ),
    fallback=Fallback(
        notify=(Recipient(person="director"),), devices=(DeviceOrder(kinds=("siren",), command="sound"),), call=True
    ),
    lines=(
        Dial(types=("smoke", "gas"), number="119", within_s=20, ask=True),
        Dial(rules=("cardiac-pattern",), within_s=0),
        Dial(types=("vitals_critical",), within_s=60),
        Dial(types=("personal_emergency",), again=True, within_s=0),
    ),
)
"""The shipped clock for life safety, with a family beside it."""
SERVICE = Ladder(
    id="service", lease_s=3600, rungs=(Rung(id="grid", after_s=0, notify=(Recipient(role="grid_staff"),)),)
)


def person(name: str, *channels: str) -> Target:
    return Target(
        person=name,
        name=name.title(),
        addresses=tuple(Address(channel=channel, to=name) for channel in channels or ("messenger",)),
    )


@dataclass
class Town:
    """A directory whose people a test may send home."""

    roles: dict[str, list[Target]] = field(
        default_factory=lambda: {
            "control_room": [person("desk")],
            "grid_staff": [person("wang", "messenger", "sms"), person("zhao")],
            "supervisor": [person("chen")],
            "guard": [person("guo")],
        }
    )
    family: list[Target] = field(default_factory=lambda: [person("daughter"), person("son")])
    neighbours: list[Target] = field(default_factory=list)
    doctor: list[Target] = field(default_factory=list)
    quiet_hours: dict[str, Quiet] = field(default_factory=dict)
    voices: tuple[str, ...] = ()
    """Devices at home that have a lamp and a voice, and sirens."""
    calendar: WorkCalendar = field(default_factory=lambda: WorkCalendar(Office(), ZoneInfo("Asia/Shanghai")))
    line_mode: Literal["drill", "live"] = "drill"
    enabled: bool = True
    drill_line: bool = True
    line_paths: int = 1

    def line_enabled(self, at_ms: int) -> bool:
        return self.enabled

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None, at_ms: int) -> Sequence[Target]:
        if recipient.family:
            family = self.family if resident else []
            return family if recipient.family is True else family[:1] if recipient.family == "first" else family[1:]
        if recipient.role:
            return self.roles.get(recipient.role, [])
        if recipient.neighbours:
            return self.neighbours
        return self.doctor if recipient.doctor else [person(str(recipient.person))]

    def quiet(self, person: str, at_ms: int) -> Quiet | None:
        known = self.quiet_hours.get(person)
        return known if known is not None and at_ms < known.until_ms else None

    def cancels(self, resident: str | None, code: str) -> Literal["cancel", "duress"] | None:
        return {"4711": "cancel", "4712": "duress"}.get(code)  # type: ignore[return-value]

    def obeying(self, kinds: Sequence[str], command: str, *, place: str | None, resident: str | None) -> Sequence[str]:
        return [one for one in self.voices if not kinds or one.rpartition("-")[0] in kinds]

    def knows(self, section: str, id_: str) -> bool:
        return True

    def place_path(self, place: str | None, language: str) -> str:
        return "" if place is None else f"团结湖 {place}"

    def device_name(self, device: str | None, language: str) -> str:
        return device or ""

    def numbers(self, resident: str | None) -> tuple[str, str]:
        return ("000-5" if resident else "", "000-1")

    def obeys(self, device: str, command: str) -> bool:
        return device.startswith("sos")

    def resident_name(self, resident: str | None) -> str:
        return "" if resident is None else "李秀兰"

    def emergency_card(
        self, *, case_number: str, complaint: str, place: str | None, resident: str | None, source: str, at_ms: int
    ) -> dict[str, object]:
        return {"case": case_number, "complaint": complaint, "address": self.place_path(place, "zh"), "source": source}


def change(
    move: AlarmMove = AlarmMove.RAISED,
    *,
    rule: str = "sos-pressed",
    at_ms: int = START,
    observed_at_ms: int | None = None,
    momentary: bool = True,
    type_: str = "personal_emergency",
    ladder: str = "life-safety",
    device: str | None = "sos-1",
    resident: str | None = "li",
    severity: Severity = Severity.EMERGENCY,
    code: str = "",
) -> AlarmChange:
    observed = at_ms if observed_at_ms is None else observed_at_ms
    return AlarmChange(
        move=move,
        rule=rule,
        rule_version=1,
        subject=f"resident:{resident}" if resident else f"device:{device}",
        type=type_,
        severity=severity,
        ladder=ladder,
        at_ms=at_ms,
        observed_at_ms=observed,
        device=device,
        place="door-1",
        resident=resident,
        momentary=momentary,
        explanation="press",
        code=code,
        evidence=(
            Evidence(
                message_id="sos-1:1:1", device="sos-1", observed_at_ms=observed, received_at_ms=at_ms, event="press"
            ),
        ),
    )


class Story:
    """One case, told as a timeline: ``story.forward(75)``, then who has been told what."""

    def __init__(self, town: Town | None = None, ladder: Ladder = LIFE, first: AlarmChange | None = None) -> None:
        self.town = town or Town()
        self.now_ms = START
        self.timers: dict[TimerName, int] = {}
        self.sent: list[Send] = []
        self.written: list[Write] = []
        self.effects: list[Effect] = []
        moved = machine.open_case(
            case_id="2026-000001",
            number="2026-000001",
            change=first or change(),
            ladder=ladder,
            directory=self.town,
            now_ms=self.now_ms,
        )
        self.case: Case = moved.case
        self._take(moved.effects)

    def _take(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self.effects.append(effect)
            match effect:
                case Send():
                    if effect.key not in {sent.key for sent in self.sent}:
                        self.sent.append(effect)
                case Write():
                    self.written.append(effect)
                case SetTimer():
                    self.timers[effect.name] = effect.due_at_ms
                case StopTimer():
                    self.timers.pop(effect.name, None)
                case _:
                    pass

    def hear(self, command: Command) -> None:
        moved = machine.step(self.case, command, self.town, self.now_ms)
        self.case = moved.case
        self._take(moved.effects)

    def forward(self, seconds: float) -> None:
        """Let time pass; every timer fires when it is due, in order."""
        end = self.now_ms + int(seconds * 1000)
        while self.timers and min(self.timers.values()) <= end:
            name = min(self.timers, key=lambda timer: self.timers[timer])
            self.now_ms = max(self.now_ms, self.timers.pop(name))
            self.hear(TimerDue(name=name))
        self.now_ms = end

    def alarm(self, move: AlarmMove, **more: object) -> None:
        self.hear(AlarmHeard(change=change(move, at_ms=self.now_ms, **more)))  # type: ignore[arg-type]

    def act(self, action: Action, actor: str = "operator:night", reason: str = "", **more: object) -> None:
        self.hear(HumanAction(action=action, actor=actor, reason=reason, **more))  # type: ignore[arg-type]

    def deliver(self, send: Send, delivery: Delivery, detail: str = "") -> None:
        self.hear(DeliveryHeard.of(send, delivery, detail))

    def told(self) -> list[str]:
        """Who has been told what, in order: ``wang: alarm``."""
        return [f"{send.person}: {send.purpose.value}" for send in self.sent if send.person]

    def line_calls(self) -> list[Send]:
        return [send for send in self.sent if send.channel == "emergency_line" and send.purpose == "emergency_call"]

    def what(self) -> list[str]:
        return [line.what for line in self.written]
