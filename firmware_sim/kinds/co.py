"""Carbon monoxide detector: how long it waits depends on how much there is (EN 50291-1)."""

from __future__ import annotations

from firmware_sim.kinds.detector import AirDetector
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift

ALARMS = ((300.0, 120.0), (100.0, 1200.0), (50.0, 4200.0))
"""ppm, and for how many seconds: within EN 50291-1's 3, 10 to 40, and 60 to 90 minutes."""


class CoDetector(AirDetector):
    """The firmware of what `devices.kinds.co` describes."""

    kind_key = "co"
    model = "CO-5"
    firmware = "2.1.0"
    source = "fumes"
    alarm_level = 300.0
    clear_level = 30.0
    usual_leak = 600.0
    ceiling = 1000.0

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._noise = Drift(self.rng, sigma=0.8, tau_s=3600)
        self._above: dict[float, int] = {}
        """Level → since when the air has been above it."""

    def measure(self, now_ms: int) -> dict[str, float]:
        shown = min(self.ceiling, self.level(now_ms) + abs(self._noise.at(now_ms)))
        return {"co": round(shown), "temperature": round(self.warmth(now_ms), 1)}

    def alarming(self, now_ms: int) -> bool:
        level = self.level(now_ms)
        for ppm, _ in ALARMS:
            if level < ppm:
                self._above.pop(ppm, None)
            else:
                self._above.setdefault(ppm, now_ms)
        return any(now_ms - self._above.get(ppm, now_ms) >= seconds * 1000 for ppm, seconds in ALARMS)
