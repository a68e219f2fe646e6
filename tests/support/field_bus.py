"""A gateway's journal as the serial tests need it, and whole lines over real ptys."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from devices.native import PROTOCOL_VERSION, Command, Message, decode
from devices.observation import Channel
from firmware_sim.concentrator import Concentrator
from firmware_sim.pty_cable import PtyCable
from firmware_sim.tty import LineFaults
from gateway.clock import SystemClock
from gateway.journal.entry import Done, Outcome
from gateway.settings import SerialLine
from gateway.transports.serial import SerialTransport


@dataclass(frozen=True)
class Button:
    id: str
    kind: str = "sos_button"


def press(seq: int, boot: int = 1) -> Message:
    return Message(v=PROTOCOL_VERSION, boot=boot, seq=seq, event="press")


def reading(seq: int, boot: int = 1) -> Message:
    return Message(v=PROTOCOL_VERSION, boot=boot, seq=seq, metrics={"battery": 80.0})


class FakeIntake:
    """Takes messages like the intake: each gets exactly one outcome, at once or when the test says so."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.stored: list[str] = []
        """Message ids in the order of their first arrival."""
        self.offers: list[str] = []
        self.refusing = False
        self.holding = False
        self.held: list[tuple[str, Done]] = []

    def __call__(self, line: str, device: str, channel: Channel, payload: bytes, done: Done) -> None:
        seen = decode(Button(device), channel, payload, received_at_ms=1, encoding="msgpack").observation.message_id
        with self.lock:
            self.offers.append(seen)
            if self.holding:
                self.held.append((seen, done))
                return
            outcome = self._store(seen)
        done(outcome)

    def release(self) -> None:
        """The disk answers for all that was held, and for what comes from now on."""
        with self.lock:
            self.holding = False
            held, self.held = self.held, []
            outcomes = [(done, self._store(seen)) for seen, done in held]
        for done, outcome in outcomes:
            done(outcome)

    def _store(self, seen: str) -> Outcome:
        if self.refusing:
            return Outcome.REFUSED
        if seen in self.stored:
            return Outcome.DUPLICATE
        self.stored.append(seen)
        return Outcome.STORED


@dataclass
class Line:
    """A gateway's transport and a simulated concentrator with a cable between them."""

    cable: PtyCable
    intake: FakeIntake
    transport: SerialTransport
    concentrator: Concentrator
    acked: list[str] = field(default_factory=list)
    commands: list[tuple[str, Command]] = field(default_factory=list)
    green_too_soon: list[str] = field(default_factory=list)
    """Messages that a device saw acknowledged before they were stored: must stay empty."""

    def on_ack(self, device: str, boot: int, seq: int) -> None:
        message_id = f"{device}:{boot}:{seq}"
        if message_id not in self.intake.stored:
            self.green_too_soon.append(message_id)
        self.acked.append(message_id)

    def press(self, *seqs: int, device: str = "sos-1") -> list[str]:
        for seq in seqs:
            self.concentrator.send(device, Channel.EVENT, press(seq))
        return [f"{device}:1:{seq}" for seq in seqs]


@asynccontextmanager
async def serial_line(
    directory: Path,
    *,
    faults: LineFaults | None = None,
    gateway_baud: int = 115_200,
    start: bool = True,
    intake: Callable[[], FakeIntake] = FakeIntake,
) -> AsyncIterator[Line]:
    with PtyCable(directory) as cable:
        taken = intake()
        transport = SerialTransport(
            SerialLine(name="bus", port=str(cable.gateway_path), baud=gateway_baud), taken, SystemClock()
        )
        lines: list[Line] = []
        concentrator = Concentrator(
            str(cable.concentrator_path),
            boot=7,
            seed=1,
            on_ack=lambda *message: lines[0].on_ack(*message),
            on_command=lambda device, command: lines[0].commands.append((device, command)),
            faults=faults or LineFaults(),
        )
        line = Line(cable, taken, transport, concentrator)
        lines.append(line)
        running = asyncio.create_task(concentrator.run())
        if start:
            transport.start()
        try:
            yield line
            assert line.green_too_soon == []
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await asyncio.to_thread(transport.stop)
