"""One field-bus line: a thread that owns the tty, hands messages in, and acknowledges them once they are on disk.

The protocol is `devices.serial_receiver`; here are the port, the thread, and what a person must be able to see of both.
An adapter may be pulled and plugged in again at any time.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import logging
import os
import queue
import select
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import serial

from devices.native import Command, encode_command
from devices.observation import Channel
from devices.serial_frames import CommandFrame, CommandStatus, FrameError, FrameReader, encode
from devices.serial_receiver import CommandDone, GatewayLink, Offer
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome
from gateway.settings import SerialLine
from gateway.transports.backoff import Backoff
from gateway.transports.serial_health import (
    FAULT,
    GONE,
    NOTHING_YET,
    SILENT,
    STOPPED,
    WRONG_BAUD,
    CommandOutcome,
    CommandReport,
    LineHealth,
    LineState,
    why_not_open,
)

log = logging.getLogger(__name__)

OfferMessage = Callable[[str, str, Channel, bytes, Done], None]
"""``offer(line, device, channel, payload, done)``: the intake. ``done`` comes back from any thread."""

REOPEN = Backoff(first_s=0.25, longest_s=2.0)
PLUGGED_IN_WITHIN_S = 30.0
"""An adapter that is not there at the start is a fault after so long; before, the system may still be finding it."""
"""An adapter that was plugged in again is in use two seconds later at the latest; looking costs one system call."""
READ_BYTES = 4096
WRITE_BYTES = 512
"""Bytes given to the driver at once: an ACK stands behind 45 ms of a long command at most, at 115,200 baud."""
SUPERVISE_MS = 1000
"""How late a silence may be noticed."""
WRONG_BAUD_AFTER = 10
"""So many damaged frames and not one good: it is not noise."""


@dataclass(slots=True)
class _Waiter:
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


@dataclass(frozen=True, slots=True)
class _Result:
    """The journal's word on a message, on its way to the line's thread."""

    epoch: int
    token: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class _Order:
    """A command on its way to the line's thread."""

    seq: int
    device: str
    payload: bytes
    until_ms: int
    waiter: _Waiter


@dataclass(frozen=True, slots=True)
class _Withdraw:
    """Nobody waits for this command any more."""

    seq: int


class SerialTransport:
    """The transport of one line. `start` and `stop` from any thread; every other method too."""

    def __init__(self, line: SerialLine, offer: OfferMessage, clock: Clock) -> None:
        self.line = line
        self._offer = offer
        self._clock = clock
        self._inbox: queue.SimpleQueue[_Result | _Order | _Withdraw] = queue.SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._wake_lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._quiet = False
        """Whether the last change was logged as no fault."""
        self._command_seq = itertools.count(1)
        # Owned by the line's thread:
        self._epoch = 0
        self._link = GatewayLink(_now_ms())
        self._waiters: dict[int, _Waiter] = {}
        # Shared with `health`, under the lock:
        self._lock = threading.Lock()
        self._state = LineState.DOWN
        self._since_ms = clock.now_ms()
        self._reason = "尚未启动 / not started"
        self._opened = 0
        self._last_heard_ms: Millis | None = None
        self._devices: set[str] = set()
        self._frames_ok: Counter[str] = Counter()
        self._frames_bad: Counter[str] = Counter()
        self._link_counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._boot: int | None = None
        self._firmware = ""
        self._depth: int | None = None

    def start(self) -> None:
        """Begin. A port that cannot be opened is shown in `health` and tried again; it is no error here."""
        if self._thread is not None:
            raise RuntimeError(f"serial line {self.line.name} is already started")
        self._thread = threading.Thread(target=self._run, name=f"serial-{self.line.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and close the port. Messages on their way to the disk stay unacknowledged: they come again."""
        self._stopping.set()
        self._poke()
        if self._thread is not None:
            self._thread.join()
        with self._wake_lock:
            if self._wake_write != -1:
                os.close(self._wake_write)
                os.close(self._wake_read)
                self._wake_write = -1

    def knows(self, device: str) -> bool:
        """Whether ``device`` was heard on this line."""
        with self._lock:
            return device in self._devices

    async def send_command(self, device: str, command: Command, timeout_s: float) -> CommandReport:
        """Hand ``command`` to the concentrator for ``device``, again and again until it answers or the time is up.

        A device obeys a command id once, so that a repeat does no harm.
        """
        payload = encode_command(command, "msgpack")
        try:
            encode(CommandFrame(boot=0, seq=0, device=device, payload=payload))
        except FrameError as error:
            return CommandReport(CommandOutcome.MALFORMED, f"command {command.id} fits in no frame: {error}")
        with self._lock:
            if self._state is LineState.DOWN:
                return CommandReport(CommandOutcome.LINE_DOWN, self._reason)
            known = device in self._devices
        if not known:
            return CommandReport(CommandOutcome.UNKNOWN_DEVICE, f"{device} was never heard on line {self.line.name}")
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop, loop.create_future())
        seq = next(self._command_seq)
        until_ms = _now_ms() + int(timeout_s * 1000)
        self._post(_Order(seq, device, payload, until_ms, waiter))
        try:
            async with asyncio.timeout(timeout_s):
                return await waiter.future
        except TimeoutError:
            return CommandReport(CommandOutcome.NO_ANSWER, f"no answer from the concentrator within {timeout_s:g} s")
        finally:
            self._post(_Withdraw(seq))

    def health(self) -> LineHealth:
        """A snapshot."""
        with self._lock:
            return LineHealth(
                line=self.line.name,
                port=self.line.port,
                state=self._state,
                since_ms=self._since_ms,
                reason=self._reason,
                opened=self._opened,
                boot=self._boot,
                firmware=self._firmware,
                depth=self._depth,
                last_heard_ms=self._last_heard_ms,
                devices=len(self._devices),
                frames_ok=dict(self._frames_ok),
                frames_bad=dict(self._frames_bad),
                link=dict(self._link_counts + self._link.counts),
                resends=self._link_counts["resends"] + self._link.counts["resends"] + self._outcomes["duplicate"],
                outcomes=dict(self._outcomes),
                waiting=self._link.waiting if self._state is not LineState.DOWN else 0,
            )

    # --- from any thread to the line's thread -------------------------------------------------------------------

    def _post(self, item: _Result | _Order | _Withdraw) -> None:
        self._inbox.put(item)
        self._poke()

    def _poke(self) -> None:
        with self._wake_lock:
            if self._wake_write != -1:
                with suppress(BlockingIOError):  # full: it is awake already
                    os.write(self._wake_write, b"!")

    # --- the line's thread ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        attempt = 0
        began = time.monotonic()
        while not self._stopping.is_set():
            try:
                port = serial.Serial(self.line.port, self.line.baud, timeout=0, write_timeout=0, exclusive=True)
            except (OSError, ValueError) as error:  # SerialException is an OSError
                missing = isinstance(error, OSError) and error.errno == errno.ENOENT
                awaited = missing and self._opened == 0 and time.monotonic() - began < PLUGGED_IN_WITHIN_S
                self._set_state(LineState.DOWN, why_not_open(error, self.line.port, self.line.baud), quiet=awaited)
            else:
                try:
                    self._begin()
                    self._converse(port.fileno())
                except OSError as error:
                    log.info("serial line %s: %s", self.line.name, error)
                    self._set_state(LineState.DOWN, GONE)
                except Exception:
                    log.exception("serial line %s", self.line.name)
                    self._set_state(LineState.DOWN, FAULT)
                finally:
                    port.close()
                    self._end()
                if self._link.heard_ms is not None:
                    attempt = 0
            self._rest(REOPEN.delay_s(attempt))
            attempt += 1
        self._set_state(LineState.DOWN, STOPPED, quiet=True)
        self._take_inbox(up=False)

    def _begin(self) -> None:
        self._epoch += 1
        with self._lock:
            self._link_counts += self._link.counts
            self._link = GatewayLink(_now_ms())
            self._opened += 1
        self._set_state(LineState.SILENT, NOTHING_YET, quiet=True)

    def _end(self) -> None:
        for waiter in self._waiters.values():
            waiter.tell(CommandReport(CommandOutcome.NO_ANSWER, "the line was lost before the concentrator answered"))
        self._waiters.clear()

    def _rest(self, pause_s: float) -> None:
        """Until the port is tried again; commands are refused at once meanwhile."""
        until_ms = _now_ms() + int(pause_s * 1000)
        waiting = select.poll()
        waiting.register(self._wake_read, select.POLLIN)
        while not self._stopping.is_set() and (left_ms := until_ms - _now_ms()) > 0:
            waiting.poll(left_ms)
            self._woken()
            self._take_inbox(up=False)

    def _converse(self, fd: int) -> None:
        """Until stopped, or OSError from a port that is gone."""
        reader = FrameReader()
        out = bytearray()
        waiting = select.poll()  # not select(), which knows no descriptor above 1023
        waiting.register(self._wake_read, select.POLLIN)
        while not self._stopping.is_set():
            self._take_inbox(up=True)
            now_ms = _now_ms()
            if len(out) < WRITE_BYTES:
                for frame in self._link.due(now_ms):
                    out += encode(frame)
                pause_ms = max(0, self._link.next_due_ms(now_ms) - now_ms)
            else:  # the driver takes no more: only its readiness matters
                pause_ms = SUPERVISE_MS
            waiting.register(fd, select.POLLIN | (select.POLLOUT if out else 0))
            self._judge(reader, now_ms)
            ready = dict(waiting.poll(min(pause_ms, SUPERVISE_MS)))
            self._woken()
            seen = ready.get(fd, 0)
            if seen & ~select.POLLOUT:
                data = os.read(fd, READ_BYTES)
                if not data:
                    raise OSError("the tty was hung up")
                self._hear(reader, data)
            if seen & select.POLLOUT:
                with suppress(BlockingIOError):
                    del out[: os.write(fd, out[:WRITE_BYTES])]

    def _woken(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _hear(self, reader: FrameReader, data: bytes) -> None:
        now_ms = _now_ms()
        offers: list[Offer] = []
        with self._lock:
            for found in reader.feed(data):
                if isinstance(found, FrameError):
                    self._frames_bad[found.fault.value] += 1
                    log.debug("serial line %s: %s", self.line.name, found)
                    self._link.receive_error(found)
                    continue
                self._frames_ok[type(found).__name__] += 1
                for event in self._link.receive(found, now_ms):
                    if isinstance(event, Offer):
                        self._devices.add(event.data.device)
                        offers.append(event)
                    else:
                        self._command_done(event)
            if self._link.heard_ms == now_ms:
                self._last_heard_ms = self._clock.now_ms()
            self._boot = self._link.boot or self._boot
            if self._link.hello is not None:
                self._firmware, self._depth = self._link.hello.firmware, self._link.hello.depth
        # Events first: a backlog of telemetry in the same read must not stand before a press.
        for offer in sorted(offers, key=lambda one: one.data.channel is not Channel.EVENT):
            self._hand_in(offer)

    def _hand_in(self, offer: Offer) -> None:
        epoch, token, data = self._epoch, offer.token, offer.data

        def done(outcome: Outcome) -> None:
            self._post(_Result(epoch, token, outcome))

        try:
            self._offer(self.line.name, data.device, data.channel, data.payload, done)
        except Exception:
            log.exception("serial line %s: message of %s was not taken", self.line.name, data.device)
            done(Outcome.REFUSED)

    def _take_inbox(self, *, up: bool) -> None:
        while True:
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return
            if isinstance(item, _Result):
                self._result(item, up)
            elif isinstance(item, _Order):
                self._order(item, up)
            else:
                self._waiters.pop(item.seq, None)
                self._link.forget_command(item.seq)

    def _result(self, result: _Result, up: bool) -> None:
        with self._lock:
            self._outcomes[result.outcome.value] += 1
            if not up or result.epoch != self._epoch:
                # The concentrator behind this opening may be another one; ours will ask again and hear "duplicate".
                self._link_counts["late_outcomes"] += 1
                return
            self._link.outcome(result.token, durable=result.outcome is not Outcome.REFUSED)

    def _order(self, order: _Order, up: bool) -> None:
        if not up:
            order.waiter.tell(CommandReport(CommandOutcome.LINE_DOWN, self._reason))
            return
        self._waiters[order.seq] = order.waiter
        self._link.command(order.seq, order.device, order.payload, _now_ms(), order.until_ms)

    def _command_done(self, done: CommandDone) -> None:
        waiter = self._waiters.pop(done.seq, None)
        if waiter is not None:
            outcome, detail = _COMMAND_OUTCOMES[done.status]
            waiter.tell(CommandReport(outcome, detail))

    def _judge(self, reader: FrameReader, now_ms: int) -> None:
        link = self._link
        if link.heard_ms is not None and not link.silent(now_ms):
            self._set_state(LineState.UP, "")
        elif not reader.good and reader.bad.total() >= WRONG_BAUD_AFTER:
            self._set_state(LineState.SILENT, WRONG_BAUD)
        elif link.silent(now_ms):
            self._set_state(LineState.SILENT, SILENT)

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


_COMMAND_OUTCOMES = {
    CommandStatus.HANDED_OVER: (CommandOutcome.HANDED_OVER, "the concentrator gave it to the device"),
    CommandStatus.UNKNOWN_DEVICE: (CommandOutcome.UNKNOWN_DEVICE, "the concentrator does not know the device"),
    CommandStatus.BUSY: (CommandOutcome.BUSY, "the concentrator is busy; try again"),
    CommandStatus.MALFORMED: (CommandOutcome.MALFORMED, "the concentrator cannot read the command; update one of both"),
}


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
