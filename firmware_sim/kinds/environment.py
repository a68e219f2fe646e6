"""Environment station outdoors: the weather that all stations of the community share, each with its own errors."""

from __future__ import annotations

from firmware_sim.device import SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift


class EnvironmentStation(SimDevice):
    """The firmware of what `devices.kinds.environment` describes."""

    kind_key = "environment"
    model = "ES-6"
    firmware = "2.2.0"
    heartbeat_s = 300.0
    battery_days = 400.0  # with a solar panel
    radio = "lora"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._shade = self.rng.gauss(0.0, 0.4)
        self._dust = self.rng.uniform(0.9, 1.15)
        self._error = Drift(self.rng, sigma=0.15, tau_s=3600)

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms = self.life_ms(now_ms)
        air = self.sky.read(life_ms)
        return {
            "temperature": round(air.temperature + self._shade + self._error.at(life_ms), 1),
            "humidity": round(min(100.0, max(0.0, air.humidity)), 1),
            "pressure": round(air.pressure, 1),
            "pm25": round(air.pm25 * self._dust),
            "pm10": round(air.pm10 * self._dust),
            "illuminance": round(air.illuminance),
            "wind_speed": round(air.wind_speed, 1),
        }
