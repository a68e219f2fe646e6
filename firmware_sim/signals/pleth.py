"""The pleth wave of a finger clip: one pulse for each beat of the heart, a fifth of a second behind R.

The shape is NeuroKit2's (`firmware_sim.signals.make`): upstroke, dicrotic notch, run-off. Systole lasts about the
square root of the cycle and the run-off takes the rest. A ventricle that had no time to fill throws little: the
premature beat is barely seen and the one after its pause stands high: the pulse deficit that an oximeter shows.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Sequence

from devices.native import WireWaveform
from firmware_sim.signals.rhythm import Beat, Heart, Pattern
from firmware_sim.signals.shapes import shapes

TRANSIT_S = 0.21
"""From R to the foot of the pulse at the finger."""
WARM_HAND = 4.0
"""Perfusion index (%) of a warm hand at rest: the pulsing part of the light against the steady part."""
_FULL = 80.0
"""Height of its pulse, in per cent of the full scale."""
_SYSTOLE = 0.45
"""Part of the shape up to the wave behind the notch."""
_SYSTOLE_S = 0.36
"""How long that takes at 75 beats a minute."""
_LONGEST_S = 10.0


def perfusion_of(systolic: float, *, skin: float = 33.0) -> float:
    """Perfusion index (%) of a finger: little in shock (systolic, mm[Hg]) and in the cold (skin, Cel)."""
    pressure = min(1.0, max(0.0, (systolic - 45.0) / 65.0))
    warmth = min(1.2, max(0.15, (skin - 18.0) / 14.0))
    return max(0.02, WARM_HAND * pressure * warmth)


def strip(
    rng: random.Random,
    beats: Sequence[Beat],
    *,
    seconds: float = 10.0,
    rate_hz: int = 100,
    perfusion: float = WARM_HAND,
    probe_off: bool = False,
) -> WireWaveform:
    """The pulse wave of the beats of a strip (`rhythm.episode`), 0 to 100 % in steps of 0.01. Perfusion index in %."""
    pulses = [_Pulse(beat) for beat in beats]
    count = round(seconds * rate_hz)
    values = [0.0] * count if probe_off else _wave(rng, pulses, 0.0, count, rate_hz, perfusion)
    return WireWaveform(name="pleth", rate=rate_hz, scale=0.01, samples=[round(value * 100) for value in values])


class Finger:
    """A finger in a clip that is read live: the samples since it was read last."""

    def __init__(self, rng: random.Random, *, rate_hz: int = 60) -> None:
        self.rate_hz = rate_hz
        self._rng = rng
        self._heart = Heart(rng)
        self._pulses: deque[_Pulse] = deque()
        self._start_ms: int | None = None
        self._given = 0

    def read(
        self,
        now_ms: int,
        *,
        pulse: float,
        perfusion: float = WARM_HAND,
        pattern: Pattern = "normal",
        probe_off: bool = False,
    ) -> list[float]:
        """Samples of 0 to 100, evenly spaced up to ``now_ms``. After a pause only those of the last ten seconds."""
        if self._start_ms is None:
            self._start_ms = now_ms
        end = max(self._given, (now_ms - self._start_ms) * self.rate_hz // 1000)
        begin = max(self._given, end - round(_LONGEST_S * self.rate_hz))
        self._given = end
        self._heart.pattern = pattern
        for beat in self._heart.beats(end / self.rate_hz, pulse):
            self._pulses.append(_Pulse(beat))
        from_s = begin / self.rate_hz
        while self._pulses and self._pulses[0].end_s < from_s:
            self._pulses.popleft()
        if probe_off:
            return [0.0] * (end - begin)
        return _wave(self._rng, list(self._pulses), from_s, end - begin, self.rate_hz, perfusion)


class _Pulse:
    """One pulse at the finger."""

    __slots__ = ("begin_s", "end_s", "height", "systole_s")

    def __init__(self, beat: Beat) -> None:
        cycle = beat.cycle_s
        self.begin_s = beat.at_s + TRANSIT_S
        self.end_s = self.begin_s + cycle
        self.systole_s = min(0.8 * cycle, _SYSTOLE_S * math.sqrt(cycle / 0.8))
        filled = 1.05 * (1.0 - math.exp(-max(0.0, min(beat.gap_s, 3.0) - 0.15) / 0.25))
        self.height = filled * (0.5 if beat.shape == "ventricular" else 1.0)

    def at(self, t: float) -> float:
        """0 to about 1."""
        since = t - self.begin_s
        if since < self.systole_s:
            phase = _SYSTOLE * since / self.systole_s
        else:
            phase = _SYSTOLE + (1.0 - _SYSTOLE) * (since - self.systole_s) / (self.end_s - t + since - self.systole_s)
        shape = shapes().pulse
        place = phase * (len(shape) - 1)
        index = min(int(place), len(shape) - 2)
        return self.height * (shape[index] + (place - index) * (shape[index + 1] - shape[index]))


def _wave(
    rng: random.Random, pulses: Sequence[_Pulse], from_s: float, count: int, rate_hz: int, perfusion: float
) -> list[float]:
    values, first = [], 0
    full = _FULL * min(1.15, perfusion / WARM_HAND)
    for index in range(count):
        t = from_s + index / rate_hz
        while first < len(pulses) and pulses[first].end_s <= t:
            first += 1
        height = 0.0
        for pulse in pulses[first:]:
            if pulse.begin_s > t:
                break
            height = max(height, pulse.at(t))
        breath = 1.0 + 0.05 * math.sin(math.tau * 0.25 * t)
        value = 8.0 + full * height * breath + rng.gauss(0.0, 0.25)
        values.append(min(100.0, max(0.0, value)))
    return values
