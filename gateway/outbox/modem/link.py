"""A tty with a modem at its end, in the event loop: one command at a time, and what nobody asked for.

Opened exclusively by pyserial, then read and written without waiting: a modem that hangs holds up nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import termios
from collections.abc import Callable

import serial

from gateway.outbox.channel import NotOurs, Speaks, always
from gateway.outbox.modem.at import ESC, PROBE, Answer, AtCore, Command, Urc, Write

log = logging.getLogger(__name__)

PROBES = 3


class Lost(Exception):
    """The tty is gone, or was never there."""


class Silent(Exception):
    """The modem did not answer in time."""


class AtLink:
    """One opening of a tty. `open`, then `run` from any task of the loop; `close` at the end."""

    def __init__(self, port: str, baud: int, on_urc: Callable[[Urc], None], *, patience: float = 1.0) -> None:
        """``patience`` multiplies every command's time-out."""
        self._port = port
        self._baud = baud
        self._on_urc = on_urc
        self._patience = patience
        self._core = AtCore()
        self._turn = asyncio.Lock()
        self._serial: serial.Serial | None = None
        self._fd = -1
        self._answer: asyncio.Future[Answer] | None = None
        self._out = bytearray()
        self._off_beat = True
        """A command was given up, here or by whoever had the tty before: its answer may still come."""
        self.lost = asyncio.Event()

    @property
    def noise(self) -> int:
        """Lines that were none, since it was opened."""
        return self._core.noise

    async def open(self) -> None:
        """Raises Lost where it cannot be opened; the message says why."""
        try:
            self._serial = await asyncio.to_thread(
                serial.Serial, self._port, self._baud, timeout=0, write_timeout=0, exclusive=True
            )
        except (OSError, ValueError, termios.error) as error:  # pyserial's SerialException is an OSError
            raise Lost(f"{self._port}: {getattr(error, 'strerror', None) or error}") from None
        self._fd = self._serial.fileno()
        os.set_blocking(self._fd, False)
        asyncio.get_running_loop().add_reader(self._fd, self._read)
        self._write(ESC + b"\r")  # whoever had the tty before may have left it at a prompt

    def shout(self, text: str) -> None:
        """Write ``text`` to a modem that does not answer, without waiting for anything."""
        self._write(text.encode("ascii") + b"\r")

    async def close(self) -> None:
        """Give the tty back. What was not written is thrown away: a close must not wait for a modem that hangs."""
        port, self._serial = self._serial, None
        if port is None:
            return
        self._forget()
        with contextlib.suppress(termios.error, OSError):
            termios.tcflush(self._fd, termios.TCIOFLUSH)
        self._fd = -1
        with contextlib.suppress(OSError):
            await asyncio.to_thread(port.close)

    async def run(self, command: Command, speaks: Speaks = always) -> Answer:
        """The answer. ``speaks`` is asked when its turn has come. Raises Silent, Lost; NotOurs where it says no."""
        async with self._turn:
            if self._off_beat:
                await self._find_beat()
            if not speaks():
                raise NotOurs
            return await self._say(command)

    async def _find_beat(self) -> None:
        """Ask something whose answer is known by itself, until it comes: what was late is out of the way then."""
        for _ in range(PROBES):
            try:
                await self._say(PROBE)
            except Silent:
                continue
            self._off_beat = False
            return
        raise Silent(f"no answer to {PROBES} × {PROBE.text}")

    async def _say(self, command: Command) -> Answer:
        if self.lost.is_set() or self._serial is None:
            raise Lost(f"{self._port} is gone")
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        self._write(self._core.begin(command))
        try:
            async with asyncio.timeout(command.timeout_s * self._patience):
                return await self._answer
        except TimeoutError:
            self._off_beat = True
            raise Silent(f"no answer to {command} within {command.timeout_s:g} s") from None
        except asyncio.CancelledError:
            self._off_beat = True
            raise
        finally:
            self._answer = None
            if self._core.busy:
                self._write(self._core.abandon())

    def _read(self) -> None:
        try:
            data = os.read(self._fd, 4096)
            if not data:
                raise OSError("the tty was hung up")
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(str(error))
            return
        for event in self._core.feed(data):
            match event:
                case Write():
                    self._write(event.data)
                case Answer():
                    if self._answer is not None and not self._answer.done():
                        self._answer.set_result(event)
                case Urc():
                    self._on_urc(event)

    def _write(self, data: bytes) -> None:
        self._out += data
        self._flush()

    def _flush(self) -> None:
        if self._fd < 0:
            return
        loop = asyncio.get_running_loop()
        try:
            while self._out:
                written = os.write(self._fd, self._out[:512])
                del self._out[:written]
        except BlockingIOError:
            loop.add_writer(self._fd, self._flush)
            return
        except OSError as error:
            self._lose(str(error))
            return
        loop.remove_writer(self._fd)

    def _lose(self, why: str) -> None:
        log.info("modem at %s: %s", self._port, why)
        self._forget()
        self.lost.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost(f"{self._port}: {why}"))

    def _forget(self) -> None:
        loop = asyncio.get_running_loop()
        self._out.clear()
        if self._fd >= 0:
            loop.remove_reader(self._fd)
            loop.remove_writer(self._fd)
