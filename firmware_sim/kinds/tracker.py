"""Tracker in an inspector's vehicle: it stands at night and at noon, and drives from street corner to street corner."""

from __future__ import annotations

import math

from firmware_sim.device import SimDevice
from firmware_sim.setting import Setting
from firmware_sim.signals.day import local_hour

ROUNDS = ((8.5, 11.5), (14.0, 17.5))
"""Hours on the road."""
DRIVING_S, STANDING_S = 15.0, 240.0
"""Between two reports."""
REACH_M = 600.0
METRES_PER_DEGREE = 111_320.0
LOSES_FIX = 0.004
"""How likely it is to lose its position at a report: an underpass, a garage."""


class Tracker(SimDevice):
    """The firmware of what `devices.kinds.tracker` describes."""

    kind_key = "tracker"
    model = "GT-06"
    firmware = "3.2.1"
    heartbeat_s = STANDING_S
    radio = "lte"

    def __init__(self, device_id: str, setting: Setting) -> None:
        super().__init__(device_id, setting)
        self._east, self._north = 0.0, 0.0
        """Metres from where it is at home."""
        self._goal = (0.0, 0.0)
        self._speed = 0.0
        self._course = self.rng.uniform(0.0, 359.0)
        self._moved_ms = 0
        self.standing.add("fix")

    def started(self, now_ms: int) -> None:
        self._moved_ms = self.life_ms(now_ms)
        self.once("drive", DRIVING_S * self.setting.sparing, self._drive, since_ms=now_ms)

    def report(self, now_ms: int) -> None:
        self._move(self.life_ms(now_ms))
        super().report(now_ms)

    def measure(self, now_ms: int) -> dict[str, float]:
        sky = {"satellites": float(self.rng.randint(7, 14)), "hdop": round(self.rng.uniform(0.7, 1.6), 2)}
        if "fix" not in self.standing:
            return {"satellites": float(self.rng.randint(0, 3)), "hdop": 99.99}
        latitude, longitude = self.setting.position
        per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(latitude))
        return {
            "latitude": round(latitude + (self._north + self.rng.gauss(0, 2.0)) / METRES_PER_DEGREE, 6),
            "longitude": round(longitude + (self._east + self.rng.gauss(0, 2.0)) / per_degree_east, 6),
            "altitude": round(self.rng.gauss(42.0, 3.0), 1),
            "speed": round(self._speed, 1),
            "course": round(self._course, 1),
            **sky,
        }

    def _drive(self, now_ms: int) -> None:
        self._move(self.life_ms(now_ms))
        if "fix" in self.standing:
            if self._speed > 0 and self.rng.random() < LOSES_FIX:
                self.leave("fix", now_ms)
        elif self.rng.random() < 0.3:
            self.enter("fix", now_ms)
        if self._speed > 0:
            self.report(now_ms)
        self.once("drive", DRIVING_S * self.setting.sparing, self._drive, since_ms=now_ms)

    def _move(self, life_ms: int) -> None:
        """Straight towards the next corner; a new one is chosen there, the last one is home."""
        seconds, self._moved_ms = (life_ms - self._moved_ms) / 1000, life_ms
        hour = local_hour(life_ms, self.setting.zone)
        on_the_road = any(begin <= hour < end for begin, end in ROUNDS)
        if not on_the_road:
            self._goal = (0.0, 0.0)
        east, north = self._goal[0] - self._east, self._goal[1] - self._north
        left = math.hypot(east, north)
        if left < 1.0:
            self._speed = 0.0
            if on_the_road:
                self._goal = (self.rng.uniform(-REACH_M, REACH_M), self.rng.uniform(-REACH_M, REACH_M))
            return
        self._speed = min(50.0, max(4.0, self.rng.gauss(24.0, 7.0)))
        way = min(left, self._speed / 3.6 * seconds)
        self._east += east / left * way
        self._north += north / left * way
        self._course = math.degrees(math.atan2(east, north)) % 360.0
