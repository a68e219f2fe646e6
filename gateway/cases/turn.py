"""One turn of the case machine: the case as it becomes, and the effects gathered on the way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.alarms import AlarmChange, Severity
from gateway.cases import drill, messages, scene, wording_spoken
from gateway.cases.commands import DeliveryHeard
from gateway.cases.directory import Directory, Target
from gateway.cases.effects import (
    DEVICE_CHANNEL,
    DRILL_LINE_CHANNEL,
    LINE_CHANNEL,
    Effect,
    Purpose,
    Send,
    SetTimer,
    Spoken,
    StopTimer,
    TimerName,
    WithdrawUnsent,
    Write,
)
from gateway.cases.model import AlarmRef, Case, Item
from gateway.cases.policy import Recipient

_CAN_WAIT = (
    Purpose.REMINDER,
    Purpose.TAKEN,
    Purpose.ARRIVED,
    Purpose.RESOLVED,
    Purpose.CANCELLED,
    Purpose.ACTION_DONE,
    Purpose.COMING,
    Purpose.LINE_STAGE,
    Purpose.RUNG_EMPTY,
    Purpose.LIMIT_NEAR,
    Purpose.OVERDUE,
    Purpose.TIME_ASKED,
    Purpose.TIME_ANSWERED,
    Purpose.RESUMED,
    Purpose.MERGED,
)
"""What is said behind the first word of somebody else's emergency."""


class Moved(NamedTuple):
    """What a step led to."""

    case: Case
    effects: tuple[Effect, ...]


def reference(change: AlarmChange) -> AlarmRef:
    """A raised alarm as its case keeps it."""
    return AlarmRef(
        rule=change.rule,
        subject=change.subject,
        type=change.type,
        active=True,
        momentary=change.momentary,
        zh=change.zh,
        en=change.en,
    )


def _standing(case: Case) -> tuple[object, ...]:
    """What an answer of a person builds upon: once it has changed, the answer is stale."""
    return case.stage, case.owner, case.suspended is None


class Turn:
    """Mutable only while one step is being taken; `done` hands out the result."""

    def __init__(self, case: Case, directory: Directory, now_ms: int) -> None:
        self.before = case
        self.case = case
        self.directory = directory
        self.now_ms = now_ms
        self.effects: list[Effect] = []
        self.fired: set[TimerName] = set()
        """Timers that were taken out for this step, or are to be set again in any case."""

    def become(self, **changes: object) -> None:
        """Change the case; the names are those of its fields."""
        self.case = self.case.model_copy(update=changes)

    def become_line(self, **changes: object) -> None:
        """Change what the case says of its emergency line."""
        self.become(emergency=self.case.emergency.model_copy(update=changes))

    def stamp(self, what: str, at_ms: int | None = None) -> None:
        """Note when something first happened, for the figures."""
        if what not in self.case.times:
            self.become(times={**self.case.times, what: self.now_ms if at_ms is None else at_ms})

    def write(self, actor: str, what: str, reason: str = "", **data: object) -> None:
        """Put a line into the timeline: who, what (a key of `wording.TIMELINE_WORDS`), why, and the facts."""
        self.effects.append(Write(actor=actor, what=what, reason=reason, data=data))

    def effect(self, effect: Effect) -> None:
        """Have something done in the transaction of this step."""
        self.effects.append(effect)

    def withdraw(self, reason: str, *only: Purpose) -> None:
        """Take back what was to be said before this step for these purposes."""
        self.effects.append(WithdrawUnsent(reason=reason, only=only))

    # alarms

    def knows(self, change: AlarmChange) -> bool:
        """Whether the case is about this alarm."""
        return any((ref.rule, ref.subject) == (change.rule, change.subject) for ref in self.case.alarms)

    def add(self, change: AlarmChange) -> None:
        """The case is about this alarm, too."""
        self.become(alarms=(*self.case.alarms, reference(change)))

    def mark(self, change: AlarmChange, *, active: bool) -> None:
        """The alarm holds, or does no longer."""
        new: dict[str, object] = {"active": active}
        if active and (change.zh or change.en):
            new |= {"zh": change.zh, "en": change.en}
        self.become(
            alarms=tuple(
                ref.model_copy(update=new) if (ref.rule, ref.subject) == (change.rule, change.subject) else ref
                for ref in self.case.alarms
            )
        )

    # timers

    def set_ladder(self, due_at_ms: int) -> None:
        """The ladder's next rung is due then."""
        self.become(next_at_ms=due_at_ms)
        self.effects.append(SetTimer(name=TimerName.LADDER, due_at_ms=due_at_ms))

    def stop_ladder(self) -> None:
        """The ladder rests."""
        self.become(next_at_ms=None)
        self.effects.append(StopTimer(name=TimerName.LADDER))

    def set_lease(self, seconds: int) -> None:
        """Who has the case has it for so long, unless they say how things stand."""
        self.set_lease_until(self.now_ms + seconds * 1000)

    def set_lease_until(self, due: int) -> None:
        """As `set_lease`, with the instant (ms) at which it ends."""
        self.become(lease_until_ms=due)
        self.effects.append(SetTimer(name=TimerName.LEASE, due_at_ms=due))

    def stop_lease(self) -> None:
        """Whoever has the case has it for good."""
        self.become(lease_until_ms=None)
        self.effects.append(StopTimer(name=TimerName.LEASE))

    # saying things

    def resolve(self, recipient: Recipient, *, place: str | None, resident: str | None) -> list[Target]:
        """The people a recipient stands for now; in a drill whom it tells of them, and the others are written down."""
        found = list(self.directory.resolve(recipient, place=place, resident=resident, at_ms=self.now_ms))
        order = self.case.drill_of
        if order is None:
            return found
        told, spared = drill.told(order, recipient, found, self.directory, self.now_ms)
        new = [one.person for one in spared if one.person not in self.case.spared]
        if new:
            self.become(spared=(*self.case.spared, *new))
            self.write("system", "drill_spared", people=new)
        return told

    def tell(
        self,
        targets: Iterable[Target],
        purpose: Purpose,
        *,
        occasion: str,
        rung: str | None = None,
        detail: tuple[str, str] = ("", ""),
    ) -> int:
        """Tell each target once over their first address (for life safety over as many at once as they want); returns
        how many can be told. Who has quiet hours hears by a quiet channel, or when they are over, unless it is urgent.

        ``occasion`` makes the idempotency key: the same person is never told twice for the same occasion.
        """
        told = 0
        for target in targets:
            if not target.addresses:
                self.write("system", "no_address", person=target.person, name=target.name)
                continue
            told += 1
            ways = self._ways(target)
            if not ways:
                self._hold(target, purpose, occasion, rung, detail)
            elif ways[0] > 0 and target.addresses[0].channel != target.addresses[ways[0]].channel:
                self.write("system", "quiet_channel", person=target.person, channel=target.addresses[ways[0]].channel)
            for way in ways[: target.at_once if self.case.ladder.life_safety else 1]:
                self._say(target, way, purpose, occasion, rung, detail)
        return told

    def remember(self, targets: Iterable[Target]) -> None:
        """They have been told of the case, and hear how it ends."""
        known = {target.person for target in self.case.told}
        new = tuple({one.person: one for one in targets if one.person not in known}.values())
        if new:
            self.become(told=(*self.case.told, *new))

    def _ways(self, target: Target) -> list[int]:
        """Which of the target's addresses may be used now, in their order."""
        every = list(range(len(target.addresses)))
        if self.case.ladder.life_safety or self.case.severity in (Severity.EMERGENCY, Severity.URGENT):
            return every
        quiet = self.directory.quiet(target.person, self.now_ms)
        return every if quiet is None else [way for way in every if target.addresses[way].channel in quiet.channels]

    def _hold(self, target: Target, purpose: Purpose, occasion: str, rung: str | None, detail: tuple[str, str]) -> None:
        quiet = self.directory.quiet(target.person, self.now_ms)
        until_ms = max(self.now_ms + 1000, quiet.until_ms if quiet is not None else 0)
        held = Item(
            what="held",
            at_ms=until_ms,
            name=target.person,
            purpose=purpose,
            occasion=occasion,
            rung=rung,
            detail=detail,
        )
        waiting = [
            item
            for item in self.case.agenda
            if (item.what, item.name, item.occasion) == ("held", held.name, held.occasion)
        ]
        if not waiting:
            self.become(agenda=(*self.case.agenda, held))
            self.write("system", "quiet_held", person=target.person, until_ms=until_ms, purpose=purpose.value)

    def _say(
        self, target: Target, index: int, purpose: Purpose, occasion: str, rung: str | None, detail: tuple[str, str]
    ) -> None:
        address = target.addresses[index]
        title, body = messages.message(
            self.case,
            purpose,
            self.directory,
            language=target.language,
            detail=detail,
            discreet=target.discreet,
        )
        self.effects.append(
            Send(
                key=f"{self.case.id}:{occasion}:{target.person}:{index}:{address.channel}",
                channel=address.channel,
                to=address.to,
                purpose=purpose,
                person=target.person,
                rung=rung,
                urgent=self.case.ladder.life_safety and purpose not in _CAN_WAIT,
                title=title,
                body=body,
                say=self._spoken(target, title, detail),
                detail=detail,
            )
        )

    def _spoken(self, target: Target, title: str, detail: tuple[str, str]) -> Spoken:
        index = 1 if target.language == "en" else 0
        own = () if target.discreet else self.case.said[:1]
        place = scene.place_path(self.case, self.directory, target.language)
        more = (detail[index], *(words[index] for words in own))
        return wording_spoken.spoken(title, place, more, language=target.language)

    def tell_elsewhere(self, target: Target, failed: DeliveryHeard) -> bool:
        """What ``failed`` is about did not get through: try the person's next address. False where there is none."""
        stem, _person, index, _channel = failed.key.rsplit(":", 3)
        way = next((way for way in self._ways(target) if way > int(index)), None)
        if way is None:
            return False
        self._say(target, way, failed.purpose, stem.removeprefix(f"{self.case.id}:"), failed.rung, failed.told)
        return True

    def pressed(self, device: str | None, *, helped: bool = False) -> None:
        """Something was said at a device: where it has a lamp or a voice, the resident learns that it was heard,
        or (``helped``) that somebody is on the way."""
        if device is None or not self.directory.obeys(device, "indicate"):
            return
        if drill.nothing_at(self, "indicate", device=device):
            return
        if device not in self.case.indicators:
            self.become(indicators=(*self.case.indicators, device))
        self._indicate(device, *(("blue", "help_is_coming") if helped else ("green", "received")))

    def indicate(self, lamp: str, voice: str) -> None:
        """Tell the resident through every device that was pressed; what they were to hear before is out of date."""
        self.withdraw(f"now {lamp}", Purpose.INDICATE)
        for device in self.case.indicators:
            self._indicate(device, lamp, voice)

    def ask_aloud(self, voice: str) -> bool:
        """Say something to the resident at the devices that were pressed, else at those of the home that have a voice;
        False where there are none."""
        case = self.case
        if drill.nothing_at(self, voice):
            return False
        devices = case.indicators or tuple(
            self.directory.obeying((), "indicate", place=case.place, resident=case.resident)
        )
        if devices and not case.duress:
            self.become(indicators=devices)
            self.indicate("green", voice)
        return bool(devices) and not case.duress

    def _indicate(self, device: str, lamp: str, voice: str) -> None:
        if self.case.duress:
            return  # whoever stands beside the resident must believe that it is over
        self.effects.append(
            Send(
                key=f"{self.case.id}:{voice}:{self.case.version}:{device}:{DEVICE_CHANNEL}",
                channel=DEVICE_CHANNEL,
                to=device,
                purpose=Purpose.INDICATE,
                urgent=True,
                data={"command": "indicate", "args": {"lamp": lamp, "voice": voice}},
                give_up_after_s=120,
            )
        )

    def line(self, key: str, purpose: Purpose, data: dict[str, object], number: str | None = None) -> None:
        """Say something to the emergency line: the case's own, unless another ``number`` is given. A drill at a site
        whose line dials has a line of its own."""
        apart = self.case.drill and self.directory.line_mode != "drill"
        self.effects.append(
            Send(
                key=key,
                channel=DRILL_LINE_CHANNEL if apart else LINE_CHANNEL,
                to=number or str(self.case.emergency.number or ""),
                purpose=purpose,
                urgent=True,
                data=data,
                give_up_after_s=600,
            )
        )

    def done(self) -> Moved:
        """The result, with versions counted."""
        self._sync(TimerName.LINE, self.before.emergency.next_ms, self.case.emergency.next_ms)
        beside_ms = min((item.at_ms for item in self.case.agenda), default=None)
        self._sync(TimerName.BESIDE, self.before.beside_at_ms, beside_ms)
        self.become(beside_at_ms=beside_ms, scene=scene.kept(self.case, self.directory, self.now_ms))
        version = self.before.version + 1
        changed = _standing(self.case) != _standing(self.before)
        self.become(version=version, changed_in=version if changed else self.case.changed_in)
        if self.case.drill:
            sent = (one.model_copy(update={"drill": True}) if isinstance(one, Send) else one for one in self.effects)
            return Moved(self.case, tuple(sent))
        return Moved(self.case, tuple(self.effects))

    def _sync(self, name: TimerName, before_ms: int | None, after_ms: int | None) -> None:
        """The timers of the gate and of what is due beside the ladder follow from the case."""
        if after_ms is not None and (after_ms != before_ms or name in self.fired):
            self.effects.append(SetTimer(name=name, due_at_ms=after_ms))
        elif after_ms is None and before_ms is not None:
            self.effects.append(StopTimer(name=name))
