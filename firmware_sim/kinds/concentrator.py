"""Concentrator: carries the devices behind it, on mains with a battery for a power cut."""

from __future__ import annotations

from firmware_sim.device import Action, Args, SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift, poisson

FRAMES_PER_DEVICE_S = 1 / 400
JOINING_S = 180.0


class ConcentratorUnit(SimDevice):
    """The one that is registered as a device; `firmware_sim.concentrator` is the one on the line."""

    kind_key = "concentrator"
    model = "CT-64"
    firmware = "5.0.3"
    heartbeat_s = 60.0
    radio = None
    backed_up = True

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._own_warmth = self.rng.uniform(9.0, 14.0)
        self._noise = Drift(self.rng, sigma=0.002, tau_s=1800)

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms, behind = self.life_ms(now_ms), self.setting.behind
        frames = poisson(self.rng, behind * FRAMES_PER_DEVICE_S * self.reporting_s)
        bad = sum(self.rng.random() < 0.002 + abs(self._noise.at(life_ms)) for _ in range(frames))
        away = sum(self.rng.random() < 0.004 for _ in range(behind))
        return {
            "devices": behind,
            "devices_online": behind - away,
            "queue": 0.0,
            "frames": frames,
            "frames_bad": bad,
            "temperature": round(self.sky.read(life_ms).temperature + self._own_warmth, 1),
        }

    def open_for_joining(self, now_ms: int, args: Args) -> None:
        """A technician opens it for new devices, for three minutes."""
        self.enter("joining", now_ms)
        self.soon("shut", JOINING_S, lambda at_ms: self.standing.discard("joining"), now_ms)

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "open_for_joining": self.open_for_joining}
