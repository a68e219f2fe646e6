"""The embedded telemetry store: SQLite in the data directory, nothing to install or to look after."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from dashboards.answer import Answer, Look
from dashboards.query import Query, TagValues
from devices.observation import Observation, Waveform
from gateway.clock import Clock
from gateway.store.asking import ask_embedded, prepare
from gateway.store.points import screen, screen_point
from gateway.store.protocol import (
    BadPoint,
    Bucket,
    Point,
    Reading,
    RefusedPoint,
    StampsOf,
    StoreUnavailable,
    unstamped,
)
from gateway.store.rollups import Upkeep
from gateway.store.telemetry_file import Writer, connect, unavailable, unpack
from gateway.store.tiers import TierReader

T = TypeVar("T")

READERS = 3
ASKERS = 2
"""So that a wall does not wait behind one long look at three months; more would only take turns at the processor."""
ASK_LONGEST_S = 10.0
"""A board's question that takes longer is given up: it would take the processor from what is urgent."""
LOOK_EVERY = 20_000
"""Steps of SQLite's machine between two looks at the clock: some milliseconds."""
UPKEEP_EVERY_MS = 10_000


class EmbeddedStore:
    """A `gateway.store.protocol.Store`. One thread writes, a few read; the event loop never waits for the disk.

    What boards ask has threads of its own, each question for `ASK_LONGEST_S` at most: the newest vital signs, which an
    emergency card needs within two seconds, never wait behind a wall.

    Raw readings are kept 48 h, minutes 90 d, hours for ever: `readings` answers for 48 h, `buckets` for all time.
    """

    durability_lag_s = 0.0
    restarts = 0

    def __init__(self, path: Path, clock: Clock) -> None:
        """Open ``path``, creating it and its directory where missing. Raises StoreUnavailable, OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._clock = clock
        self._writer = Writer(connect(path))
        self._inode = path.stat().st_ino
        self._upkeep = Upkeep(self._writer.connection)
        self._upkeep_due_ms = 0
        self._readers: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        for _ in range(READERS):
            self._readers.put(connect(path, read_only=True))
        self._askers: queue.SimpleQueue[_Asker] = queue.SimpleQueue()
        for _ in range(ASKERS):
            self._askers.put(_Asker(path, lambda: self._closing))
        self._closing = False
        self._write_thread = ThreadPoolExecutor(1, "store-write")
        self._read_threads = ThreadPoolExecutor(READERS, "store-read")
        self._ask_threads = ThreadPoolExecutor(ASKERS, "store-ask")

    async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, self._write, observations, stamps)

    def _write(self, observations: Sequence[Observation], stamps: StampsOf) -> list[BadPoint]:
        bad: list[BadPoint] = []
        storable: list[Observation] = []
        for observation in observations:
            sound, reason = screen(observation)
            if reason:
                bad.append(BadPoint(observation=observation, reason=reason))
            if sound is not None:
                storable.append(sound)
        now_ms = self._clock.now_ms()
        self._require_file()
        try:
            if storable:
                self._writer.write(storable, stamps, now_ms)
            self._look_after(now_ms)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error
        return bad

    async def write_points(self, points: Sequence[Point]) -> list[RefusedPoint]:
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, self._write_points, points)

    def _write_points(self, points: Sequence[Point]) -> list[RefusedPoint]:
        refused: list[RefusedPoint] = []
        storable: list[Point] = []
        for point in points:
            sound, reason = screen_point(point)
            if reason:
                refused.append(RefusedPoint(point=point, reason=reason))
            if sound is not None:
                storable.append(sound)
        self._require_file()
        try:
            if storable:
                self._writer.write_points(storable)
            self._look_after(self._clock.now_ms())
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error
        return refused

    def _require_file(self) -> None:
        """What is written into a file that was deleted or moved away is lost with it. Raises StoreUnavailable."""
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
            raise StoreUnavailable(
                f"embedded store: {self._path} was deleted or moved away while the gateway runs",
                hint="restart the gateway: what came since waits in the journal, and is written then",
            )

    def _look_after(self, now_ms: int) -> None:
        if not 0 <= self._upkeep_due_ms - now_ms <= UPKEEP_EVERY_MS:  # due, or the clock was set back
            more = self._upkeep.step(now_ms)
            self._upkeep_due_ms = now_ms if more else now_ms + UPKEEP_EVERY_MS

    async def latest(self, device: str) -> dict[str, Reading]:
        def read(run: sqlite3.Connection) -> dict[str, Reading]:
            rows = run.execute(
                "SELECT s.metric, r.at_ms, r.value FROM series AS s JOIN raw AS r ON r.series = s.id"
                " AND r.at_ms = (SELECT max(at_ms) FROM raw WHERE series = s.id) WHERE s.device = ?",
                (device,),
            )
            return {m: Reading(at_ms=at_ms, device=device, metric=m, value=value) for m, at_ms, value in rows}

        return await self._read(read)

    async def readings(self, device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> list[Reading]:
        def read(run: sqlite3.Connection) -> list[Reading]:
            rows = run.execute(
                "SELECT r.at_ms, r.value FROM series AS s JOIN raw AS r ON r.series = s.id"
                " WHERE s.device = ? AND s.metric = ? AND r.at_ms >= ? AND r.at_ms < ? ORDER BY r.at_ms LIMIT ?",
                (device, metric, start_ms, end_ms, limit),
            )
            return [Reading(at_ms=at_ms, device=device, metric=metric, value=value) for at_ms, value in rows]

        return await self._read(read)

    async def buckets(self, device: str, metric: str, start_ms: int, end_ms: int, width_s: int) -> list[Bucket]:
        def read(run: sqlite3.Connection) -> list[Bucket]:
            row = run.execute("SELECT id FROM series WHERE device = ? AND metric = ?", (device, metric)).fetchone()
            return TierReader(run, row[0], width_s * 1000).buckets(start_ms, end_ms) if row else []

        return await self._read(read)

    async def waveforms(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, Waveform]]:
        def read(run: sqlite3.Connection) -> list[tuple[int, Waveform]]:
            rows = run.execute(
                "SELECT at_ms, name, lead, rate_hz, unit, samples FROM waveform"
                " WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, name, lead",
                (device, start_ms, end_ms),
            )
            return [
                (at_ms, Waveform(name=name, lead=lead, rate_hz=rate_hz, unit=unit, samples=unpack(samples)))
                for at_ms, name, lead, rate_hz, unit, samples in rows
            ]

        return await self._read(read)

    async def events(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        def read(run: sqlite3.Connection) -> list[tuple[int, str]]:
            return run.execute(
                "SELECT at_ms, event FROM event WHERE device = ? AND at_ms >= ? AND at_ms < ? ORDER BY at_ms, event",
                (device, start_ms, end_ms),
            ).fetchall()

        return await self._read(read)

    async def ask(self, query: Query | TagValues, look: Look) -> Answer:
        def ask() -> Answer:
            asker = self._askers.get()
            try:
                asker.until_s = time.monotonic() + ASK_LONGEST_S
                return self._consistent(asker.connection, lambda run: ask_embedded(run, query, look))
            except StoreUnavailable as error:
                if time.monotonic() <= asker.until_s:
                    raise
                raise StoreUnavailable(
                    f"embedded store: not answered within {ASK_LONGEST_S:g} s",
                    hint="choose a shorter time, or fewer places; for many years and devices use InfluxDB",
                ) from error
            finally:
                self._askers.put(asker)

        return await asyncio.get_running_loop().run_in_executor(self._ask_threads, ask)

    async def ping(self) -> str:
        await self._read(lambda run: run.execute("SELECT 1 FROM complete_from").fetchone())
        return "embedded SQLite"

    async def count_restarts(self) -> int:
        return self.restarts

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._closing = True  # what is being asked is given up
        self._ask_threads.shutdown(cancel_futures=True)
        self._read_threads.shutdown()
        self._write_thread.shutdown()
        while not self._readers.empty():
            self._readers.get().close()
        while not self._askers.empty():
            self._askers.get().connection.close()
        self._writer.connection.close()

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` in a reader thread, in one transaction, so that it sees one consistent state."""

        def work() -> T:
            connection = self._readers.get()
            try:
                return self._consistent(connection, query)
            finally:
                self._readers.put(connection)

        return await asyncio.get_running_loop().run_in_executor(self._read_threads, work)

    def _consistent(self, connection: sqlite3.Connection, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection.execute("BEGIN")
            return query(connection)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


class _Asker:
    """A connection for what boards ask, whose questions end at ``until_s``, or when ``closing`` says so."""

    def __init__(self, path: Path, closing: Callable[[], bool]) -> None:
        self.connection = connect(path, read_only=True)
        self.until_s = 0.0
        prepare(self.connection)
        self.connection.set_progress_handler(lambda: closing() or time.monotonic() > self.until_s, LOOK_EVERY)
