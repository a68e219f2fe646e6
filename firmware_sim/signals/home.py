"""What any device of one home may ask: who is where, which door opens when, is somebody in bed, is the medicine taken.

A home has no state: its days follow from its seed (`firmware_sim.signals.homeday`), so every device that is given the
same seed is told the same story, in whatever order they ask.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from operator import attrgetter
from typing import get_args

from firmware_sim.signals.day import local_date
from firmware_sim.signals.habits import Habits, habits_of
from firmware_sim.signals.homeday import Doing, Door, Dose, HomeDay, Opening, Room, Stay, Visit, home_day

ROOMS: tuple[Room, ...] = get_args(Room)
DOORS: tuple[Door, ...] = get_args(Door)

_MOVES_EVERY_S: dict[Doing, float] = {
    # as an infrared detector sees it; who lies in bed or is out is not seen
    "dressing": 20.0,
    "washing": 20.0,
    "toilet": 30.0,
    "cooking": 25.0,
    "eating": 60.0,
    "sitting": 240.0,
    "chores": 20.0,
    "walking": 12.0,
}
_VISITORS_MOVE_EVERY_S = 60.0
_DAYS_AHEAD = 30
_from_ms = attrgetter("from_ms")


@dataclass(frozen=True, slots=True)
class Moment:
    """The home at one instant."""

    room: Room
    doing: Doing
    visitors: int

    @property
    def in_bed(self) -> bool:
        """Whether the resident lies in bed, asleep or at rest."""
        return self.doing in ("sleeping", "napping")


@dataclass(frozen=True, slots=True)
class Home:
    """One resident's home, known by a seed.

    Intervals are from ``from_ms`` up to, not including, ``to_ms``; of a longer one than a month only the month is told.
    """

    seed: str
    zone: str

    @property
    def habits(self) -> Habits:
        """Those of the resident, the same every day."""
        return habits_of(self.seed)

    def at(self, now_ms: int) -> Moment:
        """Where the resident is, what they do, and who visits."""
        day = self._day(now_ms)
        stay = day.stays[bisect_right(day.stays, now_ms, key=_from_ms) - 1]
        visitors = sum(visit.people for visit in day.visits if visit.from_ms <= now_ms < visit.to_ms)
        return Moment(stay.room, stay.doing, visitors)

    def present(self, room: Room, now_ms: int) -> bool:
        """Whether a presence radar in that room sees somebody, moving or not."""
        moment = self.at(now_ms)
        return moment.room == room or (room == "living_room" and moment.visitors > 0)

    def in_bed(self, now_ms: int) -> bool:
        """Whether the resident is in bed."""
        return self.at(now_ms).in_bed

    def stays(self, from_ms: int, to_ms: int) -> list[Stay]:
        """Where the resident is, in order; the first and the last reach beyond the interval."""
        found: list[Stay] = []
        for day in self._days(from_ms, to_ms):
            first = max(0, bisect_right(day.stays, from_ms, key=_from_ms) - 1)
            found += day.stays[first : bisect_left(day.stays, to_ms, key=_from_ms)]
        return found

    def visits(self, from_ms: int, to_ms: int) -> list[Visit]:
        """Of people who come to the home, overlapping the interval."""
        return [v for day in self._days(from_ms, to_ms) for v in day.visits if v.from_ms < to_ms and v.to_ms > from_ms]

    def openings(self, door: Door, from_ms: int, to_ms: int) -> list[Opening]:
        """Of that door, beginning in the interval."""
        return [
            opening
            for day in self._days(from_ms, to_ms)
            for opening in day.openings
            if opening.door == door and from_ms <= opening.from_ms < to_ms
        ]

    def doses(self, from_ms: int, to_ms: int) -> list[Dose]:
        """Medicine due in the interval."""
        return [dose for day in self._days(from_ms, to_ms) for dose in day.doses if from_ms <= dose.due_ms < to_ms]

    def bed_changes(self, from_ms: int, to_ms: int) -> list[tuple[int, bool]]:
        """When somebody lies down (True) or gets up (False)."""
        return [
            (stay.from_ms, stay.doing in ("sleeping", "napping"))
            for before, stay in pairwise(self.stays(from_ms - 1, to_ms))
            if (before.doing in ("sleeping", "napping")) != (stay.doing in ("sleeping", "napping"))
            and from_ms <= stay.from_ms < to_ms
        ]

    def movements(self, room: Room, from_ms: int, to_ms: int) -> list[int]:
        """The instants at which a motion detector in that room sees something, in order."""
        found: list[int] = []
        for stay in self.stays(from_ms, to_ms):
            if stay.room == room:
                found += _moving(f"{self.seed}/{room}", stay.from_ms, stay.to_ms, _MOVES_EVERY_S.get(stay.doing))
            elif room == "hall" and stay.room != "outside":  # every way leads through it
                found.append(stay.from_ms)
        if room == "living_room":
            for visit in self.visits(from_ms, to_ms):
                found += _moving(f"{self.seed}/{visit.who}", visit.from_ms, visit.to_ms, _VISITORS_MOVE_EVERY_S)
        return sorted({at for at in found if from_ms <= at < to_ms})

    def next_opening(self, door: Door, after_ms: int) -> Opening | None:
        """The first of that door that begins after ``after_ms``; None if there is none for a month."""
        for day in self._from(after_ms):
            for opening in day.openings:
                if opening.door == door and opening.from_ms > after_ms:
                    return opening
        return None

    def next_movement(self, room: Room, after_ms: int) -> int | None:
        """The first that a motion detector in that room sees after ``after_ms``; None if there is none for a month."""
        for day in self._from(after_ms):
            for stay in day.stays:
                if stay.to_ms > after_ms and (
                    seen := self.movements(room, max(stay.from_ms, after_ms + 1), stay.to_ms)
                ):
                    return seen[0]
        return None

    def next_change(self, now_ms: int) -> int:
        """When the resident next goes elsewhere or does something else."""
        day = self._day(now_ms)
        return day.stays[bisect_right(day.stays, now_ms, key=_from_ms) - 1].to_ms

    def _day(self, now_ms: int) -> HomeDay:
        """The day, from getting up to getting up, that ``now_ms`` is in."""
        return next(self._from(now_ms))

    def _from(self, now_ms: int) -> Iterator[HomeDay]:
        """The day that ``now_ms`` is in, and the days of a month after it."""
        date = local_date(now_ms, self.zone)
        today = home_day(self.seed, self.zone, date)
        if now_ms < today.from_ms:
            yield home_day(self.seed, self.zone, date - timedelta(days=1))
        yield today
        for ahead in range(1, _DAYS_AHEAD):
            yield home_day(self.seed, self.zone, date + timedelta(days=ahead))

    def _days(self, from_ms: int, to_ms: int) -> Iterator[HomeDay]:
        """All that overlap the interval."""
        for day in self._from(from_ms):
            yield day
            if day.to_ms >= to_ms:
                return


@lru_cache(maxsize=2048)
def _moving(seed: str, from_ms: int, to_ms: int, every_s: float | None) -> tuple[int, ...]:
    """Somebody comes in, and then moves now and again."""
    rng = random.Random(f"move/{seed}/{from_ms}")
    at, found = from_ms + rng.uniform(500, 2500), list[int]()
    while at < to_ms:
        found.append(round(at))
        if every_s is None:
            break
        at += 1000 * rng.expovariate(1 / every_s)
    return tuple(found)
