"""The tty of a simulated modem: a pty with a stable path, and what is wrong with the wire."""

from __future__ import annotations

import asyncio
import os
import random
import tty
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, kw_only=True)
class WireFaults:
    """Settable while it runs."""

    one_byte: bool = False
    """Every byte arrives by itself."""
    garbage: float = 0.0
    """Chance from 0 to 1 that noise stands in front of a line."""
    damage: float = 0.0
    """Chance that one character of a line arrives as another."""


class ModemPort:
    """Bytes between a simulated modem and whoever opens ``path``. Belongs to the event loop."""

    def __init__(self, path: Path, take: Callable[[bytes], None], faults: WireFaults, rng: random.Random) -> None:
        self.path = path
        self.faults = faults
        self._take = take
        self._rng = rng
        self._master = self._slave = -1
        self._out: deque[bytes] = deque()

    def plug(self) -> None:
        """The tty appears, as a new one. Does nothing while it is there."""
        if self._master >= 0:
            return
        self._master, self._slave = os.openpty()
        # The slave stays open here: with nobody on it the master would read errors.
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def unplug(self) -> None:
        """The tty vanishes, with what was under way. Does nothing while it is gone."""
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        loop.remove_writer(self._master)
        self._out.clear()
        self.path.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)
        self._master = self._slave = -1

    def write(self, data: bytes) -> None:
        """Bytes of the modem, on their way with what the wire does to them."""
        if self._master < 0:
            return
        if self._rng.random() < self.faults.garbage:
            data = bytes(self._rng.choice((0x00, 0x80, 0xC3, 0xFF)) for _ in range(self._rng.randrange(1, 9))) + data
        if len(data) > 2 and self._rng.random() < self.faults.damage:
            at = self._rng.randrange(len(data))
            data = data[:at] + bytes((data[at] ^ 0x15,)) + data[at + 1 :]
        self._out += [data[at : at + 1] for at in range(len(data))] if self.faults.one_byte else [data]
        self._flush()

    def _flush(self) -> None:
        if self._master < 0:
            return
        loop = asyncio.get_running_loop()
        while self._out:
            try:
                written = os.write(self._master, self._out[0])
            except BlockingIOError:
                loop.add_writer(self._master, self._flush)
                return
            if written < len(self._out[0]):
                self._out[0] = self._out[0][written:]
            else:
                self._out.popleft()
            if self.faults.one_byte and self._out:
                loop.call_soon(self._flush)
                return
        loop.remove_writer(self._master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except (BlockingIOError, OSError):
            return
        self._take(data)
