"""Where alarm units of other makers call in by SIA DC-09, over TCP and UDP on one port.

A unit is told ACK when what it said is on disk, and not before: what was not acknowledged it says again, and in the end
by another way. It is told DUH where nobody here can use it (no such account, no device in that zone), so that it does
not think that help is coming; NAK with the time where an encrypted message is too old or too new. A frame whose check
sum is wrong is not answered, as the standard has it.

Many units, and anybody on the network, may call: connections, their silence and what they send are bounded. Runs in a
thread with a loop of its own, so that nobody's page holds up an alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol, cast

from devices import dc09
from devices.dc09 import BODY_MOST, Damaged, Frame, FrameReader
from devices.observation import Refusal
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome

log = logging.getLogger(__name__)

CONNECTIONS_MOST, CONNECTIONS_EACH = 1000, 100
"""Open connections in all, and of one address: a hundred units may share one router."""
UNDER_WAY_MOST = 1000
"""Datagrams that wait for the journal."""
FRAME_WITHIN_S = 10.0
"""A frame that was begun ends within this, or its connection does."""
SILENT_S = 900.0
"""A connection on which nobody says anything for so long is closed; units poll every minute or every few."""
ANSWER_WITHIN_S = 8.0
"""The journal answers in milliseconds. A unit waits for some seconds, and then says it again."""
AGAIN_WITHIN_MS = 120_000
"""The same sequence with the same data is, for so long, the same message said again, with or without a new time."""
ACCOUNTS_MOST = 10_000
READ_BYTES = 4096


class Take(Protocol):
    """Takes one frame in, in the listener's thread. ``payload``: the frame in plain between length and CR, or as it
    came where ``refusal`` says that it cannot be read. ``identity`` names the message: the same is the same one."""

    def __call__(
        self,
        frame: Frame | None,
        payload: bytes,
        identity: str,
        received_at_ms: Millis,
        refusal: Refusal | None,
        done: Done,
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerHealth:
    """How the listener is. ``counts``: ``ack``, ``nak``, ``duh``, ``damaged``, ``not_written``, ``slow`` …"""

    address: str
    connections: int
    accounts: int
    """Different accounts heard since the start."""
    last_heard_ms: Millis | None
    counts: dict[str, int]


@dataclass(slots=True)
class _Said:
    """What an account said last."""

    what: tuple[str, str, str]
    at_ms: Millis
    identity: str


@dataclass(slots=True)
class _Shared:
    counts: Counter[str] = field(default_factory=Counter)
    accounts: set[str] = field(default_factory=set)
    last_heard_ms: Millis | None = None


class Dc09Listener:
    """`start` and `stop` from any thread; `health` too."""

    def __init__(self, host: str, port: int, take: Take, key_of: Callable[[str], bytes | None], clock: Clock) -> None:
        """``key_of``: the AES key of an account, None where it has none. Raises nothing. ``port`` 0: a free one."""
        self._host, self._port = host, port
        self._take = take
        self._key_of = key_of
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._shared = _Shared()
        # Owned by the loop:
        self._open: Counter[str] = Counter()
        self._last: OrderedDict[str, _Said] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="dc09", daemon=True)
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
        with self._lock:
            return ListenerHealth(
                address=f"{self._host}:{self._port}",
                connections=self._open.total(),
                accounts=len(self._shared.accounts),
                last_heard_ms=self._shared.last_heard_ms,
                counts=dict(self._shared.counts),
            )

    # --- in the listener's thread ------------------------------------------------------------------------------------

    async def _run(self, ready: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._connected, self._host, self._port, limit=READ_BYTES)
            self._port = server.sockets[0].getsockname()[1]
            try:
                datagrams, _ = await self._loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._datagram), local_addr=(self._host, self._port)
                )
            except OSError:
                server.close()
                raise
        except OSError as error:
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

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        with self._lock:
            full = self._open.total() >= CONNECTIONS_MOST or self._open[address] >= CONNECTIONS_EACH
            if not full:
                self._open[address] += 1
        try:
            if full:
                self._count("turned_away")
                return
            await self._converse(reader, writer)
        except OSError:
            pass  # it calls again
        finally:
            if not full:
                with self._lock:
                    self._open[address] -= 1
                    if not self._open[address]:
                        del self._open[address]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        frames = FrameReader()
        begun: float | None = None
        """When the frame that is coming in was begun."""
        while True:
            wait_s = SILENT_S if begun is None else begun + FRAME_WITHIN_S - loop.time()
            try:
                async with asyncio.timeout(max(0.0, wait_s)):
                    data = await reader.read(READ_BYTES)
            except TimeoutError:
                self._count("slow" if begun is not None else "silent")
                return
            if not data:
                return
            for raw in frames.feed(data):
                said = await self._hear(raw)
                if said:
                    writer.write(said)
                    async with asyncio.timeout(FRAME_WITHIN_S):  # one that does not read its answers holds nothing up
                        await writer.drain()
                begun = None
            if frames.holds and begun is None:
                begun = loop.time()
            elif not frames.holds:
                begun = None

    def _datagram(self, data: bytes, answer: Callable[[bytes], None]) -> None:
        if len(self._under_way) >= UNDER_WAY_MOST or len(data) > BODY_MOST + 16:
            self._count("turned_away")
            return

        async def hear() -> None:
            for raw in FrameReader().feed(data):
                said = await self._hear(raw)
                if said:
                    answer(said)

        task = asyncio.get_running_loop().create_task(hear())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _hear(self, raw: bytes) -> bytes:
        """One frame; what to answer, nothing where it is not to be answered."""
        now_ms = self._clock.now_ms()
        try:
            frame = dc09.decode(raw)
        except Damaged as damaged:
            self._count("damaged")
            await self._offered(None, raw, "", now_ms, _damaged(damaged))
            return b""
        except Refusal as refusal:
            await self._offered(None, raw, "", now_ms, refusal)
            return self._answer("DUH", None, now_ms, None)
        with self._lock:
            self._shared.last_heard_ms = now_ms
            if len(self._shared.accounts) < ACCOUNTS_MOST:
                self._shared.accounts.add(frame.account)
        key = self._key_of(frame.account) if frame.encrypted else None
        try:
            content = dc09.opened(frame, key)
        except Refusal as refusal:
            outcome = await self._offered(frame, raw, "", now_ms, refusal)
            return b"" if outcome is Outcome.REFUSED else self._answer("DUH", frame, now_ms, None)
        if frame.encrypted and (content.at_ms is None or not -dc09.LATE_MS <= content.at_ms - now_ms <= dc09.EARLY_MS):
            return self._answer("NAK", frame, now_ms, None)
        plain = _plain(frame, content)
        identity = self._identity(frame, content.data, content.at_ms, now_ms)
        outcome = await self._offered(frame, plain, identity, now_ms, None)
        if outcome is Outcome.REFUSED:
            self._count("not_written")
            return b""
        return self._answer("DUH" if outcome is Outcome.QUARANTINED else "ACK", frame, self._clock.now_ms(), key)

    def _answer(self, kind: dc09.Answer, frame: Frame | None, now_ms: Millis, key: bytes | None) -> bytes:
        self._count(kind.lower())
        return dc09.answer(kind, frame, now_ms, key, secrets.token_bytes(16))

    async def _offered(
        self, frame: Frame | None, payload: bytes, identity: str, now_ms: Millis, refusal: Refusal | None
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not answer.done():
                answer.set_result(outcome)

        def done(outcome: Outcome) -> None:
            with contextlib.suppress(RuntimeError):  # the listener was stopped: nobody is told, and it comes again
                loop.call_soon_threadsafe(settle, outcome)

        try:
            self._take(frame, payload, identity, now_ms, refusal, done)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answer
        except TimeoutError:
            return Outcome.REFUSED  # it may still be written; said again, it is known
        except Exception:
            log.exception("dc09: what account %s said was not taken", frame.account if frame is not None else "?")
            return Outcome.REFUSED

    def _identity(self, frame: Frame, data: str, at_ms: Millis | None, now_ms: Millis) -> str:
        """By account, sequence and time. Said again within `AGAIN_WITHIN_MS` it is the same, although a unit may put a
        new time on it. What has no time is another one after a restart: a press told twice is better than none."""
        what = (frame.token, frame.sequence, data)
        known = self._last.get(frame.account)
        if known is not None and known.what == what and 0 <= now_ms - known.at_ms < AGAIN_WITHIN_MS:
            return known.identity
        identity = f"{frame.account}-{frame.sequence}-{f'at-{now_ms}' if at_ms is None else at_ms}"
        self._last[frame.account] = _Said(what, now_ms, identity)
        self._last.move_to_end(frame.account)
        if len(self._last) > ACCOUNTS_MOST:
            self._last.popitem(last=False)
        return identity


def _plain(frame: Frame, content: dc09.Content) -> bytes:
    """The frame as it would be without encryption."""
    extended = "".join(f"[{part}]" for part in content.extended)
    time = "" if content.at_ms is None else dc09.time_text(content.at_ms)
    return dc09.body_of(
        Frame(
            token=frame.token,
            encrypted=False,
            sequence=frame.sequence,
            receiver=frame.receiver,
            line=frame.line,
            account=frame.account,
            rest=f"{content.data}]{extended}{time}",
        )
    )


def _damaged(damaged: Damaged) -> Refusal:
    return Refusal(
        "damaged",
        field="crc",
        expected="the check sum of what was sent",
        hint=f"{damaged}; the unit says it again. If it goes on: the unit is set to another protocol",
    )


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, Callable[[bytes], None]], None]) -> None:
        self._heard = heard
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        def answer(said: bytes) -> None:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(said, addr)

        self._heard(data, answer)
