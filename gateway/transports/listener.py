"""Where units of other makers call in from the network: TCP and UDP on one port, in a thread with a loop of its own, so
that nobody's page holds up an alarm.

Many units, and anybody on the network, may call: connections and what is under way are bounded, and what is turned
away is counted. What a unit said is offered to the journal; until it is on disk nobody tells the unit that it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome

log = logging.getLogger(__name__)

CONNECTIONS_MOST, CONNECTIONS_EACH = 1000, 100
"""Open connections in all, and of one address: a hundred units may share one router."""
UNDER_WAY_MOST = 1000
"""Datagrams that wait for the journal."""
SILENT_S = 900.0
"""A connection on which nobody says anything for so long is closed; units poll every minute or every few."""
BEGUN_WITHIN_S = 10.0
"""What was begun on a connection ends within this, or the connection does."""
ANSWER_WITHIN_S = 8.0
"""The journal answers in milliseconds. A unit waits for some seconds, and then says it again."""
UNITS_MOST = 10_000
"""So many different units are told apart for the figures, and by what they said last."""

Send = Callable[[bytes, int], None]
"""Bytes back to where a datagram came from, at a port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerHealth:
    """How a listener is. ``counts``: what was answered and what was not, by the protocol's own words."""

    address: str
    connections: int
    accounts: int
    """Different accounts or units heard since the start."""
    last_heard_ms: Millis | None
    counts: dict[str, int]


@dataclass(slots=True)
class _Shared:
    counts: Counter[str] = field(default_factory=Counter)
    units: set[str] = field(default_factory=set)
    last_heard_ms: Millis | None = None


class Listener(ABC):
    """`start` and `stop` from any thread; `health` too. The rest belongs to the listener's own."""

    name: str
    """Of its thread, and in the log."""
    read_limit: int
    """The longest piece that is read at once from a connection, in bytes."""
    datagram_most: int
    """A longer datagram is none of the protocol."""

    def __init__(self, host: str, port: int, clock: Clock) -> None:
        """``port`` 0: a free one."""
        self._host, self._port = host, port
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._shared = _Shared()
        # Owned by the loop:
        self._open: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear what comes over one connection, until it ends."""

    @abstractmethod
    async def _heard(self, data: bytes, host: str, port: int, send: Send) -> None:
        """Hear one datagram."""

    @property
    def port(self) -> int:
        """The port it listens at; the real one after `start`."""
        return self._port

    def start(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name=self.name, daemon=True)
        self._thread.start()
        ready.result(timeout=30)

    def stop(self) -> None:
        """End. What is under way is not acknowledged, and is said again."""
        loop, stopping = self._loop, self._stopping
        if loop is not None and stopping is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(stopping.set)
        if self._thread is not None:
            self._thread.join(timeout=10)

    def health(self) -> ListenerHealth:
        """How it is at this moment."""
        with self._lock:
            return ListenerHealth(
                address=f"{self._host}:{self._port}",
                connections=self._open.total(),
                accounts=len(self._shared.units),
                last_heard_ms=self._shared.last_heard_ms,
                counts=dict(self._shared.counts),
            )

    # --- in the listener's thread ------------------------------------------------------------------------------------

    async def _run(self, ready: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._connected, self._host, self._port, limit=self.read_limit)
            self._port = server.sockets[0].getsockname()[1]
            try:
                datagrams, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._datagram), local_addr=(self._host, self._port)
                )
            except OSError:
                server.close()
                raise
        except Exception as error:  # noqa: BLE001 - who starts it hears of it
            ready.set_exception(error)
            return
        ready.set_result(None)
        await self._stopping.wait()
        datagrams.close()
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, what: str) -> None:
        with self._lock:
            self._shared.counts[what] += 1

    def _alive(self, unit: str, now_ms: Millis) -> None:
        """A unit was heard."""
        with self._lock:
            self._shared.last_heard_ms = now_ms
            if len(self._shared.units) < UNITS_MOST:
                self._shared.units.add(unit)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = _host_of(writer)
        with self._lock:
            full = self._open.total() >= CONNECTIONS_MOST or self._open[host] >= CONNECTIONS_EACH
            if not full:
                self._open[host] += 1
        try:
            if full:
                self._count("turned_away")
                return
            await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it calls again; cancelled is only who is still there when the listener ends
        finally:
            if not full:
                with self._lock:
                    self._open[host] -= 1
                    if not self._open[host]:
                        del self._open[host]
            writer.close()

    def _datagram(self, data: bytes, host: str, port: int, send: Send) -> None:
        if len(self._under_way) >= UNDER_WAY_MOST or len(data) > self.datagram_most:
            self._count("turned_away")
            return
        self._begin(self._heard(data, host, port, send))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s: a datagram was not heard out", self.name, exc_info=task.exception())

    async def _offered(self, take: Callable[[Done], None], who: str) -> Outcome:
        """What became of what ``take`` hands in; REFUSED where nobody says so in time: the unit says it again."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        def done(outcome: Outcome) -> None:
            with contextlib.suppress(RuntimeError):  # the listener was stopped: nobody is told, and it comes again
                loop.call_soon_threadsafe(settle, outcome)

        try:
            take(done)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answer
        except TimeoutError:
            return Outcome.REFUSED  # it may still be written; said again, it is known
        except Exception:
            log.exception("%s: what %s said was not taken", self.name, who)
            return Outcome.REFUSED


def _host_of(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if peer else ""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, str, int, Send], None]) -> None:
        self._heard = heard
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        def send(said: bytes, port: int) -> None:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(said, (addr[0], port))

        self._heard(data, addr[0], addr[1], send)
