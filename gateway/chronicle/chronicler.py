"""Writes a case's point as soon as the case has changed, and what was missed as soon as it can be written.

What the store holds stands in the table ``chronicled``: after a crash, an outage, or with a new store, all that differs
is written, the newest first, in helpings between which what has just changed goes first. Of several gateways on one
database only the one that leads writes of cases; whoever leads next finds what the one before it has written.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import NamedTuple

import msgspec
from pydantic import ValidationError

from dashboards.answer import Look
from dashboards.query import Column, FieldIs, Query
from gateway.cases import figures
from gateway.cases.model import Case
from gateway.chronicle.burning import burning, burning_query, look_until
from gateway.chronicle.cases import alarm_point, care_point, case_point, next_change_ms, void
from gateway.chronicle.ground import Ground
from gateway.chronicle.health import ChronicleHealth, State
from gateway.chronicle.pen import Pauses, Pen
from gateway.chronicle.places import DAY_MS
from gateway.chronicle.rows import ALARM, CASE, CaseFacts, ChronicleRows, Mark, Standing
from gateway.clock import Clock
from gateway.feed import Feed, News
from gateway.store.protocol import Point, StoreUnavailable

log = logging.getLogger(__name__)

CASES_AT_ONCE = 50
OLD_AT_ONCE = 1_000
OLD_EVERY_S = 0.05
"""Between two helpings of what is old."""
LOOK_ALL_S = 300.0
"""So often it is looked, unasked, whether anything was missed."""
MARK_EVERY_S = 1.0
"""What was written is remembered so often: a crash repeats a second of writing, which changes nothing."""
REST_S = 5.0
ASK_WAIT_S = 5.0
"""What has changed does not wait longer for what boards ask: it is looked again later."""
MARGIN_MS = 3_600_000
"""What the store is about to let go is not written any more."""


class _Read(NamedTuple):
    """What becomes of some cases."""

    points: list[Point]
    marks: list[Mark]
    due: dict[str, int | None]
    """When time alone changes a case's point."""
    unreadable: int


class Chronicler:
    """Run `run` as a task; cancel it to stop."""

    def __init__(
        self,
        rows: ChronicleRows,
        pen: Pen,
        feed: Feed,
        clock: Clock,
        *,
        ground: Callable[[], Ground | None],
        leads: Callable[[], bool],
        kept_ms: int | None = None,
    ) -> None:
        """``kept_ms``: what began longer ago is not kept by the store, and not written; None for ever."""
        self._rows = rows
        self._pen = pen
        self._feed = feed
        self._clock = clock
        self._ground = ground
        self._leads = leads
        self._kept_ms = kept_ms
        self._changed: dict[str, None] = {}
        """Cases to be written, in the order in which they changed."""
        self._old: dict[str, None] = {}
        """Cases that were found to be missing in the store."""
        self._more = False
        """Whether there may be more of them."""
        self._due: dict[str, int] = {}
        self._pending: dict[tuple[str, str], Mark] = {}
        """Written, and not yet remembered."""
        self._unsettled: deque[tuple[float, int, list[Mark]]] = deque()
        """When, after how many restarts of the store, what."""
        self._marked_s = 0.0
        self._look_s = float("-inf")
        self._led = False
        self._woken = asyncio.Event()
        self._state: State = "starting"
        self._since_ms = clock.now_ms()
        self._last_error = self._what_to_do = ""
        self._unreadable = 0

    def health(self) -> ChronicleHealth:
        """The present state, from any thread."""
        return ChronicleHealth(
            state=self._state,
            since_ms=self._since_ms,
            behind=len(self._changed) + len(self._old),
            written=self._pen.written,
            refused=self._pen.refused,
            unreadable=self._unreadable,
            last_error=self._last_error,
            what_to_do=self._what_to_do,
        )

    async def run(self) -> None:
        """Write until cancelled. Nothing that the store or the database does ends it."""
        pauses = Pauses()
        async with self._feed.watch() as news:
            listening = asyncio.create_task(self._listen(news), name="chronicle news")
            try:
                while True:
                    try:
                        await self.round()
                        pauses.well()
                        await self._rest()
                        continue
                    except StoreUnavailable as error:
                        self._fail(str(error), error.hint)
                    except Exception as error:  # a fault in here must be seen and tried again, not end the chronicle
                        log.exception("chronicle")
                        self._fail(f"{type(error).__name__}: {error}", "if it stays, look at the log and report it")
                    await asyncio.sleep(pauses.next_s())
            finally:
                listening.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await listening
                self._become("stopped")
                if not self._pen.store.durability_lag_s:
                    with contextlib.suppress(Exception):  # what is not remembered is written again
                        self._rows.remember(self._settled(float("inf")))

    async def _listen(self, news: asyncio.Queue[News]) -> None:
        while True:
            one = await news.get()
            if one.kind == "case":
                self._changed[one.id] = None
            elif one.kind == "lagged":
                self._look_s = float("-inf")
            else:
                continue
            self._woken.set()

    async def round(self) -> None:
        """All that is to be written now. Raises StoreUnavailable, and what the database raises."""
        if not self._leads():
            self._stand_by()
            return
        if not self._led:  # a start, or another gateway led: what is open may be as time has made it
            await self._check_store()
            self._changed |= dict.fromkeys(await asyncio.to_thread(self._rows.open_cases))
            self._look_s = float("-inf")
            self._led = True
        await self._urgent()
        if self._look_is_due():
            await self._put_out()
        await self._look()
        while self._old:
            some = list(self._old)[:CASES_AT_ONCE]
            self._become("catching_up")
            await self._write(some)
            for case_id in some:
                self._old.pop(case_id, None)
            await self.settle()
            await asyncio.sleep(OLD_EVERY_S)
            await self._urgent()
        await self.settle(at_once=self._more)
        self._become("ok")

    async def _check_store(self) -> None:
        """A store that was emptied (another disk, a volume made anew) is filled again."""
        newest = await asyncio.to_thread(self._rows.newest, self._since_ms_of(self._clock.now_ms()) + DAY_MS)
        if newest is None:
            return
        query = Query("case", (Column("number"),), (FieldIs("number", "=", newest.number),))
        at_ms = newest.opened_at_ms
        try:
            async with asyncio.timeout(ASK_WAIT_S):
                answer = await self._pen.store.ask(query, Look(language="zh", start_ms=at_ms, end_ms=at_ms + 1))
        except TimeoutError:
            return
        except StoreUnavailable:
            if self._pen.store.durability_lag_s:
                return  # VictoriaMetrics cannot be asked
            raise
        if not answer.rows:
            log.warning("the telemetry store has nothing of case %s any more: it is filled again", newest.number)
            await asyncio.to_thread(self._rows.forget)

    def _since_ms_of(self, now_ms: int) -> int:
        """What began before is older than the store keeps."""
        return 0 if self._kept_ms is None else now_ms - self._kept_ms + MARGIN_MS

    async def _urgent(self) -> None:
        """All that has just changed, by people or by time."""
        now_ms = self._clock.now_ms()
        self._changed |= dict.fromkeys(case_id for case_id, due_ms in self._due.items() if due_ms <= now_ms)
        while self._changed:
            some = list(self._changed)[:CASES_AT_ONCE]
            for case_id in some:
                del self._changed[case_id]  # what changes while it is being written is written again
            try:
                await self._write(some)
            except BaseException:
                self._changed = dict.fromkeys(some) | self._changed
                raise
            await self.settle()

    def _look_is_due(self) -> bool:
        return time.monotonic() - self._look_s >= LOOK_ALL_S

    async def _put_out(self) -> None:
        """What the store shows as open and is not, under these tags, burns no more."""
        ground = self._ground()
        if ground is None:
            return
        try:
            asked = burning_query(ground.community), look_until(self._clock.now_ms())
            async with asyncio.timeout(ASK_WAIT_S):
                found = list(burning(await self._pen.store.ask(*asked)))
        except TimeoutError:
            return
        except StoreUnavailable:
            if self._pen.store.durability_lag_s:
                return  # VictoriaMetrics cannot be asked
            raise
        known: dict[str, Standing] = {}
        ids = list(dict.fromkeys(one.id for one in found))
        for start in range(0, len(ids), OLD_AT_ONCE):
            known |= await asyncio.to_thread(self._rows.standing, ids[start : start + OLD_AT_ONCE])
        out = []
        for one in found:
            if one.id in self._changed:
                continue  # about to be written
            case = known.get(one.id)
            if case is None:
                log.warning("case %s burns in the telemetry store and is not in the database: put out", one.number)
                out.append(one.voided())
                continue
            mark = self._pending.get((CASE, one.id), case.marked)
            if mark is None or not mark.tags or mark.version != case.version:
                continue  # written in its turn
            if {name: value for name, value in mark.tags.items() if value} != one.tags:
                out.append(one.voided())
            elif not case.open:
                self._old[one.id] = None  # the store is older than what is remembered of it
        await self._pen.write(out)

    async def _look(self) -> None:
        """Whether anything is missing in the store."""
        now = time.monotonic()
        if not self._more and not self._look_is_due():
            return
        since_ms = self._since_ms_of(self._clock.now_ms())
        ids, self._more = await asyncio.to_thread(self._rows.differing, OLD_AT_ONCE, since_ms)
        self._old |= dict.fromkeys(case_id for case_id in ids if (CASE, case_id) not in self._pending)
        self._look_s = now

    async def _write(self, case_ids: Collection[str]) -> None:
        ground = self._ground()
        if ground is None:
            raise StoreUnavailable("no community has been applied yet", hint="anju apply FILE")
        found = await asyncio.to_thread(self._read, case_ids, ground, self._clock.now_ms())
        restarts = self._pen.store.restarts
        await self._pen.write(found.points)
        for mark in found.marks:
            self._pending[mark.what, mark.id] = mark
        self._unsettled.append((time.monotonic(), restarts, found.marks))
        self._unreadable += found.unreadable
        for case_id, due_ms in found.due.items():
            self._due.pop(case_id, None)
            if due_ms is not None:
                self._due[case_id] = due_ms

    def _read(self, case_ids: Collection[str], ground: Ground, now_ms: int) -> _Read:
        """In a thread: what these cases and their alarms are now, as points."""
        found = _Read([], [], {}, 0)
        facts: dict[str, CaseFacts] = {}
        for row in self._rows.cases(case_ids):
            mark = self._pending.get((CASE, row.id), row.marked)
            try:
                seen, case = figures.seen(row.body), Case.model_validate_json(row.body)
            except (msgspec.DecodeError, ValidationError) as error:
                log.error("the record of case %s cannot be read, and is in no figure: %s", row.id, error)
                found.marks.append(Mark(CASE, row.id, row.version, {}))
                found = found._replace(unreadable=found.unreadable + 1)
                continue
            if seen.began_ms < self._since_ms_of(now_ms):
                found.marks.append(Mark(CASE, row.id, row.version, {}))
                continue
            point = case_point(case, seen, ground, now_ms)
            tags = dict(point.tags)
            if mark is not None and mark.tags and mark.tags != tags:
                found.points.append(void(point, mark.tags))
            found.points.append(point)
            if (care := care_point(case, point)) is not None:
                found.points.append(care)
            found.marks.append(Mark(CASE, row.id, row.version, tags))
            found.due[row.id] = next_change_ms(seen, now_ms)
            facts[row.id] = CaseFacts(case.number, case.drill, seen.life_safety)
        for one in self._rows.alarms(facts):
            alarm, mark = one.alarm, self._pending.get((ALARM, str(one.alarm.id)), one.marked)
            if mark is not None and mark.version == alarm.version:
                continue
            point = alarm_point(alarm, ground)
            # Where it was raised it stays, whatever is moved in the registry until it ends.
            tags = dict(point.tags if mark is None else mark.tags)
            found.points.append(Point(measurement=ALARM, tags=tags, fields=point.fields, at_ns=point.at_ns))
            found.marks.append(Mark(ALARM, str(alarm.id), alarm.version, tags))
        return found

    async def settle(self, *, at_once: bool = False) -> None:
        """Remember what the store cannot lose any more: every second, or ``at_once``. Raises as `round`."""
        now = time.monotonic()
        if not self._unsettled or (now - self._marked_s < MARK_EVERY_S and not at_once):
            return
        store = self._pen.store
        lag_s = store.durability_lag_s
        if lag_s and self._unsettled[0][0] + lag_s <= now:
            await store.count_restarts()  # it may have lost what is about to be remembered
        if self._unsettled[0][1] != store.restarts:
            raise StoreUnavailable(
                "the store was started anew: what it had in memory is written again", hint="nothing to do"
            )
        if marks := self._settled(now - lag_s):
            await asyncio.to_thread(self._rows.remember, marks)
            for mark in marks:
                if self._pending.get((mark.what, mark.id)) is mark:
                    del self._pending[mark.what, mark.id]
        self._marked_s = now

    def _settled(self, until_s: float) -> list[Mark]:
        newest: dict[tuple[str, str], Mark] = {}
        while self._unsettled and self._unsettled[0][0] <= until_s:
            newest |= {(mark.what, mark.id): mark for mark in self._unsettled.popleft()[2]}
        return list(newest.values())

    async def _rest(self) -> None:
        """Until a case changes, time changes one, or something is to be remembered."""
        if self._changed:
            return
        self._woken.clear()
        wait_s = REST_S
        if self._due and self._led:
            wait_s = min(wait_s, (min(self._due.values()) - self._clock.now_ms()) / 1000)
        if self._unsettled or self._more:
            wait_s = min(wait_s, MARK_EVERY_S)
        if wait_s > 0 and not self._changed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._woken.wait()

    def _stand_by(self) -> None:
        self._led = False
        for waiting in (self._changed, self._old, self._due, self._pending):
            waiting.clear()
        self._unsettled.clear()
        self._more = False
        self._become("standing_by")

    def _fail(self, error: str, what_to_do: str) -> None:
        """What is not remembered is written again: the store may have lost it."""
        if self._state != "unavailable" or error != self._last_error:
            log.warning("chronicle: %s; %s", error, what_to_do)
        self._last_error, self._what_to_do = error, what_to_do
        self._pending.clear()
        self._unsettled.clear()
        self._look_s = float("-inf")
        self._led = False  # what comes back may be another store, or an older one
        self._become("unavailable")

    def _become(self, state: State) -> None:
        if state != self._state:
            self._state, self._since_ms = state, self._clock.now_ms()
        if state == "ok":
            self._last_error = self._what_to_do = ""
