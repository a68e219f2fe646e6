"""The decider's thread: reads the journal, asks the pure functions, commits, wakes those who wait.

Order within a cycle: people's answers, urgent observations, deliveries, timers, silence; and only then one bounded
helping of routine, so that urgent never waits behind telemetry. Everything decided in a transaction is committed with
the journal cursor and with what the rules remember: a crash anywhere replays to the same result.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.cases.commands import HumanAction, Refused
from gateway.cases.model import Case
from gateway.clock import Clock
from gateway.decider import auditor, case_rows, device_rows
from gateway.decider.clock_watch import ClockWatch
from gateway.decider.decision import Decision
from gateway.decider.view import View, Views
from gateway.journal.entry import Entry, JournalReader, Quarantined
from gateway.outbox import rows as outbox_rows
from gateway.registry.directory import CommunityDirectory
from gateway.state import tables as t
from gateway.state.db import reading, writing

log = logging.getLogger(__name__)

READER = "decider"
URGENT_BATCH = 16
"""A lamp waits for all of its transaction, some 10 ms for each press in it."""
ROUTINE_BATCH = 256
TIMER_BATCH = 32
OUTCOME_BATCH = 64
SILENCE_BATCH = 32
ROUTINE_LINGER_S = 0.05
"""Routine that comes alone waits so long for more, which saves a transaction each; urgent ends the wait."""
AUDIT_S = 15.0
AGAIN_MS = 30_000
"""A timer whose step failed is tried again after so long; the others do not wait for it."""
IDLE_S = 1.0
"""The longest sleep: the registry's revision and timers set by another gateway are looked at this often."""


@dataclass(frozen=True)
class Changed:
    """What a transaction changed, for streams and caches."""

    cases: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


@dataclass
class Health:
    """How the decider is doing; read by /readyz and the metrics."""

    trouble: str | None = None
    """Why it cannot decide at present, in words; None when all is well."""
    trouble_since_ms: int | None = None
    undecidable: int = 0
    """Observations, timers and deliveries on which the code failed: to be looked at by an engineer. An observation is
    kept in quarantine, a timer is tried again."""
    repaired: int = 0
    """Timers that the auditor found missing and set again. Each one is a defect."""
    repaired_ms: int | None = None
    """When it last did."""
    registry: str | None = None
    """Why the newest registry cannot be used; the one before it stays in force."""
    beat: float = field(default_factory=time.monotonic)
    """`time.monotonic` when the thread was last seen at work."""
    decided: dict[str, int] = field(default_factory=lambda: {lane.value: 0 for lane in Lane})
    cycles: int = 0


class _Undecidable(Exception):
    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.observation.message_id)
        self.entry = entry


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
    ) -> None:
        """``steady_ms``: a clock that nobody can set; without one, steps of ``clock`` are not noticed."""
        self._engine = engine
        self._journal = journal
        self._clock = clock
        self._views = views
        self._quarantine = quarantine
        self._on_change = on_change
        self._on_said = on_said
        self._on_view = on_view
        self._actions: queue.SimpleQueue[tuple[str, HumanAction, Future[Case]]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._now = threading.Event()
        """Beside ``_wake``: what is waiting is more than routine."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decider", daemon=True)
        self._view: View | None = None
        self._shown = 0
        """The revision that `on_view` was told."""
        self._unusable = 0
        """The newest revision that cannot be used."""
        self._watch = ClockWatch(clock, steady_ms) if steady_ms is not None else None
        self._audited = float("-inf")
        self._positions: dict[Lane, int] = {}
        self._read_until_ms: dict[Lane, int] = {}
        """Up to when all that was received has been decided, by lane: a backlog is no silence of its devices."""
        self._poisoned: set[tuple[Lane, int]] = set()
        self.health = Health()

    @property
    def view(self) -> View | None:
        """The registry the decider works by; None before the first one was applied."""
        return self._view

    def start(self) -> None:
        """Load the state and begin to decide. Raises what the database raises."""
        self._reload()
        self._shown = self._view.revision if self._view is not None else 0
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
        future: Future[Case] = Future()
        self._actions.put((case_id, action, future))
        self.wake()
        return future

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
        deadlines = [at for at in (due, self._view.rules.next_deadline_ms() if self._view else None) if at is not None]
        if not deadlines:
            return IDLE_S
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

    def _reload(self) -> None:
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(t.cursors).where(t.cursors.c.reader == READER)).all()
        positions = {Lane(row.lane): row.position for row in rows}
        for lane in Lane:
            position = positions.get(lane, 0)
            if position > self._journal.last_position(lane):
                # The journal is not the one these decisions were taken from: what is in it must not be skipped.
                log.error(
                    "the %s journal ends at %d but was decided up to %d: it was replaced; deciding it from its start",
                    lane.value,
                    self._journal.last_position(lane),
                    position,
                )
                position = 0
            self._positions[lane] = position
            self._journal.set_cursor(READER, lane, position)
        self._view = self._views.load()

    def cycle(self) -> bool:
        """Do all that is due now, and one helping of routine. True when there may be more to do at once."""
        self.health.cycles += 1
        self.health.beat = time.monotonic()
        self._refresh_view()
        self._mind_the_clock()
        self._answers()
        if self._view is None:
            return False
        busy = self._observations(Lane.URGENT, URGENT_BATCH)
        busy = self._deliveries() or busy
        busy = self._timers() or busy
        busy = self._silence() or busy
        self._audit()
        return self._observations(Lane.ROUTINE, ROUTINE_BATCH) or busy

    def _refresh_view(self) -> None:
        revision = self._views.revision()
        if revision and self._view is None:
            self._view = self._views.load()
        elif self._view is not None and revision not in (self._view.revision, self._unusable):
            try:
                self._view = self._views.follow(self._view)
                self.health.registry = None
            except sa.exc.SQLAlchemyError:
                raise
            except Exception as error:  # deciding by the registry before it is better than not deciding
                log.exception("registry revision %s cannot be used; the one before it stays in force", revision)
                self._unusable, self.health.registry = revision, f"{type(error).__name__}: {error}"
        if self._view is not None and self._view.revision != self._shown:
            log.info("registry revision %s", self._view.revision)
            self._on_view(self._view.directory)
            self._shown = self._view.revision

    def _mind_the_clock(self) -> None:
        by_ms = self._watch.stepped_ms() if self._watch is not None else 0
        if self._watch is None or not by_ms or self._view is None:
            return
        log.warning("the clock was set by %+.1f s; what is due moves with it", by_ms / 1000)

        def move(decision: Decision) -> set[str]:
            for case_id in case_rows.timed_cases(decision.connection):
                self._apart(decision, f"clock step of {case_id}", partial(decision.clock_stepped, case_id, by_ms))
            if by_ms > 0:
                decision.view.rules.started(decision.now_ms)  # back, the rules notice by themselves
            return set()

        self._transact(move)
        self._watch.settled()

    def _audit(self) -> None:
        if time.monotonic() - self._audited < AUDIT_S:
            return
        with reading(self._engine) as connection:
            lost = list(auditor.lost_timers(connection, self._clock.now_ms()))

        def repair(decision: Decision) -> set[str]:
            for case_id, name in lost:
                log.error("case %s had no %s timer as it must; it is set again. Please report this", case_id, name)
                self._apart(decision, f"repair of {case_id}", partial(decision.repair, case_id, name))
            return set()

        if lost:
            self._commit(repair)
            self.health.repaired += len(lost)
            self.health.repaired_ms = self._clock.now_ms()
        self._audited = time.monotonic()

    def _apart(self, decision: Decision, what: str, step: Callable[[], object]) -> bool:
        """Take a step that must not keep the others from theirs. False when the code failed on it, which is counted."""
        try:
            with decision.connection.begin_nested():
                step()
        except Exception as error:
            if case_rows.machines_trouble(error):
                raise  # the whole transaction is to be taken again
            log.exception("cannot decide: %s", what)
            self.health.undecidable += 1
            return False
        return True

    def _need_view(self) -> View:
        if self._view is None:
            raise Refused("no_community", "尚未配置社区", "no community has been applied yet: run `anju apply FILE`")
        return self._view

    def _commit(self, work: Callable[[Decision], set[str]]) -> None:
        """Run ``work`` and commit it with what the rules remember; then tell those who wait."""
        self._mind_the_clock()
        self._transact(work)

    def _transact(self, work: Callable[[Decision], set[str]]) -> None:
        self.health.beat = time.monotonic()
        view = self._need_view()
        with writing(self._engine) as connection:
            decision = Decision(connection, view, self._clock.now_ms())
            devices = work(decision)
            remembered = [
                {"rule": rule, "subject": subject, "body": body} for (rule, subject), body in view.rules.dirty().items()
            ]
            if remembered:
                connection.execute(case_rows.remember_statement(connection.dialect.name), remembered)
        if decision.said:
            self._on_said()
        if decision.cases or devices:
            self._on_change(Changed(cases=frozenset(decision.cases), devices=frozenset(devices)))

    def _answers(self) -> None:
        while True:
            try:
                case_id, action, future = self._actions.get_nowait()
            except queue.Empty:
                return
            if not future.set_running_or_notify_cancel():
                continue
            results: list[Case] = []

            def take(
                decision: Decision, case_id: str = case_id, action: HumanAction = action, results: list[Case] = results
            ) -> set[str]:
                results.append(decision.act(case_id, action))
                return set()

            try:
                self._commit(take)
            except (KeyError, Refused) as error:
                future.set_exception(error)
            except BaseException as error:
                future.set_exception(error)
                raise
            else:
                future.set_result(results[-1])

    def _observations(self, lane: Lane, limit: int) -> bool:
        after = self._positions.get(lane, 0)
        now_ms = self._clock.now_ms()
        entries = self._journal.read(lane, after, limit)
        if not entries:
            self._read_until_ms[lane] = now_ms
            return False
        try:
            self._commit(lambda decision: self._decide(decision, lane, entries))
        except _Undecidable as error:
            self._set_aside(lane, error)
            return True
        self._positions[lane] = entries[-1].position
        self._poisoned = {(of, at) for of, at in self._poisoned if of is not lane or at > entries[-1].position}
        self._journal.set_cursor(READER, lane, entries[-1].position)
        self.health.decided[lane.value] += len(entries)
        more = len(entries) == limit
        self._read_until_ms[lane] = entries[-1].observation.received_at_ms if more else now_ms
        return more

    def _decide(self, decision: Decision, lane: Lane, entries: list[Entry]) -> set[str]:
        observed: list[Observation] = []
        for entry in entries:
            if (lane, entry.position) in self._poisoned:
                continue
            observation = entry.observation
            try:
                if observation.event == "command_result":
                    self._command_result(decision, observation)
                for change in decision.view.rules.observe(observation, decision.now_ms):
                    decision.alarm(change)
            except Exception as error:
                if case_rows.machines_trouble(error):
                    raise
                raise _Undecidable(entry) from error
            observed.append(observation)
        devices = device_rows.note(decision.connection, observed)
        values = {"position": entries[-1].position}
        decision.connection.execute(
            case_rows.insert(decision.connection, t.cursors)
            .values(reader=READER, lane=lane.value, **values)
            .on_conflict_do_update(index_elements=["reader", "lane"], set_=values)
        )
        return devices

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
        self.health.undecidable += 1
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

    def _deliveries(self) -> bool:
        with reading(self._engine) as connection:
            waiting = len(outbox_rows.unseen_outcomes(connection))
        if waiting:
            self._commit(self._hear)
        return waiting > OUTCOME_BATCH

    def _hear(self, decision: Decision) -> set[str]:
        for outcome in outbox_rows.unseen_outcomes(decision.connection)[:OUTCOME_BATCH]:
            what = f"{outcome.delivery.value} of {outcome.send.key}"
            self._apart(decision, what, partial(decision.delivered, outcome.case_id, outcome.heard))
            outbox_rows.mark_seen(decision.connection, outcome)
        return set()

    def _timers(self) -> bool:
        now_ms = self._clock.now_ms()
        with reading(self._engine) as connection:
            due = case_rows.due_timers(connection, now_ms, TIMER_BATCH)

        def fire(decision: Decision) -> set[str]:
            for timer in due:
                if not self._apart(decision, f"{timer.name} of {timer.case_id}", partial(decision.timer, timer)):
                    case_rows.postpone_timer(decision.connection, timer, decision.now_ms + AGAIN_MS)
            return set()

        if due:
            self._commit(fire)
        return len(due) == TIMER_BATCH

    def _silence(self) -> bool:
        view = self._need_view()
        deadline = view.rules.next_deadline_ms()
        if deadline is None or deadline > self._clock.now_ms() or len(self._read_until_ms) < len(Lane):
            return False
        read_until_ms = min(self._read_until_ms.values())

        told = 0

        def tick(decision: Decision) -> set[str]:
            nonlocal told
            for change in view.rules.tick(decision.now_ms, read_until_ms=read_until_ms, limit=SILENCE_BATCH):
                told += 1
                self._apart(decision, f"{change.rule} about {change.subject}", partial(decision.alarm, change))
            return set()

        self._commit(tick)
        return told >= SILENCE_BATCH
