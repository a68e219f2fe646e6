"""Read a file back into a store: every point that is sound, and of every other one its line and the reason."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from gateway.store.erasures import Marks
from gateway.store.points import screen_point
from gateway.store.protocol import StoreUnavailable
from gateway.store.transfer.files import Incoming
from gateway.store.transfer.line_reader import Line
from gateway.store.transfer.selection import MS
from gateway.store.transfer.sink import Numbered, Rejected, Sink
from gateway.store.transfer.source import Tally

BATCH = 2_000
"""Points handed over at once; the next are read only when these are stored."""
PATIENCE_S = 600.0
"""So long a store that does not answer is waited for."""
PAUSE_FIRST_S, PAUSE_LAST_S = 0.5, 15.0


@dataclass(slots=True)
class Imported:
    """What an import did, or would do."""

    tally: Tally = field(default_factory=Tally)
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """How often which reason, without what differs from line to line."""
    first: list[tuple[int, str]] = field(default_factory=list)
    """The first of them, with their lines."""
    erased: int = 0
    """Left out because they were erased."""
    converted: int = 0
    """Integers and booleans that became floats."""


class Importer:
    """One file into one sink; ``sink`` None for a dry run."""

    def __init__(
        self,
        sink: Sink | None,
        *,
        erased: Marks,
        rejects: Callable[[], TextIO],
        tell: Callable[[int, int], None] = lambda _bytes, _values: None,
        wait: Callable[[str], None] = lambda _why: None,
    ) -> None:
        """``erased``: what must not come back. ``rejects``: opened for the first line that is not taken. ``tell``:
        bytes read, and values taken. ``wait``: why the store is waited for; an empty string when it is back."""
        self._sink = sink
        self._erased = erased
        self._open = rejects
        self._rejects: TextIO | None = None
        self._tell = tell
        self._wait = wait
        self.result = Imported()

    async def run(self, incoming: Incoming, scale: int) -> Imported:
        """Raises StoreUnavailable when the store is away for long, Refused, OSError."""
        batch: list[Numbered] = []
        texts: dict[int, str] = {}
        for line in incoming.lines(scale):
            point = self._sound(line)
            if point is None:
                continue
            batch.append(point)
            texts[line.number] = line.text
            if len(batch) >= BATCH:
                await self._write(batch, texts)
                self._tell(incoming.done(), self.result.tally.values)
                batch, texts = [], {}
        await self._write(batch, texts)
        if self._sink is not None:
            self._reject(await self._patiently(self._sink.finish), {})
        self._tell(incoming.done(), self.result.tally.values)
        if self._rejects is not None:
            self._rejects.flush()
        return self.result

    def _sound(self, line: Line) -> Numbered | None:
        self.result.converted += line.converted
        if line.point is None:
            self._note(line.number, line.reason, line.text)
            return None
        point, reason = screen_point(line.point)
        if reason:
            self._note(line.number, reason, line.text)
        if point is None:
            return None
        if self._erased.cover(point.tags.get("device", ""), point.at_ns // MS):
            self.result.erased += 1
            return None
        return Numbered(line.number, point)

    async def _write(self, batch: list[Numbered], texts: dict[int, str]) -> None:
        sink = self._sink
        self.result.tally.add(one.point for one in batch)
        if sink is not None and batch:
            self._reject(await self._patiently(lambda: sink.write(batch)), texts)

    async def _patiently(self, write: Callable[[], Awaitable[list[Rejected]]]) -> list[Rejected]:
        """Points are idempotent: what was stored in part is offered again whole."""
        end_s, pause_s = time.monotonic() + PATIENCE_S, PAUSE_FIRST_S
        waited = False
        while True:
            try:
                rejected = await write()
            except StoreUnavailable as error:
                if time.monotonic() + pause_s > end_s:
                    raise
                waited = True
                self._wait(str(error))
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_LAST_S)
            else:
                if waited:
                    self._wait("")
                return rejected

    def _reject(self, rejected: list[Rejected], texts: dict[int, str]) -> None:
        for one in rejected:
            self._note(one.number, one.reason, texts.get(one.number, ""))

    def _note(self, number: int, reason: str, text: str) -> None:
        self.result.rejected += 1
        self.result.reasons[reason.partition(":")[0][:80]] += 1
        if len(self.result.first) < 10:
            self.result.first.append((number, reason))
        if self._rejects is None:
            self._rejects = self._open()
            self._rejects.write("# line\treason\twhat stands there\n")
        shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self._rejects.write(f"{number}\t{reason}\t{shown}\n".replace("\x00", "\\0"))


def rejects_path(path: Path) -> Path:
    """Where lines that were not taken are written, beside the file."""
    return path.with_name(f"{path.name}.rejected.txt")
