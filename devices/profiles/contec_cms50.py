"""Contec CMS50D+ finger oximeter and its family: 60 samples a second of pulse wave, pulse rate, SpO2 and perfusion.

Two formats under one name, told apart by the firmware: since about 4.6 the newer one (115,200 baud, sends only after a
start command and while it is asked to), before it the older one (19,200 baud with odd parity, sends always).

Source: Contec Medical Systems, "Communication protocol of pulse oximeter V7.0", 2010-07-08 (newer); the maker's sheet
for the older one as reproduced at atbrask.dk, "Creating a python module for the Contec CMS50D+ pulse oximeter", 2015.
Neither has a checksum: what is wrong with a byte must be seen from what it says.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from devices.gear.messages import AddressBook, GearDevice, Reading, Said, Scalar
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Behind, Faults, choice_option, number_option
from devices.observation import Refusal, Waveform

RATE_HZ = 60
"""Samples a second, in both formats."""
NEW_FRAME_BYTES = 9
OLD_FRAME_BYTES = 5
START = bytes.fromhex("7D81A1808080808080")
KEEP_ALIVE = bytes.fromhex("7D81AF808080808080")
KEEP_ALIVE_MS = 5_000
"""How often the maker's own software says it."""
START_AGAIN_MS = 2_000
"""Nothing comes for so long: the oximeter was switched off and on, or did not hear the start."""
TRY_MS = 4_000
"""How long a format is listened for before the other one is tried: two starts, and 240 frames would have come."""
LOCK_FRAMES = 10
"""So many good frames in a row, a sixth of a second, make it this format and no chance: there is no checksum."""
SILENT_AFTER_MS = 10_000
PROBE_FRAMES = 3
"""So many frames (50 ms) must agree before the probe counts as off or on: one bit may have been turned on the way."""
MIN_VALID = 15
"""Fewer valid samples, a quarter of a second, say nothing of a window of seconds."""
WINDOW_MOST = 2 * 60 * RATE_HZ
"""Samples of the longest window, twice: more come only where nobody asks for the report."""
STRIP_EVERY_MS = 60_000
STRIP_GAP_MS = 500
"""So much less than 60 samples a second came: a strip with such a hole would show a heart that stood still."""
STRIP_LONGEST_S = 80
"""4,800 samples; the kind's waveform holds 5,000."""
# What it can show, by its manual (CMS50D+: pulse 30 to 250 /min, SpO2 0 to 100 %, perfusion 0.1 to 20 %). A pulse or a
# saturation of 0 is what it says without a finger.
PULSE_LOW, PULSE_HIGH = 20, 250
SPO2_LOW, SPO2_HIGH = 1, 100
PULSE_INVALID, SPO2_INVALID, PERFUSION_INVALID = 0xFF, 0x7F, 0xFFFF
PERFUSION_STEP = 0.1
"""Per cent."""
SIGNAL_BEST = 8

NEW = SerialSetting(baud=115_200)
OLD = SerialSetting(baud=19_200, parity="O")
_LENGTHS = {0x01: 9, 0x05: 9, 0x06: 4, 0x07: 8, 0x08: 8, 0x09: 6, 0x0A: 4, 0x0C: 2, 0x0D: 3, 0x0E: 3, 0x0F: 8, 0x10: 3}
_LENGTHS |= {0x11: 9, 0x12: 8, 0x13: 9, 0x14: 9}
"""Packets of the newer format by their first byte: live data, answers to commands, stored data."""
_LIVE, _DISCONNECT = 0x01, 0x0D


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One sixtieth of a second. None: it says itself that it has no value."""

    wave: int
    """0 to 127."""
    pulse: int | None
    spo2: int | None
    perfusion: float | None
    signal: int | None
    """0 to 8."""
    probe_off: bool
    searching: bool
    dropping: bool
    """Its own word that the saturation falls."""


class Cutter(Protocol):
    """Cuts one of the two formats out of a stream."""

    good: int
    bad: int

    def feed(self, data: bytes, faults: Faults) -> list[Sample]: ...


class NewCutter:
    """The newer format: bit 7 is clear in the first byte of a packet alone."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._packet = bytearray()

    def feed(self, data: bytes, faults: Faults) -> list[Sample]:
        samples = []
        for byte in data:
            if not byte & 0x80:
                if self._packet:
                    self._damaged(faults, f"{len(self._packet)} bytes of packet {self._packet[0]:02X}, then the next")
                self._packet = bytearray((byte,))
            elif self._packet:
                self._packet.append(byte)
            else:
                continue  # the rest of a packet whose beginning was lost
            length = _LENGTHS.get(self._packet[0])
            if length is None:
                self._damaged(faults, f"no packet begins with {self._packet[0]:02X}")
            elif len(self._packet) == length:
                packet, self._packet = bytes(self._packet), bytearray()
                if packet[0] != _LIVE:
                    self.good += packet[0] != _DISCONNECT
                    continue
                sample = decode_new(packet)
                if sample is None:
                    self._damaged(faults, f"{packet.hex(' ')} says what the oximeter cannot measure")
                    continue
                self.good += 1
                samples.append(sample)
        return samples

    def _damaged(self, faults: Faults, what: str) -> None:
        self._packet.clear()
        self.bad += 1
        faults.note(_damaged(NEW_FRAME_BYTES, what))


class OldCutter:
    """The older format: five bytes, bit 7 set in the first alone."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self._packet = bytearray()

    def feed(self, data: bytes, faults: Faults) -> list[Sample]:
        samples = []
        for byte in data:
            if byte & 0x80:
                if self._packet:
                    self._damaged(faults, f"{len(self._packet)} bytes, then the next packet")
                self._packet = bytearray((byte,))
            elif self._packet:
                self._packet.append(byte)
            if len(self._packet) == OLD_FRAME_BYTES:
                packet, self._packet = bytes(self._packet), bytearray()
                sample = decode_old(packet)
                if sample is None:
                    self._damaged(faults, f"{packet.hex(' ')} says what the oximeter cannot measure")
                    continue
                self.good += 1
                samples.append(sample)
        return samples

    def _damaged(self, faults: Faults, what: str) -> None:
        self._packet.clear()
        self.bad += 1
        faults.note(_damaged(OLD_FRAME_BYTES, what))


def _damaged(length: int, what: str) -> Refusal:
    return Refusal(
        "malformed",
        field="frame",
        expected=f"{length} bytes as in the oximeter's protocol",
        hint=f"got {what}; check the plug, the cable's length and the option variant",
    )


def decode_new(packet: bytes) -> Sample | None:
    """A live packet of the newer format; None where a value is none that it can show.

    The second byte is no status: its seven low bits are the bits 7 of the seven bytes behind it.
    """
    high = packet[1]
    status, wave, bar, pulse, spo2, low_byte, high_byte = (
        byte & 0x7F | (high >> index & 1) << 7 for index, byte in enumerate(packet[2:])
    )
    perfusion = low_byte | high_byte << 8
    del bar  # the pulse as a bar of 0 to 15: the wave says more
    return _sample(
        status,
        wave=wave & 0x7F,
        pulse=pulse,
        spo2=spo2,
        perfusion=None if perfusion == PERFUSION_INVALID else perfusion * PERFUSION_STEP,
        probe_off=bool(status & 0x80),
        searching=bool(wave & 0x80),
    )


def decode_old(packet: bytes) -> Sample | None:
    """A packet of the older format; None where a value is none that it can show."""
    status, wave, bar, pulse, spo2 = packet
    return _sample(
        status,
        wave=wave,
        pulse=pulse | (bar & 0x40) << 1,
        spo2=spo2,
        perfusion=None,
        probe_off=bool(status & 0x10 or bar & 0x10),
        searching=bool(bar & 0x20),
    )


def _sample(
    status: int, *, wave: int, pulse: int, spo2: int, perfusion: float | None, probe_off: bool, searching: bool
) -> Sample | None:
    if pulse not in (0, PULSE_INVALID) and not PULSE_LOW <= pulse <= PULSE_HIGH:
        return None
    if spo2 not in (0, SPO2_INVALID) and not SPO2_LOW <= spo2 <= SPO2_HIGH:
        return None
    signal = status & 0x0F
    return Sample(
        wave=wave,
        pulse=None if pulse in (0, PULSE_INVALID) else pulse,
        spo2=None if spo2 in (0, SPO2_INVALID) else spo2,
        perfusion=perfusion if perfusion is not None and 0 < perfusion <= 20 else None,
        signal=signal if signal <= SIGNAL_BEST else None,
        probe_off=probe_off,
        searching=searching,
        dropping=bool(status & 0x20),
    )


@dataclass(slots=True)
class _Window:
    """What came since the last report."""

    samples: int = 0
    searching: int = 0
    dropping: int = 0
    pulse: list[int] = field(default_factory=list)
    spo2: list[int] = field(default_factory=list)
    perfusion: list[float] = field(default_factory=list)
    signal: list[int] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        if self.samples >= WINDOW_MOST:
            return
        self.samples += 1
        self.searching += sample.searching
        self.dropping += sample.dropping
        if sample.signal is not None:
            self.signal.append(sample.signal)
        if sample.probe_off or sample.searching:
            return  # numbers shown meanwhile are those of before
        if sample.pulse is not None:
            self.pulse.append(sample.pulse)
        if sample.spo2 is not None:
            self.spo2.append(sample.spo2)
        if sample.perfusion is not None:
            self.perfusion.append(sample.perfusion)

    def metrics(self) -> dict[str, float]:
        metrics: dict[str, float] = {}
        if len(self.pulse) >= MIN_VALID:
            metrics["pulse"] = statistics.median_low(self.pulse)
        if len(self.spo2) >= MIN_VALID:
            metrics["spo2"] = statistics.median_low(self.spo2)
        if len(self.perfusion) >= MIN_VALID:
            metrics["perfusion"] = round(statistics.median_low(self.perfusion), 1)
        if len(self.signal) >= MIN_VALID:
            metrics["signal_quality"] = round(100 * statistics.median_low(self.signal) / SIGNAL_BEST)
        return metrics

    def data(self) -> dict[str, Scalar]:
        data: dict[str, Scalar] = {}
        if self.searching * 2 > self.samples:
            data["searching"] = True
        if self.dropping * 2 > self.samples:
            data["spo2_dropping"] = True
        return data


class _Strip:
    """A strip of the pulse wave, whole, at 60 Hz: every minute, as soon as the finger is in."""

    def __init__(self, seconds: float) -> None:
        self._wanted = math.ceil(seconds * RATE_HZ)
        self._samples: list[int] = []
        self._began_ms = 0
        self._next_ms = 0

    def forget(self) -> None:
        self._samples.clear()

    def add(self, samples: list[Sample], now_ms: int) -> Waveform | None:
        """The strip, where ``samples`` complete one."""
        if not self._wanted or now_ms < self._next_ms:
            return None
        if self._missing(len(samples), now_ms):
            self.forget()
        for sample in samples:
            if sample.probe_off or sample.searching:
                self.forget()
                continue
            if not self._samples:
                self._began_ms = now_ms
            self._samples.append(sample.wave)
        if len(self._samples) < self._wanted:
            return None
        wave = tuple(round(value * 100 / 127, 1) for value in self._samples[: self._wanted])
        self._next_ms = self._began_ms + STRIP_EVERY_MS
        self.forget()
        return Waveform(name="pleth", lead="", rate_hz=float(RATE_HZ), unit="%", samples=wave)

    def _missing(self, more: int, now_ms: int) -> bool:
        """Whether samples were lost on the way. Late ones, that come in a heap, are not."""
        if not self._samples:
            return False
        due = (now_ms - self._began_ms) * RATE_HZ / 1000
        return due - len(self._samples) - more > STRIP_GAP_MS * RATE_HZ / 1000


class Cms50:
    """One oximeter. See `devices.gear.profile.StreamGear`."""

    silent_after_ms = SILENT_AFTER_MS

    def __init__(self, options: Mapping[str, str]) -> None:
        variant = choice_option(options, "variant", ("auto", "new", "old"))
        self._auto = variant == "auto"
        self._new = variant != "old"
        self._every_ms = round(1000 * number_option(options, "every_s", 5, low=1, high=60))
        seconds = number_option(options, "pleth_s", 0, low=0, high=STRIP_LONGEST_S)
        self._strip = _Strip(seconds)
        self._strip_ms = round(seconds * 1000)
        self._behind = Behind("vitals_monitor", vendor="Contec", model="CMS50D+")
        self.opened(0)

    @property
    def setting(self) -> SerialSetting:
        return NEW if self._new else OLD

    @property
    def good(self) -> int:
        return self._good + self._cutter.good

    @property
    def bad(self) -> int:
        return self._bad + self._cutter.bad

    def opened(self, now_ms: int) -> None:
        self._good = self._bad = 0
        self._faults = Faults()
        self._behind.opened()
        self._listen(now_ms)

    def _listen(self, now_ms: int) -> None:
        """Listen for the format that is set now, from its beginning."""
        self._cutter: Cutter = NewCutter() if self._new else OldCutter()
        self._row = 0
        self._locked = False
        self._heard_ms = self._tried_ms = now_ms
        self._start_ms = now_ms
        self._keep_alive_ms = now_ms + KEEP_ALIVE_MS
        self._window = _Window()
        self._report_ms = now_ms + self._every_ms
        self._probe_off: bool | None = None
        self._probe_row = 0
        self._strip.forget()

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        bad = self._cutter.bad
        samples = self._cutter.feed(data, self._faults)
        self._row = self._row + len(samples) if self._cutter.bad == bad else 0
        if self._cutter.bad != bad:
            self._strip.forget()
        if samples:
            self._heard_ms = now_ms
        if not self._locked:
            self._locked = self._row >= LOCK_FRAMES
            return Reading(faults=self._faults.due(now_ms))
        device = self._behind.device(book)
        if device is None:
            announced = self._behind.stranger() if samples else ()
            return Reading(announced=announced, faults=self._faults.due(now_ms))
        said = []
        for sample in samples:
            known = self._probe_off is not None
            if self._probe_changed(sample):
                if known:  # what was measured before is not of now
                    self._window = _Window()
                    self._report_ms = now_ms + self._every_ms
                said.append(Said(device=device, metrics={"probe_off": float(sample.probe_off)}))
            self._window.add(sample)
        wave = self._strip.add(samples, now_ms)
        if wave is not None:
            said.append(Said(device=device, waveform=wave, observed_at_ms=received_at_ms - self._strip_ms))
        return Reading(said=tuple(said), faults=self._faults.due(now_ms))

    def _probe_changed(self, sample: Sample) -> bool:
        """Whether this sample is the last of enough that agree on something new."""
        self._probe_row = self._probe_row + 1 if sample.probe_off != self._probe_off else 0
        if self._probe_row < PROBE_FRAMES:
            return False
        self._probe_off, self._probe_row = sample.probe_off, 0
        return True

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        if self._auto and not self._locked and now_ms - self._tried_ms >= TRY_MS:
            self._good, self._bad = self.good, self.bad
            self._new = not self._new
            self._listen(now_ms)
        elif self._locked and now_ms - self._heard_ms >= SILENT_AFTER_MS:
            self._good, self._bad = self.good, self.bad
            self._listen(now_ms)
        return self._wanted(now_ms), self._report(now_ms, self._behind.device(book))

    def _wanted(self, now_ms: int) -> bytes:
        """What the oximeter must hear now to go on sending."""
        if not self._new:
            return b""
        if now_ms - self._heard_ms >= START_AGAIN_MS or not self._locked:
            if now_ms < self._start_ms:
                return b""
            self._start_ms = now_ms + START_AGAIN_MS
            self._keep_alive_ms = now_ms + KEEP_ALIVE_MS
            return START
        if now_ms >= self._keep_alive_ms:
            self._keep_alive_ms = now_ms + KEEP_ALIVE_MS
            return KEEP_ALIVE
        return b""

    def _report(self, now_ms: int, device: GearDevice | None) -> Reading:
        if not self._locked or now_ms < self._report_ms:
            return Reading()
        window, self._window = self._window, _Window()
        self._report_ms = now_ms + self._every_ms
        if device is None or window.samples < MIN_VALID:
            return Reading()
        metrics = window.metrics()
        if self._probe_off is not None:
            metrics["probe_off"] = float(self._probe_off)
        return Reading(said=(Said(device=device, metrics=metrics, data=window.data()),))

    def next_due_ms(self, now_ms: int) -> int:
        times = [self._report_ms] if self._locked else [self._tried_ms + TRY_MS] if self._auto else []
        if self._new:
            lost_ms = self._heard_ms + START_AGAIN_MS
            times.append(min(self._keep_alive_ms, max(lost_ms, self._start_ms)) if self._locked else self._start_ms)
        if self._locked:
            times.append(self._heard_ms + SILENT_AFTER_MS)
        return min(times, default=now_ms + SILENT_AFTER_MS)


CONTEC_CMS50 = Profile(
    key="contec-cms50",
    zh="康泰指夹式血氧仪",
    en="Contec finger oximeter",
    carrier="serial",
    kinds=("vitals_monitor",),
    commands={},
    models=("Contec CMS50D+", "Contec CMS50E", "Contec CMS50F"),
    source='Contec Medical Systems, "Communication protocol of pulse oximeter V7.0", 2010-07-08',
    options={
        "variant": "auto (default): both formats are tried; new: firmware 4.6 and later, 115,200 baud; old: 19,200 8O1",
        "every_s": "seconds between two reports, 1 to 60; 5 by default",
        "pleth_s": "seconds of pulse wave to keep every minute, 0 (default) to 80",
    },
    serial=NEW,
    stream=Cms50,
)
