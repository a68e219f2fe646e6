"""One day of one resident at home, drawn from seed and date: from getting up to getting up the next morning.

The order of the day is that of an old person who lives alone in a Chinese city: up early, breakfast, market or park,
lunch before noon, a nap, television, supper at six, to bed at nine. Times vary from day to day by a quarter of an hour
or so, as the habits of the resident and the day of the week want it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from firmware_sim.signals.day import midnight_ms
from firmware_sim.signals.habits import Habits, habits_of
from firmware_sim.signals.noise import poisson

Room = Literal["bedroom", "bathroom", "kitchen", "living_room", "hall", "outside"]
Door = Literal["entrance", "bathroom", "window"]
Doing = Literal[
    "sleeping", "napping", "dressing", "washing", "toilet", "cooking", "eating", "sitting", "chores", "walking", "away"
]

SHORTEST_NIGHT_H, LONGEST_NIGHT_H = 8.5, 10.4
"""In bed; without a visit to the bathroom it is also how long the home is silent."""


@dataclass(frozen=True, slots=True)
class Stay:
    """The resident is in one room, doing one thing."""

    room: Room
    doing: Doing
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody else is in the living room."""

    who: Literal["family", "neighbour", "carer"]
    people: int
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Opening:
    """A door or window stands open."""

    door: Door
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Dose:
    """Medicine that is due; ``taken_ms`` is None where it is forgotten."""

    meal: str
    due_ms: int
    taken_ms: int | None


@dataclass(frozen=True, slots=True)
class HomeDay:
    """Stays follow each other without a gap; the last one ends where the next day's first begins."""

    stays: tuple[Stay, ...]
    visits: tuple[Visit, ...]
    openings: tuple[Opening, ...]
    doses: tuple[Dose, ...]

    @property
    def from_ms(self) -> int:
        """When it begins."""
        return self.stays[0].from_ms

    @property
    def to_ms(self) -> int:
        """When the next one begins."""
        return self.stays[-1].to_ms


@lru_cache(maxsize=4096)
def home_day(seed: str, zone: str, day: date) -> HomeDay:
    """The day that begins when the resident gets up on ``day``. Kept for a while: many devices ask for one day."""
    return _Author(seed, zone, day).write()


def _wakes_min(seed: str, day: date, habits: Habits) -> float:
    """Minutes after midnight."""
    return 60.0 * (habits.wakes + min(0.45, max(-0.45, random.Random(f"wake/{seed}/{day}").gauss(0.0, 0.2))))


class _Author:
    """Writes one day, minute by minute from midnight."""

    def __init__(self, seed: str, zone: str, day: date) -> None:
        self.habits = habits_of(seed)
        self.day = day
        self.rng = random.Random(f"day/{seed}/{day}")
        self.midnight = midnight_ms(day, zone)
        self.now = _wakes_min(seed, day, self.habits)
        tomorrow = day + timedelta(days=1)
        self.ends_ms = midnight_ms(tomorrow, zone) + round(_wakes_min(seed, tomorrow, self.habits) * 60_000)
        self.stays: list[Stay] = []
        self.visits: list[Visit] = []
        self.openings: list[Opening] = []
        self.doses: list[Dose] = []
        self.relieved = self.now
        """When the bathroom was last used."""

    def write(self) -> HomeDay:
        habits, rng = self.habits, self.rng
        self.draw_visits()
        self.morning()
        if rng.random() < habits.out_mornings:
            self.go_out(rng.gauss(8.6, 0.5) * 60, rng.uniform(45, 130))
        self.meal("lunch", habits.lunch, rng.uniform(25, 45))
        if rng.random() < habits.naps:
            self.stay("bedroom", "napping", rng.uniform(40, 100))
            self.use_bathroom()
        if rng.random() < habits.out_afternoons:
            self.go_out(rng.gauss(15.0, 0.5) * 60, rng.uniform(40, 110))
        self.meal("supper", habits.supper, rng.uniform(20, 40))
        lights_out = self.lights_out()
        if rng.random() < habits.strolls:
            self.go_out(self.now + rng.uniform(5, 20), min(rng.uniform(25, 60), lights_out - self.now - 50))
        self.sit_until(lights_out - rng.uniform(12, 22))
        self.stay("bathroom", "washing", max(4.0, lights_out - self.now))
        self.night()
        self.bathroom_doors()
        order = sorted(self.openings, key=lambda opening: opening.from_ms)
        return HomeDay(tuple(self.stays), tuple(self.visits), tuple(order), tuple(self.doses))

    # --- pieces -----------------------------------------------------------------------------------------------

    def ms(self, minute: float) -> int:
        return self.midnight + round(minute * 60_000)

    def stay(self, room: Room, doing: Doing, minutes: float) -> None:
        """Be somewhere for so long; times below a few seconds are left out."""
        if minutes < 0.1:
            return
        begin = self.stays[-1].to_ms if self.stays else self.ms(self.now)
        self.now += minutes
        if room == "bathroom":
            self.relieved = self.now
        self.stays.append(Stay(room, doing, begin, self.ms(self.now)))

    def use_bathroom(self) -> None:
        self.stay("bathroom", "toilet", self.rng.uniform(3, 9))

    def sit_until(self, minute: float) -> None:
        """In the living room, with walks to the kettle and to the bathroom in between."""
        while self.now < minute:
            if minute - self.now > 15 and self.now - self.relieved > self.rng.uniform(110, 200):
                self.use_bathroom()
            doing: Doing = "chores" if self.rng.random() < 0.25 and self.now < 17 * 60 else "sitting"
            self.stay("living_room", doing, min(self.rng.uniform(20, 75), max(0.2, minute - self.now)))
            if minute - self.now > 15 and self.rng.random() < 0.5:
                self.stay("kitchen", "chores", self.rng.uniform(2, 6))

    def morning(self) -> None:
        rng = self.rng
        self.stay("bedroom", "dressing", rng.uniform(4, 10))
        if rng.random() < 0.7:
            self.openings.append(Opening("window", self.ms(self.now - 1), self.ms(self.now + rng.uniform(15, 50))))
        self.stay("bathroom", "washing", rng.uniform(8, 16))
        self.meal("breakfast", self.habits.breakfast, rng.uniform(10, 20))

    def meal(self, name: str, hour: float, cooking: float) -> None:
        rng = self.rng
        at = hour * 60 + rng.gauss(0, 12)
        self.sit_until(at - cooking)
        self.stay("kitchen", "cooking", cooking)
        due = self.ms(hour * 60)
        self.stay("kitchen", "eating", rng.uniform(12, 28))
        if name in self.habits.doses:
            taken = None if rng.random() < self.habits.forgetful else self.ms(self.now - rng.uniform(0.5, 4))
            self.doses.append(Dose(name, due, taken))
        self.stay("kitchen", "chores", rng.uniform(4, 12))

    def go_out(self, minute: float, minutes: float) -> None:
        """Unless somebody is visiting, or it has become too late for it."""
        if minutes < 15 or any(
            v.from_ms < self.ms(minute + minutes) and self.ms(minute) < v.to_ms for v in self.visits
        ):
            return
        self.sit_until(minute)
        self.stay("hall", "dressing", self.rng.uniform(1, 3))
        self.opened(self.now)
        self.stay("outside", "away", minutes)
        self.opened(self.now)
        self.stay("hall", "dressing", self.rng.uniform(1, 3))

    def opened(self, minute: float) -> None:
        begin = self.ms(minute) - round(self.rng.uniform(4, 15) * 1000)
        self.openings.append(Opening("entrance", begin, begin + round(self.rng.uniform(6, 40) * 1000)))

    def draw_visits(self) -> None:
        rng, weekday = self.rng, self.day.weekday()
        if weekday in self.habits.carer_days:
            self.visit("carer", 1, rng.gauss(9.6, 0.2), rng.uniform(60, 120))
        if weekday >= 5 and rng.random() < 0.4:
            self.visit("family", rng.randint(1, 3), rng.gauss(10.8, 0.6), rng.uniform(120, 300))
        elif rng.random() < 0.15:
            self.visit("neighbour", 1, rng.gauss(14.8, 0.7), rng.uniform(25, 90))

    def visit(self, who: Literal["family", "neighbour", "carer"], people: int, hour: float, minutes: float) -> None:
        self.visits.append(Visit(who, people, self.ms(hour * 60), self.ms(hour * 60 + minutes)))
        self.opened(hour * 60)
        self.opened(hour * 60 + minutes)

    # --- night ------------------------------------------------------------------------------------------------

    def lights_out(self) -> float:
        """Minutes after midnight at which the resident goes to bed, so that the night is as long as nights are."""
        wakes = (self.ends_ms - self.midnight) / 60_000
        wanted = self.habits.lights_out * 60 + self.rng.gauss(0, 14)
        return min(wakes - SHORTEST_NIGHT_H * 60, max(wakes - LONGEST_NIGHT_H * 60, wanted))

    def night(self) -> None:
        rng, wakes = self.rng, (self.ends_ms - self.midnight) / 60_000
        begin, length = self.now, wakes - self.now
        times = [(begin + length * rng.uniform(0.2, 0.9), False) for _ in range(poisson(rng, self.habits.night_visits))]
        if self.habits.wanders and rng.random() < 0.25:
            times.append((begin + length * rng.uniform(0.4, 0.75), True))
        for minute, wandering in sorted(times):
            if minute - self.now < 25 or wakes - minute < 100:
                continue
            self.stay("bedroom", "sleeping", minute - self.now)
            if wandering:
                for _ in range(rng.randint(4, 9)):
                    room: Room = rng.choice(("hall", "living_room", "kitchen", "hall"))
                    self.stay(room, "walking", rng.uniform(1.5, 8))
            self.use_bathroom()
        last = self.stays[-1].to_ms
        self.stays.append(Stay("bedroom", "sleeping", last, self.ends_ms))

    def bathroom_doors(self) -> None:
        for stay in self.stays:
            if stay.room == "bathroom":
                for at in (stay.from_ms, stay.to_ms):
                    begin = at - round(self.rng.uniform(1, 3) * 1000)
                    self.openings.append(Opening("bathroom", begin, begin + round(self.rng.uniform(3, 9) * 1000)))
