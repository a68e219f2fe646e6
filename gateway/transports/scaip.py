"""Where social alarm units report by SCAIP: SIP MESSAGE over UDP and TCP on one port. Nothing else of SIP is spoken.

A unit gets its ``mrs`` with status 0 when what it said is on disk, and not before: what was not taken it says again, or
to its next receiver. The ``mrs`` goes out twice, for the two sorts of units there are: in the 200 that answers the
MESSAGE, and as a MESSAGE of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from devices import scaip, sip_message
from devices.observation import Refusal
from devices.scaip import Answered, Asked
from devices.sip_message import BODY_MOST, HEAD_MOST, Request, Response, Wrong
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome
from gateway.transports.listener import BEGUN_WITHIN_S, SILENT_S, UNITS_MOST, Listener, Send

REMEMBERED_S = 40.0
"""An answer is kept so long for a request that is sent again (RFC 3261: 32 s)."""
REMEMBERED_MOST = 5000
SAME_REF_MS = 3_600_000
"""The same reference of the same unit with the same content is, within this, the same message."""
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
    ) -> None:
        """Returns at once; ``done`` is called once, on any thread."""
        ...


@dataclass(frozen=True, slots=True)
class _Way:
    """Where a message came from, and how what is said goes back there."""

    transport: str
    host: str
    port: int
    send: Send
    """Bytes to ``host``; the port is for UDP, where a unit may want its answers at another one."""


class ScaipListener(Listener):
    """A `Listener` for SCAIP. ``counts``: ``ok``, ``snu_<status>``, ``damaged``, ``not_written``, ``mrs_unheard`` …"""

    name = "scaip"
    read_limit = HEAD_MOST
    datagram_most = HEAD_MOST + BODY_MOST

    def __init__(self, host: str, port: int, take: Take, clock: Clock) -> None:
        """``port`` 0: a free one."""
        super().__init__(host, port, clock)
        self._take = take
        self._answers: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()
        """Transaction → since when, and the answer; None while there is none yet."""
        self._identities: OrderedDict[str, tuple[Millis, str]] = OrderedDict()
        self._heard_back: dict[str, asyncio.Event] = {}
        """Branch of a MESSAGE of ours → set when it is answered."""

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        host, port = (str(peer[0]), int(peer[1])) if peer else ("", 0)
        try:
            await self._hear_all(reader, writer, _Way("TCP", host, port, lambda data, _: writer.write(data)))
        except (asyncio.LimitOverrunError, Wrong):
            self._count("damaged")  # where its next message begins, nobody knows

    async def _hear_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: _Way) -> None:
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
                async with asyncio.timeout(BEGUN_WITHIN_S):
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
            async with asyncio.timeout(BEGUN_WITHIN_S):  # one that does not read its answers holds nothing up
                await writer.drain()

    async def _heard(self, data: bytes, host: str, port: int, send: Send) -> None:
        if data.strip(b"\r\n\0"):  # else it keeps a way through a router open
            await self._hear(data, _Way("UDP", host, port, send))

    async def _hear(self, data: bytes, way: _Way) -> None:
        now_ms = self._clock.now_ms()
        try:
            found = sip_message.parse(data)
        except Wrong as wrong:
            self._count("damaged")
            refusal = Refusal(
                "malformed", field="sip", expected="a SIP MESSAGE", hint=f"{wrong.why}; from {way.host}", device=""
            )
            await self._take_in(None, data, "", now_ms, refusal)
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
            self._alive(asked.cid, now_ms)
        identity = self._identity(asked, request, now_ms) if asked is not None else ""
        outcome = await self._take_in(asked, request.body, identity, now_ms, refusal)
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

    async def _take_in(
        self, asked: Asked | None, payload: bytes, identity: str, now_ms: Millis, refusal: Refusal | None
    ) -> Outcome:
        who = f"unit {asked.cid if asked is not None else '?'}"
        return await self._offered(partial(self._take, asked, payload, identity, now_ms, refusal), who)

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
