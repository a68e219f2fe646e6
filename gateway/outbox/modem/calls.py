"""One voice call on one modem: dial, wait until somebody takes it, say the words, hear keys, hang up.

The truth about a call is ``AT+CLCC``. Final and unsolicited codes (NO CARRIER, BUSY …) only hurry it along: they may
belong to a call before, or to somebody who rang in between.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from enum import IntEnum

from gateway.outbox.channel import Speaks, always
from gateway.outbox.modem.at import Answer, Command
from gateway.outbox.modem.dialects import Dialect, pieces, ucs2
from gateway.outbox.modem.link import AtLink
from gateway.outbox.modem.timing import Timing
from gateway.outbox.voice import Called, CallEnd, Words

CHARACTERS_PER_S = {"zh": 3.0, "en": 10.0}
"""How slowly a modem's voice speaks, for those that do not say when they are through."""

_ENDED = frozenset({"NO CARRIER", "BUSY", "NO ANSWER", "NO DIALTONE", "NO DIAL TONE"})


class Stat(IntEnum):
    """``AT+CLCC``, 3GPP TS 27.007, 7.18."""

    ACTIVE = 0
    HELD = 1
    DIALLING = 2
    ALERTING = 3
    INCOMING = 4
    WAITING = 5


@dataclass(frozen=True, slots=True)
class Sound:
    """A WAV that lies in the modem, instead of the modem's own voice."""

    name: str
    seconds: float


class Call:
    """One call. `place` does it all; `heard` is told every unsolicited line meanwhile."""

    def __init__(
        self,
        link: AtLink,
        dialect: Dialect,
        timing: Timing,
        number: str,
        words: Words,
        sound: Sound | None,
        speaks: Speaks = always,
    ) -> None:
        self._link = link
        self._dialect = dialect
        self._timing = timing
        self._number = number
        self._words = words
        self._sound = sound
        self._speaks = speaks
        self._keys = ""
        self._news = asyncio.Event()
        self._hint = ""
        """The code that said that it is over."""
        self._answered = False
        self._said = False
        """The modem is through with what it was given to say."""
        self._furthest = Stat.DIALLING
        self._rang = False

    def heard(self, line: str) -> None:
        """An unsolicited line."""
        key = self._dialect.key(line)
        if key:
            self._keys += key
        elif line in _ENDED or line.startswith("VOICE CALL: END"):
            self._hint = line
        elif line.startswith(self._dialect.answered) and self._dialect.answered:
            self._answered = True
        elif line.startswith("+CLCC:"):
            self._note(line)
        elif self._speaker_ended(line):
            self._said = True
        else:
            return
        self._news.set()

    async def place(self) -> Called:
        """The whole call. Raises NotOurs, Silent and Lost; `hang_up` is then still to be tried."""
        answer = await self._run(f"ATD{self._number};", dials=True, timeout_s=self._timing.network, scaled=True)
        if not answer.ok and not await self._exists():
            return await self._not_taken(answer.final)
        self._rang = True
        if not await self._taken():
            return await self._not_taken(self._hint)
        return await self._talk()

    @property
    def rang(self) -> bool:
        """Whether it may have rung at the other side."""
        return self._rang

    @property
    def keys(self) -> str:
        """The keys that were pressed so far, in order."""
        return self._keys

    async def hang_up(self) -> None:
        """End it, until ``AT+CLCC`` knows it no more. Raises Silent, Lost."""
        for text in ("AT+CHUP", "ATH", "AT+CHUP"):
            await self._run(text)
            if not await self._exists():
                return

    # before it is taken

    async def _taken(self) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._timing.ring
        missed = 0
        while loop.time() < until:
            if self._answered:
                return True
            stat = await self._look()
            if stat is Stat.ACTIVE:
                return True
            if stat is None:
                missed += 1
                if self._hint or missed >= 2:  # the list may lag behind the dialling
                    return False
            else:
                missed, self._hint = 0, ""
            await self._wait(self._timing.poll)
        self._hint = "NO ANSWER"
        return False

    async def _not_taken(self, final: str) -> Called:
        cause = await self._cause()
        detail = ", ".join(part for part in (final, cause) if part)
        end = _meaning(final, cause, alerted=self._furthest is Stat.ALERTING, rang=self._rang)
        return Called(end=end, keys=self._keys, detail=detail)

    async def _cause(self) -> str:
        """What the network gives as the reason."""
        answer = await self._run("AT+CEER", info=("+CEER:",))
        return answer.first[:100] if answer.ok and answer.lines else ""

    # while it is taken

    async def _talk(self) -> Called:
        timing, words = self._timing, self._words
        await self._run(self._dialect.dtmf_on)
        if self._dialect.voice is not None and self._sound is None:
            for text in self._dialect.voice.before:
                await self._run(text)
        loop = asyncio.get_running_loop()
        until = 0.0
        for _ in range(words.repeat):
            await self._wait(timing.pause, for_key=True)
            if self._done or await self._over():
                break
            if not await self._say():
                detail = f"接通，但语音播放失败 answered, and the modem could not speak{self._heard_keys}"
                return Called(end=CallEnd.UNKNOWN, keys=self._keys, detail=detail)
            until = until or loop.time() + timing.key
        while not self._done and loop.time() < until and not await self._over():
            await self._wait(timing.poll, for_key=True)
        keeps_open = not words.keys
        while keeps_open and not await self._over():
            await self._wait(timing.poll)
        how = "对方挂断 hung up there" if self._hint else "接通 answered"
        return Called(end=CallEnd.ANSWERED, keys=self._keys, detail=how + self._heard_keys)

    @property
    def _heard_keys(self) -> str:
        return f"，按键 keys {self._keys}" if self._keys else ""

    @property
    def _done(self) -> bool:
        return any(key in self._words.keys for key in self._keys)

    async def _over(self) -> bool:
        """Whether the other side has hung up."""
        if await self._look() is not None:
            self._hint = ""
            return False
        self._hint = self._hint or "NO CARRIER"
        return True

    async def _say(self) -> bool:
        """Say the words once; False where the modem could not. Ends early for a key, or when the call is over."""
        if self._sound is not None:
            assert self._dialect.files is not None
            play = self._dialect.files.play.format(name=self._sound.name)
            return await self._play(play, self._sound.seconds, self._dialect.files.stop.format(name=self._sound.name))
        voice = self._dialect.voice
        assert voice is not None
        for piece in pieces(self._words.text):
            seconds = len(piece) / CHARACTERS_PER_S[self._words.language] * 1.5
            if not await self._play(voice.say.format(hex=ucs2(piece)), seconds, voice.stop):
                return False
            if self._done or self._hint:
                break
        return True

    async def _play(self, text: str, seconds: float, stop: str) -> bool:
        self._said = False
        if not (await self._run(text)).ok:
            return bool(self._hint) or not await self._exists()  # it has just been hung up there: no fault of ours
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds * self._timing.per_second + self._timing.speak_margin
        while not self._said and not self._done and loop.time() < until:
            if self._hint and await self._over():
                return True
            await self._wait(self._timing.poll, for_key=True)
        if not self._said:
            await self._run(stop)
        return True

    def _speaker_ended(self, line: str) -> bool:
        player = self._dialect.files if self._sound is not None else self._dialect.voice
        return player is not None and line.startswith(player.ended)

    # the modem

    async def _exists(self) -> bool:
        return await self._look() is not None

    async def _look(self) -> Stat | None:
        """How our call stands; None where there is none. Raises Silent, Lost."""
        answer = await self._run("AT+CLCC", info=("+CLCC:",))
        found = [stat for line in answer.lines if (stat := self._note(line)) is not None]
        return min(found) if found else None

    def _note(self, line: str) -> Stat | None:
        """What a line of ``AT+CLCC`` says of a voice call of ours."""
        match = re.match(r"\+CLCC: ?\d+,(\d),(\d),(\d)", line)
        if match is None or match[1] != "0" or match[3] != "0" or int(match[2]) > Stat.WAITING:
            return None
        stat = Stat(int(match[2]))
        if stat is Stat.ALERTING:
            self._furthest = stat
        if stat is Stat.ACTIVE:
            self._answered = True
        return stat

    async def _run(
        self,
        text: str,
        *,
        info: tuple[str, ...] = (),
        dials: bool = False,
        timeout_s: float = 5.0,
        scaled: bool = False,
    ) -> Answer:
        patience = self._timing.command / 5.0
        command = Command(text=text, info=info, dials=dials, timeout_s=timeout_s / patience if scaled else timeout_s)
        return await self._link.run(command, self._speaks if dials else always)

    async def _wait(self, seconds: float, *, for_key: bool = False) -> None:
        """Until something was heard, ``seconds`` at most; for a key the whole time, unless it has come."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while (left := until - loop.time()) > 0:
            self._news.clear()
            if for_key and self._done:
                return
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                return
            if not for_key or self._said or self._hint:
                return


def _meaning(final: str, cause: str, *, alerted: bool, rang: bool) -> CallEnd:
    """What a call that nobody took came to. The network's cause (Q.850, or in words) says more than the code."""
    said = cause.lower()
    number = re.search(r"\b(\d{1,3})\b", cause.rpartition(",")[2] if "," in cause else cause)
    code = int(number[1]) if number else 0
    if final == "BUSY" or code == 17 or "user busy" in said:
        return CallEnd.BUSY
    if code in (1, 2, 3, 22, 27, 28) or any(
        words in said for words in ("unassigned", "unallocated", "no route", "out of order", "invalid number")
    ):
        return CallEnd.UNREACHABLE
    if code in (34, 38, 41, 42, 44, 47, 49, 50, 57, 58, 63) or "no circuit" in said or "no network" in said:
        return CallEnd.NOT_PLACED
    if code in (18, 19, 21) or final == "NO ANSWER" or alerted:
        return CallEnd.NO_ANSWER
    if not rang:
        return CallEnd.NOT_PLACED
    return CallEnd.UNREACHABLE
