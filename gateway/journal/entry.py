"""What goes into the journal and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from devices.observation import Lane, Observation


class Outcome(StrEnum):
    """What became of a message that was handed in. All but REFUSED are durable and may be acknowledged."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    """Not written (disk full, journal full, queue full): the device must not be told that it was."""


Done = Callable[[Outcome], None]
"""Called once per message from the journal's writer thread, after the fsync; or, with REFUSED, at once from the thread
that hands the message in, where the queue is full. Must be quick and must not raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A message that could not become an observation, kept with its explanation."""

    received_at_ms: int
    transport: str
    """``mqtt``, ``serial:<line>``, ``store``."""
    source: str
    """Topic, or line and address."""
    device: str
    reason: str
    field: str
    expected: str
    hint: str
    payload: bytes
    """The first 4096 bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An observation with its position in a lane. Positions only grow."""

    position: int
    observation: Observation


class JournalReader(Protocol):
    """The side of the journal that the decider and the store writer see."""

    def read(self, lane: Lane, after: int, limit: int) -> list[Entry]:
        """Entries with position > ``after``, in order."""
        ...

    def last_position(self, lane: Lane) -> int:
        """The highest position ever given in ``lane``; 0 when there was none."""
        ...

    def subscribe(self, wake: Callable[[Lane], None]) -> None:
        """Call ``wake`` (from the writer thread) after each commit that added entries."""
        ...

    def cursor(self, reader: str, lane: Lane) -> int | None:
        """How far ``reader`` had come; None for one that never said so."""
        ...

    def set_cursor(self, reader: str, lane: Lane, position: int) -> None:
        """``reader`` will not ask for anything at or before ``position`` again; what all have read may be trimmed."""
        ...
