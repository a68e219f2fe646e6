"""One simulated resident's body over the day: what a monitor, a cuff, a glucose meter and a scale would show.

The person is drawn from the seed, and lives the days of the home with the same seed (`firmware_sim.signals.home`).
- Blood pressure: two thirds of old people "dip" by 10 to 20 % at night, the rest less or not at all (dipper,
  non-dipper, reverse dipper: O'Brien, Sheridan, O'Malley 1988); it surges on waking and falls a little after meals.
- Glucose rises after each meal as food leaves the gut through two compartments, t exp(-t/tau) (Hovorka and others
  2004); a diabetic's rises higher and longer, and before dawn. Sugar acts by the same curve, insulin by its square,
  which begins later.
- Temperature is lowest towards five in the morning and highest towards six in the evening.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from firmware_sim.signals.day import bump, local_hour
from firmware_sim.signals.home import Home
from firmware_sim.signals.homeday import Doing
from firmware_sim.signals.noise import Drift
from firmware_sim.signals.pleth import perfusion_of

VITALS = (
    "pulse", "spo2", "respiration", "systolic", "diastolic", "glucose", "temperature", "weight", "perfusion",
)  # fmt: skip

_LIMITS = {
    # what the instruments can show; a body pushed beyond it reads as the limit
    "pulse": (0.0, 300.0),
    "spo2": (0.0, 100.0),
    "respiration": (0.0, 100.0),
    "systolic": (30.0, 300.0),
    "diastolic": (10.0, 200.0),
    "glucose": (0.3, 50.0),
    "temperature": (25.0, 45.0),
    "weight": (0.0, 300.0),
    "perfusion": (0.02, 20.0),
}
_DECIMALS = {"glucose": 1, "temperature": 1, "weight": 1, "perfusion": 2}
_NOISE = {
    # spread, and the seconds it lasts
    "pulse": (2.5, 300.0),
    "spo2": (0.4, 600.0),
    "respiration": (0.7, 300.0),
    "systolic": (4.0, 1800.0),
    "diastolic": (2.5, 1800.0),
    "glucose": (0.2, 3600.0),
    "temperature": (0.05, 3600.0),
    "weight": (0.12, 86_400.0),
    "perfusion": (0.25, 300.0),
}
_EFFORT: dict[Doing, float] = {
    # 0 at rest to 1 on the stairs
    "dressing": 0.4,
    "washing": 0.4,
    "toilet": 0.2,
    "cooking": 0.5,
    "eating": 0.2,
    "chores": 0.6,
    "walking": 0.6,
    "away": 0.8,
}

_SUGAR_MMOL_PER_G, _SUGAR_TAU_S = 0.17, 1800.0
"""15 g of sugar bring about 2.5 mmol/L within half an hour: what a hypoglycaemic is given."""
_INSULIN_MMOL_PER_UNIT, _INSULIN_TAU_S = 1.0, 4500.0
"""Rapid-acting insulin begins after a quarter of an hour and works most after 75 minutes."""
_MEAL_S = 30_000
"""After which a meal is over, also for a diabetic."""
_LOWEST_GLUCOSE = 1.8


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


@dataclass(frozen=True, slots=True)
class _Dose:
    """Sugar or insulin on its way through the body, in mmol/L of blood glucose at its height."""

    at_ms: int
    height: float
    tau_s: float

    def effect(self, now_ms: int) -> float:
        course = _course((now_ms - self.at_ms) / 1000, self.tau_s)
        return self.height * (course if self.height > 0 else course * course)


class Body:
    """Seeded by the resident, so that two devices of one home measure one person."""

    def __init__(self, seed: str, noise: random.Random, zone: str) -> None:
        self.home = Home(seed, zone)
        self._zone = zone
        self._person = _Person(seed)
        self._drifts = {key: Drift(noise, sigma=sigma, tau_s=tau) for key, (sigma, tau) in _NOISE.items()}
        self._courses: dict[str, _Course] = {}
        self._doses: list[_Dose] = []

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
        self._doses.clear()

    def eat(self, now_ms: int, grams: float) -> None:
        """Sugar that works at once, beside the meals of the day."""
        self._doses.append(_Dose(now_ms, grams * _SUGAR_MMOL_PER_G, _SUGAR_TAU_S))

    def inject(self, now_ms: int, units: float) -> None:
        """Rapid-acting insulin without the food it was meant for: glucose falls for hours."""
        self._doses.append(_Dose(now_ms, -units * _INSULIN_MMOL_PER_UNIT, _INSULIN_TAU_S))

    def read(self, key: str, now_ms: int) -> float:
        """One vital as an instrument shows it."""
        low, high = _LIMITS[key]
        return round(min(high, max(low, self._value(key, now_ms))), _DECIMALS.get(key, 0))

    def _value(self, key: str, now_ms: int) -> float:
        noise = self._drifts[key].at(now_ms)
        course = self._courses.get(key)
        if course is not None:
            return course.at(now_ms) + noise * 0.3
        if key == "glucose":
            return max(_LOWEST_GLUCOSE, self._glucose(now_ms) + noise)
        if key == "perfusion":
            skin = 32.5 + self._asleep(local_hour(now_ms, self._zone))
            supplied = perfusion_of(self._value("systolic", now_ms), skin=skin)
            return self._person.perfusion * supplied * math.exp(noise)
        return self._person.base[key] + self._of_day(key, now_ms) + noise

    def _of_day(self, key: str, now_ms: int) -> float:
        person, hour = self._person, local_hour(now_ms, self._zone)
        if key == "temperature":
            return 0.3 * math.cos(math.tau * (hour - 17.8) / 24.0)
        if key == "weight":  # a season's up and down; most in the evening
            since_up = (hour - self.home.habits.wakes) % 24.0
            return 1.2 * math.sin(math.tau * now_ms / (200 * 86_400_000) + person.phase) + 0.6 * min(
                since_up / 15.0, (24.0 - since_up) / 9.0
            )
        asleep = self._asleep(hour)
        if key == "spo2":
            return -0.8 * asleep
        effort = _EFFORT.get(self.home.at(now_ms).doing, 0.0)
        if key == "pulse":
            return 10.0 * effort - 9.0 * asleep
        if key == "respiration":
            return 2.5 * effort - 2.0 * asleep
        share = 1.0 if key == "systolic" else 0.55
        surge = person.surge * _course((hour - self.home.habits.wakes) % 24.0, 1.1)
        dip = person.dip * person.base[key] * asleep
        return share * (surge + 5.0 * effort - person.after_meals * self._meals(now_ms, 3600.0)) - dip

    def _asleep(self, hour: float) -> float:
        """0 by day to 1 by night, after this person's habits; a nap counts half."""
        habits = self.home.habits
        since = (hour - habits.lights_out) % 24.0
        night = 1.0 / (1.0 + math.exp((0.5 - since) / 0.3)) / (1.0 + math.exp((since - habits.in_bed_h) / 0.25))
        return min(1.0, night + 0.5 * habits.naps * bump(hour, habits.lunch + 1.5, 0.5))

    def _meals(self, now_ms: int, tau_s: float) -> float:
        """How much of the last meals is at work, 1 at the height of one."""
        stays = self.home.stays(now_ms - _MEAL_S * 1000, now_ms + 1)
        return sum(_course((now_ms - s.from_ms) / 1000, tau_s) for s in stays if s.doing == "eating")

    def _glucose(self, now_ms: int) -> float:
        person = self._person
        dawn = person.dawn * bump(local_hour(now_ms, self._zone), self.home.habits.wakes, 1.5)
        given = sum(dose.effect(now_ms) for dose in self._doses)
        return person.base["glucose"] + dawn + person.meal * self._meals(now_ms, person.meal_tau_s) + given


class _Person:
    """What is this resident's own."""

    __slots__ = ("after_meals", "base", "dawn", "dip", "meal", "meal_tau_s", "perfusion", "phase", "surge")

    def __init__(self, seed: str) -> None:
        rng = random.Random(f"body/{seed}")

        def within(mean: float, spread: float, low: float, high: float) -> float:
            return min(high, max(low, rng.gauss(mean, spread)))

        diabetic, systolic = rng.random() < 0.2, within(130, 10, 108, 152)
        self.base = {
            "pulse": within(70, 6, 60, 84),
            "spo2": within(97, 0.6, 95.5, 98.5),
            "respiration": within(16, 1.0, 14, 19),
            "systolic": systolic,
            "diastolic": 0.45 * systolic + within(19, 4, 12, 26),
            "glucose": within(7.0, 0.6, 6.2, 8.4) if diabetic else within(5.4, 0.3, 4.8, 6.0),
            "temperature": within(36.5, 0.12, 36.2, 36.8),
            "weight": within(62, 9, 42, 95),
        }
        self.meal = rng.uniform(2.8, 4.2) if diabetic else rng.uniform(1.2, 2.4)
        self.meal_tau_s = 4500.0 if diabetic else 2700.0
        self.dawn = rng.uniform(0.5, 1.5) if diabetic else 0.0
        kind = rng.random()
        low, high = (0.10, 0.20) if kind < 0.67 else (0.02, 0.10) if kind < 0.92 else (-0.05, 0.0)
        self.dip = rng.uniform(low, high)
        self.surge = rng.uniform(5.0, 14.0)
        self.after_meals = rng.uniform(2.0, 9.0)
        self.perfusion = rng.uniform(0.6, 1.5)
        self.phase = rng.uniform(0, math.tau)


def _course(since: float, tau: float) -> float:
    """Rises from 0 to 1 at ``tau`` and wanes: t exp(-t) of two compartments in a row."""
    if since <= 0.0:
        return 0.0
    x = since / tau
    return x * math.exp(1.0 - x)
