"""The gateway's own board: load, memory, disk, clock, power, backlog. A neighbour gateway watches it."""

from __future__ import annotations

from firmware_sim.device import SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift, poisson


class GatewayBoard(SimDevice):
    """The firmware of what `devices.kinds.gateway` describes."""

    kind_key = "gateway"
    model = "AJ-1"
    firmware = "0.1.0"
    heartbeat_s = 60.0
    radio = None
    backed_up = True

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._warmth = Drift(self.rng, sigma=2.0, tau_s=7200)
        self._load = Drift(self.rng, sigma=0.15, tau_s=300)
        self._memory = Drift(self.rng, sigma=3.0, tau_s=3600)
        self._clock = Drift(self.rng, sigma=0.004, tau_s=900)
        self._disk = self.rng.uniform(55.0, 92.0)

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms = self.life_ms(now_ms)
        wrong = 3.0e7 if "clock_wrong" in self.standing else 0.0
        return {
            "temperature": round(46.0 + self._warmth.at(life_ms), 1),
            "load": round(max(0.05, 0.4 + self._load.at(life_ms)), 2),
            "memory_free": round(min(95.0, max(5.0, 62.0 + self._memory.at(life_ms))), 1),
            "disk_free": 4.0 if "disk_full" in self.standing else round(self._disk, 1),
            "journal_backlog": poisson(self.rng, 3.0),
            "journal_oldest": 600.0 if "behind" in self.standing else 0.0,
            "store_lag": 900.0 if "store_down" in self.standing else 1.0,
            "outbox_overdue": 0.0,
            "outbox_oldest": 0.0,
            "clock_offset": round(self._clock.at(life_ms) - wrong, 3),
        }
