"""Information kiosk: clicks and searches by the hour of the day; keys for staff and for reporting a problem."""

from __future__ import annotations

from devices.observation import Channel
from firmware_sim.device import Action, Args, SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.clicks import KioskUse
from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift


class Kiosk(SimDevice):
    """The firmware of what `devices.kinds.kiosk` describes."""

    kind_key = "kiosk"
    model = "KS-32"
    firmware = "5.1.0"
    heartbeat_s = 60.0
    radio = None

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._use = KioskUse(self.rng, setting.zone)
        self._inside = Drift(self.rng, sigma=0.8, tau_s=3600)

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms = self.life_ms(now_ms)
        clicks, searches = self._use.read(life_ms, self.reporting_s)
        warmth = 34.0 + 3.0 * bump(local_hour(life_ms, self.setting.zone), 15.0, 4.0) + self._inside.at(life_ms)
        return {"clicks": clicks, "searches": searches, "temperature": round(warmth, 1)}

    def problem_report(self, now_ms: int, args: Args) -> None:
        """A resident reports a problem, in words."""
        text = str(args.get("text", "路灯不亮"))[:200]
        self.emit(Channel.EVENT, now_ms, event="problem_report", data={"text": text})

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "problem_report": self.problem_report}
