"""Smoke detector: a chamber that slowly gathers dust, and the smoke of a fire when a scenario wants it."""

from __future__ import annotations

from firmware_sim.device import Action, Args, number
from firmware_sim.kinds.fire_detector import FireDetector
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift

ALARM_AT, CLEAR_AT = 0.12, 0.06
"""dB/m; EN 14604 detectors answer between 0.05 and 0.2."""
CEILING = 10.0
HEAT_OF_SMOKE = 14.0
"""K for each dB/m of smoke without a story before it."""


class SmokeDetector(FireDetector):
    """The firmware of what `devices.kinds.smoke` describes."""

    kind_key = "smoke"
    model = "SD-10"
    firmware = "3.0.2"
    battery_days = 3650.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._dust = self.rng.uniform(0.0, 0.02)
        self._air = Drift(self.rng, sigma=0.004, tau_s=1800)
        self.obscured = 0.0
        """dB/m of smoke that came without a fire."""

    def obscuration(self, now_ms: int) -> float:
        """dB/m of smoke in its chamber."""
        return self.obscured + self.smoke_of_fire(now_ms)

    def alarming(self, now_ms: int) -> bool:
        return self.obscuration(now_ms) >= ALARM_AT

    def clearing(self, now_ms: int) -> bool:
        return self.obscuration(now_ms) <= CLEAR_AT

    def measure(self, now_ms: int) -> dict[str, float]:
        chamber = self._dust + self.obscuration(now_ms) + abs(self._air.at(now_ms))
        warmth = self.warmth(now_ms) + self.heat_of_fire(now_ms) + HEAT_OF_SMOKE * self.obscured
        return {"obscuration": round(min(CEILING, chamber), 2), "temperature": round(min(125.0, warmth), 1)}

    def smoke(self, now_ms: int, args: Args) -> None:
        """Smoke fills the chamber at once: ``obscuration`` in dB/m."""
        self.obscured = min(CEILING, max(ALARM_AT, number(args, "obscuration", 0.6)))
        self.look(now_ms)

    def cleared(self, now_ms: int, args: Args) -> None:
        """The smoke is gone, and the fire out."""
        self.obscured = 0.0
        self.forget_fire()
        self.look(now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "smoke": self.smoke, "smoke_cleared": self.cleared}

    def state(self) -> dict[str, object]:
        return {**super().state(), "obscured": self.obscured}
