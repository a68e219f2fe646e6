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

from devices.gear.messages import AddressBook, GearDevice, Reading, Said, Scalar
from devices.gear.profile import Profile, SerialSetting
from devices.gear.stream import Behind, Faults, choice_option, number_option
from devices.observation import Waveform
from devices.profiles.contec_frames import SIGNAL_BEST, Cutter, NewCutter, OldCutter, Sample

RATE_HZ = 60
"""Samples a second, in both formats."""
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
NEW = SerialSetting(baud=115_200)
OLD = SerialSetting(baud=19_200, parity="O")


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
