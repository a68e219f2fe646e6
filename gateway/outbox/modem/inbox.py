"""Puts parts of incoming SMS together. Pure: what came and when is told, what is whole comes out.

A part stays on the SIM until its message has been handed in: a restart finds it there again. After `WAIT_MS` what came
is handed in as it is, with a mark where something is missing: a late half of an answer is no reason to keep the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from zlib import crc32

from gateway.outbox.modem.pdu import Deliver

WAIT_MS = 10 * 60_000
MISSING = "[…]"
"""Stands where a part did not come."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One SMS on the SIM."""

    index: int
    """Where it lies."""
    deliver: Deliver


@dataclass(frozen=True, slots=True)
class Whole:
    """One message, ready to be handed in; ``indexes`` are to be deleted once it was."""

    id: str
    """The same whenever it is read again: sender, time stamp, text."""
    sender: str
    text: str
    at_ms: int
    indexes: tuple[int, ...]


@dataclass(slots=True)
class _Parts:
    since_ms: int
    found: dict[int, Stored] = field(default_factory=dict)
    extra: list[int] = field(default_factory=list)
    """Parts that came twice."""


class Inbox:
    """Of one SIM."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int, int], _Parts] = {}

    @property
    def waiting(self) -> int:
        """Parts that wait for others."""
        return sum(len(parts.found) for parts in self._open.values())

    def take(self, stored: Stored, now_ms: int) -> Whole | None:
        """One SMS from the SIM; the whole message where it is one now."""
        concat = stored.deliver.concat
        if concat is None or concat.total == 1:
            return _whole(stored.deliver, {1: stored}, 1, [])
        key = (stored.deliver.sender, concat.reference, concat.total)
        parts = self._open.setdefault(key, _Parts(now_ms))
        before = parts.found.get(concat.number)
        if before is not None and before.index != stored.index:
            if before.deliver.text != stored.deliver.text:
                # The reference has come round: this is another message.
                late = self._end(key)
                self._open[key] = _Parts(now_ms, {concat.number: stored})
                return late
            parts.extra.append(stored.index)
            return None
        parts.found[concat.number] = stored
        return self._end(key) if len(parts.found) == concat.total else None

    def due(self, now_ms: int, *, room: bool = True) -> list[Whole]:
        """What has waited long enough; without ``room`` on the SIM the oldest goes at once."""
        late = [key for key, parts in self._open.items() if not 0 <= now_ms - parts.since_ms < WAIT_MS]
        if not room and not late and self._open:
            late = [min(self._open, key=lambda key: self._open[key].since_ms)]
        return [self._end(key) for key in late]

    def _end(self, key: tuple[str, int, int]) -> Whole:
        parts = self._open.pop(key)
        first = parts.found[min(parts.found)].deliver
        return _whole(first, parts.found, key[2], parts.extra)


def _whole(first: Deliver, found: dict[int, Stored], total: int, extra: list[int]) -> Whole:
    texts = [found[number].deliver.text if number in found else MISSING for number in range(1, total + 1)]
    # Parts may be cut within a surrogate pair: only the whole is text.
    text = "".join(texts).encode("utf-16-be", errors="surrogatepass").decode("utf-16-be", errors="replace")
    same = f"{crc32(text.encode()):08x}"  # two answers of one second are two answers
    return Whole(
        id=f"sms:{first.sender}:{first.at_ms}:{same}",
        sender=first.sender,
        text=text,
        at_ms=first.at_ms,
        indexes=tuple(sorted({*(stored.index for stored in found.values()), *extra})),
    )
