"""A journal on a virtual clock, and a collector of what it answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devices.observation import Lane, Observation
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.journal.journal import Journal
from gateway.settings import JournalSettings
from tests.support.eventually import PATIENCE

NOON = 1_790_000_000_000
HOUR = 3_600_000


class HandClock:
    """Stands still until it is moved."""

    def __init__(self, now_ms: int = NOON) -> None:
        self.at = now_ms

    def now_ms(self) -> int:
        return self.at


class Answers:
    """What became of each message, by its name; waits for those that are asked for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._outcomes: dict[str, Outcome] = {}

    def of(self, name: str) -> Done:
        def done(outcome: Outcome) -> None:
            with self._changed:
                assert name not in self._outcomes, f"{name} was answered twice"
                self._outcomes[name] = outcome
                self._changed.notify_all()

        return done

    def wait(self, name: str, deadline_s: float = 10) -> Outcome:
        with self._changed:
            assert self._changed.wait_for(lambda: name in self._outcomes, deadline_s * PATIENCE), f"no answer to {name}"
            return self._outcomes[name]

    def __getitem__(self, name: str) -> Outcome:
        return self._outcomes[name]


class Room:
    """A journal with its clock, and shorthand for the tests."""

    def __init__(self, directory: Path, settings: JournalSettings, clock: HandClock) -> None:
        self.clock = clock
        self.journal = Journal(directory, settings, clock)
        self._answers = Answers()
        self._count = 0

    def send(self, observation: Observation) -> Outcome:
        """Submit and wait for the answer."""
        return self.send_all([observation])[0]

    def send_all(self, observations: list[Observation]) -> list[Outcome]:
        names = []
        for observation in observations:
            self._count += 1
            names.append(f"{observation.message_id} #{self._count}")
            self.journal.submit(observation, self._answers.of(names[-1]))
        return [self._answers.wait(name) for name in names]

    def quarantine_all(self, items: list[Quarantined]) -> list[Outcome]:
        names = []
        for item in items:
            self._count += 1
            names.append(f"quarantine #{self._count}")
            self.journal.quarantine(item, self._answers.of(names[-1]))
        return [self._answers.wait(name) for name in names]

    def ids(self, lane: Lane, after: int = 0) -> list[str]:
        return [entry.observation.message_id for entry in self.journal.read(lane, after, 1_000_000)]


@contextmanager
def open_room(directory: Path, clock: HandClock | None = None, **settings: int) -> Iterator[Room]:
    room = Room(
        directory, JournalSettings.model_construct(**(JournalSettings().model_dump() | settings)), clock or HandClock()
    )
    room.journal.start()
    try:
        yield room
    finally:
        room.journal.close()


def press(number: int, *, device: str = "sos-1", event: str = "press", at: int = NOON, **fields: object) -> Observation:
    values: dict[str, object] = {
        "message_id": f"{device}:1:{number}",
        "device": device,
        "kind": "sos_button",
        "lane": Lane.URGENT,
        "observed_at_ms": at - 1,
        "received_at_ms": at,
        "event": event,
    }
    return Observation(**(values | fields))  # type: ignore[arg-type]  # a test's overrides of any field


def reading(number: int, *, device: str = "vitals-1", at: int = NOON, **fields: object) -> Observation:
    values: dict[str, object] = {
        "message_id": f"{device}:1:{number}",
        "device": device,
        "kind": "vitals_monitor",
        "lane": Lane.ROUTINE,
        "observed_at_ms": at - 1,
        "received_at_ms": at,
        "metrics": {"pulse": 60.0 + number % 40},
    }
    return Observation(**(values | fields))  # type: ignore[arg-type]  # a test's overrides of any field


def unreadable(number: int, *, device: str = "sos-1", reason: str = "malformed") -> Quarantined:
    return Quarantined(
        received_at_ms=NOON + number,
        transport="mqtt",
        source=f"anju/v1/tjh/{device}/event",
        device=device,
        reason=reason,
        field="payload",
        expected="a message",
        hint=f"number {number}",
        payload=b"{" + str(number).encode(),
    )
