"""From the journal into the telemetry store: at least once, in order, never in the way of the urgent path.

The writer reads both lanes behind everybody else, offers what it read until the store has it, and tells the journal how
far it has come only when the store can no longer lose it. Points are idempotent, so offering twice is free: the cursor
is saved every few seconds, and a crash repeats a few seconds of writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from devices.observation import Lane, Observation
from gateway.clock import Clock
from gateway.journal.entry import Done, Entry, JournalReader, Outcome, Quarantined
from gateway.store.cursors import READER
from gateway.store.erasures import Marks
from gateway.store.points import count_points
from gateway.store.protocol import BadPoint, Point, StampsOf, Store, StoreUnavailable

log = logging.getLogger(__name__)

BATCH = 2_000
BACKLOG_BATCH = 8_000
"""While more than a batch waits. A batch of a large community is one reading of each device; more of them lie side by
side in the embedded store's file, so that four times as many take it hardly longer."""
LINGER_S = 0.5
"""How long to gather when there is little: one commit (one request) for half a second of readings."""
SAVE_EVERY_S = 5.0
LOOK_AGAIN_S = 5.0
"""Unasked, should a wake-up ever be missed."""
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
RATE_WINDOW_S = 10.0

State = Literal["starting", "ok", "catching_up", "unavailable", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """How the way into the telemetry store is doing, for people."""

    state: State
    since_ms: int
    store: str
    """What was found: ``embedded SQLite``, ``InfluxDB 2.9.0``; empty while nothing was."""
    lag_entries: int
    """Journal entries not yet written."""
    oldest_unwritten_ms: int | None
    """When the oldest of them was received; None where there is none."""
    points_per_s: float
    """Over the last ten seconds."""
    points_written: int
    points_refused: int
    """Observations of which a part was quarantined, since the start."""
    last_error: str
    what_to_do: str


class _Written(NamedTuple):
    at_s: float
    lane: Lane
    position: int


class Meaning(Protocol):
    """What readings mean beside what they say: points that are stored with them."""

    def heard(self, observations: Sequence[Observation]) -> list[Point]:
        """The points of these readings; the same ones when they are offered again before `keep`."""
        ...

    def keep(self) -> None:
        """The store has them."""
        ...


class StoreWriter:
    """Run `run` as a task; cancel it to stop.

    ``load`` and ``save`` keep the cursor of a lane (`StoreCursors`), ``quarantine`` is the journal's, ``stamps`` says
    where a device is at present (any thread may ask). They are part of a point's identity: a reading that is offered
    again after its device moved is there twice, for the seconds between saving the cursor.
    """

    def __init__(
        self,
        journal: JournalReader,
        store: Store,
        *,
        stamps: StampsOf,
        load: Callable[[Lane], int],
        save: Callable[[Lane, int], None],
        quarantine: Callable[[Quarantined, Done], None],
        clock: Clock,
        erased: Callable[[], Marks] = Marks,
        meaning: Meaning | None = None,
    ) -> None:
        self._journal = journal
        self._store = store
        self._stamps = stamps
        self._load = load
        self._save = save
        self._quarantine = quarantine
        self._clock = clock
        self._erased = erased
        self._meaning = meaning
        self._marks = Marks()
        self._read = dict.fromkeys(Lane, 0)
        """Written up to here."""
        self._at_once = dict.fromkeys(Lane, BATCH)
        self._kept = dict.fromkeys(Lane, 0)
        """The store cannot lose anything up to here."""
        self._saved = dict.fromkeys(Lane, 0)
        self._written: deque[_Written] = deque()
        """What the store may still lose."""
        self._rates: deque[tuple[float, int]] = deque()
        self._woken = asyncio.Event()
        self._begun = False
        self._state: State = "starting"
        self._since_ms = clock.now_ms()
        self._store_name = ""
        self._last_error = self._what_to_do = ""
        self._points = self._refused = 0
        self._save_due_s = 0.0

    def health(self) -> StoreHealth:
        """The present state, from any thread. Reads four rows of the journal; raises what the journal raises."""
        behind = {lane: max(0, self._journal.last_position(lane) - self._read[lane]) for lane in Lane}
        oldest = [
            entry.observation.received_at_ms
            for lane in Lane
            if behind[lane]
            for entry in self._journal.read(lane, self._read[lane], 1)
        ]
        return StoreHealth(
            state=self._state,
            since_ms=self._since_ms,
            store=self._store_name,
            lag_entries=sum(behind.values()),
            oldest_unwritten_ms=min(oldest, default=None),
            points_per_s=self._rate(),
            points_written=self._points,
            points_refused=self._refused,
            last_error=self._last_error,
            what_to_do=self._what_to_do,
        )

    async def run(self) -> None:
        """Write until cancelled. Nothing that the store does ends it: errors are shown in `health` and tried again."""
        loop = asyncio.get_running_loop()
        self._journal.subscribe(lambda _lane: _wake(loop, self._woken))
        failures = 0
        try:
            while True:
                try:
                    if not self._begun:
                        await self._begin()
                    full = await self._round()
                    failures = 0
                    if not full:
                        await self._rest()
                except StoreUnavailable as error:
                    self._fail(str(error), error.hint)
                except Exception as error:  # a fault in here must be seen and tried again, not end the writer
                    log.exception("store writer")
                    self._fail(f"{type(error).__name__}: {error}", "if it stays, look at the log and report it")
                if self._state == "unavailable":
                    self._rewind()
                    failures += 1
                    top = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures, 10))
                    await asyncio.sleep(random.uniform(top / 2, top))
        finally:
            self._become("stopped")
            if not self._store.durability_lag_s:
                self._settle(time.monotonic())
            self._save_cursors()

    async def _begin(self) -> None:
        for lane in Lane:
            position = await asyncio.to_thread(self._load, lane)
            last = await asyncio.to_thread(self._journal.last_position, lane)
            if position > last:
                log.warning(
                    "the %s journal ends at %d, before the store's cursor %d: read from its start", lane, last, position
                )
                position = 0
            self._read[lane] = self._kept[lane] = self._saved[lane] = position
            self._journal.set_cursor(READER, lane, position)  # from now on the journal keeps what is not yet written
        self._begun = True

    async def _round(self) -> bool:
        """One batch from each lane, urgent first; returns whether there is more to do at once."""
        full = False
        # Nothing of an earlier answer is under way: whoever erases waits until this has been asked.
        self._marks = await asyncio.to_thread(self._erased)
        for lane in Lane:
            limit = self._at_once[lane]
            entries = await asyncio.to_thread(self._journal.read, lane, self._read[lane], limit)
            if entries:
                await self._write(lane, entries)
            more = len(entries) == limit
            self._at_once[lane] = BACKLOG_BATCH if more else BATCH
            full |= more
        now = time.monotonic()
        if now >= self._save_due_s:
            if self._store.durability_lag_s and self._settles(now):
                await self._store.ping()  # raises when it was restarted and may have lost what is about to be settled
            self._settle(now)
            await asyncio.to_thread(self._save_cursors)
            self._save_due_s = now + SAVE_EVERY_S
        if not self._store_name:
            self._store_name = await self._store.ping()
        if self._state == "unavailable":
            log.info("telemetry store is back: %s", self._store_name)
        self._become("catching_up" if full else "ok")
        return full

    async def _write(self, lane: Lane, entries: list[Entry]) -> None:
        observations = [entry.observation for entry in entries]
        if self._marks:
            observations = [o for o in observations if not self._marks.cover(o.device, o.observed_at_ms)]
        if refused := await self._store.write(observations, self._stamps):
            await self._set_aside(refused)
        await self._write_meaning(observations)
        now = time.monotonic()
        self._read[lane] = entries[-1].position
        self._written.append(_Written(now, lane, entries[-1].position))
        points = sum(map(count_points, observations))
        self._points += points
        self._rates.append((now, points))
        self._prune(now)

    async def _write_meaning(self, observations: list[Observation]) -> None:
        if self._meaning is None:
            return
        try:
            points = self._meaning.heard(observations)
        except Exception:  # no reading that nobody foresaw may keep the store from all that come after it
            log.exception("what %d readings mean is left out", len(observations))
            return
        if points:
            for refused in await self._store.write_points(points):  # the readings themselves are stored
                log.warning("the store refuses what a reading means: %s: %s", refused.point.measurement, refused.reason)
        self._meaning.keep()

    async def _set_aside(self, refused: list[BadPoint]) -> None:
        """Into the quarantine, durably, before the cursor may pass them."""
        loop = asyncio.get_running_loop()
        outcomes: list[asyncio.Future[Outcome]] = []
        first = refused[0]
        log.warning("the store refuses %d; the first: %s: %s", len(refused), first.observation.device, first.reason)
        for bad in refused:
            outcome: asyncio.Future[Outcome] = loop.create_future()
            outcomes.append(outcome)
            self._quarantine(self._explain(bad), functools.partial(_report, loop, outcome))
        if Outcome.REFUSED in await asyncio.gather(*outcomes):
            raise StoreUnavailable("the quarantine cannot be written", hint="free disk space; see the journal's state")
        self._refused += len(refused)

    def _explain(self, bad: BadPoint) -> Quarantined:
        return Quarantined(
            received_at_ms=bad.observation.received_at_ms,
            transport="store",
            source=self._store_name or "telemetry store",
            device=bad.observation.device,
            reason="store_refused",
            field="observation",
            expected="a point that the telemetry store takes",
            hint=bad.reason,
            # Not JSON: what is wrong with it may be just what JSON cannot say (NaN, half a surrogate pair).
            payload=repr(bad.observation).encode("utf-8", "backslashreplace")[:4096],
        )

    async def _rest(self) -> None:
        """Until the journal has more, or the cursor has to be saved."""
        due = self._save_due_s - time.monotonic() if self._unsaved() else LOOK_AGAIN_S
        self._woken.clear()
        if all(self._journal.last_position(lane) <= self._read[lane] for lane in Lane):
            try:
                async with asyncio.timeout(due):
                    await self._woken.wait()
            except TimeoutError:
                return
        await asyncio.sleep(LINGER_S)

    def _unsaved(self) -> bool:
        return bool(self._written) or self._kept != self._saved

    def _settles(self, now_s: float) -> bool:
        return bool(self._written) and self._written[0].at_s + self._store.durability_lag_s <= now_s

    def _settle(self, now_s: float) -> None:
        while self._settles(now_s):
            written = self._written.popleft()
            self._kept[written.lane] = written.position

    def _rewind(self) -> None:
        """Offer again what the store may have lost."""
        if not self._store.durability_lag_s:
            self._settle(time.monotonic())
        self._written.clear()
        self._read.update(self._kept)
        self._at_once = dict.fromkeys(Lane, BATCH)  # gently: it may have been too much

    def _save_cursors(self) -> None:
        for lane in Lane:
            if self._kept[lane] != self._saved[lane]:
                self._save(lane, self._kept[lane])
                self._journal.set_cursor(READER, lane, self._kept[lane])
                self._saved[lane] = self._kept[lane]

    def _fail(self, error: str, what_to_do: str) -> None:
        if self._state != "unavailable" or error != self._last_error:
            log.warning("telemetry store: %s; %s", error, what_to_do)
        self._last_error, self._what_to_do = error, what_to_do
        self._store_name = ""
        self._become("unavailable")

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state, self._since_ms = state, self._clock.now_ms()
        if state == "ok":
            self._last_error = self._what_to_do = ""

    def _rate(self) -> float:
        self._prune(time.monotonic())
        return sum(points for _, points in self._rates) / RATE_WINDOW_S

    def _prune(self, now_s: float) -> None:
        while self._rates and self._rates[0][0] < now_s - RATE_WINDOW_S:
            self._rates.popleft()


def _report(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Outcome], value: Outcome) -> None:
    """From the journal's thread, or at once."""
    with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if outcome.done() else outcome.set_result(value))


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    """From the journal's thread. A loop that has ended needs no waking."""
    if not event.is_set():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(event.set)
