"""What is decided within one transaction: alarms find their case, timers and answers move it, all of it is written."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.alarms import ALARM_TYPES, AlarmChange, AlarmMove
from gateway.cases import machine
from gateway.cases.commands import (
    AlarmHeard,
    AlarmWithheld,
    ClockStepped,
    Command,
    DeliveryHeard,
    DrillOver,
    DutyPassed,
    HumanAction,
    Order,
    StormJoined,
    TimerDue,
    TimerLost,
    VoiceAnswered,
)
from gateway.cases.effects import Effect, EndMomentaryAlarms, TimerName, Write
from gateway.cases.handover import hand_over
from gateway.cases.model import Case, Storm
from gateway.cases.policy import Ladder
from gateway.cases.report import Report
from gateway.cases.turn import Moved
from gateway.decider import answer_rows, care_rows, case_rows, press_drills, shadow_rows, storm, withheld_rows, working
from gateway.decider.care import TECHNICAL, hides
from gateway.decider.orders import orders
from gateway.decider.slow_clock import allowed_for
from gateway.decider.view import View
from gateway.decider.withheld_rows import Withheld
from gateway.registry.care import Care
from gateway.registry.outside import receivers, scene
from gateway.rules.document import EventRule, RuleDocument
from gateway.state import tables as t

log = logging.getLogger(__name__)


@dataclass
class Decision:
    """One transaction's worth of decisions."""

    connection: sa.Connection
    view: View
    now_ms: int
    cases: set[str] = field(default_factory=set)
    """Cases that changed, for those who watch."""
    said: bool = False
    """Whether something was put into the outbox."""

    def alarm(self, change: AlarmChange, care: Care | None = None) -> None:
        """A rule moved an alarm: open a case, or tell the one that is open.

        ``care``: the device was being worked on when it happened, and some of its alarms are told to nobody.
        """
        raised = change.move in (AlarmMove.RAISED, AlarmMove.REPEATED)
        if change.shadow:
            shadow_rows.write(self.connection, change)
            if raised:
                return  # what was told before the rule was only tried out still ends
        elif care is not None and hides(care.mode, change):
            care_rows.hide(self.connection, care, change, self.now_ms)
            return
        elif raised:
            if not press_drills.takes(self, change):
                self._raised(allowed_for(self.connection, change))
            return
        withheld_rows.forget(self.connection, change.rule, change.subject)
        case_id = case_rows.open_alarm_case(self.connection, change.rule, change.subject)
        case_rows.close_alarm(self.connection, change.rule, change.subject, self.now_ms)
        if case_id is not None:
            self._step(case_id, AlarmHeard(change=change))

    def settle(self, care: Care) -> None:
        """The work on a device is over, or goes on in another mode: what still holds and nobody was told is told now.

        A moment (a press) held then and holds no more. What a device says of itself in a moment may still be so: a
        state of the device tells.
        """
        for held in self.view.rules.held_by(care.device, "", self.now_ms):
            if case_rows.open_alarm_case(self.connection, held.rule, held.subject) is not None:
                continue  # somebody was told
            if held.shadow or withheld_rows.find(self.connection, held.rule, held.subject) is not None:
                continue  # nobody is to be told, or not yet
            if care.running(self.now_ms) and hides(care.mode, held):
                continue
            if held.momentary and not self._still_on(held):
                self.view.rules.end_momentary(held.rule, held.subject)
                continue
            hidden = care_rows.last_hidden(self.connection, care.device, held)
            why = "still so when the work on the device ended"
            more = {"explanation": f"{hidden.explanation}; {why}", "evidence": hidden.evidence} if hidden else {}
            self.alarm(held.model_copy(update={"explanation": why} | more))
        care_rows.settled(self.connection, care, self.now_ms)

    def _still_on(self, held: AlarmChange) -> bool:
        device, rule = self.view.directory.device(held.device or ""), self.view.rules.rule(held.rule)
        if device is None or not isinstance(rule, EventRule) or held.type not in TECHNICAL:
            return False
        query = sa.select(t.device_states.c.states).where(t.device_states.c.device == device.id)
        states = json.loads(self.connection.execute(query).scalar_one_or_none() or "{}")
        return any(row.on in rule.events and states.get(row.key) == 1 for row in KINDS[device.kind].states.values())

    def look_again(self, row: Withheld, care: Care | None) -> None:
        """What held an alarm back is over: what still holds is told now, unless another alarm holds it back.

        ``care``: as in `alarm`. A moment nobody was told of is told as well, with its age.
        """
        change = row.change
        if withheld_rows.find(self.connection, change.rule, change.subject) is None:
            return  # it ended meanwhile, or was told
        if self._hold_back(change, self.view.rules.rule(change.rule)):
            return
        withheld_rows.forget(self.connection, change.rule, change.subject)
        held = next(
            (one for one in self._held(change) if (one.rule, one.subject) == (change.rule, change.subject)), None
        )
        if held is None or held.shadow:
            return
        by = ALARM_TYPES[row.by.type]
        since = datetime.fromtimestamp(row.since_ms / 1000, UTC).astimezone(ZoneInfo(self.view.timezone))
        why = (
            f"自 {since:%m-%d %H:%M} 起因“{by.zh}”暂缓通知 "
            f"held back since {since:%m-%d %H:%M} because of {by.en} ({row.by.case.rpartition('-')[0]})"
        )
        kept = ("evidence", "conditions", "zh", "en", *(("observed_at_ms",) if change.momentary else ()))
        more = {name: getattr(change, name) for name in kept}
        self.alarm(held.model_copy(update={"explanation": f"{change.explanation}; {why}"} | more), care)

    def _held(self, change: AlarmChange) -> Iterator[AlarmChange]:
        """What is held by the devices that can hold ``change``."""
        kind, _, name = change.subject.partition(":")
        devices = {change.device or "", name if kind == "device" else ""} - {""}
        if kind in ("place", "resident"):
            devices |= {one.id for one in self.view.directory.devices.values() if getattr(one, kind) == name}
        for device in sorted(devices, key=lambda one: (one != change.device, one)):
            yield from self.view.rules.held_by(device, "", self.now_ms)

    def _raised(self, change: AlarmChange) -> None:
        rule = self.view.rules.rule(change.rule)
        wanted = orders(self.view.directory, rule, change)
        case_id, case = self.told(change.rule, change.subject)
        if case is not None and case.at_work:
            case_rows.repeat_alarm(self.connection, change.rule, change.subject)
            heard = AlarmHeard(change=change, orders=wanted)
            self.apply(case, machine.step(case, heard, self.view.directory, self.now_ms))
            return
        if case_id is None and self._hold_back(change, rule):
            return
        withheld_rows.forget(self.connection, change.rule, change.subject)
        if case_id is not None:
            # Closed never reopens, and of what is done nobody is told any more: what comes again is a new episode.
            case_rows.close_alarm(self.connection, change.rule, change.subject, self.now_ms)
        change = change.model_copy(update={"move": AlarmMove.RAISED})  # for people it begins here
        ladder = self._ladder(change, case)
        joined = case_rows.joinable(self.connection, change, ladder, self.now_ms)
        if joined is not None:
            case_rows.insert_alarm(self.connection, change, joined.id)
            heard = AlarmHeard(change=change, orders=wanted)
            self.apply(joined, machine.step(joined, heard, self.view.directory, self.now_ms))
        elif rule is None or not storm.may_join(change, ladder) or not self._storm(change, rule, ladder, wanted):
            self.open(change, ladder, wanted)

    def told(self, rule: str, subject: str) -> tuple[str | None, Case | None]:
        """The open alarm with this key: the id of its case, and the case."""
        case_id = case_rows.open_alarm_case(self.connection, rule, subject)
        return case_id, None if case_id is None else case_rows.load(self.connection, case_id)

    def _hold_back(self, change: AlarmChange, rule: RuleDocument | None) -> bool:
        """Whether another alarm stands because of which nobody is told of ``change`` for now. It can be seen there."""
        if rule is None or rule.inhibited_by is None or not withheld_rows.may_be_held_back(change):
            return False
        by = withheld_rows.inhibitor(self.connection, self.view.directory, change, rule.inhibited_by)
        if by is None:
            return False
        if withheld_rows.put(self.connection, change, by, self.now_ms):
            self._step(by.case, AlarmWithheld(change=change))
        return True

    def _storm(self, change: AlarmChange, rule: RuleDocument, ladder: Ladder, wanted: tuple[Order, ...]) -> bool:
        """Whether there are so many alarms of the rule that this one joins the case that stands for all of them."""
        recent, until_ms = storm.rate(self.connection, rule.id, rule.storm, self.now_ms)
        case_id, case = self.told(rule.id, storm.subject_of(rule.id))
        if case is not None and not case.at_work:
            case = None
        over = recent >= rule.storm.count
        if not over and (case is None or case.storm is None or not storm.lasts(case.storm, self.now_ms)):
            return False
        if case is None:
            if case_id is not None:
                case_rows.close_alarm(self.connection, rule.id, storm.subject_of(rule.id), self.now_ms)
            raised = storm.raised(self.connection, self.view.directory, rule, ladder, change, recent + 1, self.now_ms)
            stands_for = Storm(rule=rule.id, count=recent, within_s=rule.storm.within_s, until_ms=until_ms)
            case = self.open(raised, ladder, storm=stands_for)
        case_rows.insert_alarm(self.connection, change, case.id)
        joined = StormJoined(change=change, orders=wanted, until_ms=until_ms if over else 0)
        self.apply(case, machine.step(case, joined, self.view.directory, self.now_ms))
        return True

    def open(
        self, change: AlarmChange, ladder: Ladder, wanted: tuple[Order, ...] = (), *, storm: Storm | None = None
    ) -> Case:
        """Open a case for the alarm. ``wanted``: what its rule has done; ``storm``: the case stands for many alarms."""
        case_id, number = self.new_case()
        case_rows.insert_alarm(self.connection, change, case_id)
        device = self.view.directory.device(change.device or "")
        moved = machine.open_case(
            case_id=case_id,
            number=number,
            change=change,
            ladder=ladder,
            directory=self.view.directory,
            now_ms=self.now_ms,
            orders=wanted,
            storm=storm,
            work=None if storm is not None else self.view.directory.work_of(change.type),
            source=working.source_of(device.kind if device is not None else None),
        )
        return self.apply(None, moved)

    def new_case(self) -> tuple[str, str]:
        """Id and number of a case that is opened now."""
        number = case_rows.next_number(self.connection, self.now_ms, self.view.timezone)
        # After a backup was restored numbers come again. What is sent goes by the id: it must never look like a repeat
        # of an earlier case, which a 120 centre would rightly not answer.
        return f"{number}-{secrets.token_hex(3)}", number

    def _ladder(self, change: AlarmChange, before: Case | None) -> Ladder:
        """The ladder of the alarm. It may be gone where the alarm was raised under an earlier registry."""
        ladder = self.view.ladders.get(change.ladder)
        if ladder is not None:
            return ladder
        others = sorted(self.view.ladders.values(), key=lambda other: (not other.life_safety, other.id))
        ladder = before.ladder if before is not None else others[0]
        log.error("rule %s names ladder %s, which is gone; going by %s", change.rule, change.ladder, ladder.id)
        return ladder

    def voice_answered(self, observation: Observation) -> None:
        """Where the resident was asked whether all is well, the key that takes an alarm back answers the question."""
        for case in case_rows.asked_aloud(self.connection):
            if observation.device in case.indicators:
                self._step(case.id, VoiceAnswered(device=observation.device))

    def repair(self, case_id: str, name: TimerName) -> None:
        """A timer was lost: set it again."""
        self._step(case_id, TimerLost(name=name))

    def clock_stepped(self, case_id: str, by_ms: int) -> None:
        """The wall clock was set: move what is due with it."""
        self._step(case_id, ClockStepped(by_ms=by_ms))

    def timer(self, timer: case_rows.DueTimer) -> None:
        """A durable timer is due: claim it and take the step in the same transaction."""
        if case_rows.claim_timer(self.connection, timer):
            self._step(timer.case_id, TimerDue(name=timer.name))

    def duty_passed(self, case_id: str, passed: DutyPassed) -> None:
        """Somebody else is on duty."""
        self._step(case_id, passed)

    def drill_over(self, case_id: str, over: DrillOver) -> None:
        """The drill of this case is over; nothing where the case is."""
        case = case_rows.load(self.connection, case_id)
        if case is not None and case.open:
            self._step(case_id, over)

    def delivered(self, case_id: str, heard: DeliveryHeard) -> None:
        """The outbox reports."""
        self._step(case_id, heard)

    def take(self, case_id: str, said: HumanAction | Report) -> Case:
        """Somebody decides, or reports. Raises KeyError for an unknown case, commands.Refused."""
        return working.report(self, said) if isinstance(said, Report) else self.act(case_id, said)

    def act(self, case_id: str, action: HumanAction) -> Case:
        """A person decides. Raises KeyError for an unknown case, commands.Refused."""
        case = case_rows.load(self.connection, case_id)
        if case is None:
            raise KeyError(case_id)
        if action.answer is not None and not answer_rows.claim(self.connection, action.answer, self.now_ms):
            return case  # it was carried out, and the gateway died before it could say so
        if action.action in working.TWO_CASES or (action.action == "call_back" and action.done is False):
            return working.on_two(self, case, action)
        moved = machine.step(case, action, self.view.directory, self.now_ms)
        return self.apply(case, moved if not action.via else moved._replace(effects=_by_way(moved.effects, action)))

    def _step(self, case_id: str, command: Command) -> None:
        case = case_rows.load(self.connection, case_id)
        if case is None:
            log.error("case %s is named by %s but does not exist", case_id, type(command).__name__)
            return
        self.apply(case, machine.step(case, command, self.view.directory, self.now_ms))

    def apply(self, before: Case | None, moved: Moved) -> Case:
        """Write what a step led to: the case, and everything that follows from it."""
        case, effects = moved
        outsiders = receivers(self.view.directory, case.place)
        case, told = hand_over(before, case, outsiders, partial(scene, self.view.directory, case), self.now_ms)
        effects += told
        previous = 0 if before is None else before.version
        over = any(isinstance(effect, EndMomentaryAlarms) for effect in effects)
        moments = case_rows.momentary_alarms(self.connection, case) if over else []
        self.said = case_rows.save(self.connection, case, effects, previous=previous, now_ms=self.now_ms) or self.said
        for rule, subject in moments:
            if case_rows.open_alarm_case(self.connection, rule, subject) is None:
                self.view.rules.end_momentary(rule, subject)
        self.cases.add(case.id)
        return case


def _by_way(effects: tuple[Effect, ...], action: HumanAction) -> tuple[Effect, ...]:
    """The timeline says of what somebody did by which way it came."""
    return tuple(
        effect.model_copy(update={"data": {**effect.data, "via": action.via}})
        if isinstance(effect, Write) and effect.actor == action.actor
        else effect
        for effect in effects
    )
