"""When a heart beats, and from where: the rhythms that a home monitor may see.

Normal rhythm breathes (respiratory sinus arrhythmia) and waves at 0.1 Hz (Mayer waves), as in McSharry and others 2003.
Atrial fibrillation: intervals without order, skewed to the long side, spread about a fifth of their mean. A premature
ventricular beat comes early and is followed by a full compensatory pause: both intervals together are two of the
sinus's. Ventricular tachycardia is wide and regular.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

from firmware_sim.signals.shapes import Shape

Pattern = Literal[
    "normal",
    "bradycardia",
    "tachycardia",
    "atrial_fibrillation",
    "premature_ventricular_beats",
    "ventricular_tachycardia",
    "st_elevation",
    "asystole",
]

_RATES: dict[Pattern, tuple[float, float]] = {
    "normal": (0.0, 300.0),  # a scenario may want any
    "bradycardia": (30.0, 48.0),
    "tachycardia": (105.0, 170.0),
    "atrial_fibrillation": (45.0, 180.0),
    "premature_ventricular_beats": (45.0, 110.0),
    "ventricular_tachycardia": (140.0, 220.0),
    "st_elevation": (0.0, 300.0),
    "asystole": (0.0, 0.0),
}
_WARM_UP_S = 3.0
"""Beats before a strip begins, whose T waves and pulses reach into it."""
_COUPLING = 0.58
"""How early a premature beat comes, as a part of the sinus interval."""
_PREMATURE_AT_LEAST_EVERY = 7
"""Beats."""


@dataclass(frozen=True, slots=True)
class Beat:
    """One beat of the ventricles."""

    at_s: float
    """The summit of R, in seconds of the strip or of the stream."""
    shape: Shape
    p_wave: bool
    """Whether the atria led it."""
    cycle_s: float
    """60 / heart rate: what the QT interval goes by."""
    gap_s: float
    """Since the beat before: how long the ventricle has been filling."""


def rate_of(pattern: Pattern, heart_rate: float) -> float:
    """The heart rate nearest to ``heart_rate`` (/min) at which there is such a rhythm."""
    low, high = _RATES[pattern]
    return min(high, max(low, heart_rate))


class Heart:
    """An endless heart: gives the beats of one after the other stretch of time."""

    def __init__(self, rng: random.Random, pattern: Pattern = "normal", *, start_s: float = 0.0) -> None:
        self.pattern: Pattern = pattern
        """May be changed; the next beat follows it."""
        self._rng = rng
        self._breath_phase, self._slow_phase = rng.uniform(0, math.tau), rng.uniform(0, math.tau)
        self._at_s = start_s - rng.uniform(0.0, 0.8)
        self._last_s = self._at_s - 0.8
        self._premature_next = False
        self._since_premature = 0

    def beats(self, until_s: float, heart_rate: float, *, respiration: float = 15.0) -> list[Beat]:
        """The beats before ``until_s`` that have not been given yet. Rates in /min."""
        rate = rate_of(self.pattern, heart_rate)
        if rate <= 0:
            self._at_s = max(self._at_s, until_s)  # the first beat after a standstill waits for the rhythm
            return []
        found = []
        while self._at_s < until_s:
            found.append(self._beat(60.0 / rate))
            self._at_s += self._interval(60.0 / rate, respiration)
        return found

    def _beat(self, cycle_s: float) -> Beat:
        gap, self._last_s = self._at_s - self._last_s, self._at_s
        if self._premature_next or self.pattern == "ventricular_tachycardia":
            return Beat(self._at_s, "ventricular", False, cycle_s, gap)
        shape: Shape = "st_elevation" if self.pattern == "st_elevation" else "normal"
        return Beat(self._at_s, shape, self.pattern != "atrial_fibrillation", cycle_s, gap)

    def _interval(self, cycle_s: float, respiration: float) -> float:
        """From this beat to the next."""
        rng = self._rng
        if self.pattern == "atrial_fibrillation":
            return max(0.28, cycle_s * (0.6 + rng.gammavariate(3.2, 0.4 / 3.2)))
        if self.pattern == "ventricular_tachycardia":
            return cycle_s * rng.gauss(1.0, 0.01)
        # fast hearts vary less
        calm = min(1.2, cycle_s / 0.85)
        breath = 0.014 * math.sin(math.tau * respiration / 60.0 * self._at_s + self._breath_phase)
        slow = 0.009 * math.sin(math.tau * 0.1 * self._at_s + self._slow_phase)
        sinus = cycle_s * max(0.5, 1.0 + calm * (breath + slow + rng.gauss(0, 0.004)))
        if self._premature_next:
            self._premature_next, self._since_premature = False, 0
            return (2.0 - _COUPLING) * cycle_s
        if self.pattern == "premature_ventricular_beats":
            self._since_premature += 1
            due = self._since_premature >= _PREMATURE_AT_LEAST_EVERY  # a strip of ten seconds shows one
            if due or (self._since_premature >= 2 and rng.random() < 0.2):
                self._premature_next = True
                return _COUPLING * cycle_s
        return sinus


def episode(
    rng: random.Random,
    heart_rate: float,
    pattern: Pattern = "normal",
    *,
    seconds: float = 10.0,
    respiration: float = 15.0,
) -> list[Beat]:
    """The beats of a strip that begins at 0, with those shortly before and after it that reach into it."""
    heart = Heart(rng, pattern, start_s=-_WARM_UP_S)
    return heart.beats(seconds + 1.0, heart_rate, respiration=respiration)
