"""Meter of electricity, water, gas or heat, by what its name says: a reading that only grows, and what runs now."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_sim.device import SimDevice
from firmware_sim.kinds.plug import MAINS_V
from firmware_sim.setting import Setting
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift
from firmware_sim.spot import Medium

HOME_MEAN: Mapping[Medium, float] = {"electricity": 0.25, "water": 0.012, "gas": 0.02, "heat": 1.1}
"""Of one home over the day: kW or m3/h."""
HOMES = (30, 90)
"""Behind the meter of a building; that of a flat has one."""


class Meter(SimDevice):
    """The firmware of what `devices.kinds.meter` describes."""

    kind_key = "meter"
    model = "MT-30"
    firmware = "1.7.0"
    heartbeat_s = 3600.0
    battery_days = 3650.0
    radio = "lora"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.medium: Medium = setting.spot.medium or "electricity"
        homes = 1 if setting.resident is not None else self.rng.randint(*HOMES)
        self._mean = HOME_MEAN[self.medium] * homes * self.rng.uniform(0.7, 1.3)
        self._swell = Drift(self.rng, sigma=0.2, tau_s=1800)
        self._mains = Drift(self.rng, sigma=2.0, tau_s=1800)
        self._reading = self._mean * self.rng.uniform(2_000.0, 40_000.0)
        self._read_ms: int | None = None

    def draw(self, now_ms: int) -> float:
        """kW, or m3/h."""
        life_ms = self.life_ms(now_ms)
        hour = local_hour(life_ms, self.setting.zone)
        day = 0.35 + 0.9 * bump(hour, 7.6, 1.3) + 0.6 * bump(hour, 12.0, 1.2) + 1.6 * bump(hour, 19.5, 2.0)
        return self._mean * day * max(0.1, 1.0 + self._swell.at(life_ms))

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms, draw = self.life_ms(now_ms), self.draw(now_ms)
        hours = 0.0 if self._read_ms is None else max(0, life_ms - self._read_ms) / 3_600_000
        self._read_ms = life_ms
        self._reading += draw * hours
        if self.medium in ("water", "gas"):
            return {"volume": round(self._reading, 3), "flow_rate": round(draw, 3)}
        metrics = {"energy": round(self._reading, 2), "power": round(draw * 1000)}
        if self.medium == "heat":
            return {**metrics, "supply_temperature": 55.0, "return_temperature": round(55.0 - min(25.0, draw / 4), 1)}
        volts = MAINS_V + self._mains.at(life_ms)
        factor = self.rng.uniform(0.93, 0.99)
        return {
            **metrics,
            "voltage": round(volts, 1),
            "current": round(min(2000.0, draw * 1000 / volts / factor), 3),
            "frequency": round(self.rng.gauss(50.0, 0.02), 2),
            "power_factor": round(factor, 3),
        }
