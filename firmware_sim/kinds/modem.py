"""4G modem: the strength of its cell, whether it is registered, whether its SIM is there."""

from __future__ import annotations

from firmware_sim.device import SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift
from firmware_sim.signals.radio import Link

REGISTERS_S = 5.0


class Modem(SimDevice):
    """The firmware of what `devices.kinds.modem` describes."""

    kind_key = "modem"
    model = "EC-200"
    firmware = "2.0.0"
    heartbeat_s = 60.0
    radio = None
    backed_up = True

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._cell = Link(self.rng, "lte")
        self._quality = Drift(self.rng, sigma=1.5, tau_s=900)
        self._operator = self.rng.choice(("46000", "46001", "46011"))
        self.standing |= {"registered", "sim_ready"}

    def started(self, now_ms: int) -> None:
        if "sim_ready" in self.standing and "registered" not in self.standing:
            self.soon("register", REGISTERS_S, self._register, now_ms)

    def _register(self, now_ms: int) -> None:
        self.enter("registered", now_ms)

    def details(self) -> dict[str, str | bool | float]:
        return {"operator": self._operator}

    def measure(self, now_ms: int) -> dict[str, float]:
        if "registered" not in self.standing:
            return {}
        life_ms = self.life_ms(now_ms)
        rsrp = self._cell.rssi(life_ms)
        return {
            "rsrp": round(rsrp),
            "rsrq": round(2 * (-9.5 + self._quality.at(life_ms))) / 2,
            "sinr": round(min(30.0, self._cell.snr(rsrp)), 1),
        }
