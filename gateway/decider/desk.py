"""What falls due in the decider: deliveries to hear of, shifts, drills, timers, silence, the ends of care and of
absences, the audit.

Each method takes one bounded helping and commits it, so that what is urgent never waits long behind it.
"""

from __future__ import annotations

import logging
import time
from functools import partial

import sqlalchemy as sa

from gateway.cases.effects import Purpose
from gateway.clock import Clock
from gateway.decider import auditor, care_rows, case_rows, drills, duty, others, undecidable, withheld_rows
from gateway.decider.absences import Absences
from gateway.decider.decision import Decision
from gateway.decider.health import Health
from gateway.decider.positions import Positions
from gateway.decider.transactions import Transactions
from gateway.decider.withheld_rows import Withheld
from gateway.outbox import rows as outbox_rows
from gateway.registry import care as cares
from gateway.state.db import reading, writing
from gateway.state.leadership import Leadership

log = logging.getLogger(__name__)

TIMER_BATCH = 32
OUTCOME_BATCH = 64
SILENCE_BATCH = 32
RELEASE_BATCH = 8
AUDIT_S = 15.0
AGAIN_MS = 30_000
"""A timer whose step failed is tried again after so long; the others do not wait for it."""


class Desk:
    """Used by the decider's thread alone."""

    def __init__(
        self,
        transactions: Transactions,
        engine: sa.Engine,
        clock: Clock,
        health: Health,
        positions: Positions,
        leadership: Leadership | None,
    ) -> None:
        self._tx = transactions
        self._engine = engine
        self._clock = clock
        self._health = health
        self._positions = positions
        self._leadership = leadership
        self._audited = float("-inf")
        self._shifts = duty.Shifts()
        self._shifts_at_ms = 0
        """After a failure the shifts rest until then."""
        self._drills = drills.Watch()
        self._drills_at_ms = 0
        """After a failure drills rest until then."""
        self._absences = Absences(transactions)
        self._free: list[Withheld] = []
        """Alarms that were held back and perhaps are no longer."""
        self._released_for = 0
        """The revision of the registry by which all that is held back was looked at."""

    def deliveries(self) -> bool:
        """Tell cases what became of what they said. True when there is more."""
        with reading(self._engine) as connection:
            waiting = len(outbox_rows.unseen_outcomes(connection))
        if waiting:
            self._tx.commit(self._hear)
        return waiting > OUTCOME_BATCH

    def _hear(self, decision: Decision) -> set[str]:
        for outcome in outbox_rows.unseen_outcomes(decision.connection)[:OUTCOME_BATCH]:
            what = f"{outcome.delivery.value} of {outcome.send.key}"
            if outcome.case_id:  # a command by hand belongs to none; who gave it looks at the outbox
                self._tx.apart(decision, what, partial(decision.delivered, outcome.case_id, outcome.heard))
            elif outcome.send.purpose in (*duty.PURPOSES, Purpose.DRILL_REPORT):
                self._tx.apart(decision, what, partial(duty.heard, decision, outcome))
            outbox_rows.mark_seen(decision.connection, outcome)
        return set()

    def timers(self) -> bool:
        """Take the steps of the timers that are due. True when there may be more."""
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            due = case_rows.due_timers(connection, now_ms, TIMER_BATCH)

        def fire(decision: Decision) -> set[str]:
            for timer in due:
                if not self._tx.apart(decision, f"{timer.name} of {timer.case_id}", partial(decision.timer, timer)):
                    case_rows.postpone_timer(decision.connection, timer, decision.now_ms + AGAIN_MS)
            return set()

        if due:
            self._tx.commit(fire)
        return len(due) == TIMER_BATCH

    def silence(self) -> bool:
        """Let the rules see that time has passed: devices not heard raise. True when there may be more."""
        view = self._tx.need_view()
        deadline = view.rules.next_deadline_ms()
        if deadline is None or deadline > self._clock.now_ms() or not self._positions.decided_ms:
            return False
        read_until_ms = self._positions.decided_ms

        told = 0

        def tick(decision: Decision) -> set[str]:
            nonlocal told
            worked_on = cares.running(decision.connection, decision.now_ms)
            for change in view.rules.tick(decision.now_ms, read_until_ms=read_until_ms, limit=SILENCE_BATCH):
                told += 1
                care = worked_on.get(change.device or "")
                what = f"{change.rule} about {change.subject}"
                if not self._tx.apart(decision, what, partial(decision.alarm, change, care)):
                    self._tx.apart(
                        decision, f"to tell of {what}", partial(undecidable.tell_untold, decision, change, care)
                    )
            self._health.undecidable += len(view.rules.failed)
            return set()

        self._tx.commit(tick)
        return told >= SILENCE_BATCH

    def settle_care(self) -> None:
        """The work on a device is over: what still holds and was told to nobody is told now."""
        read_until_ms = self._positions.decided_ms or None
        with reading(self._engine) as connection:
            due = care_rows.due(connection, self._clock.now_ms(), read_until_ms)

        def settle(decision: Decision) -> set[str]:
            for care in due:
                if not self._tx.apart(decision, f"the care of {care.device}", partial(decision.settle, care)):
                    care_rows.postpone(decision.connection, care, decision.now_ms + AGAIN_MS)
            return {care.device for care in due}

        if due:
            self._tx.commit(settle)

    def release(self) -> bool:
        """What held alarms back is over: what still holds of them is told now. True when there is more."""
        view = self._tx.need_view()
        if not self._free and (self._tx.moved or view.revision != self._released_for):
            # An alarm that stands goes on holding others back; only another registry can change what it holds back.
            every = view.revision != self._released_for
            with reading(self._engine) as connection:
                self._free = withheld_rows.every(connection) if every else withheld_rows.orphans(connection)
            self._tx.moved = False
            self._released_for = view.revision
        some = self._free[:RELEASE_BATCH]

        def look(decision: Decision) -> set[str]:
            worked_on = cares.running(decision.connection, decision.now_ms)
            for row in some:
                care = worked_on.get(row.change.device or "")
                what = f"{row.change.rule} about {row.change.subject}, which was held back"
                self._tx.apart(decision, what, partial(decision.look_again, row, care))
            return set()

        if some:
            self._tx.commit(look)
            del self._free[: len(some)]
        return bool(self._free)

    def shifts(self) -> None:
        """Whoever comes on duty is told, and takes over what is open."""
        view, now_ms = self._tx.need_view(), self._clock.now_ms()
        if now_ms < self._shifts_at_ms or not self._shifts.due(self._engine, view, now_ms):
            return

        well = False

        def change(decision: Decision) -> set[str]:
            nonlocal well
            well = self._tx.apart(decision, "a change of shift", partial(duty.look, decision))
            return set()

        self._tx.commit(change)
        if well:
            self._shifts.looked(view, now_ms)
        else:
            self._shifts_at_ms = now_ms + AGAIN_MS

    def drills(self) -> None:
        """Self-tests that are due, drills ordered by hand, their ends and reports."""
        view, now_ms = self._tx.need_view(), self._clock.now_ms()
        if now_ms < self._drills_at_ms or not self._drills.due(self._engine, view, now_ms):
            return
        well = True

        def carry_out(decision: Decision) -> set[str]:
            nonlocal well
            for what, step in drills.steps(decision):
                well = self._tx.apart(decision, what, partial(step, decision)) and well
            self._health.drill_trouble = drills.trouble(decision.connection, view)
            return set()

        self._tx.commit(carry_out)
        if well:
            self._drills.looked(view, now_ms)
        else:
            self._drills_at_ms = now_ms + AGAIN_MS

    def absences(self) -> None:
        """Whoever was away until now is watched again."""
        self._absences.end(self._tx.need_view(), self._clock.now_ms())

    def audit(self) -> None:
        """Every `AUDIT_S` seconds: set lost timers again, so that no open case falls silent, and look for alarms that
        are held back by nothing."""
        if time.monotonic() - self._audited < AUDIT_S:
            return
        self._tx.moved = True
        with reading(self._engine) as connection:
            lost = list(auditor.lost_timers(connection, self._clock.now_ms()))
        if self._leadership is not None and self._leadership.beside:
            with writing(self._engine) as connection:
                others.forget_old(connection, self._clock.now_ms())

        def repair(decision: Decision) -> set[str]:
            for case_id, name in lost:
                log.error("case %s had no %s timer as it must; it is set again. Please report this", case_id, name)
                self._tx.apart(decision, f"repair of {case_id}", partial(decision.repair, case_id, name))
            return set()

        if lost:
            self._tx.commit(repair)
            self._health.repaired += len(lost)
            self._health.repaired_ms = self._clock.now_ms()
        self._audited = self._health.audited = time.monotonic()
