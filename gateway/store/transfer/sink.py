"""Points into a store: as they are into InfluxDB, and as readings, events, strips and points into the embedded one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from devices.observation import Lane, Observation, Waveform
from devices.telemetry import NOWHERE, Stamps
from gateway.store.line_protocol import EVENT, WAVEFORM
from gateway.store.points import sample_time_ns
from gateway.store.protocol import Point, StampsOf, Store
from gateway.store.telemetry_file import HOUR, MINUTE, connect, unavailable
from gateway.store.transfer.embedded_source import WIDTHS
from gateway.store.transfer.selection import MS
from gateway.store.transfer.source import ROLLED, ROLLED_FIELDS

_READING = frozenset(("device", *Stamps._fields))
"""A point with no other tags than these, and numbers alone, is a reading of its device."""

SAMPLES_MOST = 200_000
"""Of one strip: it is put together in memory."""


class Numbered(NamedTuple):
    """A point, and where it stands in its file."""

    number: int
    point: Point


class Rejected(NamedTuple):
    """A point that the store will never take."""

    number: int
    point: Point
    reason: str


class Sink(Protocol):
    """What takes the points of an import. Idempotent."""

    async def write(self, points: Sequence[Numbered]) -> list[Rejected]:
        """Store ``points``; returns those that the store will never take. Raises StoreUnavailable."""
        ...

    async def finish(self) -> list[Rejected]:
        """Store what still waits for its rest. Raises StoreUnavailable."""
        ...


class PointSink:
    """Into InfluxDB and what speaks its protocol."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, points: Sequence[Numbered]) -> list[Rejected]:
        rejected = [Rejected(*one, _NO_ROLLED) for one in points if ROLLED in one.point.tags]
        plain = [one for one in points if ROLLED not in one.point.tags]
        numbers = {id(one.point): one.number for one in plain}
        refused = await self._store.write_points([one.point for one in plain]) if plain else []
        return rejected + [Rejected(numbers.get(id(bad.point), 0), bad.point, bad.reason) for bad in refused]

    async def finish(self) -> list[Rejected]:
        return []


_NO_ROLLED = "a minute or an hour of the embedded store: InfluxDB computes its own from readings"


class EmbeddedSink:
    """Into the embedded store, also beside a running gateway."""

    def __init__(self, store: Store, path: Path, stamps: StampsOf) -> None:
        """``stamps``: where registered devices are now; others are where the file says. Raises StoreUnavailable."""
        self._store = store
        self._path = path
        self._stamps = stamps
        self._strips: dict[tuple[str, ...], list[_Strip]] = {}
        self._placed: dict[str, Stamps] = {}
        self._rolled = Rolled(path)

    async def write(self, points: Sequence[Numbered]) -> list[Rejected]:
        observations: list[tuple[Numbered, Observation]] = []
        plain: list[Numbered] = []
        rolled: list[Point] = []
        rejected: list[Rejected] = []
        for one in points:
            point = one.point
            self._notice(point)
            if ROLLED in point.tags:
                if reason := rolled_fault(point):
                    rejected.append(Rejected(*one, reason))
                else:
                    rolled.append(point)
            elif point.measurement == WAVEFORM and {"device", "name"} <= point.tags.keys():
                observations += [(one, whole) for whole in self._sample(one)]
            elif (observation := observation_of(point)) is not None:
                observations.append((one, observation))
            else:
                plain.append(one)
        rejected += await self._observe(observations)
        if plain:
            rejected += await PointSink(self._store).write(plain)
        if rolled:
            await asyncio.to_thread(self._rolled.write, rolled)
        return rejected

    async def finish(self) -> list[Rejected]:
        """Strips of which samples are missing are stored with those that came."""
        left = [(strip.first, strip.observation()) for strips in self._strips.values() for strip in strips]
        self._strips.clear()
        rejected = await self._observe(left)
        await asyncio.to_thread(self._rolled.close)
        return rejected

    async def _observe(self, observations: Sequence[tuple[Numbered, Observation]]) -> list[Rejected]:
        if not observations:
            return []
        owners = {id(observation): one for one, observation in observations}
        refused = await self._store.write([observation for _, observation in observations], self._at)
        return [Rejected(*owners[id(bad.observation)], bad.reason) for bad in refused]

    def _notice(self, point: Point) -> None:
        if device := point.tags.get("device"):
            self._placed[device] = Stamps(**{name: point.tags.get(name, "") for name in Stamps._fields})

    def _at(self, device: str) -> Stamps:
        known = self._stamps(device)
        return self._placed.get(device, NOWHERE) if known == NOWHERE else known

    def _sample(self, one: Numbered) -> list[Observation]:
        """A sample finds the strips it belongs to; those that are whole now."""
        point = one.point
        key = tuple(point.tags.get(name, "") for name in ("device", "kind", "name", "lead", "unit"))
        strips = self._strips.setdefault(key, [])
        rate_hz, samples, value = (point.fields.get(name) for name in ("rate_hz", "samples", "value"))
        if isinstance(rate_hz, float) and isinstance(samples, float) and rate_hz > 0 and 0 < samples <= SAMPLES_MOST:
            strips.append(_Strip(one, key, point.at_ns, rate_hz, int(samples)))
        if isinstance(value, float):
            for strip in strips:
                strip.take(point.at_ns, value)
        whole = [strip for strip in strips if strip.whole]
        if whole:
            self._strips[key] = [strip for strip in strips if not strip.whole]
        return [strip.observation() for strip in whole]


class _Strip:
    """A strip that is being put together from its samples."""

    def __init__(self, first: Numbered, key: tuple[str, ...], start_ns: int, rate_hz: float, count: int) -> None:
        self.first = first
        self._key = key
        self._start_ms = start_ns // MS
        self._rate_hz = rate_hz
        self._instants = [sample_time_ns(self._start_ms, rate_hz, index) for index in range(count)]
        self._wanted = set(self._instants)
        self._values: dict[int, float] = {}

    def take(self, at_ns: int, value: float) -> None:
        if at_ns in self._wanted:
            self._values[at_ns] = value

    @property
    def whole(self) -> bool:
        return len(self._values) == len(self._wanted)

    def observation(self) -> Observation:
        device, kind, name, lead, unit = self._key
        samples = tuple(self._values[at_ns] for at_ns in self._instants if at_ns in self._values)
        wave = Waveform(name=name, lead=lead, rate_hz=self._rate_hz, unit=unit, samples=samples)
        return _observation(device, kind, self._start_ms, waveform=wave)


def observation_of(point: Point) -> Observation | None:
    """The reading or the event that a point is; None for a point that is neither."""
    device, at_ms = point.tags.get("device", ""), point.at_ns // MS
    if not device:
        return None
    if point.measurement == EVENT:
        event, kind = point.tags.get("event"), point.tags.get("kind", "unknown")
        return _observation(device, kind, at_ms, event=event) if event else None
    numbers = {name: value for name, value in point.fields.items() if not isinstance(value, str)}
    if len(numbers) != len(point.fields) or not point.tags.keys() <= _READING:
        return None
    return _observation(device, point.measurement, at_ms, metrics=numbers)


def _observation(
    device: str,
    kind: str,
    at_ms: int,
    *,
    metrics: dict[str, float] | None = None,
    event: str | None = None,
    waveform: Waveform | None = None,
) -> Observation:
    return Observation(
        message_id=f"{device}:import:{at_ms}",
        device=device,
        kind=kind,
        lane=Lane.ROUTINE,
        observed_at_ms=at_ms,
        received_at_ms=at_ms,
        metrics=metrics or {},
        event=event,
        waveform=waveform,
    )


def rolled_fault(point: Point) -> str:
    """Why ``point`` is no minute or hour of readings; an empty string where it is one."""
    width = point.tags[ROLLED]
    if width not in WIDTHS:
        return f"tag {ROLLED}: expected {' or '.join(WIDTHS)}, got {width!r}"
    if not point.tags.get("device"):
        return "has no device"
    if point.at_ns % ((MINUTE if width == "1m" else HOUR) * MS):
        return f"does not begin with a full {'minute' if width == '1m' else 'hour'}"
    metrics = {name.rpartition(".")[0] for name in point.fields}
    wanted = {f"{metric}.{name}" for metric in metrics for name in ROLLED_FIELDS}
    if "" in metrics or wanted != point.fields.keys() or any(isinstance(v, str) for v in point.fields.values()):
        return f"expected numbers METRIC.{', METRIC.'.join(ROLLED_FIELDS)} of each metric"
    return ""


_ROLL = """
INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (series, at_ms) DO UPDATE
SET n = excluded.n, sum = excluded.sum, low = excluded.low, high = excluded.high, last = excluded.last
WHERE excluded.n >= n
"""


class Rolled:
    """Minutes and hours straight into their tables: what readings they stand for is gone. Blocking."""

    def __init__(self, path: Path) -> None:
        """Raises StoreUnavailable."""
        self._path = path
        self._run = connect(path)

    def write(self, points: Sequence[Point]) -> None:
        """Raises StoreUnavailable."""
        try:
            self._run.execute("BEGIN IMMEDIATE")
            try:
                for point in points:
                    self._put(point)
                self._run.execute("COMMIT")
            except BaseException:
                self._run.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def close(self) -> None:
        """Let go of the database."""
        self._run.close()

    def _put(self, point: Point) -> None:
        device, table, at_ms = point.tags["device"], WIDTHS[point.tags[ROLLED]], point.at_ns // MS
        self._run.execute(
            "INSERT OR IGNORE INTO placed VALUES (?, ?, ?, ?, ?, ?, ?)",
            (device, point.measurement, *(point.tags.get(name, "") for name in Stamps._fields)),
        )
        for metric in {name.rpartition(".")[0] for name in point.fields}:
            self._run.execute("INSERT OR IGNORE INTO series (device, metric) VALUES (?, ?)", (device, metric))
            found = self._run.execute("SELECT id FROM series WHERE device = ? AND metric = ?", (device, metric))
            series = int(found.fetchone()[0])
            count, *rest = (point.fields[f"{metric}.{name}"] for name in ROLLED_FIELDS)
            self._run.execute(_ROLL.format(table=table), (series, at_ms, int(count), *rest))
            if table == "minute":
                self._run.execute(
                    "INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?)", (HOUR, series, at_ms // HOUR * HOUR, at_ms)
                )
