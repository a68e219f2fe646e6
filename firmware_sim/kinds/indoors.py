"""What every room has: its warmth and its light."""

from __future__ import annotations

from firmware_sim.device import SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift

_GLASS = 0.006
"""Of the light outside that reaches a wall in the room."""
_LAMP_LX = 140.0
_DUSK_LX = 60.0


class Indoors(SimDevice):
    """A device on a wall or a ceiling."""

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._usual_warmth = self.rng.uniform(21.0, 25.0)
        self._warmth = Drift(self.rng, sigma=0.6, tau_s=7200)

    def warmth(self, now_ms: int) -> float:
        """Cel"""
        life_ms = self.life_ms(now_ms)
        afternoon = 1.5 * bump(local_hour(life_ms, self.setting.zone), 16.0, 4.0)
        return self._usual_warmth + afternoon + self._warmth.at(life_ms)

    def light(self, now_ms: int) -> float:
        """lx: what comes through the window, and a lamp where somebody is up in the dark."""
        life_ms = self.life_ms(now_ms)
        daylight = self.sky.read(life_ms).illuminance * _GLASS
        moment = self.household.at(life_ms)
        lamp = daylight < _DUSK_LX and moment.room == self.room and not moment.in_bed
        return daylight + (_LAMP_LX if lamp else 0.0)
