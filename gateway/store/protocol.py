"""The telemetry store: one protocol for the embedded default and for InfluxDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from devices.observation import Observation, Waveform


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value of one metric of one device at one instant."""

    at_ms: int
    device: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A metric over a stretch of time."""

    start_ms: int
    count: int
    mean: float
    low: float
    high: float
    last: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BadPoint:
    """A point the store will never take, with its reason: to be quarantined."""

    observation: Observation
    reason: str


class StoreUnavailable(Exception):
    """The store cannot take points now; the same points are to be offered again later."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint
        """What the person who runs this box can do about it."""


class Store(Protocol):
    """Idempotent: device time and tags are a point's identity, so writing twice is writing once."""

    durability_lag_s: float
    """The journal's cursor may move only past points acknowledged longer ago than this: 0 where an acknowledged write
    survives a crash of the store (embedded, InfluxDB), 15 for VictoriaMetrics."""

    async def write(self, observations: Sequence[Observation]) -> list[BadPoint]:
        """Store the metrics, events and waveforms of ``observations``; returns those that can never be stored.

        Raises StoreUnavailable when none or an unknown part was stored and all should be offered again.
        """
        ...

    async def latest(self, device: str) -> dict[str, Reading]:
        """The newest reading of each metric of a device."""
        ...

    async def readings(self, device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> list[Reading]:
        """Raw readings in ``start_ms <= t < end_ms``, oldest first, at most ``limit``."""
        ...

    async def buckets(self, device: str, metric: str, start_ms: int, end_ms: int, width_s: int) -> list[Bucket]:
        """Readings grouped by ``width_s``, oldest first, empty buckets left out."""
        ...

    async def waveforms(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, Waveform]]:
        """Strips that start in the range, with their start times."""
        ...

    async def events(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        """Events of a device in ``start_ms <= t < end_ms``, oldest first, with their times."""
        ...

    async def ping(self) -> str:
        """What was found, for people: ``embedded SQLite``, ``InfluxDB 1.6.7``.

        Raises StoreUnavailable: not reachable, or restarted since the last look while it keeps points in memory, so
        that what was written within ``durability_lag_s`` is to be offered again.
        """
        ...

    async def close(self) -> None: ...
