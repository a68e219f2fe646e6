"""What the gateway measures of itself: machine, journal, store, outbox, connections. What is not known is left out."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from devices.observation import Lane
from gateway.checkup import Checkup, Organs
from gateway.clock import WRITTEN_MS, Clock
from gateway.itself.ill import Ill
from gateway.itself.rosters import RosterLook
from gateway.store.writer import StoreHealth

log = logging.getLogger(__name__)

DECIDER = "decider"
BEHIND_S = 180.0
"""A message that waits so long for its decision: whatever it says, somebody hears of it too late."""
_WARM = ("cpu_thermal", "coretemp", "k10temp", "soc_thermal", "cpu-thermal", "zenpower")
"""Sensors that sit in or beside the processor."""
_NO_ROOM = ("disk_full", "below_reserve")
_OWN_STATE = ("broker", "mqtt-urgent", "mqtt-routine", "journal", "store")
"""Parts whose trouble is a state or a figure of its own; any other that has failed makes the gateway faulty."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at everything."""

    metrics: dict[str, float]
    states: dict[str, Ill]


class Figures:
    """Reads the parts. `look` may block for a moment (it reads a few rows), so it belongs into a thread."""

    def __init__(
        self, organs: Organs, checkup: Checkup, clock: Clock, record: Callable[[], str | None] = lambda: None
    ) -> None:
        """``record``: what is wrong with the record of cases; empty where nothing is, None where it is not known."""
        self._organs = organs
        self._record_trouble = record
        self._checkup = checkup
        self._clock = clock
        self._rosters = RosterLook(lambda: view.directory if (view := organs.decider.view) is not None else None, clock)
        self._said: dict[str, str] = {}

    def look(self) -> Seen:
        """How the gateway is just now; what cannot be read is left out."""
        metrics: dict[str, float] = {}
        states: dict[str, Ill] = {}
        for read in (
            self._machine,
            self._journal,
            self._store,
            self._outbox,
            self._decider,
            self._connections,
            self._record,
            self._rosters.look,
        ):
            try:
                for key, value in read():
                    if isinstance(value, Ill):
                        states[key] = value
                    else:
                        metrics[key] = value
                self._said.pop(read.__name__, None)
            except Exception as error:  # noqa: BLE001 - what cannot be read now is left out; the rest is told
                said = f"{type(error).__name__}: {error}"
                if self._said.get(read.__name__) != said:
                    log.warning("some figures of this gateway cannot be read: %s", said)
                self._said[read.__name__] = said
        return Seen(metrics, states)

    def _machine(self) -> Iterator[tuple[str, float | Ill]]:
        memory = psutil.virtual_memory()
        disk = shutil.disk_usage(self._organs.journal.directory)
        yield "load", round(os.getloadavg()[0], 2)
        yield "memory_free", round(100 * memory.available / memory.total, 1)
        yield "disk_free", round(100 * disk.free / disk.total, 1)
        now_ms = self._clock.now_ms()
        yield "clock_wrong", Ill(now_ms < WRITTEN_MS, "the date is long past: set the clock, install chrony")
        sensors: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()  # not on every system
        warm = [sensor.current for name in _WARM for sensor in sensors.get(name, ())]
        if warm:
            yield "temperature", round(max(warm), 1)

    def _journal(self) -> Iterator[tuple[str, float | Ill]]:
        troubles = self._organs.journal.health()
        full = [trouble.why for trouble in troubles if trouble.code in _NO_ROOM]
        yield "disk_full", Ill(bool(full), "; ".join(full))
        stats = self._organs.journal.stats()
        yield "quarantine", float(stats.quarantine.total)
        leads = self._organs.decider.leads  # one that stands by keeps its distance
        yield "journal_backlog", float(sum(lane.lag.get(DECIDER, 0) for lane in stats.lanes.values()) if leads else 0)
        oldest_s = max(self.undecided_s(lane) for lane in Lane)
        yield "journal_oldest", round(oldest_s, 1)
        yield "behind", Ill(oldest_s > BEHIND_S, f"a message has waited {oldest_s:.0f} s for its decision")

    def lanes(self) -> dict[Lane, tuple[int, int]]:
        """Of each lane how many wait for their decision here, and how many were ever received."""
        leads = self._organs.decider.leads  # the gateway that leads decides the others
        stats = self._organs.journal.stats()
        return {
            lane: (found.lag.get(DECIDER, 0) if leads else 0, found.totals.accepted)
            for lane, found in stats.lanes.items()
        }

    def undecided_s(self, lane: Lane) -> float:
        """For how long the oldest message of ``lane`` that is not decided has waited. Raises JournalError."""
        if not self._organs.decider.leads:
            return 0.0  # the gateway that leads decides it
        journal = self._organs.journal
        waiting = journal.read(lane, journal.cursor(DECIDER, lane) or 0, 1)
        return max(0.0, (self._clock.now_ms() - waiting[0].observation.received_at_ms) / 1000) if waiting else 0.0

    def _store(self) -> Iterator[tuple[str, float | Ill]]:
        health: StoreHealth = self._organs.writer.health()
        oldest_ms = health.oldest_unwritten_ms
        yield "store_lag", 0.0 if oldest_ms is None else max(0.0, round((self._clock.now_ms() - oldest_ms) / 1000, 1))
        if health.state not in ("starting", "stopped"):
            yield "store_down", Ill(health.state == "unavailable", health.last_error)

    def _outbox(self) -> Iterator[tuple[str, float | Ill]]:
        health = self._organs.outbox.health()
        yield "outbox_overdue", float(health.overdue)
        yield "outbox_oldest", round(health.oldest_due_s, 1)

    def _decider(self) -> Iterator[tuple[str, float | Ill]]:
        health = self._organs.decider.health
        yield "rules_failed", float(health.undecidable)
        if health.drill_trouble is not None:
            yield "drill_failed", Ill(bool(health.drill_trouble), health.drill_trouble)

    def _record(self) -> Iterator[tuple[str, float | Ill]]:
        trouble = self._record_trouble()
        if trouble is not None:
            yield "record_broken", Ill(bool(trouble), trouble)

    def _connections(self) -> Iterator[tuple[str, float | Ill]]:
        broker, mqtt = self._organs.broker, self._organs.mqtt.health
        why = (
            [f"the broker does not run: {broker.health.why}"]
            if broker is not None and not broker.health.running
            else []
        )
        why += [f"{lane.name}: {lane.why}" for lane in (mqtt.urgent, mqtt.routine) if not lane.connected]
        yield "broker_down", Ill(bool(why), "; ".join(why))
        parts = self._checkup.organs()
        failed = [f"{part.name}: {part.en}" for part in parts if part.state == "failed" and part.name not in _OWN_STATE]
        yield "faulty", Ill(bool(failed), "; ".join(failed))
