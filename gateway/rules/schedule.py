"""Hours and days of a rule: in force now, when that changes next, and how much of a time lies in them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway.workdays import DAY_MIN, Day, day_counts, hours_of, instant_ms, is_workday, local


class Calendar(NamedTuple):
    """What rules may ask of a local instant."""

    year: float
    month: float
    weekday: float
    """Monday is 1."""
    hour: float
    workday: bool


_QUARTER_MS = 900_000
"""Zones change their offset at full quarters of an hour."""


def local_calendar(at_ms: int, zone: ZoneInfo) -> Calendar:
    """The local calendar at an instant."""
    return _calendar(at_ms // _QUARTER_MS, zone)


@lru_cache(maxsize=4096)
def _calendar(quarter: int, zone: ZoneInfo) -> Calendar:
    at = local(quarter * _QUARTER_MS, zone)
    return Calendar(float(at.year), float(at.month), float(at.isoweekday()), float(at.hour), is_workday(at.date()))


def in_force(hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo) -> bool:
    """Whether an instant lies in the hours and on the days. A night belongs to the day on which it began."""
    if hours is None and days is None:
        return True
    return _stretch(hours, days, at_ms, zone)[2]


def next_boundary_ms(hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo) -> int | None:
    """The next instant after ``at_ms`` at which `in_force` may change; None where it never does."""
    if hours is None and days is None:
        return None
    return _stretch(hours, days, at_ms, zone)[1]


_stretches: dict[tuple[str | None, str | tuple[Day, ...] | None, str], tuple[int, int, bool]] = {}
"""By hours, days and zone: the stretch of time that was asked for last. Most questions are about now."""
_STRETCHES_KEPT = 1000


def _stretch(
    hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo
) -> tuple[int, int, bool]:
    """A stretch of time around ``at_ms`` in which nothing changes: from, until, and whether it is in force."""
    key = (hours, days, zone.key)
    known = _stretches.get(key)
    if known is None or not known[0] <= at_ms < known[1]:
        if len(_stretches) >= _STRETCHES_KEPT:
            _stretches.clear()
        until_ms = _boundary_ms(hours, days, at_ms, zone)
        known = _stretches[key] = (at_ms, until_ms, _is_in_force(hours, days, at_ms, zone))
    return known


def _is_in_force(hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo) -> bool:
    at = local(at_ms, zone)
    if hours is None:
        return day_counts(at.date(), days)
    minute = at.hour * 60 + at.minute
    for begin, end in hours_of(hours):
        if begin <= minute < end and day_counts(at.date(), days):
            return True
        if minute < end - DAY_MIN and day_counts(at.date() - timedelta(days=1), days):
            return True
    return False


def _boundary_ms(hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo) -> int:
    day = local(at_ms, zone).date()
    minutes = {0} if hours is None else {m % DAY_MIN for span in hours_of(hours) for m in span}
    if days is not None:
        minutes.add(0)
    instants = (instant_ms(day + timedelta(days=ahead), minute, zone) for ahead in (0, 1) for minute in minutes)
    return min((instant for instant in instants if instant > at_ms), default=at_ms + 86_400_000)


def _spans_ms(hours: str, from_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The spans of ``hours`` as instants, from the day before ``from_ms`` on, in order, for ever."""
    day = local(from_ms, zone).date() - timedelta(days=1)
    while True:
        for begin, end in hours_of(hours):
            yield instant_ms(day, begin, zone), instant_ms(day, end, zone)
        day += timedelta(days=1)


def covered_ms(hours: str, from_ms: int, until_ms: int, zone: ZoneInfo) -> int:
    """How much of the time between two instants lies in ``hours``. At most 40 days are counted."""
    covered, floor = 0, from_ms
    until_ms = min(until_ms, from_ms + 40 * 86_400_000)
    for begin, end in _spans_ms(hours, from_ms, zone):
        if begin >= until_ms:
            return covered
        begin = max(begin, floor)
        if end > begin:
            covered += max(0, min(end, until_ms) - begin)
            floor = max(floor, min(end, until_ms))
    raise AssertionError("the spans never end")


def when_covered_ms(hours: str, from_ms: int, amount_ms: int, zone: ZoneInfo) -> int:
    """The instant at which ``amount_ms`` of ``hours`` has passed since ``from_ms``."""
    left, floor = amount_ms, from_ms
    for begin, end in _spans_ms(hours, from_ms, zone):
        begin = max(begin, floor)
        if end <= begin:
            continue
        if end - begin >= left:
            return begin + left
        left -= end - begin
        floor = end
    raise AssertionError("the spans never end")
