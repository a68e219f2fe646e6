"""A SIP trunk as a way to place calls: its lines, and how it is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.outbox.channel import Speaks, always
from gateway.outbox.sip.conversation import Conversation
from gateway.outbox.sip.dialplan import dialled, public_emergency
from gateway.outbox.sip.line import Line, LineHealth, Patience
from gateway.outbox.speech import NoSpeech, Speech
from gateway.outbox.voice import Called, CallEnd, Words
from gateway.settings import Secrets, SipTrunk


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkHealth:
    """How a trunk is at this moment."""

    name: str
    lines: tuple[LineHealth, ...]
    registered: bool | None
    """None: the trunk wants no registration."""
    free: int
    why: str
    """What is wrong; empty while all is well."""
    calls: dict[CallEnd, int]
    """How the calls since the start ended."""

    @property
    def up(self) -> int:
        """Lines whose child runs and answers."""
        return sum(line.up for line in self.lines)


class SipCaller:
    """A `Caller`. `start` and `stop` in the event loop that calls."""

    def __init__(
        self, trunk: SipTrunk, secrets: Secrets, speech: Speech, directory: Path, patience: Patience | None = None
    ) -> None:
        self.name = trunk.name
        self._trunk = trunk
        self._speech = speech
        self._lines = [
            Line(
                trunk,
                secrets,
                directory / trunk.name / str(number),
                registers=number == 0 and trunk.register_s > 0,
                patience=patience or Patience(),
            )
            for number in range(trunk.calls)
        ]
        self._tasks: list[asyncio.Task[None]] = []
        self._ends: Counter[CallEnd] = Counter()

    def start(self) -> None:
        """Begin to keep the lines up; returns at once."""
        self._tasks = [asyncio.create_task(line.run(), name=f"sip {self.name}") for line in self._lines]

    async def stop(self) -> None:
        """End the lines. Calls under way are cut off, and report UNKNOWN."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    @property
    def free(self) -> int:
        """Calls that can begin now."""
        if self.health.registered is False:
            return 0
        return len(self._idle())

    @property
    def health(self) -> TrunkHealth:
        """How it is at this moment."""
        lines = tuple(line.health for line in self._lines)
        registered = lines[0].registered
        idle = 0 if registered is False else len(self._idle())
        return TrunkHealth(
            name=self.name,
            lines=lines,
            registered=registered,
            free=idle,
            why=next((line.why for line in lines if line.why), ""),
            calls=dict(self._ends),
        )

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        """See `Caller`."""
        called = await self._call(number, words, timeout_s, emergency, speaks)
        self._ends[called.end] += 1
        return called

    async def _call(self, number: str, words: Words, timeout_s: float, emergency: bool, speaks: Speaks) -> Called:
        try:
            digits = dialled(number, self._trunk.dial)
        except ValueError as error:
            return Called(end=CallEnd.UNREACHABLE, detail=str(error))
        if public_emergency(number, self._trunk.dial) and not emergency:
            return Called(end=CallEnd.UNREACHABLE, detail=f"不拨打公共急救号码 {number} is never dialled from here")
        line = next(iter(self._idle()), None)
        if line is None:
            why = self.health.why or "所有线路占用 every line is busy"
            return Called(end=CallEnd.NOT_PLACED, detail=f"{self.name}: {why}")
        line.busy = True  # before anything is awaited: two calls never meet on one line
        try:
            sound = await self._speech.wav(words.text, words.language)
        except NoSpeech as error:
            line.busy = False
            return Called(end=CallEnd.NOT_PLACED, detail=str(error))
        except BaseException:
            line.busy = False
            raise
        return await Conversation(line, digits, sound, words, speaks).run(timeout_s)

    def _idle(self) -> list[Line]:
        return [line for line in self._lines if line.health.up and not line.busy]


class SipTrunks:
    """All trunks of this gateway as one `Caller`: the first that has a free line, and the next where it cannot place
    the call."""

    def __init__(self, settings: Sequence[SipTrunk], secrets: Secrets, speech: Speech, directory: Path) -> None:
        self._trunks = [SipCaller(one, secrets, speech, directory) for one in settings]

    def start(self) -> None:
        """Begin to keep the lines of every trunk up; returns at once."""
        for trunk in self._trunks:
            trunk.start()

    async def stop(self) -> None:
        """End the lines. Calls under way are cut off, and report UNKNOWN."""
        await asyncio.gather(*(trunk.stop() for trunk in self._trunks))

    def health(self) -> list[TrunkHealth]:
        """How each trunk is, in the order of the settings."""
        return [trunk.health for trunk in self._trunks]

    @property
    def free(self) -> int:
        """Calls that can begin now."""
        return sum(trunk.free for trunk in self._trunks)

    async def call(
        self, number: str, words: Words, *, timeout_s: float, emergency: bool = False, speaks: Speaks = always
    ) -> Called:
        """See `Caller`; ``timeout_s`` is for all trunks together."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        tried: list[str] = []
        called = Called(end=CallEnd.NOT_PLACED, detail="没有中继 there is no trunk")
        for trunk in self._trunks:
            left_s = max(0.0, until - loop.time())
            called = await trunk.call(number, words, timeout_s=left_s, emergency=emergency, speaks=speaks)
            tried.append(f"{trunk.name}: {called.detail}")
            if called.end is not CallEnd.NOT_PLACED:
                break
        return called.model_copy(update={"detail": "; ".join(tried) or called.detail})
