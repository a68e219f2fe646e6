"""Heat detector of class A1: it alarms at 58 °C under the ceiling, whatever is in the air."""

from __future__ import annotations

from firmware_sim.device import Action, Args
from firmware_sim.kinds.fire_detector import FireDetector
from firmware_sim.setting import Setting

ALARM_AT, CLEAR_AT = 58.0, 45.0
"""Cel; EN 54-5, class A1: between 54 and 65."""
SUDDEN_K = 60.0


class HeatDetector(FireDetector):
    """The firmware of what `devices.kinds.heat` describes."""

    kind_key = "heat"
    model = "HD-3"
    firmware = "1.2.4"
    battery_days = 3650.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._heated = 0.0
        """K that came without a fire."""

    def temperature(self, now_ms: int) -> float:
        """Cel, under the ceiling."""
        return min(125.0, self.warmth(now_ms) + self.heat_of_fire(now_ms) + self._heated)

    def alarming(self, now_ms: int) -> bool:
        return self.temperature(now_ms) >= ALARM_AT

    def clearing(self, now_ms: int) -> bool:
        return self.temperature(now_ms) <= CLEAR_AT

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"temperature": round(self.temperature(now_ms), 1)}

    def _heat(self, now_ms: int, args: Args) -> None:
        self._heated = SUDDEN_K
        self.look(now_ms)

    def _cooled(self, now_ms: int, args: Args) -> None:
        self._heated = 0.0
        self.forget_fire()
        self.look(now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "heat": self._heat, "heat_cleared": self._cooled}
