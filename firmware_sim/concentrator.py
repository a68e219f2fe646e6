"""A simulated field-bus concentrator: the sending end of `docs/protocol-serial.md` over a real tty, with faults.

Simulated devices give it messages; it keeps them until the gateway has them on disk, over unplugged cables and its own
reboots, and hands commands to the devices.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import msgspec
import serial

from devices.native import Command, Message, decode_command
from devices.native import encode as encode_message
from devices.observation import Channel, Refusal
from devices.serial_frames import MAX_PAYLOAD_BYTES, CommandStatus, FrameError, FrameReader, encode
from devices.serial_sender import Acked, CommandIn, ConcentratorLink, Offered, SetAside

log = logging.getLogger(__name__)

FIRMWARE = "anju-sim-concentrator/1"
DEPTH = 2000
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
class _Delayed:
    """Frames under way on a slow line, in order."""

    queue: list[tuple[float, bytes]] = field(default_factory=list)

    def put(self, wire: bytes, not_before: float) -> None:
        last = self.queue[-1][0] if self.queue else 0.0
        self.queue.append((max(last, not_before), wire))

    def ripe(self, now: float) -> bytes:
        count = sum(due <= now for due, _ in self.queue)
        out = b"".join(wire for _, wire in self.queue[:count])
        del self.queue[:count]
        return out


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
        self._to_line = _Delayed()
        self._from_line = _Delayed()
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
        self._to_line, self._from_line = _Delayed(), _Delayed()
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
        with _Wakeup(port.fileno(), self._wake) as wakeup:
            while True:
                self._wake.clear()
                if wakeup.readable:
                    wakeup.readable = False
                    self._hear(_read(port.fileno()))
                now_ms = _now_ms()
                self._take(self._from_line.ripe(time.monotonic()), now_ms)
                if not out:  # a line that takes nothing must not be fed for ever
                    for frame in self.link.due(now_ms):
                        self._to_line.put(self.faults.spoil(encode(frame), self._rng), self._later())
                    out += self._cut + self._to_line.ripe(time.monotonic())
                    self._cut = b""
                if out:
                    del out[: _write(port.fileno(), out[:1024])]
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


# Not pyserial's read and write: they use select(), which knows no descriptor above 1023, and a write without a timeout
# spins while the line takes nothing.


def _read(fd: int) -> bytes:
    data = os.read(fd, 4096)
    if not data:
        raise serial.SerialException("the adapter is gone")
    return data


def _write(fd: int, data: bytes | bytearray) -> int:
    try:
        return os.write(fd, data)
    except BlockingIOError:
        return 0


class _Wakeup:
    """Sets ``wake`` when the tty has bytes or, if asked, room for some."""

    def __init__(self, fd: int, wake: asyncio.Event) -> None:
        self._fd = fd
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self.readable = False

    def __enter__(self) -> Self:
        self._loop.add_reader(self._fd, self._has_bytes)
        return self

    def _has_bytes(self) -> None:
        self.readable = True
        self._wake.set()

    def when_writable(self, wanted: bool) -> None:
        if wanted:
            self._loop.add_writer(self._fd, self._wake.set)
        else:
            self._loop.remove_writer(self._fd)

    def __exit__(self, *_: object) -> None:
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
