"""Gear on serial lines for the tests: the intake's side, a gear's object fed by hand, whole lines."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from devices.gear.messages import GearDevice, Reading, Said
from devices.gear.profile import StreamGear
from devices.observation import Refusal
from firmware_sim.gear.base import Link, Port
from firmware_sim.gear.serial import SerialGear
from firmware_sim.pty_cable import PtyCable
from firmware_sim.tty import LineFaults
from gateway.clock import SystemClock
from gateway.settings import SerialLine
from gateway.transports.gear_line import GearLine
from tests.support.eventually import eventually_async
from tests.support.gear import START_MS, Book

LINKS: dict[str, dict[str, object]] = {
    "clean": {},
    "bytewise": {"bytewise": True},
    "lossy": {"faults": LineFaults(loss=0.1, corrupt=0.05, half=0.05)},
    "delayed": {"faults": LineFaults(delay_s=0.05)},
    "duplicated": {"faults": LineFaults(duplicate=0.3)},
    "garbage": {"faults": LineFaults(garbage=0.2)},
}
"""Good and bad cables, as arguments of a simulated gear."""


@dataclass
class LineBench:
    """One gear's object on the table: time moves by hand, everything it says is kept."""

    gear: StreamGear
    book: Book
    now_ms: int = 0
    said: list[Said] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    faults: list[Refusal] = field(default_factory=list)
    wrote: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gear.opened(self.now_ms)

    def feed(self, data: bytes, *, after_ms: int = 0, piece: int | None = None) -> None:
        """Bytes come ``after_ms`` from now, in pieces of ``piece`` bytes."""
        self.wait(after_ms)
        for at in range(0, len(data), piece or max(1, len(data))):
            chunk = data[at : at + (piece or len(data))]
            self._take(self.gear.feed(chunk, self.now_ms, START_MS + self.now_ms, self.book))

    def wait(self, ms: int) -> None:
        """Time passes; the gear is asked whenever it wants to be."""
        end_ms = self.now_ms + ms
        while True:
            self._due()
            next_ms = self.gear.next_due_ms(self.now_ms)
            assert next_ms > self.now_ms, "it wants to be asked again at once, for ever"
            if next_ms > end_ms:
                break
            self.now_ms = next_ms
        self.now_ms = end_ms

    def _due(self) -> None:
        out, reading = self.gear.due(self.now_ms, START_MS + self.now_ms, self.book)
        if out:
            self.wrote.append(out)
        self._take(reading)

    def _take(self, reading: Reading) -> None:
        self.said += reading.said
        self.announced += [stranger.address for stranger in reading.announced]
        self.faults += reading.faults

    def metrics(self, key: str) -> list[float]:
        """Every value of one metric, in order."""
        return [said.metrics[key] for said in self.said if key in said.metrics]


@dataclass
class Taken:
    """The intake's side of a line: what was handed in."""

    said: list[Said] = field(default_factory=list)
    readings: list[tuple[str, Reading, int, str, bytes]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, bridge: str, reading: Reading, received_at_ms: int, source: str, payload: bytes) -> None:
        with self.lock:
            self.readings.append((bridge, reading, received_at_ms, source, payload))
            self.said += reading.said

    def last(self, key: str) -> float | None:
        """The newest value of a metric."""
        with self.lock:
            return next((said.metrics[key] for said in reversed(self.said) if key in said.metrics), None)

    def values(self, key: str) -> list[float]:
        with self.lock:
            return [said.metrics[key] for said in self.said if key in said.metrics]

    @property
    def presence(self) -> list[bool]:
        with self.lock:
            return [said.presence for said in self.said if said.presence is not None]


@dataclass
class GearRig:
    """A gateway's line and simulated gear with a cable between them."""

    cable: PtyCable
    line: GearLine
    sim: SerialGear
    taken: Taken
    book: Book


def now_ms() -> int:
    return SystemClock().now_ms()


@asynccontextmanager
async def gear_rig(
    directory: Path,
    gear: StreamGear,
    sim: Callable[[Link], SerialGear],
    devices: Sequence[GearDevice],
    *,
    baud: int | None = None,
) -> AsyncIterator[GearRig]:
    """A line that runs; ``sim`` makes the gear at the other end of the cable."""
    with PtyCable(directory) as cable:
        taken, book = Taken(), Book(devices)
        line = GearLine(
            SerialLine(name="bedside", port=str(cable.gateway_path), baud=baud),
            gear,
            taken,
            lambda: book,
            SystemClock(),
        )
        simulated = sim(Port(str(cable.concentrator_path)))
        running = asyncio.create_task(simulated.run())
        # A port that is opened forgets what came before: the line's first question would get no answer.
        await eventually_async(partial(simulated.counts.__getitem__, "opened"))
        line.start()
        try:
            yield GearRig(cable, line, simulated, taken, book)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
            await asyncio.to_thread(line.stop)
