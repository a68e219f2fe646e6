"""Smoke and heat of a fire at a ceiling.

Heat grows with the square of time (NFPA 72, annex B: slow, medium, fast); the ceiling warms after Alpert (1972) for a
detector near the plume, 16.9 Q^(2/3) H^(-5/3). Smoke: soot from what has burned, mixed into the room, and the light it
takes away at 8.7 m2 per gram of soot (Mulholland and Croarkin 2000). A smouldering fire (bedding, a cigarette) has
smoke for most of an hour and hardly any heat, and then flames: why bedrooms need smoke detectors, not heat detectors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Growth = Literal["smouldering", "slow", "medium", "fast"]

_ALPHA_KW_PER_S2 = {"smouldering": 0.0029, "slow": 0.0029, "medium": 0.0117, "fast": 0.0466}
_SMOULDERS_S = 2400.0
_SMOULDER_MG_PER_S = 3.0
"""Soot-like smoke at the end of smouldering."""
_LARGEST_KW = 1500.0
"""A room with one open door has no air for more."""
_SOOT_G_PER_KJ = 0.0006
"""A hundredth of what burns becomes soot, at about 17 kJ a gram."""
_EXTINCTION_M2_PER_G = 8.7
_DB = 10.0 / math.log(10.0)
_ALPERT = 16.9
_CLEARING_TAU_S = 600.0


@dataclass(slots=True)
class Fire:
    """One fire in one room, since ``began_ms``; `put_out` ends it and the smoke is aired away."""

    began_ms: int
    growth: Growth = "medium"
    ceiling_m: float = 2.6
    room_m3: float = 40.0
    out_ms: int | None = None

    def put_out(self, now_ms: int) -> None:
        """It burns no more from now on; its smoke and heat go slowly."""
        self.out_ms = now_ms

    def obscuration(self, now_ms: int) -> float:
        """dB/m in the chamber of a detector under the ceiling."""
        burned_until = now_ms if self.out_ms is None else min(now_ms, self.out_ms)
        soot_g = self._soot((burned_until - self.began_ms) / 1000)
        density = soot_g / self.room_m3 * _EXTINCTION_M2_PER_G * _DB
        return density * math.exp(-(now_ms - burned_until) / 1000 / _CLEARING_TAU_S)

    def warming(self, now_ms: int) -> float:
        """K above the room's temperature at the ceiling."""
        burned_until = now_ms if self.out_ms is None else min(now_ms, self.out_ms)
        power = self._power((burned_until - self.began_ms) / 1000)
        cooled = math.exp(-(now_ms - burned_until) / 1000 / _CLEARING_TAU_S)
        return _ALPERT * math.pow(power, 2 / 3) / math.pow(self.ceiling_m, 5 / 3) * cooled

    def _flaming_s(self, since_s: float) -> float:
        return max(0.0, since_s - (_SMOULDERS_S if self.growth == "smouldering" else 0.0))

    def _power(self, since_s: float) -> float:
        """kW"""
        return min(_LARGEST_KW, _ALPHA_KW_PER_S2[self.growth] * self._flaming_s(since_s) ** 2)

    def _soot(self, since_s: float) -> float:
        """Grams so far: the heat so far, and what smouldering gave."""
        alpha, flaming = _ALPHA_KW_PER_S2[self.growth], self._flaming_s(since_s)
        full = math.sqrt(_LARGEST_KW / alpha)
        heat_kj = alpha * min(flaming, full) ** 3 / 3 + _LARGEST_KW * max(0.0, flaming - full)
        smouldered = 0.0
        if self.growth == "smouldering":
            part = min(1.0, max(0.0, since_s / _SMOULDERS_S))
            smouldered = _SMOULDER_MG_PER_S / 1000 * _SMOULDERS_S * part * part / 2
        return smouldered + _SOOT_G_PER_KJ * heat_kj
