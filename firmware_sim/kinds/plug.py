"""Switched socket that measures what goes through it: a television, a kettle, or what a room has."""

from __future__ import annotations

from collections.abc import Mapping

from firmware_sim.kinds.indoors import Indoors
from firmware_sim.orders import Outcome
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift

MAINS_V = 228.0


class Plug(Indoors):
    """The firmware of what `devices.kinds.plug` describes."""

    kind_key = "plug"
    model = "SP-16"
    firmware = "3.3.0"
    heartbeat_s = 300.0
    radio = "wifi"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._load_w = self.rng.choice((90.0, 120.0, 450.0, 1500.0))
        self._standby_w = self.rng.uniform(0.3, 2.5)
        self._mains = Drift(self.rng, sigma=2.0, tau_s=1800)
        self._energy = self.rng.uniform(5.0, 900.0)
        self._metered_ms: int | None = None
        self.standing.add("powered")

    def power(self, now_ms: int) -> float:
        """W: the load runs while somebody is in its room."""
        if "powered" not in self.standing:
            return 0.0
        moment = self.household.at(self.life_ms(now_ms))
        in_use = moment.room == self.room and not moment.in_bed
        return self._load_w * self.rng.uniform(0.93, 1.0) if in_use else self._standby_w

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms = self.life_ms(now_ms)
        power, volts = self.power(now_ms), MAINS_V + self._mains.at(life_ms)
        hours = 0.0 if self._metered_ms is None else max(0, life_ms - self._metered_ms) / 3_600_000
        self._metered_ms = life_ms
        self._energy += power * hours / 1000
        return {
            "power": round(power, 1),
            "energy": round(self._energy, 3),
            "voltage": round(volts, 1),
            "current": round(power / volts, 3),
            "temperature": round(self.warmth(now_ms) + 6.0 + power / 150.0, 1),
        }

    def obey(self, command: str, args: Mapping[str, str], now_ms: int) -> Outcome | None:
        self.turn("powered", command == "switch_on", now_ms)
        return Outcome(True)
