"""One simulated resident's body: pulse, SpO2, respiration, blood pressure, glucose and temperature over the day."""

from __future__ import annotations

import random
from dataclasses import dataclass

from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.noise import Drift

VITALS = ("pulse", "spo2", "respiration", "systolic", "diastolic", "glucose", "temperature")

_LIMITS = {
    # what the instruments can show; a body pushed beyond it reads as the limit
    "pulse": (0.0, 300.0),
    "spo2": (0.0, 100.0),
    "respiration": (0.0, 100.0),
    "systolic": (30.0, 300.0),
    "diastolic": (10.0, 200.0),
    "glucose": (0.3, 50.0),
    "temperature": (25.0, 45.0),
}
_DECIMALS = {"glucose": 1, "temperature": 1}


@dataclass(slots=True)
class _Course:
    """A value on its way from what it was to what a scenario wants."""

    start: float
    goal: float
    from_ms: int
    over_ms: int

    def at(self, now_ms: int) -> float:
        done = 1.0 if self.over_ms <= 0 else min(1.0, max(0.0, (now_ms - self.from_ms) / self.over_ms))
        return self.start + (self.goal - self.start) * done


class Body:
    """Seeded by the resident, so that two devices of one home measure one person."""

    def __init__(self, seed: str, noise: random.Random, zone: str) -> None:
        person = random.Random(f"body/{seed}")
        self._zone = zone
        self._base = {
            "pulse": person.gauss(70, 6),
            "spo2": min(98.5, person.gauss(97, 0.6)),
            "respiration": person.gauss(16, 1.0),
            "systolic": person.gauss(132, 10),
            "diastolic": person.gauss(78, 6),
            "glucose": max(4.6, person.gauss(5.8, 0.6)),
            "temperature": person.gauss(36.5, 0.12),
        }
        self._meal = person.uniform(1.2, 2.6)
        spreads = {
            "pulse": (2.5, 300.0),
            "spo2": (0.4, 600.0),
            "respiration": (0.7, 300.0),
            "systolic": (4.0, 1800.0),
            "diastolic": (2.5, 1800.0),
            "glucose": (0.25, 3600.0),
            "temperature": (0.05, 3600.0),
        }
        self._drifts = {key: Drift(noise, sigma=sigma, tau_s=tau) for key, (sigma, tau) in spreads.items()}
        self._courses: dict[str, _Course] = {}

    @property
    def disturbed(self) -> bool:
        """A scenario has taken a hand in it."""
        return bool(self._courses)

    def set(self, goals: dict[str, float], now_ms: int, over_s: float) -> None:
        """Lead vitals to ``goals`` over so many seconds, and hold them there."""
        for key, goal in goals.items():
            self._courses[key] = _Course(self._value(key, now_ms), goal, now_ms, round(over_s * 1000))

    def recover(self) -> None:
        """Back to this person's ordinary day."""
        self._courses.clear()

    def read(self, key: str, now_ms: int) -> float:
        """One vital as an instrument shows it."""
        low, high = _LIMITS[key]
        return round(min(high, max(low, self._value(key, now_ms))), _DECIMALS.get(key, 0))

    def _value(self, key: str, now_ms: int) -> float:
        noise = self._drifts[key].at(now_ms)
        course = self._courses.get(key)
        if course is not None:
            return course.at(now_ms) + noise * 0.3
        return self._base[key] + self._of_day(key, now_ms) + noise

    def _of_day(self, key: str, now_ms: int) -> float:
        hour = local_hour(now_ms, self._zone)
        asleep = bump(hour, 3.0, 2.6)
        awake = bump(hour, 10.0, 2.5) + 0.8 * bump(hour, 17.5, 2.5)
        if key == "pulse":
            return 6.0 * awake - 9.0 * asleep
        if key == "spo2":
            return -0.8 * asleep
        if key == "respiration":
            return 1.0 * awake - 2.0 * asleep
        if key == "systolic":  # morning surge and night dip of 10-20 % (the "dipper" pattern)
            return 8.0 * bump(hour, 8.0, 1.8) + 4.0 * awake - 18.0 * asleep
        if key == "diastolic":
            return 4.0 * bump(hour, 8.0, 1.8) + 2.0 * awake - 10.0 * asleep
        if key == "glucose":  # after breakfast, lunch and supper
            return self._meal * (bump(hour, 8.3, 0.8) + bump(hour, 13.0, 0.9) + bump(hour, 19.3, 0.9))
        return 0.35 * bump(hour, 18.0, 4.0) - 0.3 * bump(hour, 5.0, 3.0)  # temperature
