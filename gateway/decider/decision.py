"""What is decided within one transaction: alarms find their case, timers and answers move it, all of it is written."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass, field

import sqlalchemy as sa

from devices.kinds import KINDS
from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove, Evidence, Severity
from gateway.cases import machine
from gateway.cases.commands import (
    AlarmHeard,
    ClockStepped,
    Command,
    DeliveryHeard,
    HumanAction,
    TimerDue,
    TimerLost,
)
from gateway.cases.model import Case, EndMomentaryAlarms, Ladder, Stage, TimerName
from gateway.cases.turn import Moved
from gateway.decider import care_rows, case_rows
from gateway.decider.care import TECHNICAL, hides
from gateway.decider.view import View
from gateway.registry.care import Care
from gateway.rules.document import EventRule
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
        if care is not None and hides(care.mode, change):
            care_rows.hide(self.connection, care, change, self.now_ms)
            return
        if change.move in (AlarmMove.RAISED, AlarmMove.REPEATED):
            self._raised(change)
            return
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

    def undecidable(self, observation: Observation) -> None:
        """The rules' code fails on something urgent: people are told that something was said, and judge themselves.

        The ladder is one for life safety, where there is one, without its emergency line: what was said is not known
        to be an emergency.
        """
        device = self.view.directory.device(observation.device)
        subject = f"device:{observation.device}"
        ladders = sorted(self.view.ladders.values(), key=lambda ladder: (not ladder.life_safety, ladder.id))
        rungs = tuple(rung for rung in ladders[0].rungs if rung.call is None)
        ladder = ladders[0].model_copy(update={"rungs": rungs or ladders[0].rungs[:1], "cancel_window_s": 0})
        change = AlarmChange(
            move=AlarmMove.RAISED,
            rule="undecidable",
            rule_version=1,
            subject=subject,
            type="undecidable",
            severity=Severity.URGENT,
            ladder=ladder.id,
            at_ms=self.now_ms,
            observed_at_ms=observation.observed_at_ms,
            device=observation.device,
            place=device.place if device is not None else None,
            resident=device.resident if device is not None else None,
            momentary=True,
            explanation=f"{observation.kind}: {observation.event}",
            evidence=(
                Evidence(
                    message_id=observation.message_id,
                    device=observation.device,
                    observed_at_ms=observation.observed_at_ms,
                    received_at_ms=observation.received_at_ms,
                    event=observation.event,
                    metrics=observation.metrics,
                    clock_suspect=observation.clock_suspect,
                ),
            ),
        )
        case_id = case_rows.open_alarm_case(self.connection, change.rule, subject)
        case = None if case_id is None else case_rows.load(self.connection, case_id)
        if case is not None and case.open:
            self._apply(case, machine.step(case, AlarmHeard(change=change), self.view.directory, self.now_ms))
        else:
            self._open(change, ladder)

    def _raised(self, change: AlarmChange) -> None:
        case_id = case_rows.open_alarm_case(self.connection, change.rule, change.subject)
        case = None if case_id is None else case_rows.load(self.connection, case_id)
        if case is not None and case.open and case.stage not in (Stage.RESOLVED, Stage.VERIFIED):
            case_rows.repeat_alarm(self.connection, change.rule, change.subject)
            self._apply(case, machine.step(case, AlarmHeard(change=change), self.view.directory, self.now_ms))
            return
        if case_id is not None:
            # Closed never reopens, and of what is done nobody is told any more: what comes again is a new episode.
            case_rows.close_alarm(self.connection, change.rule, change.subject, self.now_ms)
        change = change.model_copy(update={"move": AlarmMove.RAISED})  # for people it begins here
        ladder = self._ladder(change, case)
        joined = case_rows.joinable(self.connection, change, ladder.life_safety, self.now_ms)
        if joined is not None:
            case_rows.insert_alarm(self.connection, change, joined.id)
            self._apply(joined, machine.step(joined, AlarmHeard(change=change), self.view.directory, self.now_ms))
            return
        self._open(change, ladder)

    def _open(self, change: AlarmChange, ladder: Ladder) -> None:
        number = case_rows.next_number(self.connection, self.now_ms, self.view.timezone)
        # After a backup was restored numbers come again. What is sent goes by the id: it must never look like a repeat
        # of an earlier case, which a 120 centre would rightly not answer.
        case_id = f"{number}-{secrets.token_hex(3)}"
        case_rows.insert_alarm(self.connection, change, case_id)
        moved = machine.open_case(
            case_id=case_id,
            number=number,
            change=change,
            ladder=ladder,
            directory=self.view.directory,
            now_ms=self.now_ms,
        )
        self._apply(None, moved)

    def _ladder(self, change: AlarmChange, before: Case | None) -> Ladder:
        """The ladder of the alarm. It may be gone where the alarm was raised under an earlier registry."""
        ladder = self.view.ladders.get(change.ladder)
        if ladder is not None:
            return ladder
        others = sorted(self.view.ladders.values(), key=lambda other: (not other.life_safety, other.id))
        ladder = before.ladder if before is not None else others[0]
        log.error("rule %s names ladder %s, which is gone; going by %s", change.rule, change.ladder, ladder.id)
        return ladder

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

    def delivered(self, case_id: str, heard: DeliveryHeard) -> None:
        """The outbox reports."""
        self._step(case_id, heard)

    def act(self, case_id: str, action: HumanAction) -> Case:
        """A person decides. Raises KeyError for an unknown case, commands.Refused."""
        case = case_rows.load(self.connection, case_id)
        if case is None:
            raise KeyError(case_id)
        return self._apply(case, machine.step(case, action, self.view.directory, self.now_ms))

    def _step(self, case_id: str, command: Command) -> None:
        case = case_rows.load(self.connection, case_id)
        if case is None:
            log.error("case %s is named by %s but does not exist", case_id, type(command).__name__)
            return
        self._apply(case, machine.step(case, command, self.view.directory, self.now_ms))

    def _apply(self, before: Case | None, moved: Moved) -> Case:
        case, effects = moved
        previous = 0 if before is None else before.version
        self.said = case_rows.save(self.connection, case, effects, previous=previous, now_ms=self.now_ms) or self.said
        if any(isinstance(effect, EndMomentaryAlarms) for effect in effects):
            for ref in case.alarms:
                if ref.momentary and case_rows.open_alarm_case(self.connection, ref.rule, ref.subject) is None:
                    self.view.rules.end_momentary(ref.rule, ref.subject)
        self.cases.add(case.id)
        return case
