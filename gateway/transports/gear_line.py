"""One serial line with gear of another maker: what comes goes through its profile, what the profile wants is written.

Such gear keeps nothing and hears no acknowledgement: what is said while the gateway is down is lost, or, where the gear
has a memory, read from it later by its profile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from devices.gear.messages import AddressBook, Reading, Said
from devices.gear.profile import SerialSetting, StreamGear
from gateway.clock import Clock, Millis
from gateway.settings import SerialLine
from gateway.transports.port import SUPERVISE_MS, WRONG_BAUD_AFTER, PortThread, steady_now_ms
from gateway.transports.serial_health import (
    GEAR_NOTHING_YET,
    GEAR_SILENT,
    GEAR_WRONG_BAUD,
    LineState,
    PortHealth,
)

log = logging.getLogger(__name__)

TakeReading = Callable[[str, Reading, Millis, str, bytes], None]
"""``take(bridge, reading, received_at_ms, source, payload)``: the intake of gear, called in the line's thread."""


class GearLine(PortThread):
    """The transport of one line; the bridge of the registry has the line's name as its id."""

    def __init__(
        self, line: SerialLine, gear: StreamGear, take: TakeReading, book: Callable[[], AddressBook], clock: Clock
    ) -> None:
        super().__init__(line, clock)
        self._gear = gear
        self._take = take
        self._book = book
        # Owned by the line's thread:
        self._begun_ms = 0
        self._heard_ms: int | None = None
        """When something readable came last, since the port was opened."""
        self._present: bool | None = None
        """What was said last of the devices being there."""
        # Shared with `health`, under the lock:
        self._devices: set[str] = set()
        self._good_before = self._bad_before = 0
        """Frames of earlier openings."""

    def health(self) -> PortHealth:
        """A snapshot."""
        with self._lock:
            return PortHealth(
                line=self.line.name,
                port=self.line.port,
                state=self._state,
                since_ms=self._since_ms,
                reason=self._reason,
                opened=self._opened,
                last_heard_ms=self._last_heard_ms,
                devices=len(self._devices),
                frames_ok={"frames": self._good_before + self._gear.good},
                frames_bad={"damaged": self._bad_before + self._gear.bad},
            )

    # --- the line's thread ----------------------------------------------------------------------------------------

    def _setting(self) -> SerialSetting:
        setting = self._gear.setting
        return setting if self.line.baud is None else replace(setting, baud=self.line.baud)

    def _begin(self) -> None:
        self._begun_ms = steady_now_ms()
        self._heard_ms = None
        with self._lock:
            self._good_before += self._gear.good
            self._bad_before += self._gear.bad
            self._gear.opened(self._begun_ms)
        self._set_state(LineState.SILENT, GEAR_NOTHING_YET, quiet=True)

    def _end(self) -> bool:
        if not self._stopping.is_set():
            self._say_present(False)
        return self._heard_ms is not None

    def _idle(self) -> None:
        """Nothing waits for a line of gear."""

    def _converse(self, fd: int) -> None:
        setting = self._setting()
        out = bytearray()
        while not self._stopping.is_set() and self._setting() == setting:
            now_ms = steady_now_ms()
            book = self._book()
            pause_ms = SUPERVISE_MS
            if not out:  # what the driver has not taken yet goes first
                wanted, reading = self._gear.due(now_ms, self._clock.now_ms(), book)
                out += wanted
                self._hand_in(reading, b"")
                pause_ms = min(SUPERVISE_MS, self._gear.next_due_ms(now_ms) - now_ms)
            self._judge(now_ms)
            data, writable = self._wait(fd, pause_ms, writing=bool(out))
            if data:
                self._hear(data, book)
            if writable:
                with suppress(BlockingIOError):
                    del out[: os.write(fd, out)]

    def _hear(self, data: bytes, book: AddressBook) -> None:
        now_ms = steady_now_ms()
        good = self._gear.good
        reading = self._gear.feed(data, now_ms, self._clock.now_ms(), book)
        if self._gear.good > good:
            self._heard_ms = now_ms
            with self._lock:
                self._last_heard_ms = self._clock.now_ms()
        self._hand_in(reading, data)

    def _hand_in(self, reading: Reading, payload: bytes) -> None:
        if not (reading.said or reading.announced or reading.faults):
            return
        with self._lock:
            self._devices |= {said.device.id for said in reading.said}
        try:
            self._take(self.line.name, reading, self._clock.now_ms(), self.line.port, payload)
        except Exception:
            log.exception("serial line %s: what the gear said was not taken", self.line.name)

    def _judge(self, now_ms: int) -> None:
        silent_ms = self._gear.silent_after_ms
        if self._heard_ms is not None and now_ms - self._heard_ms < silent_ms:
            self._set_state(LineState.UP, "")
            self._say_present(True)
        elif self._heard_ms is None and self._gear.bad >= WRONG_BAUD_AFTER:
            self._set_state(LineState.SILENT, GEAR_WRONG_BAUD)
        elif now_ms - (self._begun_ms if self._heard_ms is None else self._heard_ms) >= silent_ms:
            self._set_state(LineState.SILENT, GEAR_SILENT)
            self._say_present(False)

    def _say_present(self, present: bool) -> None:
        """The devices behind this line are there, or are not: known at once, long before their supervision ends."""
        if present == self._present:
            return
        devices = list(self._book().all())
        if devices:  # else again, once somebody is registered
            self._present = present
            self._hand_in(Reading(said=tuple(Said(device=device, presence=present) for device in devices)), b"")
