"""What the decider does in its transactions: observations, deliveries, timers, silence, the clock, the audit.

Each method takes one bounded helping and commits it with what the rules remember, so that what is urgent never waits
long behind it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.cases.commands import Refused
from gateway.cases.effects import Purpose
from gateway.clock import Clock
from gateway.decider import auditor, care_rows, case_rows, device_rows, drills, duty, others, withheld_rows
from gateway.decider.care import belongs
from gateway.decider.clock_watch import ClockWatch
from gateway.decider.decision import Decision
from gateway.decider.health import Changed, Health
from gateway.decider.positions import Positions
from gateway.decider.view import View
from gateway.decider.withheld_rows import Withheld
from gateway.journal.entry import Entry, JournalReader, Quarantined
from gateway.outbox import rows as outbox_rows
from gateway.registry import care as cares
from gateway.registry.care import Care
from gateway.state.db import reading, writing
from gateway.state.leadership import ALONE, Leadership

log = logging.getLogger(__name__)

TIMER_BATCH = 32
OUTCOME_BATCH = 64
SILENCE_BATCH = 32
HOUSEKEEPING = ("command_result", "low_battery")
"""Urgent by their lane, and nothing that a person has to be told when the code fails on it."""
RELEASE_BATCH = 8
AUDIT_S = 15.0
AGAIN_MS = 30_000
"""A timer whose step failed is tried again after so long; the others do not wait for it."""


class _Undecidable(Exception):
    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.observation.message_id)
        self.entry = entry


class Desk:
    """Used by the decider's thread alone."""

    def __init__(
        self,
        engine: sa.Engine,
        journal: JournalReader,
        clock: Clock,
        health: Health,
        *,
        quarantine: Callable[[Quarantined], None],
        on_change: Callable[[Changed], None],
        on_said: Callable[[], None],
        reload: Callable[[], None],
        steady_ms: Callable[[], int] | None,
        leadership: Leadership | None,
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._health = health
        self._quarantine = quarantine
        self._on_change = on_change
        self._on_said = on_said
        self._leadership = leadership
        self._positions = Positions(engine, journal, ALONE if leadership is None else leadership.gateway)
        self._reload = reload
        """Takes the rules' memory from the database again, where it is ahead of what was committed."""
        self.view: View | None = None
        """The registry to decide by."""
        self._watch = ClockWatch(clock, steady_ms) if steady_ms is not None else None
        self._audited = float("-inf")
        self._shifts = duty.Shifts()
        self._shifts_at_ms = 0
        """After a failure the shifts rest until then."""
        self._drills = drills.Watch()
        self._drills_at_ms = 0
        """After a failure drills rest until then."""
        self._free: list[Withheld] = []
        """Alarms that were held back and perhaps are no longer."""
        self._moved = True
        """Whether a case has changed since it was last looked whose alarms are held back."""
        self._released_for = 0
        """The revision of the registry by which all that is held back was looked at."""
        self._read_until_ms: dict[Lane, int] = {}
        """Up to when all that was received has been decided, by lane: a backlog is no silence of its devices."""
        self._poisoned: set[tuple[Lane, int]] = set()

    def find_position(self) -> None:
        """Where in the journal to go on."""
        self._positions.find()

    @property
    def _beside(self) -> bool:
        """Whether there is another gateway on this database, or was."""
        return self._leadership is not None and bool(self._leadership.peers or self._leadership.missing)

    @property
    def decided_ms(self) -> int:
        """Up to when all that was received has been decided; 0 while that is not known."""
        return min(self._read_until_ms.values()) if len(self._read_until_ms) == len(Lane) else 0

    def stand_by(self) -> None:
        """Another gateway decides: come after it in the own journal, far enough behind to miss nothing of what it may
        leave undone."""
        assert self._leadership is not None
        self._positions.follow(self._leadership.decided_ms)
        self._read_until_ms.clear()
        self._health.audited = time.monotonic()  # the leader's to do

    def mind_the_clock(self) -> None:
        """Where the wall clock was set, move what is due with it: a step neither fires a ladder nor puts it off."""
        by_ms = self._watch.stepped_ms() if self._watch is not None else 0
        if self._watch is None or not by_ms or self.view is None:
            return
        log.warning("the clock was set by %+.1f s; what is due moves with it", by_ms / 1000)

        def move(decision: Decision) -> set[str]:
            for case_id in case_rows.timed_cases(decision.connection):
                self._apart(decision, f"clock step of {case_id}", partial(decision.clock_stepped, case_id, by_ms))
            care_rows.move(decision.connection, by_ms)
            duty.move(decision.connection, by_ms)
            drills.move(decision.connection, by_ms)
            if by_ms > 0:
                decision.view.rules.set_forward(by_ms, decision.now_ms)  # back, the rules notice by themselves
            return set()

        self._transact(move)
        self._watch.settled()

    def audit(self) -> None:
        """Every `AUDIT_S` seconds: set lost timers again, so that no open case falls silent, and look for alarms that
        are held back by nothing."""
        if time.monotonic() - self._audited < AUDIT_S:
            return
        self._moved = True
        with reading(self._engine) as connection:
            lost = list(auditor.lost_timers(connection, self._clock.now_ms()))
        if self._beside:
            with writing(self._engine) as connection:
                others.forget_old(connection, self._clock.now_ms())

        def repair(decision: Decision) -> set[str]:
            for case_id, name in lost:
                log.error("case %s had no %s timer as it must; it is set again. Please report this", case_id, name)
                self._apart(decision, f"repair of {case_id}", partial(decision.repair, case_id, name))
            return set()

        if lost:
            self.commit(repair)
            self._health.repaired += len(lost)
            self._health.repaired_ms = self._clock.now_ms()
        self._audited = self._health.audited = time.monotonic()

    def _apart(self, decision: Decision, what: str, step: Callable[[], object]) -> bool:
        """Take a step that must not keep the others from theirs. False when the code failed on it, which is counted."""
        try:
            with decision.connection.begin_nested():
                step()
        except Exception as error:
            if case_rows.machines_trouble(error):
                raise  # the whole transaction is to be taken again
            log.exception("cannot decide: %s", what)
            self._health.undecidable += 1
            return False
        return True

    def need_view(self) -> View:
        """The registry to decide by. Raises commands.Refused before one was applied."""
        if self.view is None:
            raise Refused("no_community", "尚未配置社区", "no community has been applied yet: run `anju apply FILE`")
        return self.view

    def commit(self, work: Callable[[Decision], set[str]]) -> None:
        """Run ``work`` and commit it with what the rules remember; then tell those who wait."""
        self.mind_the_clock()
        self._transact(work)

    def _transact(self, work: Callable[[Decision], set[str]]) -> None:
        self._health.beat = time.monotonic()
        view = self.need_view()
        if self._leadership is not None:
            self._leadership.renew(self.decided_ms)  # a cycle under a flood is longer than the lease
        with writing(self._engine) as connection:
            if self._leadership is not None:
                self._leadership.require(connection)
            decision = Decision(connection, view, self._clock.now_ms())
            devices = work(decision)
            remembered = [
                {"rule": rule, "subject": subject, "body": body} for (rule, subject), body in view.rules.dirty().items()
            ]
            if remembered:
                connection.execute(case_rows.remember_statement(connection.dialect.name), remembered)
        if decision.said:
            self._on_said()
        self._moved = self._moved or bool(decision.cases)
        if decision.cases or devices:
            self._on_change(Changed(cases=frozenset(decision.cases), devices=frozenset(devices)))

    def observations(self, lane: Lane, limit: int) -> bool:
        """Decide the next ``limit`` observations of a lane. True when there may be more."""
        after = self._positions[lane]
        now_ms = self._clock.now_ms()
        entries = self._journal.read(lane, after, limit)
        if not entries:
            self._read_until_ms[lane] = now_ms
            return False
        try:
            self.commit(lambda decision: self._decide(decision, lane, entries))
        except _Undecidable as error:
            self._set_aside(lane, error)
            return True
        self._positions.reached(lane, entries[-1].position)
        self._poisoned = {(of, at) for of, at in self._poisoned if of is not lane or at > entries[-1].position}
        self._health.decided[lane.value] += len(entries)
        decided_ms = self._clock.now_ms()
        self._health.waited_ms[lane.value].extend(
            max(0, decided_ms - entry.observation.received_at_ms) for entry in entries
        )
        more = len(entries) == limit
        self._read_until_ms[lane] = entries[-1].observation.received_at_ms if more else now_ms
        return more

    def _decide(self, decision: Decision, lane: Lane, entries: list[Entry]) -> set[str]:
        observed: list[Observation] = []
        worked_on = cares.remembered(decision.connection, decision.now_ms)
        beside = self._beside and lane is Lane.URGENT
        known = others.decided_before(decision.connection, entries) if beside else set()
        for entry in entries:
            if (lane, entry.position) in self._poisoned:
                continue
            observation = entry.observation
            if observation.message_id in known:
                observed.append(observation)
                continue
            care = worked_on.get(observation.device)
            care = care if care is not None and belongs(care, observation) else None
            try:
                if observation.event == "command_result":
                    self._command_result(decision, observation)
                elif observation.event is not None and care is not None and care.mode == "test":
                    care_rows.tried(decision.connection, care, observation, decision.now_ms)
                for change in decision.view.rules.observe(observation, decision.now_ms):
                    decision.alarm(change, care)
                if observation.event == "cancel" and care is None:
                    decision.voice_answered(observation)
                self._failed(decision, observation, care)
            except Exception as error:
                if case_rows.machines_trouble(error):
                    raise
                raise _Undecidable(entry) from error
            observed.append(observation)
        if beside:
            others.note_decided(decision.connection, entries, decision.now_ms)
        devices = device_rows.note(decision.connection, observed, decision.now_ms)
        devices |= worked_on.keys() & {observation.device for observation in observed}
        self._positions.save(decision.connection, lane, entries[-1].position)
        return devices

    def _failed(self, decision: Decision, observation: Observation, care: Care | None) -> None:
        """A rule's code failed; the others have decided. Where a life may be concerned, people are told and judge."""
        failed = decision.view.rules.failed
        self._health.undecidable += len(failed)
        urgent = observation.lane is Lane.URGENT and observation.event not in HOUSEKEEPING
        if urgent and (care is None or care.mode != "test") and any(map(decision.concerns_life, failed)):
            decision.undecidable(observation)

    def _command_result(self, decision: Decision, observation: Observation) -> None:
        outbox_rows.confirm_command(
            decision.connection,
            observation.device,
            str(observation.data.get("id", "")),
            ok=observation.data.get("ok") is True,
            error=str(observation.data.get("error", "")),
            now_ms=decision.now_ms,
        )

    def _set_aside(self, lane: Lane, error: _Undecidable) -> None:
        """One observation breaks the rules' code: it is kept for an engineer, and the rest goes on without it."""
        observation = error.entry.observation
        log.error("cannot decide on %s; it is kept in quarantine", observation.message_id, exc_info=error.__cause__)
        self._poisoned.add((lane, error.entry.position))
        self._health.undecidable += 1
        self._quarantine(
            Quarantined(
                received_at_ms=observation.received_at_ms,
                transport="decider",
                source=f"{lane.value}:{error.entry.position}",
                device=observation.device,
                reason="undecidable",
                field="rules",
                expected="rules that can judge every observation",
                hint=f"{error.__cause__!r}; report this as a defect",
                payload=json.dumps({"message_id": observation.message_id, "event": observation.event}).encode(),
            )
        )
        self._reload()
        if lane is Lane.URGENT and observation.event not in HOUSEKEEPING:

            def tell(decision: Decision) -> set[str]:
                care = cares.find(decision.connection, observation.device, decision.now_ms)
                if care is None or care.mode != "test" or not belongs(care, observation):
                    self._apart(
                        decision, f"to tell of {observation.message_id}", partial(decision.undecidable, observation)
                    )
                return set()

            self.commit(tell)

    def deliveries(self) -> bool:
        """Tell cases what became of what they said. True when there is more."""
        with reading(self._engine) as connection:
            waiting = len(outbox_rows.unseen_outcomes(connection))
        if waiting:
            self.commit(self._hear)
        return waiting > OUTCOME_BATCH

    def _hear(self, decision: Decision) -> set[str]:
        for outcome in outbox_rows.unseen_outcomes(decision.connection)[:OUTCOME_BATCH]:
            what = f"{outcome.delivery.value} of {outcome.send.key}"
            if outcome.case_id:  # a command by hand belongs to none; who gave it looks at the outbox
                self._apart(decision, what, partial(decision.delivered, outcome.case_id, outcome.heard))
            elif outcome.send.purpose in (*duty.PURPOSES, Purpose.DRILL_REPORT):
                self._apart(decision, what, partial(duty.heard, decision, outcome))
            outbox_rows.mark_seen(decision.connection, outcome)
        return set()

    def shifts(self) -> None:
        """Whoever comes on duty is told, and takes over what is open."""
        view, now_ms = self.need_view(), self._clock.now_ms()
        if now_ms < self._shifts_at_ms or not self._shifts.due(self._engine, view, now_ms):
            return

        well = False

        def change(decision: Decision) -> set[str]:
            nonlocal well
            well = self._apart(decision, "a change of shift", partial(duty.look, decision))
            return set()

        self.commit(change)
        if well:
            self._shifts.looked(view, now_ms)
        else:
            self._shifts_at_ms = now_ms + AGAIN_MS

    def drills(self) -> None:
        """Self-tests that are due, drills ordered by hand, their ends and reports."""
        view, now_ms = self.need_view(), self._clock.now_ms()
        if now_ms < self._drills_at_ms or not self._drills.due(self._engine, view, now_ms):
            return
        well = True

        def carry_out(decision: Decision) -> set[str]:
            nonlocal well
            for what, step in drills.steps(decision):
                well = self._apart(decision, what, partial(step, decision)) and well
            self._health.drill_trouble = drills.trouble(decision.connection, view)
            return set()

        self.commit(carry_out)
        if well:
            self._drills.looked(view, now_ms)
        else:
            self._drills_at_ms = now_ms + AGAIN_MS

    def timers(self) -> bool:
        """Take the steps of the timers that are due. True when there may be more."""
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            due = case_rows.due_timers(connection, now_ms, TIMER_BATCH)

        def fire(decision: Decision) -> set[str]:
            for timer in due:
                if not self._apart(decision, f"{timer.name} of {timer.case_id}", partial(decision.timer, timer)):
                    case_rows.postpone_timer(decision.connection, timer, decision.now_ms + AGAIN_MS)
            return set()

        if due:
            self.commit(fire)
        return len(due) == TIMER_BATCH

    def silence(self) -> bool:
        """Let the rules see that time has passed: devices not heard raise. True when there may be more."""
        view = self.need_view()
        deadline = view.rules.next_deadline_ms()
        if deadline is None or deadline > self._clock.now_ms() or len(self._read_until_ms) < len(Lane):
            return False
        read_until_ms = min(self._read_until_ms.values())

        told = 0

        def tick(decision: Decision) -> set[str]:
            nonlocal told
            worked_on = cares.running(decision.connection, decision.now_ms)
            for change in view.rules.tick(decision.now_ms, read_until_ms=read_until_ms, limit=SILENCE_BATCH):
                told += 1
                care = worked_on.get(change.device or "")
                what = f"{change.rule} about {change.subject}"
                if not self._apart(decision, what, partial(decision.alarm, change, care)):
                    self._apart(decision, f"to tell of {what}", partial(decision.untold, change, care))
            self._health.undecidable += len(view.rules.failed)
            return set()

        self.commit(tick)
        return told >= SILENCE_BATCH

    def settle_care(self) -> None:
        """The work on a device is over: what still holds and was told to nobody is told now."""
        read_until_ms = min(self._read_until_ms.values()) if len(self._read_until_ms) == len(Lane) else None
        with reading(self._engine) as connection:
            due = care_rows.due(connection, self._clock.now_ms(), read_until_ms)

        def settle(decision: Decision) -> set[str]:
            for care in due:
                if not self._apart(decision, f"the care of {care.device}", partial(decision.settle, care)):
                    care_rows.postpone(decision.connection, care, decision.now_ms + AGAIN_MS)
            return {care.device for care in due}

        if due:
            self.commit(settle)

    def release(self) -> bool:
        """What held alarms back is over: what still holds of them is told now. True when there is more."""
        view = self.need_view()
        if not self._free and (self._moved or view.revision != self._released_for):
            # An alarm that stands goes on holding others back; only another registry can change what it holds back.
            every = view.revision != self._released_for
            with reading(self._engine) as connection:
                self._free = withheld_rows.every(connection) if every else withheld_rows.orphans(connection)
            self._moved = False
            self._released_for = view.revision
        some = self._free[:RELEASE_BATCH]

        def look(decision: Decision) -> set[str]:
            worked_on = cares.running(decision.connection, decision.now_ms)
            for row in some:
                care = worked_on.get(row.change.device or "")
                what = f"{row.change.rule} about {row.change.subject}, which was held back"
                self._apart(decision, what, partial(decision.look_again, row, care))
            return set()

        if some:
            self.commit(look)
            del self._free[: len(some)]
        return bool(self._free)
