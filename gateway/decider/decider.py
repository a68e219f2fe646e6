"""The decider's thread: in which order things are decided, and that deciding never ends silently.

Order within a cycle: people's answers, urgent observations, deliveries, timers, shifts, drills, absences, silence,
devices that were worked on, alarms that were held back; and only then one bounded helping of routine, so that urgent
never waits behind telemetry.
Everything decided in a transaction is committed with the journal cursor and with what the rules remember: a crash
anywhere replays to the same result.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import sqlalchemy as sa

from devices.observation import Lane
from gateway.cases.commands import HumanAction
from gateway.cases.model import Case
from gateway.cases.report import Report
from gateway.clock import Clock
from gateway.decider import case_rows
from gateway.decider.answering import Answering
from gateway.decider.desk import Desk
from gateway.decider.health import Changed, Health
from gateway.decider.hearing import Hearing
from gateway.decider.positions import Positions
from gateway.decider.transactions import Transactions
from gateway.decider.view import View, Views
from gateway.journal.entry import JournalReader, Quarantined
from gateway.registry.directory import CommunityDirectory
from gateway.state.db import reading
from gateway.state.leadership import ALONE, Leadership, NotLeading

log = logging.getLogger(__name__)

URGENT_BATCH = 16
"""A lamp waits for all of its transaction, some 10 ms for each press in it."""
ROUTINE_BATCH = 256
ROUTINE_LEAST = 8
HELPING_S = 0.1
"""Nothing urgent is decided while routine has its helping: it is made so small that it lasts no longer than about this
on the machine as it is, in the middle of a flood too."""
ROUTINE_LINGER_S = 0.05
"""Routine that comes alone waits so long for more, which saves a transaction each; urgent ends the wait."""
QUIET_S = 0.1
"""After something urgent was decided, routine rests so long: the outbox, which must write and send now, has its way."""
QUIET_MOST_S = 0.5
"""With one urgent message after the other, routine still has a helping this often."""
BESIDE_S = 0.25
"""Beside another gateway it is looked this often for what people decided there."""
IDLE_S = 1.0
"""The longest sleep: the registry's revision and timers set by another gateway are looked at this often."""


class Decider:
    """One thread that takes every decision. ``act`` may be called from any thread."""

    def __init__(
        self,
        engine: sa.Engine,
        journal: JournalReader,
        clock: Clock,
        *,
        views: Views,
        quarantine: Callable[[Quarantined], None],
        on_change: Callable[[Changed], None],
        on_said: Callable[[], None],
        on_view: Callable[[CommunityDirectory], None],
        steady_ms: Callable[[], int] | None = None,
        leadership: Leadership | None = None,
    ) -> None:
        """``steady_ms``: a clock that nobody can set; without one, steps of ``clock`` are not noticed. ``leadership``:
        which of several gateways decides; None for one that has the database for itself."""
        self.health = Health()
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._views = views
        self._on_view = on_view
        self._on_said = on_said
        self._leadership = leadership
        self._term = 0
        """Under which lead it decided last; 0 while it stands by."""
        self._positions = Positions(engine, journal, ALONE if leadership is None else leadership.gateway)
        self._tx = Transactions(
            engine,
            clock,
            self.health,
            self._positions,
            on_change=on_change,
            on_said=on_said,
            steady_ms=steady_ms,
            leadership=leadership,
        )
        self._hearing = Hearing(
            self._tx,
            journal,
            clock,
            self.health,
            self._positions,
            quarantine=quarantine,
            reload=self._reload,
            leadership=leadership,
        )
        self._answering = Answering(self._tx, engine, clock, self.health, reload=self._reload, leadership=leadership)
        self._desk = Desk(self._tx, engine, clock, self.health, self._positions, leadership)
        self._wake = threading.Event()
        self._quiet_until_s = 0.0
        self._routine_at_s = 0.0
        self._helping = ROUTINE_LEAST
        self._led = False
        self._now = threading.Event()
        """Beside ``_wake``: what is waiting is more than routine."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decider", daemon=True)
        self._shown = 0
        """The revision that `on_view` was told."""
        self._unusable = 0
        """The newest revision that cannot be used."""

    @property
    def view(self) -> View | None:
        """The registry the decider works by; None before the first one was applied."""
        return self._tx.view

    def start(self) -> None:
        """Load the state and begin to decide. Raises what the database raises."""
        self._term = self._lead()
        self._reload()
        self._shown = self.view.revision if self.view is not None else 0
        self._journal.subscribe(self._stored)
        self._thread.start()

    def stop(self) -> None:
        """Finish the transaction at hand and stop."""
        self._stopping.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def wake(self) -> None:
        """Something may have become due. Cheap, from any thread."""
        self._now.set()
        self._wake.set()

    def _stored(self, lane: Lane) -> None:
        if lane is Lane.URGENT:
            self.wake()
        else:
            self._wake.set()

    def act(self, case_id: str, action: HumanAction) -> Future[Case]:
        """Have a person's decision taken; the future fails with KeyError or commands.Refused."""
        future = self._answering.put(case_id, action)
        self.wake()
        return future

    def report(self, report: Report) -> Future[Case]:
        """Have a case opened for what somebody reports; the future fails with commands.Refused. What comes twice under
        one key opens one case."""
        future = self._answering.put("", report)
        self.wake()
        return future

    @property
    def leadership(self) -> Leadership | None:
        """Which of several gateways decides; None for one that has the database for itself."""
        return self._leadership

    @property
    def leads(self) -> bool:
        """Whether this gateway decides; False while it stands by for another one on the same database."""
        return self._leadership is None or self._leadership.leads

    @property
    def stalled_s(self) -> float:
        """For how long the thread has not been seen at work: a moment, unless it hangs or has died."""
        return 0.0 if self._stopping.is_set() else time.monotonic() - self.health.beat

    # the thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.cycle()
                idle_s = 0.0 if busy else self._idle_s()
                self._well()
            except NotLeading as error:
                log.warning("nothing of this is decided here: %s", error)
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, deciding must go on, and say what is wrong
                self._trouble(error)
                self._wake.wait(1.0)
                self._wake.clear()
                self._recover()
                continue
            if not busy and self._wake.wait(idle_s):
                self._now.wait(ROUTINE_LINGER_S)
            self._now.clear()
            self._wake.clear()

    def _idle_s(self) -> float:
        with reading(self._engine) as connection:
            due = case_rows.next_timer_ms(connection)
        deadlines = [at for at in (due, self.view.rules.next_deadline_ms() if self.view else None) if at is not None]
        if self._answering.relayed or (self._leadership is not None and self._leadership.peers):
            deadlines.append(self._clock.now_ms() + int(BESIDE_S * 1000))
        if not deadlines or not self._term:
            return BESIDE_S if self._answering.relayed else IDLE_S
        return min(IDLE_S, max(0.0, (min(deadlines) - self._clock.now_ms()) / 1000))

    def _well(self) -> None:
        if self.health.trouble is not None:
            log.warning("deciding again after: %s", self.health.trouble)
            self.health.trouble = self.health.trouble_since_ms = None

    def _trouble(self, error: Exception) -> None:
        if self.health.trouble is None:
            log.exception("cannot decide; alarms wait in the journal and are decided when this is mended")
            self.health.trouble_since_ms = self._clock.now_ms()
        self.health.trouble = f"{type(error).__name__}: {error}"

    def _recover(self) -> None:
        """What the rules remember may be ahead of what was committed: take it from the database again."""
        try:
            self._reload()
        except Exception as error:  # noqa: BLE001 - as in _run
            self._trouble(error)

    def _reload(self, begins: bool = False) -> None:
        """``begins``: nobody of this process decided before, and the time until now is no silence of the devices."""
        self._positions.find()
        self._tx.view = self._views.load(None if begins else self._tx.view)
        self.health.left_out = tuple(map(str, self._views.refused))

    def cycle(self) -> bool:
        """Do all that is due now, and one helping of routine. True when there may be more to do at once."""
        self.health.cycles += 1
        self.health.beat = time.monotonic()
        term = self._lead()
        if term and term != self._term:
            self._reload(begins=not self._led)  # another gateway may have decided since
            self._led = True
            self._on_said()
        self._term = term
        self._refresh_view()
        if self._answering.relayed:
            self._answering.hear_leader()
        if not term:
            self._answering.leave_all()
            if self._leadership is not None and self.view is not None:
                # Come after it in the own journal, far enough behind to miss nothing of what it may leave undone.
                self._positions.follow(self._leadership.decided_ms)
                self.health.audited = time.monotonic()  # the leader's to do
            return False
        self._tx.mind_the_clock()
        self._answering.decide()
        self._answering.decide_for_others()
        if self._tx.view is None:
            return False
        before = self.health.decided[Lane.URGENT.value]
        busy = self._hearing.observations(Lane.URGENT, URGENT_BATCH)
        if self.health.decided[Lane.URGENT.value] != before:
            self._quiet_until_s = time.monotonic() + QUIET_S
        busy = self._desk.deliveries() or busy
        busy = self._desk.timers() or busy
        self._desk.shifts()
        self._desk.drills()
        self._desk.absences()
        busy = self._desk.silence() or busy
        self._desk.settle_care()
        self._desk.audit()
        busy = self._desk.release() or busy
        return self._routine() or busy

    def _routine(self) -> bool:
        """One helping, unless something urgent is on its way out: then in a moment."""
        now_s = time.monotonic()
        if now_s < self._quiet_until_s and now_s < self._routine_at_s + QUIET_MOST_S:
            self._now.wait(self._quiet_until_s - now_s)
            return True
        more = self._hearing.observations(Lane.ROUTINE, self._helping)
        self._routine_at_s = time.monotonic()
        if more:
            share = min(HELPING_S / max(self._routine_at_s - now_s, 1e-6), 2.0)
            self._helping = min(max(int(self._helping * share), ROUTINE_LEAST), ROUTINE_BATCH)
        return more

    def _refresh_view(self) -> None:
        revision, view = self._views.revision(), self._tx.view
        if revision and view is None:
            self._tx.view = self._views.load()
        elif view is not None and revision not in (view.revision, self._unusable):
            try:
                self._tx.view = self._views.follow(view)
                self.health.registry = None
            except sa.exc.SQLAlchemyError:
                raise
            except Exception as error:  # deciding by the registry before it is better than not deciding
                log.exception("registry revision %s cannot be used; the one before it stays in force", revision)
                self._unusable, self.health.registry = revision, f"{type(error).__name__}: {error}"
        view = self._tx.view
        if view is not None and view.revision != self._shown:
            log.info("registry revision %s", view.revision)
            self._on_view(view.directory)
            self._shown = view.revision

    def _lead(self) -> int:
        """Renew the lead or take it; its number, 0 where another gateway leads."""
        if self._leadership is None:
            return 1
        return self._leadership.fence if self._leadership.keep(self._positions.decided_ms) else 0
