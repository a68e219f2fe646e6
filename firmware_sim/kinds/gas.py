"""Gas detector: a kitchen fills slowly; it alarms at 8 % of the lower explosive limit."""

from __future__ import annotations

from firmware_sim.kinds.detector import AirDetector
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift


class GasDetector(AirDetector):
    """The firmware of what `devices.kinds.gas` describes."""

    kind_key = "gas"
    model = "JT-2"
    firmware = "1.6.0"
    source = "leak"
    alarm_level = 8.0  # GB 15322.2 allows 5 to 25
    clear_level = 4.0
    usual_leak = 60.0
    ceiling = 100.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._zero = Drift(self.rng, sigma=0.2, tau_s=86_400)

    def measure(self, now_ms: int) -> dict[str, float]:
        return {"gas": round(min(self.ceiling, self.level(now_ms) + abs(self._zero.at(now_ms))), 1)}
