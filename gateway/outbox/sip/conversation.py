"""One call on one line: dial, wait, say the words, hear the keys, hang up."""

from __future__ import annotations

import asyncio
import contextlib
import io
import wave
from pathlib import Path

from gateway.outbox.channel import NotOurs, Speaks, always
from gateway.outbox.sip.config import aor
from gateway.outbox.sip.control import CommandRefused, ControlLost, Event
from gateway.outbox.sip.line import Line
from gateway.outbox.sip.meaning import unanswered
from gateway.outbox.speech import RATE_HZ, duration_s, samples
from gateway.outbox.voice import Called, CallEnd, Words

WORDS = "words.wav"
QUIET = "quiet.wav"
"""Played while the line is kept open: a line on which nothing comes is taken for broken."""
QUIET_S = 10.0
_SPARE_S = 5.0
"""Silence behind what is played beyond what is waited for: baresip hangs up when a file is at its end."""
_LONGEST_KEYS = 32


class _Over(Exception):
    """The other side, or the trunk, ended the call. ``args[0]`` is the reason as baresip has it."""


class Conversation:
    """To be used once. The line is taken (``busy``) by who makes it, and is free again once the call is hung up."""

    def __init__(self, line: Line, digits: str, sound: bytes, words: Words, speaks: Speaks = always) -> None:
        self._line = line
        self._digits = digits
        self._sound = sound
        self._words = words
        self._speaks = speaks
        self._events: asyncio.Queue[Event | ControlLost] = asyncio.Queue()
        self._rang = False
        self._answered = False
        self._closed = False
        self._broken = False
        self._keys = ""

    async def run(self, timeout_s: float) -> Called:
        """Never raises for what the network, the other side or the child does; NotOurs, where it is not dialled."""
        self._line.listen(self._events.put_nowait)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._talk()
        except TimeoutError:
            if self._answered:
                return self._told("时间到 time is up")
            return Called(end=CallEnd.NO_ANSWER, detail=f"{timeout_s:g} 秒内无人接听 no answer in {timeout_s:g} s")
        except (ControlLost, CommandRefused) as error:
            return Called(end=CallEnd.UNKNOWN, keys=self._keys, detail=f"通话中断 line lost: {error}")
        except _Over as over:
            return self._ended(str(over.args[0]))
        finally:
            # Also when we are cancelled; and the line is not free before: the next call would hear the end of this one.
            self._line.finishing = asyncio.create_task(self._hang_up(), name="sip hang up")
            await asyncio.shield(self._line.finishing)

    async def _talk(self) -> Called:
        trunk, patience, words = self._line.trunk, self._line.patience, self._words
        length_s = await asyncio.to_thread(self._write_sounds)
        if not self._line.health.up:
            self._closed = True
            return Called(end=CallEnd.NOT_PLACED, detail=f"未能拨出 not dialled: {self._line.health.why}")
        if not self._speaks():
            self._closed = True
            raise NotOurs
        try:
            await self._line.command("dial", aor(trunk, self._digits))
        except CommandRefused as error:
            self._closed = True
            return Called(end=CallEnd.NOT_PLACED, detail=f"未能拨出 not dialled: {error}")
        try:
            async with asyncio.timeout(patience.ring):
                while not self._answered:
                    await self._next()
        except TimeoutError:
            end = CallEnd.NO_ANSWER if self._rang else CallEnd.UNKNOWN
            said = "无人接听 nobody answered" if self._rang else "未听到振铃 no ringing was heard"
            return Called(end=end, detail=f"{patience.ring:g} 秒{said} in {patience.ring:g} s")
        for turn in range(words.repeat):
            await self._line.command("ausrc", f"aufile,{WORDS}")
            last = turn == words.repeat - 1 and words.keys
            if await self._pressed(length_s + (patience.last if last else patience.pause)):
                return self._told("")
        while not words.keys:  # the line is kept open: whoever listens may ask, and hangs up
            await self._line.command("ausrc", f"aufile,{QUIET}")
            await self._pressed(QUIET_S - _SPARE_S)
        return self._told("未按有效键 no key that counts")

    async def _pressed(self, within_s: float) -> bool:
        """Whether a key that counts is pressed within that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    before = len(self._keys)
                    await self._next()
                    if any(key in self._words.keys for key in self._keys[before:]):
                        return True
        return False

    async def _next(self) -> None:
        """Take in the next thing that happens. Raises _Over, ControlLost."""
        event = await self._events.get()
        if isinstance(event, ControlLost):
            self._closed = True
            raise event
        match event.type:
            case "CALL_RINGING" | "CALL_PROGRESS":
                self._rang = True
            case "CALL_ESTABLISHED":
                self._answered = True
            case "CALL_DTMF_START" if len(self._keys) < _LONGEST_KEYS:
                self._keys += event.param[:1].upper()
            case "CALL_CLOSED":
                self._closed = True
                raise _Over(event.param)

    def _write_sounds(self) -> float:
        """What is played, beside the line's configuration; returns how long the words are, with the lead."""
        patience = self._line.patience
        lead = bytes(2 * int(patience.lead * RATE_HZ))
        after = max(patience.pause, patience.last) + _SPARE_S
        self._write(WORDS, lead + samples(self._sound) + bytes(2 * int(after * RATE_HZ)))
        self._write(QUIET, bytes(2 * int(QUIET_S * RATE_HZ)))
        return patience.lead + duration_s(self._sound)

    def _write(self, name: str, data: bytes) -> None:
        target = io.BytesIO()
        with wave.open(target, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(data)
        Path(self._line.directory, name).write_bytes(target.getvalue())

    def _ended(self, reason: str) -> Called:
        if not self._answered:
            return Called(end=unanswered(reason, self._rang), detail=f"未接通 not answered: {reason or 'no reason'}")
        if "rtp stream error" in reason:
            return Called(end=CallEnd.UNKNOWN, keys=self._keys, detail="通话中断 nothing came any more: the line broke")
        return self._told("对方挂断 the other side hung up")

    def _told(self, how: str) -> Called:
        keys = f"按键 keys {self._keys}" if self._keys else "未按键 no key"
        said = ", ".join(filter(None, ("已接听 answered", how, keys)))
        return Called(end=CallEnd.ANSWERED, keys=self._keys, detail=said)

    async def _hang_up(self) -> None:
        """No telephone rings on for nobody."""
        if not self._closed:
            with contextlib.suppress(ControlLost, CommandRefused):
                await self._line.command("hangup")
        self._line.listen(None)
        self._line.busy = False
