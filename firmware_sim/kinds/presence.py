"""Presence radar: who is in the room or in bed, where they are, how they breathe, and whether they fell."""

from __future__ import annotations

from firmware_sim.device import Action, Args
from firmware_sim.kinds.indoors import Indoors
from firmware_sim.setting import Setting
from firmware_sim.signals.noise import Drift
from firmware_sim.signals.physiology import Body

FLOOR_M = (1.2, 2.4)
BED_M = (-0.6, 1.8)
"""Where the middle of the bed lies, seen from the radar: right, ahead."""


class PresenceRadar(Indoors):
    """In a bedroom it watches the bed as well."""

    kind_key = "presence"
    model = "MR-60"
    firmware = "2.4.1"
    heartbeat_s = 60.0
    radio = "wifi"
    usual_room = "bedroom"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self.body = Body(f"{setting.seed}/{setting.resident or device_id}", self.rng, setting.zone)
        self._across = Drift(self.rng, sigma=0.9, tau_s=120)
        self._ahead = Drift(self.rng, sigma=0.8, tau_s=120)

    def started(self, now_ms: int) -> None:
        self._look(now_ms)

    def report(self, now_ms: int) -> None:
        self._settle(now_ms)  # whoever came while the home's day stood still
        super().report(now_ms)

    def measure(self, now_ms: int) -> dict[str, float]:
        life_ms = self.life_ms(now_ms)
        light = round(self.light(now_ms))
        if "occupied" not in self.standing:
            return {"targets": 0.0, "illuminance": light}
        moment = self.household.at(life_ms)
        still = "fallen" in self.standing or moment.in_bed
        across, ahead = self._position(life_ms, lying="in_bed" in self.standing)
        metrics = {
            "targets": 1.0 + (moment.visitors if self.room == "living_room" else 0),
            "nearest": round((across * across + ahead * ahead) ** 0.5, 2),
            "target1_x": round(across, 3),
            "target1_y": round(ahead, 3),
            "target1_speed": 0.0 if still else round(self.rng.gauss(0.0, 0.25), 2),
            "illuminance": light,
        }
        if still:  # chest movements drown in all others
            metrics["respiration"] = self.body.read("respiration", life_ms)
            metrics["heart_rate"] = self.body.read("pulse", life_ms)
        return metrics

    def _position(self, life_ms: int, *, lying: bool) -> tuple[float, float]:
        if "fallen" in self.standing:
            return FLOOR_M
        middle, reach = (BED_M, 0.2) if lying else ((0.0, 2.5), 1.0)
        across = middle[0] + reach * self._across.at(life_ms)
        ahead = middle[1] + reach * self._ahead.at(life_ms)
        return min(4.0, max(-4.0, across)), min(6.0, max(0.3, ahead))

    def _look(self, now_ms: int) -> None:
        self._settle(now_ms)
        next_ms = self.household.next_change(self.life_ms(now_ms))
        if next_ms is not None:
            self.at_life("look", next_ms, self._look, now_ms)

    def _settle(self, now_ms: int) -> None:
        """See who is there. The fall of somebody ends with an event of its own, not with their going."""
        moment = self.household.at(self.life_ms(now_ms))
        here = moment.room == self.room or (self.room == "living_room" and moment.visitors > 0)
        if "fallen" not in self.standing:
            self.turn("in_bed", here and moment.in_bed and self.room == "bedroom", now_ms)
            self.turn("occupied", here, now_ms)

    def fall(self, now_ms: int, args: Args) -> None:
        """The resident falls here, and lies there until ``fall_cleared``."""
        self.household.hold(self.room, "sitting")
        self.leave("in_bed", now_ms)
        self.enter("occupied", now_ms)
        self.enter("fallen", now_ms)
        self.report(now_ms)

    def stand_up(self, now_ms: int, args: Args) -> None:
        """The resident is up again, and the day goes on."""
        if self.leave("fallen", now_ms):
            self.household.release()
        self._look(now_ms)

    def get_up(self, now_ms: int, args: Args) -> None:
        """The resident gets out of bed, outside of the day's order, and stays in the room."""
        self.household.hold(self.room, "walking")
        self._settle(now_ms)

    def state(self) -> dict[str, object]:
        return {**super().state(), "in_bed": "in_bed" in self.standing, "fallen": "fallen" in self.standing}

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), "fall": self.fall, "fall_cleared": self.stand_up, "bed_left": self.get_up}
