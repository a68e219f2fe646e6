"""The decider's transactions: each is one decision by the registry in force, committed with what the rules remember."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from gateway.cases.commands import Refused
from gateway.clock import Clock
from gateway.decider import care_rows, case_rows, drills, duty
from gateway.decider.clock_watch import ClockWatch
from gateway.decider.decision import Decision
from gateway.decider.health import Changed, Health
from gateway.decider.positions import Positions
from gateway.decider.view import View
from gateway.state.db import writing
from gateway.state.leadership import Leadership

log = logging.getLogger(__name__)


class Transactions:
    """Used by the decider's thread alone."""

    def __init__(
        self,
        engine: sa.Engine,
        clock: Clock,
        health: Health,
        positions: Positions,
        *,
        on_change: Callable[[Changed], None],
        on_said: Callable[[], None],
        steady_ms: Callable[[], int] | None,
        leadership: Leadership | None,
    ) -> None:
        """``steady_ms``, ``leadership``: as in `Decider`."""
        self._engine = engine
        self._clock = clock
        self._health = health
        self._positions = positions
        self._on_change = on_change
        self._on_said = on_said
        self._leadership = leadership
        self._watch = ClockWatch(clock, steady_ms) if steady_ms is not None else None
        self.view: View | None = None
        """The registry to decide by."""
        self.moved = True
        """Whether a case has changed since somebody last looked, and set this to False."""

    def need_view(self) -> View:
        """The registry to decide by. Raises commands.Refused before one was applied."""
        if self.view is None:
            raise Refused("no_community", "尚未配置社区", "no community has been applied yet: run `anju apply FILE`")
        return self.view

    def commit(self, work: Callable[[Decision], set[str]]) -> None:
        """Run ``work`` and commit it with what the rules remember; then tell those who wait."""
        self.mind_the_clock()
        self._transact(work)

    def mind_the_clock(self) -> None:
        """Where the wall clock was set, move what is due with it: a step neither fires a ladder nor puts it off."""
        by_ms = self._watch.stepped_ms() if self._watch is not None else 0
        if self._watch is None or not by_ms or self.view is None:
            return
        log.warning("the clock was set by %+.1f s; what is due moves with it", by_ms / 1000)

        def move(decision: Decision) -> set[str]:
            for case_id in case_rows.timed_cases(decision.connection):
                self.apart(decision, f"clock step of {case_id}", partial(decision.clock_stepped, case_id, by_ms))
            care_rows.move(decision.connection, by_ms)
            duty.move(decision.connection, by_ms)
            drills.move(decision.connection, by_ms)
            if by_ms > 0:
                decision.view.rules.set_forward(by_ms, decision.now_ms)  # back, the rules notice by themselves
            return set()

        self._transact(move)
        self._watch.settled()

    def apart(self, decision: Decision, what: str, step: Callable[[], object]) -> bool:
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

    def _transact(self, work: Callable[[Decision], set[str]]) -> None:
        self._health.beat = time.monotonic()
        view = self.need_view()
        if self._leadership is not None:
            self._leadership.renew(self._positions.decided_ms)  # a cycle under a flood is longer than the lease
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
        self.moved = self.moved or bool(decision.cases)
        if decision.cases or devices:
            self._on_change(Changed(cases=frozenset(decision.cases), devices=frozenset(devices)))
