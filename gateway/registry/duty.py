"""Who is on duty: rosters and overrides evaluated at an instant, or over a stretch of time. Pure, no clock.

A duty is a function of time that changes at known instants only. `Line.between` gives it exactly, as stretches in which
nothing changes; what is asked at an instant is kept for the stretch around it, so that the next question costs nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.alarms import Frozen
from gateway.registry.roster import DutyDays, HandOver, Required, Roster, Rotation, Shift
from gateway.registry.values import Id
from gateway.workdays import DAY_MIN, day_counts, hours_of, instant_ms, is_holiday, local

DAY_MS = 86_400_000
_AHEAD_MS = 2 * DAY_MS
LONGEST_MS = 400 * DAY_MS
"""So far ahead a change of duty is looked for."""

Key = tuple[str, str]
"""Role and place."""


class Override(Frozen):
    """Somebody instead of somebody, from one instant to another; made at the running gateway."""

    id: str
    role: str | None = None
    """Only in this role; in all of them where it is None."""
    place: Id | None = None
    """Only where the duty is for exactly this place; at all of them where it is None."""
    instead_of: Id | None = None
    """Who is not on duty; None: ``person`` comes in addition, and role and place are given."""
    person: Id | None = None
    """Who is; None: nobody."""
    begin_ms: int
    until_ms: int


class Stretch(NamedTuple):
    """A time in which nothing changes, with who is on duty in it."""

    begin_ms: int
    until_ms: int
    people: tuple[str, ...]


def counts(day: date, days: DutyDays | None) -> bool:
    """Whether a shift with these days begins on ``day``."""
    return is_holiday(day) if days == "public_holidays" else day_counts(day, days)


def spans(valid: Shift | Required, from_ms: int, until_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The hours of a shift that reach into a stretch of time, whole, in order of the days on which they begin."""
    hours = ((0, DAY_MIN),) if valid.hours is None else hours_of(valid.hours)
    day = local(from_ms, zone).date() - timedelta(days=1)  # a night of yesterday
    last = local(until_ms, zone).date()
    if valid.begin is not None:
        day = max(day, date.fromisoformat(valid.begin))
    if valid.until is not None:
        last = min(last, date.fromisoformat(valid.until))
    while day <= last:
        if counts(day, valid.days):
            for begin, end in hours:
                begin_ms, end_ms = instant_ms(day, begin, zone), instant_ms(day, end, zone)
                if begin_ms < until_ms and end_ms > from_ms and begin_ms < end_ms:
                    yield begin_ms, end_ms
        day += timedelta(days=1)


def turns(rotation: Rotation, at: int, from_ms: int, until_ms: int, zone: ZoneInfo) -> Iterator[Stretch]:
    """The turns that reach into a stretch of time, whole. ``at``: the minute of the day at which they change."""
    anchor = date.fromisoformat(rotation.begin)
    number = ((local(from_ms, zone).date() - anchor).days - 1) // rotation.every_days
    while True:
        day = anchor + timedelta(days=number * rotation.every_days)
        begin_ms = instant_ms(day, at, zone)
        if begin_ms >= until_ms:
            return
        end_ms = instant_ms(day + timedelta(days=rotation.every_days), at, zone)
        if end_ms > from_ms:
            yield Stretch(begin_ms, end_ms, rotation.order[number % len(rotation.order)])
        number += 1


def change_at(shift: Shift) -> int:
    """The minute of the day at which the turns of a shift's rotation change."""
    assert shift.rotation is not None
    if shift.rotation.at is not None:
        hour, minute = shift.rotation.at.split(":")
        return int(hour) * 60 + int(minute)
    return 0 if shift.hours is None else hours_of(shift.hours)[0][0]


def worked(shift: Shift, from_ms: int, until_ms: int, zone: ZoneInfo) -> Iterator[Stretch]:
    """When a shift is worked and by whom, within a stretch of time. Stretches of one shift may touch, never overlap
    but where its own hours do."""
    for begin_ms, end_ms in spans(shift, from_ms, until_ms, zone):
        begin_ms, end_ms = max(begin_ms, from_ms), min(end_ms, until_ms)
        if shift.rotation is None:
            yield Stretch(begin_ms, end_ms, shift.people or ())
            continue
        for turn in turns(shift.rotation, change_at(shift), begin_ms, end_ms, zone):
            yield Stretch(max(turn.begin_ms, begin_ms), min(turn.until_ms, end_ms), turn.people)


class Line:
    """One role for one place: its duty, and the overrides that touch it."""

    def __init__(
        self,
        key: Key,
        shifts: Sequence[Shift],
        overrides: Sequence[Override],
        gone_ms: Callable[[str], int | None],
        zone: ZoneInfo,
        roster: Roster | None,
    ) -> None:
        """``gone_ms``: since when somebody no longer works here: 0 for somebody who is not known, None for all others.
        ``overrides`` in the order they were made."""
        self.role, self.place = key
        self.roster = roster
        self.timed = any(s.hours or s.days or s.rotation or s.begin or s.until for s in shifts)
        """Whether who is on duty changes by itself, without overrides."""
        self._shifts = tuple(shifts)
        self._overrides = tuple(overrides)
        self.gone_ms = gone_ms
        self._zone = zone
        self._seen = Stretch(0, 0, ())

    @property
    def changes(self) -> bool:
        """Whether who is on duty may ever change."""
        return self.timed or bool(self._overrides) or any(self.gone_ms(p) for s in self._shifts for p in s.everybody)

    @property
    def handover(self) -> HandOver | None:
        """How this duty is handed over from shift to shift; None where it is not."""
        return self.roster.handover if self.roster is not None else None

    def at(self, at_ms: int) -> Stretch:
        """The stretch around an instant. It may be cut off where nothing changes for days."""
        seen = self._seen
        if not seen.begin_ms <= at_ms < seen.until_ms:
            found = self.between(at_ms - DAY_MS, at_ms + _AHEAD_MS)
            seen = self._seen = next(one for one in found if one.begin_ms <= at_ms < one.until_ms)
        return seen

    def _planned(self, from_ms: int, until_ms: int) -> list[tuple[int, Stretch]]:
        """What the shifts say, without overrides, with the number of the shift."""
        return [
            (n, one) for n, shift in enumerate(self._shifts) for one in worked(shift, from_ms, until_ms, self._zone)
        ]

    def named(self, from_ms: int, until_ms: int) -> dict[str, list[tuple[int, int]]]:
        """Who is written down for duty and when, by shifts and by overrides, whether they still work here or not."""
        found: dict[str, list[tuple[int, int]]] = {}
        for _, stretch in self._planned(from_ms, until_ms):
            for person in stretch.people:
                found.setdefault(person, []).append((stretch.begin_ms, stretch.until_ms))
        for one in self._overrides:
            begin_ms, end_ms = max(one.begin_ms, from_ms), min(one.until_ms, until_ms)
            if one.person is not None and begin_ms < end_ms:
                found.setdefault(one.person, []).append((begin_ms, end_ms))
        return found

    def between(self, from_ms: int, until_ms: int) -> list[Stretch]:
        """Who is on duty from one instant to another: without gaps, in order; nobody is an empty stretch."""
        planned = self._planned(from_ms, until_ms)
        overrides = [one for one in self._overrides if one.begin_ms < until_ms and one.until_ms > from_ms]
        edges = {from_ms, until_ms}
        for _, stretch in planned:
            edges.update((stretch.begin_ms, stretch.until_ms))
        for one in overrides:
            edges.update(edge for edge in (one.begin_ms, one.until_ms) if from_ms < edge < until_ms)
        named = {p for _, stretch in planned for p in stretch.people} | {o.person for o in overrides if o.person}
        leaves = {person: gone for person in named if (gone := self.gone_ms(person)) is not None}
        edges.update(gone for gone in leaves.values() if from_ms < gone < until_ms)
        starts: dict[int, list[tuple[int, Stretch]]] = {}
        for number, stretch in planned:
            starts.setdefault(stretch.begin_ms, []).append((number, stretch))
        running: list[tuple[int, Stretch]] = []
        found: list[Stretch] = []
        ordered = sorted(edges)
        for begin_ms, end_ms in itertools.pairwise(ordered):
            running = [one for one in running if one[1].until_ms > begin_ms] + starts.get(begin_ms, [])
            running.sort(key=lambda one: one[0])
            people = _overridden([p for _, stretch in running for p in stretch.people], overrides, begin_ms)
            here = tuple(person for person in people if leaves.get(person, end_ms) > begin_ms)
            if found and found[-1].people == here:
                found[-1] = found[-1]._replace(until_ms=end_ms)
            else:
                found.append(Stretch(begin_ms, end_ms, here))
        return found


def _overridden(people: Iterable[str], overrides: Sequence[Override], at_ms: int) -> list[str]:
    """Who is on duty after the overrides, in the order they were made: a later one speaks of what the earlier left."""
    found = list(dict.fromkeys(people))
    for one in overrides:
        if not one.begin_ms <= at_ms < one.until_ms:
            continue
        if one.instead_of is None and one.person is not None:
            found.append(one.person)
        elif one.instead_of in found:
            found = [(one.person or "") if person == one.instead_of else person for person in found]
        found = [person for person in dict.fromkeys(found) if person]
    return found


class Book:
    """All duties of a community. Built once per revision; every look-up at an instant is a dictionary away."""

    def __init__(
        self,
        rosters: Sequence[Roster],
        zone: ZoneInfo,
        overrides: Sequence[Override] = (),
        gone_ms: Callable[[str], int | None] = lambda person: None,
    ) -> None:
        shifts: dict[Key, list[Shift]] = {}
        of: dict[Key, Roster] = {}
        for roster in rosters:
            for duty in roster.duties:
                shifts.setdefault((duty.role, duty.place), []).extend(duty.as_shifts)
                of.setdefault((duty.role, duty.place), roster)
        for one in overrides:
            if one.instead_of is None and one.role is not None and one.place is not None:
                shifts.setdefault((one.role, one.place), [])
        self.lines: Mapping[Key, Line] = {
            key: Line(key, given, [o for o in overrides if _touches(o, key)], cache(gone_ms), zone, of.get(key))
            for key, given in shifts.items()
        }
        self.zone = zone

    def on_duty(self, role: str, way: Iterable[str], at_ms: int) -> tuple[str, ...]:
        """Who holds ``role``: ``way`` is the place and all it lies in, the nearest first. Nobody: an empty tuple."""
        for place in way:
            line = self.lines.get((role, place))
            if line is not None and (people := line.at(at_ms).people):
                return people
        return ()

    def between(self, role: str, way: Sequence[str], from_ms: int, until_ms: int) -> list[Stretch]:
        """As `on_duty`, over a stretch of time: without gaps, in order."""
        lines = [line for place in way if (line := self.lines.get((role, place))) is not None]
        found = [Stretch(from_ms, until_ms, ())]
        for line in reversed(lines):  # the nearest lies over those further up
            found = _laid_over(found, line.between(from_ms, until_ms))
        return found

    def next_change_ms(self, key: Key, at_ms: int) -> int | None:
        """When somebody else is on duty for exactly this role and place; None where that is not known to come."""
        line = self.lines[key]
        if not line.changes:
            return None
        here = line.at(at_ms)
        step, until_ms = _AHEAD_MS, here.until_ms
        while until_ms < at_ms + LONGEST_MS:
            for stretch in line.between(until_ms, until_ms + step):
                if stretch.people != here.people:
                    return stretch.begin_ms
            until_ms += step
            step = min(2 * step, 100 * DAY_MS)
        return None

    def turns_of(self, person: str, from_ms: int, until_ms: int) -> list[tuple[Key, Stretch]]:
        """When somebody is on duty and as what, the earliest first."""
        found = [
            (key, stretch)
            for key, line in self.lines.items()
            for stretch in line.between(from_ms, until_ms)
            if person in stretch.people
        ]
        return sorted(found, key=lambda one: (one[1].begin_ms, one[0]))


def _touches(override: Override, key: Key) -> bool:
    return override.role in (None, key[0]) and override.place in (None, key[1])


def _laid_over(below: Sequence[Stretch], above: Sequence[Stretch]) -> list[Stretch]:
    """Where nobody is on duty above, who is below. Both cover the same time."""
    edges = sorted({edge for one in (*below, *above) for edge in (one.begin_ms, one.until_ms)})
    found: list[Stretch] = []
    low = high = 0
    for begin_ms, end_ms in itertools.pairwise(edges):
        while below[low].until_ms <= begin_ms:
            low += 1
        while above[high].until_ms <= begin_ms:
            high += 1
        people = above[high].people or below[low].people
        if found and found[-1].people == people:
            found[-1] = found[-1]._replace(until_ms=end_ms)
        else:
            found.append(Stretch(begin_ms, end_ms, people))
    return found
