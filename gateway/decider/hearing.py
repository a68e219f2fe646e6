"""What devices say, decided: one bounded helping of a lane at a time. What the code fails on stops nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial

from devices.observation import Lane, Observation
from gateway.clock import Clock
from gateway.decider import care_rows, case_rows, device_rows, others, undecidable
from gateway.decider.care import belongs
from gateway.decider.decision import Decision
from gateway.decider.health import Health
from gateway.decider.positions import Positions
from gateway.decider.transactions import Transactions
from gateway.journal.entry import Entry, JournalReader, Quarantined
from gateway.outbox import rows as outbox_rows
from gateway.registry import care as cares
from gateway.registry.care import Care
from gateway.state.leadership import Leadership

log = logging.getLogger(__name__)

HOUSEKEEPING = ("command_result", "low_battery")
"""Urgent by their lane, and nothing that a person has to be told when the code fails on it."""


class _Undecidable(Exception):
    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.observation.message_id)
        self.entry = entry


class Hearing:
    """Used by the decider's thread alone."""

    def __init__(
        self,
        transactions: Transactions,
        journal: JournalReader,
        clock: Clock,
        health: Health,
        positions: Positions,
        *,
        quarantine: Callable[[Quarantined], None],
        reload: Callable[[], None],
        leadership: Leadership | None,
    ) -> None:
        """``reload`` takes the rules' memory from the database again, where it is ahead of what was committed."""
        self._tx = transactions
        self._journal = journal
        self._clock = clock
        self._health = health
        self._positions = positions
        self._quarantine = quarantine
        self._reload = reload
        self._leadership = leadership
        self._poisoned: set[tuple[Lane, int]] = set()

    def observations(self, lane: Lane, limit: int) -> bool:
        """Decide the next ``limit`` observations of a lane. True when there may be more."""
        after = self._positions[lane]
        now_ms = self._clock.now_ms()
        entries = self._journal.read(lane, after, limit)
        if not entries:
            self._positions.read_until(lane, now_ms)
            return False
        try:
            self._tx.commit(lambda decision: self._decide(decision, lane, entries))
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
        self._positions.read_until(lane, entries[-1].observation.received_at_ms if more else now_ms)
        return more

    def _decide(self, decision: Decision, lane: Lane, entries: list[Entry]) -> set[str]:
        observed: list[Observation] = []
        worked_on = cares.remembered(decision.connection, decision.now_ms)
        beside = lane is Lane.URGENT and self._leadership is not None and self._leadership.beside
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
        if (
            urgent
            and (care is None or care.mode != "test")
            and any(map(partial(undecidable.concerns_life, decision), failed))
        ):
            undecidable.tell(decision, observation)

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
                    self._tx.apart(
                        decision,
                        f"to tell of {observation.message_id}",
                        partial(undecidable.tell, decision, observation),
                    )
                return set()

            self._tx.commit(tell)
