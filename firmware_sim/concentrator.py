"""A simulated field-bus concentrator: the sending end of `docs/protocol-serial.md` over a real tty, with faults.

Simulated devices give it messages; it keeps them until the gateway has them on disk, over unplugged cables and its own
reboots, and hands commands to the devices.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import msgspec
import serial

from devices.native import Command, Message, decode_command
from devices.native import encode as encode_message
from devices.observation import Channel, Refusal
from devices.serial_codec import FrameReader, encode
from devices.serial_frames import MAX_PAYLOAD_BYTES, CommandStatus, FrameError
from devices.serial_sender import Acked, CommandIn, ConcentratorLink, Offered, SetAside
from firmware_sim.tty import REOPEN_S, Delayed, LineFaults, Wakeup, write

log = logging.getLogger(__name__)

FIRMWARE = "anju-sim-concentrator/1"
DEPTH = 2000


class Concentrator:
    """One concentrator on one tty. `send` and the callbacks belong to the event loop in which `run` runs."""

    def __init__(
        self,
        port: str,
        *,
        boot: int,
        seed: int,
        on_ack: Callable[[str, int, int], None],
        on_command: Callable[[str, Command], None],
        faults: LineFaults = LineFaults(),
        baud: int = 115_200,
        depth: int = DEPTH,
    ) -> None:
        self.port = port
        self.baud = baud
        self.faults = faults
        self.devices: set[str] = set()
        """Devices that spoke through this concentrator: the ones a command can be handed to."""
        self.link = ConcentratorLink(boot=boot, firmware=FIRMWARE, depth=depth, baud=baud)
        self.counts: Counter[str] = Counter()
        """``opened line_lost too_long too_long_event reboots``: how often."""
        self.reader = FrameReader()
        self._on_ack = on_ack
        self._on_command = on_command
        self._rng = random.Random(f"{seed}/{port}")
        self._wake = asyncio.Event()
        self._to_line = Delayed()
        self._from_line = Delayed()
        self._cut: bytes = b""

    @property
    def unacked(self) -> int:
        """Messages that are not known to be on the gateway's disk."""
        return self.link.unacked

    def send(self, device: str, channel: Channel, message: Message) -> None:
        """Keep ``message`` until the gateway has it. Never raises for what a message holds: a strip that no frame can
        carry is left out of an event (the event itself must go), and telemetry that is too long is dropped; both are
        counted and logged. A message that finds the store full of events is not kept, and never acknowledged."""
        self.devices.add(device)
        payload = encode_message(message, "msgpack")
        if len(payload) > MAX_PAYLOAD_BYTES:
            if channel is not Channel.EVENT:
                self.counts["too_long"] += 1
                log.error(
                    "%s: telemetry of %d bytes dropped, a frame holds %d", device, len(payload), MAX_PAYLOAD_BYTES
                )
                return
            self.counts["too_long_event"] += 1
            log.error("%s: event of %d bytes sent without its strip", device, len(payload))
            payload = encode_message(msgspec.structs.replace(message, wave=None, data={}, metrics={}), "msgpack")
        tag = (device, message.boot, message.seq)
        if self.link.offer(device, channel, payload, tag) is Offered.STORE_FULL:
            log.error("%s: the concentrator's store is full of events", device)
        self._wake.set()

    def reboot(self, boot: int, *, mid_frame: bool = False) -> None:
        """Lose power and start again: events are in flash, everything else is gone.

        With ``mid_frame`` the line carries half a frame from before.
        """
        old = self.link
        now_ms = _now_ms()
        if mid_frame and (frames := old.due(now_ms)):
            wire = encode(frames[-1])
            self._cut = wire[: len(wire) // 2]
        self.link = ConcentratorLink(boot=boot, firmware=FIRMWARE, depth=old.depth, baud=self.baud)
        for item in old.items():
            if item.channel is Channel.EVENT:
                self.link.offer(item.device, item.channel, item.payload, item.tag)
        self.reader = FrameReader()
        self._to_line, self._from_line = Delayed(), Delayed()
        self.counts["reboots"] += 1
        self._wake.set()

    async def run(self) -> None:
        """Speak until cancelled. A port that is missing or unplugged is tried again."""
        told = ""
        while True:
            try:
                port = serial.Serial(self.port, self.baud, timeout=0, write_timeout=0, exclusive=True)
            except (OSError, serial.SerialException) as error:
                if str(error) != told:
                    log.info("concentrator waits for %s: %s", self.port, error)
                    told = str(error)
                await asyncio.sleep(REOPEN_S)
                continue
            told = ""
            self.counts["opened"] += 1
            try:
                await self._converse(port)
            except (OSError, serial.SerialException) as error:
                self.counts["line_lost"] += 1
                log.info("concentrator lost %s: %s", self.port, error)
            finally:
                port.close()

    async def _converse(self, port: serial.Serial) -> None:
        out = bytearray()
        self.reader = FrameReader()
        with Wakeup(port.fileno(), self._wake) as wakeup:
            while True:
                self._wake.clear()
                if data := wakeup.take():
                    self._hear(data)
                now_ms = _now_ms()
                self._take(self._from_line.ripe(time.monotonic()), now_ms)
                if not out:  # a line that takes nothing must not be fed for ever
                    for frame in self.link.due(now_ms):
                        self._to_line.put(self.faults.spoil(encode(frame), self._rng), self._later())
                    out += self._cut + self._to_line.ripe(time.monotonic())
                    self._cut = b""
                if out:
                    del out[: write(port.fileno(), out[:1024])]
                wakeup.when_writable(bool(out))
                with suppress(TimeoutError):  # not wait_for, which in Python 3.11 can swallow a cancellation
                    async with asyncio.timeout(None if out else self._pause_s()):
                        await self._wake.wait()

    def _pause_s(self) -> float | None:
        times = [due for delayed in (self._to_line, self._from_line) for due, _ in delayed.queue[:1]]
        due_ms = self.link.next_due_ms(_now_ms())
        if due_ms is not None:
            times.append(due_ms / 1000)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def _hear(self, incoming: bytes) -> None:
        if self.faults == LineFaults():
            self._from_line.put(incoming, 0.0)
        else:
            self._from_line.put(self.faults.spoil(incoming, self._rng), self._later())

    def _later(self) -> float:
        return time.monotonic() + self._rng.uniform(0.0, self.faults.delay_s) if self.faults.delay_s else 0.0

    def _take(self, data: bytes, now_ms: int) -> None:
        for found in self.reader.feed(data):
            if isinstance(found, FrameError):
                self.link.receive_error(found)
                continue
            for event in self.link.receive(found, now_ms):
                self._react(event)

    def _react(self, event: Acked | SetAside | CommandIn) -> None:
        if isinstance(event, CommandIn):
            self.link.answer(event.seq, self._obey(event))
            return
        device, boot, seq = _identity(event.item.tag)
        if isinstance(event, SetAside):
            log.error("%s: the gateway can never take message %d:%d: %s", device, boot, seq, event.reason.name)
            return
        self._on_ack(device, boot, seq)

    def _obey(self, command: CommandIn) -> CommandStatus:
        if command.device not in self.devices:
            return CommandStatus.UNKNOWN_DEVICE
        try:
            decoded = decode_command(command.payload, "msgpack")
        except Refusal as refusal:
            log.error("%s: command: %s", command.device, refusal)
            return CommandStatus.MALFORMED
        self._on_command(command.device, decoded)
        return CommandStatus.HANDED_OVER


def _identity(tag: object) -> tuple[str, int, int]:
    match tag:
        case (str(device), int(boot), int(seq)):
            return device, boot, seq
    raise TypeError(f"not a message's identity: {tag!r}")


def _now_ms() -> int:
    return int(time.monotonic() * 1000)
