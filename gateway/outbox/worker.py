"""Sends what is in the outbox: takes up what is due and has room on its channel, and has all of it delivered at once.

One worker serves one database. Database calls run in a thread of their own, so that a stalled disk stalls neither the
loop nor a call that is under way; what was learnt from a channel is kept in memory until the database takes it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from gateway.cases.effects import LINE_CHANNEL, Send
from gateway.clock import Clock
from gateway.outbox import claims, table
from gateway.outbox.channel import Invitation, Limits, OutboxChannel, Report
from gateway.outbox.courier import Courier
from gateway.outbox.health import ChannelBook, OutboxHealth
from gateway.outbox.pace import Pace
from gateway.outbox.recorder import Recorder
from gateway.outbox.records import Claim, Depth
from gateway.state.db import reading
from gateway.state.leadership import Leadership, NotLeading

logger = logging.getLogger(__name__)

IDLE_S = 5.0
"""Without a wake the outbox is looked at this often."""
NO_CHANNEL = Limits(timeout_s=5, parallel=16)
CLAIM_LIMIT = 100
WAIT_FOR_ROOM_S = 15.0
"""An urgent message that has not even been tried for so long goes another way as well."""
LEASE_MARGIN_S = 60.0
CLOSE_WITHIN_S = 1.0
"""At the end, former channels and delivery reports have so long; reports are asked about after the next start."""

Invite = Callable[[sa.Connection, str, Send, int], Invitation | None]
"""Makes the invitation for a message of a case that is about to be sent, within the transaction that takes it up."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(slots=True)
class _Running:
    task: asyncio.Task[None]
    channel: OutboxChannel | None
    lane: tuple[str, bool]


@dataclass(slots=True)
class _Seen:
    depth: Depth = field(default_factory=lambda: Depth(waiting=0, in_flight=0, most_overdue_ms=None, next_due_ms=None))
    at: float = field(default_factory=time.monotonic)


class OutboxWorker:
    """Runs in the event loop that calls `run`; `wake` and `stop` may be called from any thread.

    ``on_outcome`` is called after something was recorded that a case may have to hear.
    """

    def __init__(
        self,
        engine: sa.Engine,
        channels: Mapping[str, OutboxChannel],
        clock: Clock,
        on_outcome: Callable[[], None],
        *,
        jitter: Callable[[], float] = random.random,
        grace_s: float = 5.0,
        leadership: Leadership | None = None,
        invite: Invite | None = None,
    ) -> None:
        """``leadership``: which of several gateways speaks; None for one that has the database for itself.
        ``invite``: how people are told the ways to answer; None where there are none."""
        self._engine = engine
        self._channels = dict(channels)
        self._clock = clock
        self._on_outcome = on_outcome
        self._grace_s = grace_s
        self._leadership = leadership
        self._invite = invite
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._stopping = False
        self._began_ms = clock.now_ms()
        self._recover = True
        self._running: dict[str, _Running] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._recorder = Recorder(engine)
        self._book = ChannelBook(clock)
        self._courier = Courier(self._recorder, self._book, clock, on_outcome, leads=lambda: self._leads, jitter=jitter)
        self._seen = _Seen()
        self._paces: dict[str, Pace] = {}

    # from outside

    def wake(self) -> None:
        """There is something new. Thread-safe."""
        self._call(self._woken.set)

    def stop(self) -> None:
        """Let `run` end once running attempts have, or after ``grace_s`` seconds. Thread-safe."""
        self._stopping = True
        self.wake()

    def settle(self, key: str, report: Report) -> None:
        """What became of a message that was SENT, by its delivery report. Thread-safe. Nothing is written while `run`
        does not work: the channel knows the report, and is asked later."""

        def begin() -> None:
            task = asyncio.get_running_loop().create_task(self._settle(key, report), name=f"settle {key}")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

        self._call(begin)

    async def _settle(self, key: str, report: Report) -> None:
        if await self._recorder.record(table.confirm, key, report, self._clock.now_ms()):
            self._on_outcome()

    def replace_channels(self, channels: Mapping[str, OutboxChannel]) -> None:
        """From now on send through ``channels``; the former ones are closed when their running attempts have ended.

        To be called in the worker's event loop.
        """
        former = [channel for name, channel in self._channels.items() if channels.get(name) is not channel]
        self._channels = dict(channels)
        for channel in former:
            task = asyncio.get_running_loop().create_task(self._close_later(channel))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self.wake()

    def health(self) -> OutboxHealth:
        """As of the last look into the database, at most a few seconds ago."""
        depth = self._seen.depth
        overdue = depth.most_overdue_ms
        return OutboxHealth(
            waiting=depth.waiting,
            in_flight=depth.in_flight,
            looked_s=0.0 if self._stopping or self._loop is None else time.monotonic() - self._seen.at,
            oldest_due_s=0.0 if overdue is None else max(0, self._clock.now_ms() - overdue) / 1000,
            overdue=depth.overdue,
            unrecorded=self._recorder.unrecorded,
            database_error=self._recorder.error,
            channels=dict(self._book.channels),
        )

    # the loop

    async def run(self) -> None:
        """Work until `stop`. A database that fails is tried again; anything else that is raised is a bug."""
        self._loop = asyncio.get_running_loop()
        pause_s = 0.1
        try:
            while not self._stopping:
                self._woken.clear()
                self._seen.at = time.monotonic()
                try:
                    idle_s = await self._cycle()
                    self._recorder.error = ""
                    pause_s = 0.1
                except NotLeading:
                    self._recover, idle_s = True, IDLE_S
                except sa.exc.SQLAlchemyError as error:
                    self._recover = True
                    self._recorder.complain("the outbox cannot be read", error)
                    idle_s, pause_s = pause_s, min(pause_s * 2, IDLE_S)
                if not self._stopping:
                    await self._sleep(idle_s)
            await self._wind_down()
        finally:
            await self._close()

    async def _cycle(self) -> float:
        """Start everything that is due and has room; returns for how many seconds there is nothing more to do."""
        now_ms = self._clock.now_ms()
        working = frozenset(self._running)
        if not self._leads:
            self._recover = True
            return IDLE_S
        if self._recover:
            expired = await self._recorder.transact(self._as_leader, claims.expire_leases, now_ms, exclude=working)
            self._recover = False
            if expired:
                logger.warning(
                    "outbox: %d messages were under way when the gateway stopped; asking about them", expired
                )
        busy = Counter(running.lane for running in self._running.values())
        taken = await self._recorder.transact(
            self._as_leader,
            self._take_up,
            now_ms,
            lease_s=self._lease_s,
            limit=CLAIM_LIMIT,
            room=lambda channel, urgent: self._room(channel) - busy[channel, urgent],
            pace=self._paced,
            exclude=working,
        )
        for claim in taken:
            if (pace := self._pace(claim.send.channel)) is not None:
                pace.take()
            self._start(claim)
        if taken:
            return 0.0
        since_ms = now_ms - int(WAIT_FOR_ROOM_S * 1000)
        if since_ms >= self._began_ms:
            waited = await self._recorder.transact(claims.kept_waiting, since_ms, now_ms, CLAIM_LIMIT)
            if waited:
                self._on_outcome()
        self._seen.depth = await self._recorder.read(lambda: self._depth(now_ms))
        soonest = self._seen.depth.next_due_ms
        waits = [pace.wait_s() for pace in self._paces.values()]
        idle_s = min([IDLE_S, *(wait_s for wait_s in waits if wait_s)])
        return idle_s if soonest is None else min(idle_s, max(0.01, (soonest - now_ms) / 1000))

    @property
    def _lease_s(self) -> float:
        longest = max((channel.limits.timeout_s for channel in self._channels.values()), default=NO_CHANNEL.timeout_s)
        return 2 * longest + LEASE_MARGIN_S

    def _take_up(
        self,
        connection: sa.Connection,
        now_ms: int,
        *,
        lease_s: float,
        limit: int,
        room: Callable[[str, bool], int],
        pace: Callable[[str, bool], int],
        exclude: Collection[str],
    ) -> list[Claim]:
        due = claims.claim_due(connection, now_ms, lease_s=lease_s, limit=limit, room=room, pace=pace, exclude=exclude)
        return [self._invited(connection, claim, now_ms) for claim in due]

    def _invited(self, connection: sa.Connection, claim: Claim, now_ms: int) -> Claim:
        """With the ways to answer. Whatever goes wrong with them, the message goes out."""
        if self._invite is None:
            return claim
        try:
            with connection.begin_nested():
                return replace(claim, invitation=self._invite(connection, claim.case_id, claim.send, now_ms))
        except Exception:
            logger.exception("outbox: %s goes out without a link or a code", claim.key)
            return claim

    @property
    def _leads(self) -> bool:
        return self._leadership is None or self._leadership.leads

    def _as_leader(
        self,
        connection: sa.Connection,
        work: Callable[Concatenate[sa.Connection, _P], _T],
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Within a transaction: what this gateway takes up, only if no other one speaks by now."""
        if self._leadership is not None:
            self._leadership.require(connection)
        return work(connection, *args, **kwargs)

    def _room(self, name: str) -> int:
        """How many messages of a channel may be under way at once."""
        if name == LINE_CHANNEL and self._leadership is not None and not self._leadership.may_dial:
            return 0  # the gateway that led before may be calling still
        return self._limits(name).parallel

    def _paced(self, name: str, urgent: bool) -> int:
        pace = self._pace(name)
        return CLAIM_LIMIT if pace is None else pace.room(urgent=urgent)

    def _pace(self, name: str) -> Pace | None:
        """The channel's own, which outlives a change of the registry: the provider counts on."""
        per_minute = self._limits(name).per_minute
        if per_minute is None:
            return None
        if self._paces.get(name) is None or self._paces[name].per_minute != per_minute:
            self._paces[name] = Pace(per_minute)
        return self._paces[name]

    def _limits(self, name: str) -> Limits:
        channel = self._channels.get(name)
        return NO_CHANNEL if channel is None else channel.limits

    def _start(self, claim: Claim) -> None:
        channel = self._channels.get(claim.send.channel)
        task = asyncio.get_running_loop().create_task(self._courier.deliver(claim, channel), name=f"outbox {claim.key}")
        self._running[claim.key] = _Running(task, channel, (claim.send.channel, claim.send.urgent))
        task.add_done_callback(lambda _: self._ended(claim.key))

    def _ended(self, key: str) -> None:
        running = self._running.pop(key)
        self._woken.set()
        if not running.task.cancelled() and running.task.exception() is not None:
            logger.error("outbox: a bug while sending %s", key, exc_info=running.task.exception())

    async def _wind_down(self) -> None:
        """Let running attempts end; what does not is asked about after the next start."""
        tasks = [running.task for running in self._running.values()]
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=self._grace_s)
        for task in left:
            task.cancel()
        if left:
            logger.warning("outbox: stopped while %d messages were under way", len(left))
            await asyncio.wait(left, timeout=1)

    def _depth(self, now_ms: int) -> Depth:
        with reading(self._engine) as connection:
            return claims.depth(connection, now_ms)

    # waiting

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _call(self, function: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    async def _close_later(self, channel: OutboxChannel) -> None:
        tasks = [running.task for running in self._running.values() if running.channel is channel]
        if tasks:
            await asyncio.wait(tasks)
        await _close(channel)

    async def _close(self) -> None:
        """Let go of everything; one channel that cannot be closed keeps none of the others open."""
        self._loop = None
        for running in self._running.values():
            running.task.cancel()
        if self._closing:
            _, left = await asyncio.wait(self._closing, timeout=CLOSE_WITHIN_S)
            for task in left:
                task.cancel()
        for channel in self._channels.values():
            await _close(channel)
        self._recorder.close()


async def _close(channel: OutboxChannel) -> None:
    try:
        await channel.close()
    except Exception:
        logger.exception("outbox: a channel could not be closed")
