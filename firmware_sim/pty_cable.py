"""A serial cable without hardware: two pseudo-terminals and a pump between them.

Each end has a stable path (a link, like those in /dev/serial/by-id) that disappears when the cable is unplugged and
comes back with another tty behind it, which is what a USB adapter does. If the two ends set different baud rates,
bytes arrive as garbage, as on a wire.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self

End = Literal["gateway", "concentrator"]

BUFFER_BYTES = 65_536
"""What the cable holds for an end that does not read; more is lost, as in a UART that overruns. Counted in
`PtyCable.overrun_bytes`."""


class _Side:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.master, self.slave = os.openpty()
        # The slave stays open here: with nobody on it the master would read errors, and settings would be forgotten.
        tty.setraw(self.slave)
        os.set_blocking(self.master, False)
        self.pending = bytearray()
        """Bytes to be read at this end."""
        self.carried = 0
        path.unlink(missing_ok=True)
        path.symlink_to(os.ttyname(self.slave))

    def baud(self) -> int:
        return int(termios.tcgetattr(self.slave)[4])

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.master)
        os.close(self.slave)


class PtyCable:
    """A cable between ``<directory>/gateway.tty`` and ``<directory>/concentrator.tty``, plugged in at the start.

    Closed by `close` or as a context manager. All methods may be called from any thread.
    """

    def __init__(self, directory: Path) -> None:
        self.gateway_path = directory / "gateway.tty"
        self.concentrator_path = directory / "concentrator.tty"
        self.overrun_bytes = 0
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        self._sides: dict[End, _Side] = {}
        self._stopping = False
        self.plug()
        self._pump = threading.Thread(target=self._run, name="pty-cable", daemon=True)
        self._pump.start()

    def plug(self) -> None:
        """Both ends appear, as new ttys. Does nothing while plugged in."""
        with self._lock:
            if not self._sides:
                self._sides = {
                    "gateway": _Side(self.gateway_path),
                    "concentrator": _Side(self.concentrator_path),
                }
        self._poke()

    def unplug(self) -> None:
        """Both ends vanish; bytes under way are lost. Does nothing while unplugged."""
        with self._lock:
            for side in self._sides.values():
                side.close()
            self._sides = {}
        self._poke()

    def inject(self, to: End, data: bytes) -> None:
        """Noise that arrives at one end. Lost while unplugged."""
        with self._lock:
            if to in self._sides:
                self._deliver(self._sides[to], data)
        self._poke()

    def carried(self, to: End) -> int:
        """Bytes that came through to this end since it was plugged in."""
        with self._lock:
            return self._sides[to].carried if to in self._sides else 0

    def close(self) -> None:
        """Unplug and end the pump."""
        self.unplug()
        self._stopping = True
        self._poke()
        self._pump.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _poke(self) -> None:
        os.write(self._wake_write, b"!")

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                masters = [side.master for side in self._sides.values()]
                full = [side.master for side in self._sides.values() if side.pending]
            waiting = select.poll()  # not select(), which knows no descriptor above 1023
            waiting.register(self._wake_read, select.POLLIN)
            for master in masters:
                waiting.register(master, select.POLLIN | (select.POLLOUT if master in full else 0))
            waiting.poll()
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            with self._lock:
                if self._sides:
                    self._carry(self._sides["gateway"], self._sides["concentrator"])
                    self._carry(self._sides["concentrator"], self._sides["gateway"])

    def _carry(self, source: _Side, target: _Side) -> None:
        data = _read(source.master)
        if data and source.baud() != target.baud():
            # Sampled at the wrong rate, runs of equal bits look longer or shorter: zeros and high bits remain.
            data = bytes(byte & 0xF8 for byte in data[::2])
        if data:
            self._deliver(target, data)
        while target.pending:
            try:
                written = os.write(target.master, target.pending[:1024])
            except BlockingIOError:
                return
            target.carried += written
            del target.pending[:written]

    def _deliver(self, side: _Side, data: bytes) -> None:
        room = max(0, BUFFER_BYTES - len(side.pending))
        self.overrun_bytes += max(0, len(data) - room)
        side.pending += data[:room]


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4096)
    except BlockingIOError:
        return b""
