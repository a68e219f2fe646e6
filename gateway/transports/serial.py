"""One field-bus line: a thread that owns the tty, hands messages in, and acknowledges them once they are on disk.

The protocol is `devices.serial_receiver`; here are the port, the thread, and what a person must be able to see of both.
An adapter may be pulled and plugged in again at any time.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import queue
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from devices.gear.profile import SerialSetting
from devices.native import Command, encode_command
from devices.observation import Channel
from devices.serial_codec import FrameReader, encode
from devices.serial_frames import CommandFrame, CommandStatus, FrameError
from devices.serial_receiver import CommandDone, GatewayLink, Offer
from gateway.clock import Clock
from gateway.journal.entry import Done, Outcome
from gateway.settings import SerialLine
from gateway.transports.port import SUPERVISE_MS, WRONG_BAUD_AFTER, PortThread, Waiter, steady_now_ms
from gateway.transports.serial_health import (
    NOTHING_YET,
    SILENT,
    WRONG_BAUD,
    CommandOutcome,
    CommandReport,
    LineHealth,
    LineState,
)

log = logging.getLogger(__name__)

OfferMessage = Callable[[str, str, Channel, bytes, Done], None]
"""``offer(line, device, channel, payload, done)``: the intake. ``done`` comes back from any thread."""

FIELD_BUS_BAUD = 115_200
"""Where the settings name no other: docs/protocol-serial.md."""
WRITE_BYTES = 512
"""Bytes given to the driver at once: an ACK stands behind 45 ms of a long command at most, at 115,200 baud."""


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
    waiter: Waiter


@dataclass(frozen=True, slots=True)
class _Withdraw:
    """Nobody waits for this command any more."""

    seq: int


class SerialTransport(PortThread):
    """The transport of one line. `start` and `stop` from any thread; every other method too.

    At the end, messages on their way to the disk stay unacknowledged: they come again.
    """

    def __init__(self, line: SerialLine, offer: OfferMessage, clock: Clock) -> None:
        super().__init__(line, clock)
        self._offer = offer
        self._inbox: queue.SimpleQueue[_Result | _Order | _Withdraw] = queue.SimpleQueue()
        self._command_seq = itertools.count(1)
        # Owned by the line's thread:
        self._epoch = 0
        self._link = GatewayLink(steady_now_ms())
        self._waiters: dict[int, Waiter] = {}
        # Shared with `health`, under the lock:
        self._devices: set[str] = set()
        self._frames_ok: Counter[str] = Counter()
        self._frames_bad: Counter[str] = Counter()
        self._link_counts: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._boot: int | None = None
        self._firmware = ""
        self._depth: int | None = None

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
        waiter = Waiter(loop, loop.create_future())
        seq = next(self._command_seq)
        until_ms = steady_now_ms() + int(timeout_s * 1000)
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

    # --- the line's thread ----------------------------------------------------------------------------------------

    def _setting(self) -> SerialSetting:
        return SerialSetting(baud=self.line.baud or FIELD_BUS_BAUD)

    def _begin(self) -> None:
        self._epoch += 1
        with self._lock:
            self._link_counts += self._link.counts
            self._link = GatewayLink(steady_now_ms())
        self._set_state(LineState.SILENT, NOTHING_YET, quiet=True)

    def _end(self) -> bool:
        for waiter in self._waiters.values():
            waiter.tell(CommandReport(CommandOutcome.NO_ANSWER, "the line was lost before the concentrator answered"))
        self._waiters.clear()
        return self._link.heard_ms is not None

    def _idle(self) -> None:
        self._take_inbox(up=False)

    def _converse(self, fd: int) -> None:
        reader = FrameReader()
        out = bytearray()
        while not self._stopping.is_set():
            self._take_inbox(up=True)
            now_ms = steady_now_ms()
            if len(out) < WRITE_BYTES:
                for frame in self._link.due(now_ms):
                    out += encode(frame)
                pause_ms = self._link.next_due_ms(now_ms) - now_ms
            else:  # the driver takes no more: only its readiness matters
                pause_ms = SUPERVISE_MS
            self._judge(reader, now_ms)
            data, writable = self._wait(fd, min(pause_ms, SUPERVISE_MS), writing=bool(out))
            if data:
                self._hear(reader, data)
            if writable:
                with suppress(BlockingIOError):
                    del out[: os.write(fd, out[:WRITE_BYTES])]

    def _hear(self, reader: FrameReader, data: bytes) -> None:
        now_ms = steady_now_ms()
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
        self._link.command(order.seq, order.device, order.payload, steady_now_ms(), order.until_ms)

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


_COMMAND_OUTCOMES = {
    CommandStatus.HANDED_OVER: (CommandOutcome.HANDED_OVER, "the concentrator gave it to the device"),
    CommandStatus.UNKNOWN_DEVICE: (CommandOutcome.UNKNOWN_DEVICE, "the concentrator does not know the device"),
    CommandStatus.BUSY: (CommandOutcome.BUSY, "the concentrator is busy; try again"),
    CommandStatus.MALFORMED: (CommandOutcome.MALFORMED, "the concentrator cannot read the command; update one of both"),
}
