"""Where alarm units of other makers call in by SIA DC-09, over TCP and UDP on one port.

A unit is told ACK when what it said is on disk, and not before: what was not acknowledged it says again, and in the end
by another way. It is told DUH where nobody here can use it (no such account, no device in that zone), so that it does
not think that help is coming; NAK with the time where an encrypted message is too old or too new. A frame whose check
sum is wrong is not answered, as the standard has it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from devices import dc09
from devices.dc09 import BODY_MOST, Damaged, Frame, FrameReader
from devices.observation import Refusal
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome
from gateway.transports.listener import BEGUN_WITHIN_S, SILENT_S, UNITS_MOST, Listener, Send

AGAIN_WITHIN_MS = 120_000
"""The same sequence with the same data is, for so long, the same message said again, with or without a new time."""
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
    ) -> None:
        """Returns at once; ``done`` is called once, on any thread."""
        ...


@dataclass(slots=True)
class _Said:
    """What an account said last."""

    what: tuple[str, str, str]
    at_ms: Millis
    identity: str


class Dc09Listener(Listener):
    """A `Listener` for DC-09. ``counts``: ``ack``, ``nak``, ``duh``, ``damaged``, ``not_written``, ``slow`` …"""

    name = "dc09"
    read_limit = READ_BYTES
    datagram_most = BODY_MOST + 16

    def __init__(self, host: str, port: int, take: Take, key_of: Callable[[str], bytes | None], clock: Clock) -> None:
        """``key_of``: the AES key of an account, None where it has none. Raises nothing. ``port`` 0: a free one."""
        super().__init__(host, port, clock)
        self._take = take
        self._key_of = key_of
        self._last: OrderedDict[str, _Said] = OrderedDict()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        frames = FrameReader()
        begun: float | None = None
        """When the frame that is coming in was begun."""
        while True:
            wait_s = SILENT_S if begun is None else begun + BEGUN_WITHIN_S - loop.time()
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
                    async with asyncio.timeout(BEGUN_WITHIN_S):  # one that does not read its answers holds nothing up
                        await writer.drain()
                begun = None
            if frames.holds and begun is None:
                begun = loop.time()
            elif not frames.holds:
                begun = None

    async def _heard(self, data: bytes, host: str, port: int, send: Send) -> None:
        for raw in FrameReader().feed(data):
            said = await self._hear(raw)
            if said:
                send(said, port)

    async def _hear(self, raw: bytes) -> bytes:
        """One frame; what to answer, nothing where it is not to be answered."""
        now_ms = self._clock.now_ms()
        try:
            frame = dc09.decode(raw)
        except Damaged as damaged:
            self._count("damaged")
            await self._take_in(None, raw, "", now_ms, _damaged(damaged))
            return b""
        except Refusal as refusal:
            await self._take_in(None, raw, "", now_ms, refusal)
            return self._answer("DUH", None, now_ms, None)
        self._alive(frame.account, now_ms)
        key = self._key_of(frame.account) if frame.encrypted else None
        try:
            content = dc09.opened(frame, key)
        except Refusal as refusal:
            outcome = await self._take_in(frame, raw, "", now_ms, refusal)
            return b"" if outcome is Outcome.REFUSED else self._answer("DUH", frame, now_ms, None)
        if frame.encrypted and (content.at_ms is None or not -dc09.LATE_MS <= content.at_ms - now_ms <= dc09.EARLY_MS):
            return self._answer("NAK", frame, now_ms, None)
        plain = _plain(frame, content)
        identity = self._identity(frame, content.data, content.at_ms, now_ms)
        outcome = await self._take_in(frame, plain, identity, now_ms, None)
        if outcome is Outcome.REFUSED:
            self._count("not_written")
            return b""
        return self._answer("DUH" if outcome is Outcome.QUARANTINED else "ACK", frame, self._clock.now_ms(), key)

    def _answer(self, kind: dc09.Answer, frame: Frame | None, now_ms: Millis, key: bytes | None) -> bytes:
        self._count(kind.lower())
        return dc09.answer(kind, frame, now_ms, key, secrets.token_bytes(16))

    async def _take_in(
        self, frame: Frame | None, payload: bytes, identity: str, now_ms: Millis, refusal: Refusal | None
    ) -> Outcome:
        who = f"account {frame.account if frame is not None else '?'}"
        return await self._offered(partial(self._take, frame, payload, identity, now_ms, refusal), who)

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
        if len(self._last) > UNITS_MOST:
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
