"""A thread that owns a tty: it opens the port, converses, and opens it again after it was lost.

What is said on the line is the subclass's: the field bus (`serial`), gear of other makers (`gear_line`), Modbus
(`modbus_line`). Here are the port, the thread, how both end, and what a person must be able to see of them. An adapter
may be pulled and plugged in again at any time.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import select
import termios
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import serial

from devices.gear.profile import SerialSetting
from gateway.clock import Clock, Millis
from gateway.settings import SerialLine
from gateway.transports.backoff import Backoff
from gateway.transports.serial_health import FAULT, GONE, STOPPED, CommandReport, LineState, why_not_open

log = logging.getLogger(__name__)

REOPEN = Backoff(first_s=0.25, longest_s=2.0)
"""An adapter that was plugged in again is in use two seconds later at the latest; looking costs one system call."""
PLUGGED_IN_WITHIN_S = 30.0
"""An adapter that is not there at the start is a fault after so long; before, the system may still be finding it."""
READ_BYTES = 4096
SUPERVISE_MS = 1000
"""How late a silence may be noticed."""
WRONG_BAUD_AFTER = 10
"""So many damaged frames and not one good: it is not noise."""


class PortThread(ABC):
    """One tty and its thread. `start`, `stop` and the subclass's public methods may be called from any thread."""

    def __init__(self, line: SerialLine, clock: Clock) -> None:
        self.line = line
        self._clock = clock
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._wake_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._quiet = False
        """Whether the last change was logged as no fault."""
        # Shared with the subclass's `health`, under the lock:
        self._lock = threading.Lock()
        self._state = LineState.DOWN
        self._since_ms: Millis = clock.now_ms()
        self._reason = "尚未启动 / not started"
        self._opened = 0
        self._last_heard_ms: Millis | None = None

    def start(self) -> None:
        """Begin. A port that cannot be opened is shown in the health and tried again; it is no error here."""
        if self._thread is not None:
            raise RuntimeError(f"serial line {self.line.name} is already started")
        self._thread = threading.Thread(target=self._run, name=f"serial-{self.line.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the port."""
        self._stopping.set()
        self._poke()
        if self._thread is not None:
            self._thread.join()
        with self._wake_lock:
            if self._wake_write != -1:
                os.close(self._wake_write)
                os.close(self._wake_read)
                self._wake_write = -1

    # --- what a subclass says ------------------------------------------------------------------------------------

    @abstractmethod
    def _setting(self) -> SerialSetting:
        """How the port is to be opened now."""

    @abstractmethod
    def _begin(self) -> None:
        """The port was opened."""

    @abstractmethod
    def _converse(self, fd: int) -> None:
        """Until `_stopping`, or until `_setting` has changed. OSError for a port that is gone."""

    @abstractmethod
    def _end(self) -> bool:
        """The port was closed. True where somebody was heard: the next opening need not wait long."""

    @abstractmethod
    def _idle(self) -> None:
        """The port is down, and the thread was woken: refuse what cannot wait for it."""

    # --- the thread ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        attempt = 0
        began = time.monotonic()
        while not self._stopping.is_set():
            try:
                if self._try(began):
                    attempt = 0
            except Exception:  # whatever it is: a line whose thread has died is silent for ever
                log.exception("serial line %s", self.line.name)
                self._set_state(LineState.DOWN, FAULT)
            self._rest(REOPEN.delay_s(attempt))
            attempt += 1
        self._set_state(LineState.DOWN, STOPPED, quiet=True)
        self._idle()

    def _try(self, began: float) -> bool:
        """Open the port and converse until it is lost; whether somebody was heard."""
        setting = self._setting()
        try:
            port = _open(self.line.port, setting)
        except (OSError, ValueError) as error:
            missing = isinstance(error, OSError) and error.errno == errno.ENOENT
            awaited = missing and self._opened == 0 and time.monotonic() - began < PLUGGED_IN_WITHIN_S
            self._set_state(LineState.DOWN, why_not_open(error, self.line.port, setting.baud), quiet=awaited)
            return False
        return self._use(port, setting)

    def _use(self, port: serial.Serial, setting: SerialSetting) -> bool:
        """Converse until the port is lost or no longer wanted; whether somebody was heard."""
        with self._lock:
            self._opened += 1
        try:
            self._begin()
            while not self._stopping.is_set():
                self._converse(port.fileno())
                if self._setting() != setting:  # what came at the former rate is garbage at the new one
                    setting = self._setting()
                    port.apply_settings(_pyserial(setting))
                    port.reset_input_buffer()
        except OSError as error:
            log.info("serial line %s: %s", self.line.name, error)
            self._set_state(LineState.DOWN, GONE)
        except Exception:
            log.exception("serial line %s", self.line.name)
            self._set_state(LineState.DOWN, FAULT)
        finally:
            port.close()
        return self._end()

    def _rest(self, pause_s: float) -> None:
        """Until the port is tried again."""
        until_ms = steady_now_ms() + int(pause_s * 1000)
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        while not self._stopping.is_set() and (left_ms := until_ms - steady_now_ms()) > 0:
            waiting.poll(left_ms)
            self._woken()
            self._idle()

    def _wait(self, fd: int, pause_ms: int, *, writing: bool) -> tuple[bytes, bool]:
        """Bytes that came, and whether there is room for some, within ``pause_ms`` or until the thread is woken.

        Raises OSError for a port that is gone.
        """
        waiting = select.poll()  # not select(), which knows no descriptor above 1023
        waiting.register(self._wake_read, select.POLLIN)
        waiting.register(fd, select.POLLIN | (select.POLLOUT if writing else 0))
        seen = dict(waiting.poll(max(0, pause_ms))).get(fd, 0)
        self._woken()
        data = b""
        if seen & ~select.POLLOUT:
            data = os.read(fd, READ_BYTES)
            if not data:
                raise OSError("the tty was hung up")
        return data, bool(seen & select.POLLOUT)

    def _poke(self) -> None:
        with self._wake_lock:
            if self._wake_write != -1:
                with suppress(BlockingIOError):  # full: it is awake already
                    os.write(self._wake_write, b"!")

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _set_state(self, state: LineState, reason: str, *, quiet: bool = False) -> None:
        """Note and log a change, once; ``quiet``: it is no fault (yet), as an end that was asked for."""
        with self._lock:
            if (state, reason) == (self._state, self._reason) and (quiet or not self._quiet):
                return
            self._quiet = quiet
            if state is not self._state:
                self._since_ms = self._clock.now_ms()
            self._state, self._reason = state, reason
        if state is LineState.UP:
            log.info("serial line %s (%s) is up", self.line.name, self.line.port)
        else:
            level = logging.INFO if quiet else logging.WARNING
            log.log(level, "serial line %s (%s) is %s: %s", self.line.name, self.line.port, state.value, reason)


def _open(port: str, setting: SerialSetting) -> serial.Serial:
    """Raises OSError (as SerialException is one), ValueError."""
    try:
        return serial.Serial(port, **_pyserial(setting), timeout=0, write_timeout=0, exclusive=True)
    except termios.error as error:  # it was unplugged while it was being opened; pyserial hands that on as it is
        raise OSError(*error.args) from error


def _pyserial(setting: SerialSetting) -> dict[str, Any]:
    return {
        "baudrate": setting.baud,
        "bytesize": setting.bytesize,
        "parity": setting.parity,
        "stopbits": setting.stopbits,
    }


@dataclass(slots=True)
class Waiter:
    """Somebody in an event loop who waits for what the line's thread has to say of a command."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[CommandReport]

    def tell(self, report: CommandReport) -> None:
        """Answer from the line's thread."""

        def resolve() -> None:
            if not self.future.done():
                self.future.set_result(report)

        try:
            self.loop.call_soon_threadsafe(resolve)
        except RuntimeError:  # the loop is closed: nobody waits any more
            log.debug("an answer to a command came after the event loop was closed")


def steady_now_ms() -> int:
    """For intervals."""
    return int(time.monotonic() * 1000)
