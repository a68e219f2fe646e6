"""The serial side of simulated gear: one tty, written and read as the maker's firmware does, over a good or bad cable.

A cable that is pulled and plugged in again is found again. What the gear says meanwhile is lost, as with real gear.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import serial

from devices.gear.profile import SerialSetting
from firmware_sim.gear.base import GearPart, Link, Port, SimGear
from firmware_sim.tty import REOPEN_S, Delayed, LineFaults, Wakeup, write

log = logging.getLogger(__name__)

BYTE_APART_S = 0.0005
"""Between two bytes of a line that hands over single bytes: about two at 38,400 baud."""


class SerialGear(SimGear):
    """Gear on one serial port. Subclasses `write` frames, and are told what is `heard` and when to `tick`."""

    setting: SerialSetting
    """How the gear's own UART is set."""

    def __init__(
        self,
        link: Link,
        parts: Sequence[GearPart] = (),
        *,
        base: str = "",
        seed: int = 0,
        clock: Callable[[], int],
        faults: LineFaults = LineFaults(),
        bytewise: bool = False,
    ) -> None:
        """``faults`` spoil frames on their way to the gateway; ``bytewise``: every byte arrives alone."""
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        if not isinstance(link, Port):
            raise ValueError(f"{self.profile}: speaks on a serial port; expected a port, got {type(link).__name__}")
        self.port = link
        self.faults = faults
        self.counts: Counter[str] = Counter()
        """``opened line_lost``: how often."""
        self.powered = True
        self._bytewise = bytewise
        self._under_way = Delayed()
        self._wake = asyncio.Event()

    # --- for subclasses -----------------------------------------------------------------------------------------

    @abstractmethod
    def started(self, now_ms: int) -> None:
        """It has power and a cable: its firmware begins."""

    @abstractmethod
    def tick(self, now_ms: int) -> None:
        """Do what has become due."""

    @abstractmethod
    def next_due_ms(self, now_ms: int) -> int | None:
        """When `tick` has something to do; None for never."""

    def heard(self, data: bytes, now_ms: int) -> None:
        """Bytes came."""

    def write(self, frame: bytes, *, after_s: float = 0.0) -> None:
        """Say one frame, ``after_s`` from now at the earliest."""
        later = self.rng.uniform(0.0, self.faults.delay_s) if self.faults.delay_s else 0.0
        self._under_way.put(self.faults.spoil(frame, self.rng), time.monotonic() + after_s + later)
        self._wake.set()

    # --- the hand of the simulation -----------------------------------------------------------------------------

    def power(self, on: bool) -> None:
        """Switch it off, or on again: its firmware starts anew."""
        if on and not self.powered:
            self.powered = True
            self.started(self.clock())
        self.powered = on
        self._wake.set()

    # --- the port -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        while True:
            try:
                port = serial.Serial(self.port.path, **self._pyserial(), timeout=0, write_timeout=0)
            except (OSError, serial.SerialException):
                await asyncio.sleep(REOPEN_S)
                continue
            self.counts["opened"] += 1
            try:
                await self._converse(port)
            except (OSError, serial.SerialException) as error:
                self.counts["line_lost"] += 1
                log.info("%s lost %s: %s", self.profile, self.port.path, error)
            finally:
                port.close()

    def _pyserial(self) -> dict[str, Any]:
        setting = self.setting
        return {"baudrate": setting.baud, "bytesize": setting.bytesize, "parity": setting.parity}

    async def _converse(self, port: serial.Serial) -> None:
        out = bytearray()
        self._under_way = Delayed()
        if self.powered:
            self.started(self.clock())
        with Wakeup(port.fileno(), self._wake) as wakeup:
            while True:
                self._wake.clear()
                data = wakeup.take()
                if data and self.powered:
                    self.heard(data, self.clock())
                if self.powered:
                    self._live()
                    out += self._under_way.ripe(time.monotonic())
                if out:
                    del out[: write(port.fileno(), out[: 1 if self._bytewise else 1024])]
                    if self._bytewise:
                        await asyncio.sleep(BYTE_APART_S)
                wakeup.when_writable(bool(out))
                with suppress(TimeoutError):  # not wait_for, which in Python 3.11 can swallow a cancellation
                    async with asyncio.timeout(None if out else self._pause_s()):
                        await self._wake.wait()

    def _live(self) -> None:
        now_ms = self.clock()
        due_ms = self.next_due_ms(now_ms)
        if due_ms is not None and due_ms <= now_ms:
            self.tick(now_ms)

    def _pause_s(self) -> float | None:
        pauses = [due - time.monotonic() for due, _ in self._under_way.queue[:1]]
        now_ms = self.clock()
        if self.powered and (due_ms := self.next_due_ms(now_ms)) is not None:
            pauses.append((due_ms - now_ms) / 1000)
        return max(0.0, min(pauses)) if pauses else None
