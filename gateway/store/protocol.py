"""The telemetry store: one protocol for the embedded default and for InfluxDB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from dashboards.answer import Answer, Look
from dashboards.query import Query, TagValues
from devices.observation import Observation, Waveform
from devices.telemetry import NOWHERE, Stamps


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What people and the gateway itself did or are, beside what devices measure: a case, an alarm, a lane's backlog.

    Measurement, tags and time are its identity: written again it is corrected, field by field; a field that is not
    written again stays. `devices.telemetry` lists all measurements.
    """

    measurement: str
    tags: Mapping[str, str]
    """Bounded values only. Empty ones are left out."""
    fields: Mapping[str, float | str]
    """Numbers are floats always (True is 1.0), text is text, and a field never changes between the two."""
    at_ns: int
    """ns since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPoint:
    """A point of which the store will never take all, with its reason."""

    point: Point
    reason: str


StampsOf = Callable[[str], Stamps]
"""The stamps of a device, by its id."""


def unstamped(_device: str) -> Stamps:
    """No device is anywhere: for tests and tools that have no registry."""
    return NOWHERE


class StoreUnavailable(Exception):
    """The store cannot take points now; the same points are to be offered again later."""

    def __init__(self, reason: str, *, hint: str = "") -> None:
        super().__init__(reason)
        self.hint = hint
        """What the person who runs this box can do about it."""


class Store(Protocol):
    """Idempotent: device time and tags are a point's identity, so writing twice is writing once."""

    @property
    def durability_lag_s(self) -> float:
        """The journal's cursor may move only past points acknowledged longer ago than this: 0 where an acknowledged
        write survives a crash of the store (embedded, InfluxDB), 15 for VictoriaMetrics."""
        ...

    @property
    def restarts(self) -> int:
        """How often it was found to have been started anew while it keeps points in memory: what was acknowledged less
        than ``durability_lag_s`` before may be gone."""
        ...

    async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
        """Store the metrics, events and waveforms of ``observations``, each with the ``stamps`` of its device; returns
        those that can never be stored.

        Raises StoreUnavailable when none or an unknown part was stored and all should be offered again.
        """
        ...

    async def write_points(self, points: Sequence[Point]) -> list[RefusedPoint]:
        """Store ``points``; returns those of which a part can never be stored. Later ones correct earlier ones.

        VictoriaMetrics takes only their numbers (text becomes 0 there), and shows a corrected value beside the old
        one. Raises StoreUnavailable when none or an unknown part was stored and all should be offered again.
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

    async def ask(self, query: Query | TagValues, look: Look) -> Answer:
        """What a board asks, with the same answer from every store (`dashboards.answer`).

        Raises KeyError for a variable of the board that ``look`` does not choose, LookupError for a measurement that
        does not exist, StoreUnavailable.
        """
        ...

    async def ping(self) -> str:
        """What was found, for people: ``embedded SQLite``, ``InfluxDB 1.6.7``.

        Raises StoreUnavailable: not reachable, or restarted since the last look while it keeps points in memory, so
        that what was written within ``durability_lag_s`` is to be offered again.
        """
        ...

    async def count_restarts(self) -> int:
        """`restarts`, after a look. Raises StoreUnavailable: not reachable."""
        ...

    async def close(self) -> None:
        """Finish what is being written and let go of the store."""
        ...
