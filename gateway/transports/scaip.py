"""Where social alarm units report by SCAIP: SIP MESSAGE over UDP and TCP on one port. Nothing else of SIP is spoken.

A unit gets its ``mrs`` with status 0 when what it said is on disk, and not before: what was not taken it says again, or
to its next receiver. The ``mrs`` goes out twice, for the two sorts of units there are: in the 200 that answers the
MESSAGE, and as a MESSAGE of its own.

Anybody on the network may send: connections, their silence, and what they send are bounded. Runs in a thread with a
loop of its own, so that nobody's page holds up an alarm.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from devices import scaip, sip_message
from devices.observation import Refusal
from devices.scaip import Answered, Asked
from devices.sip_message import BODY_MOST, HEAD_MOST, Request, Response, Wrong
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome
from gateway.transports.dc09 import ListenerHealth

log = logging.getLogger(__name__)

CONNECTIONS_MOST, CONNECTIONS_EACH = 1000, 100
UNDER_WAY_MOST = 1000
MESSAGE_WITHIN_S = 10.0
"""A message that was begun on a connection ends within this, or the connection does."""
SILENT_S = 900.0
ANSWER_WITHIN_S = 8.0
"""The journal answers in milliseconds. A unit sends again for 32 s."""
REMEMBERED_S = 40.0
"""An answer is kept so long for a request that is sent again (RFC 3261: 32 s)."""
REMEMBERED_MOST = 5000
SAME_REF_MS = 3_600_000
"""The same reference of the same unit with the same content is, within this, the same message."""
UNITS_MOST = 10_000
AGAIN_S = (0.5, 1.0, 2.0, 4.0)
"""When a MESSAGE of ours is sent again over UDP while nobody answers it."""
_ALLOW = "Allow: MESSAGE, OPTIONS"
_ACCEPT = "Accept: application/scaip+xml"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    503: "Service Unavailable",
    505: "Version Not Supported",
}


class Take(Protocol):
    """Takes one message in, in the listener's thread. ``refusal``: why it cannot be read. ``identity`` names it: the
    same is the same message."""

    def __call__(
        self,
        asked: Asked | None,
        payload: bytes,
        identity: str,
        received_at_ms: Millis,
        refusal: Refusal | None,
        done: Done,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a message came from, and how what is said goes back there."""

    transport: str
    host: str
    port: int
    send: Callable[[bytes, int], None]
    """Bytes to ``host``; the port is for UDP, where a unit may want its answers at another one."""


@dataclass(slots=True)
class _Shared:
    counts: Counter[str] = field(default_factory=Counter)
    units: set[str] = field(default_factory=set)
    last_heard_ms: Millis | None = None


class ScaipListener:
    """`start` and `stop` from any thread; `health` too."""

    def __init__(self, host: str, port: int, take: Take, clock: Clock) -> None:
        """``port`` 0: a free one."""
        self._host, self._port = host, port
        self._take = take
        self._clock = clock
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._shared = _Shared()
        # Owned by the loop:
        self._open: Counter[str] = Counter()
        self._answers: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()
        """Transaction → since when, and the answer; None while there is none yet."""
        self._identities: OrderedDict[str, tuple[Millis, str]] = OrderedDict()
        self._heard_back: dict[str, asyncio.Event] = {}
        """Branch of a MESSAGE of ours → set when it is answered."""
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._port

    def start(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(ready)), name="scaip", daemon=True)
        self._thread.start()
        ready.result(timeout=30)

    def stop(self) -> None:
        """End. What is under way is not answered, and comes again."""
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
                accounts=len(self._shared.units),
                last_heard_ms=self._shared.last_heard_ms,
                counts=dict(self._shared.counts),
            )

    # --- in the listener's thread ------------------------------------------------------------------------------------

    async def _run(self, ready: Future[None]) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._connected, self._host, self._port, limit=HEAD_MOST)
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

    # --- over TCP

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        host, port = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        with self._lock:
            full = self._open.total() >= CONNECTIONS_MOST or self._open[host] >= CONNECTIONS_EACH
            if not full:
                self._open[host] += 1
        try:
            if full:
                self._count("turned_away")
                return
            await self._converse(reader, writer, _Way("TCP", host, port, lambda data, _: writer.write(data)))
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it calls again; cancelled is only who is still there when we end
        except (asyncio.LimitOverrunError, Wrong):
            self._count("damaged")  # where its next message begins, nobody knows
        finally:
            if not full:
                with self._lock:
                    self._open[host] -= 1
                    if not self._open[host]:
                        del self._open[host]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    first = await reader.read(1)
            except TimeoutError:
                self._count("silent")
                return
            if not first:
                return
            try:
                async with asyncio.timeout(MESSAGE_WITHIN_S):
                    if first == b"\r":  # a word of life (RFC 5626 4.4.1)
                        if (await reader.readexactly(1)) == b"\n" and (await reader.readexactly(2)) == b"\r\n":
                            writer.write(b"\r\n")
                        continue
                    head = first + await reader.readuntil(b"\r\n\r\n")
                    data = head + await reader.readexactly(sip_message.body_length(head))
            except TimeoutError:
                self._count("slow")
                return
            await self._hear(data, way)
            async with asyncio.timeout(MESSAGE_WITHIN_S):  # one that does not read its answers holds nothing up
                await writer.drain()

    # --- over UDP

    def _datagram(self, data: bytes, host: str, port: int, send: Callable[[bytes, int], None]) -> None:
        if not data.strip(b"\r\n\0"):
            return  # keeps a way through a router open
        if len(self._under_way) >= UNDER_WAY_MOST or len(data) > HEAD_MOST + BODY_MOST:
            self._count("turned_away")
            return
        self._begin(self._hear(data, _Way("UDP", host, port, send)))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # --- one message

    async def _hear(self, data: bytes, way: _Way) -> None:
        now_ms = self._clock.now_ms()
        try:
            found = sip_message.parse(data)
        except Wrong as wrong:
            self._count("damaged")
            refusal = Refusal(
                "malformed", field="sip", expected="a SIP MESSAGE", hint=f"{wrong.why}; from {way.host}", device=""
            )
            await self._offered(None, data, "", now_ms, refusal)
            if wrong.request is not None:
                way.send(*self._answer(wrong.request, wrong.status, way))
            return
        if isinstance(found, Response):
            with contextlib.suppress(Wrong):
                waiting = self._heard_back.get(sip_message.via(found.one("via")).branch)
                if waiting is not None and found.status >= 200:
                    waiting.set()
            return
        transaction = f"{way.host}\n{found.transaction}"
        known = self._answers.get(transaction)
        if known is not None and asyncio.get_running_loop().time() - known[0] < REMEMBERED_S:
            if known[1] is not None:
                way.send(known[1], sip_message.answer_port(found, way.port))
            return
        self._remember(transaction, None)
        answer, said = await self._treat(found, way, now_ms)
        if not answer:
            self._answers.pop(transaction, None)
            return
        self._remember(transaction, answer)
        way.send(answer, sip_message.answer_port(found, way.port))
        if said:
            self._begin(self._tell(found, way, said))

    def _remember(self, transaction: str, answer: bytes | None) -> None:
        self._answers[transaction] = (asyncio.get_running_loop().time(), answer)
        self._answers.move_to_end(transaction)
        while len(self._answers) > REMEMBERED_MOST:
            self._answers.popitem(last=False)

    async def _treat(self, request: Request, way: _Way, now_ms: Millis) -> tuple[bytes, bytes]:
        """The answer to a request, and the ``mrs`` that is to be said beside it; both empty for what has no answer."""
        if request.method == "ACK":
            return b"", b""
        if request.method == "OPTIONS":
            return self._answer(request, 200, way, more=(_ALLOW, _ACCEPT))[0], b""
        if request.method != "MESSAGE":
            return self._answer(request, 405, way, more=(_ALLOW,))[0], b""
        if request.one("require"):
            return self._answer(request, 420, way, more=(f"Unsupported: {request.one('require')}",))[0], b""
        if sip_message.media_type(request) not in scaip.MEDIA_TYPES or request.one("content-encoding") not in (
            "",
            "identity",
        ):
            return self._answer(request, 415, way, more=(_ACCEPT,))[0], b""
        asked, refusal = _read(request.body)
        if asked is not None:
            with self._lock:
                self._shared.last_heard_ms = now_ms
                if len(self._shared.units) < UNITS_MOST:
                    self._shared.units.add(asked.cid)
        identity = self._identity(asked, request, now_ms) if asked is not None else ""
        outcome = await self._offered(asked, request.body, identity, now_ms, refusal)
        ref = asked.ref if asked is not None else scaip.reference_in(request.body)
        if outcome is Outcome.REFUSED:
            self._count("not_written")
            body = scaip.answer(ref, Answered.BUSY, "not on disk; send again")
            return self._answer(request, 503, way, more=("Retry-After: 5",), body=body)[0], b""
        status, why = Answered.OK, ""
        if outcome is Outcome.QUARANTINED:
            status = scaip.status_of(refusal) if refusal is not None else Answered.NOT_TREATED
            why = f"{refusal.field}: expected {refusal.expected}" if refusal is not None else "nobody here knows it"
        self._count("ok" if status is Answered.OK else f"snu_{int(status)}")
        body = scaip.answer(ref, status, why)
        return self._answer(request, 200, way, body=body)[0], body

    def _answer(
        self, request: Request, status: int, way: _Way, *, more: tuple[str, ...] = (), body: bytes = b""
    ) -> tuple[bytes, int]:
        """The bytes of an answer, and the port they go to."""
        if body:
            more = (*more, "Content-Type: application/scaip+xml")
        stamped = sip_message.received_from(request, way.host, way.port)
        made = sip_message.answer(stamped, status, _REASONS[status], tag=secrets.token_hex(4), more=more, body=body)
        return made, sip_message.answer_port(request, way.port)

    async def _tell(self, request: Request, way: _Way, body: bytes) -> None:
        """The ``mrs`` as a MESSAGE of our own, until somebody answers it."""
        uri = sip_message.uri_of(request.one("contact")) or sip_message.uri_of(request.one("from"))
        branch = f"z9hG4bK{secrets.token_hex(8)}"
        made = sip_message.message(
            uri,
            sender=sip_message.uri_of(request.one("to")),
            transport=way.transport,
            at=f"{self._host}:{self._port}",
            branch=branch,
            tag=secrets.token_hex(4),
            call=secrets.token_hex(12),
            body=body,
        )
        heard = self._heard_back[branch] = asyncio.Event()
        try:
            for wait_s in AGAIN_S if way.transport == "UDP" else AGAIN_S[-1:]:
                way.send(made, sip_message.answer_port(request, way.port))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await heard.wait()
                        return
            self._count("mrs_unheard")
        except OSError:
            self._count("mrs_unheard")
        finally:
            del self._heard_back[branch]

    async def _offered(
        self, asked: Asked | None, payload: bytes, identity: str, now_ms: Millis, refusal: Refusal | None
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
            self._take(asked, payload, identity, now_ms, refusal, done)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await answer
        except TimeoutError:
            return Outcome.REFUSED  # it may still be written; said again, it is known
        except Exception:
            log.exception("scaip: what unit %s said was not taken", asked.cid if asked is not None else "?")
            return Outcome.REFUSED

    def _identity(self, asked: Asked, request: Request, now_ms: Millis) -> str:
        """By unit, reference and content. Units count their references anew after a power cut: after an hour the same
        is another message. A press told twice is better than none."""
        named = asked.ref or f"{request.one('call-id')} {request.one('cseq')}"
        what = "\n".join((asked.cid, named, asked.mty, asked.did, asked.dty, asked.stc))
        digest = hashlib.sha256(what.encode()).hexdigest()[:20]
        known = self._identities.get(digest)
        if known is not None and 0 <= now_ms - known[0] < SAME_REF_MS:
            return known[1]
        identity = f"{digest}-{now_ms // SAME_REF_MS}"
        self._identities[digest] = (now_ms, identity)
        self._identities.move_to_end(digest)
        if len(self._identities) > UNITS_MOST:
            self._identities.popitem(last=False)
        return identity


def _read(body: bytes) -> tuple[Asked | None, Refusal | None]:
    try:
        return scaip.read(body), None
    except Refusal as refusal:
        return None, refusal


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, heard: Callable[[bytes, str, int, Callable[[bytes, int], None]], None]) -> None:
        self._heard = heard
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        def send(said: bytes, port: int) -> None:
            if self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(said, (addr[0], port))

        self._heard(data, addr[0], addr[1], send)
