"""The device's end of a serial line: bytes in and out of a tty in an event loop, and what a bad cable does to them."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, field
from typing import Self

REOPEN_S = 0.2
"""Between two attempts to open a port that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFaults:
    """What is wrong with the line: chances from 0 to 1 per frame, each way, and a delay."""

    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    """One bit of the frame is turned."""
    garbage: float = 0.0
    """Up to 64 random bytes in front of the frame."""
    half: float = 0.0
    """Only the first part of the frame goes out."""
    delay_s: float = 0.0
    """The longest delay of a frame; frames of one direction keep their order."""

    def __post_init__(self) -> None:
        for name in ("loss", "duplicate", "corrupt", "garbage", "half"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be 0 to 1, got {getattr(self, name)}")

    def spoil(self, wire: bytes, rng: random.Random) -> bytes:
        """What arrives of the bytes of one frame."""
        if rng.random() < self.loss:
            return b""
        if rng.random() < self.corrupt:
            at, bit = rng.randrange(len(wire)), 1 << rng.randrange(8)
            wire = wire[:at] + bytes((wire[at] ^ bit,)) + wire[at + 1 :]
        if rng.random() < self.half:
            wire = wire[: rng.randrange(1, len(wire))]
        if rng.random() < self.garbage:
            wire = rng.randbytes(rng.randrange(1, 65)) + wire
        if rng.random() < self.duplicate:
            wire += wire
        return wire


@dataclass(slots=True)
class Delayed:
    """Frames under way on a slow line, in order."""

    queue: list[tuple[float, bytes]] = field(default_factory=list)

    def put(self, wire: bytes, not_before: float) -> None:
        """Keep bytes until ``not_before`` (s of the loop's clock), and never overtake what is kept already."""
        last = self.queue[-1][0] if self.queue else 0.0
        self.queue.append((max(last, not_before), wire))

    def ripe(self, now: float) -> bytes:
        """Take out what is due by ``now``."""
        count = sum(due <= now for due, _ in self.queue)
        out = b"".join(wire for _, wire in self.queue[:count])
        del self.queue[:count]
        return out


# Not pyserial's read and write: they use select(), which knows no descriptor above 1023, and a write without a timeout
# spins while the line takes nothing.


def write(fd: int, data: bytes | bytearray) -> int:
    """How many of ``data`` the tty took."""
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


class Wakeup:
    """Reads a tty in the event loop, and sets ``wake`` when bytes came or, if asked, when there is room for some."""

    def __init__(self, fd: int, wake: asyncio.Event) -> None:
        self._fd = fd
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._lost: OSError | None = None

    def __enter__(self) -> Self:
        self._loop.add_reader(self._fd, self._read)
        return self

    def take(self) -> bytes:
        """What came. Raises OSError once the tty is gone."""
        if self._lost is not None:
            raise self._lost
        data = bytes(self._received)
        self._received.clear()
        return data

    def _read(self) -> None:
        # Here and nowhere else: only now is it known that there is something to read, so that nothing means gone.
        try:
            data = os.read(self._fd, 4096)
            if not data:
                raise OSError("the adapter is gone")
            self._received += data
        except OSError as error:
            self._lost = error
            self._loop.remove_reader(self._fd)
        self._wake.set()

    def when_writable(self, wanted: bool) -> None:
        """Be woken, or no more, when the tty takes bytes."""
        if wanted:
            self._loop.add_writer(self._fd, self._wake.set)
        else:
            self._loop.remove_writer(self._fd)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
