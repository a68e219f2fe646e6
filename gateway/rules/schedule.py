"""Hours and days of a rule: local time, nights that pass midnight, Chinese working days with their make-up days.

Public holidays and make-up days come from ``chinesecalendar`` (the State Council's yearly notices). For a year that it
does not know yet, Saturdays and Sundays are the days off: `knows_holidays` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal, NamedTuple
from zoneinfo import ZoneInfo

import chinese_calendar
from pydantic import AfterValidator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_ONE = r"([01]\d|2[0-4]):([0-5]\d)"
_SPAN = re.compile(rf"{_ONE}-{_ONE}")


@lru_cache(maxsize=256)
def hours_of(text: str) -> tuple[tuple[int, int], ...]:
    """The spans of ``text`` as minutes of the day, (from, until); one that passes midnight ends beyond 1440.

    Raises ValueError for what is no span.
    """
    spans = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            raise ValueError(f"expected hours such as 22:00-06:00, several with commas, got {part.strip()!r}")
        begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        if begin >= _DAY_MIN or end > _DAY_MIN or begin == end:
            raise ValueError(f"{part.strip()}: expected two different times from 00:00 to 24:00")
        spans.append((begin, end if end > begin else end + _DAY_MIN))
    return tuple(sorted(spans))


def _checked(text: str) -> str:
    hours_of(text)
    return text


Hours = Annotated[str, AfterValidator(_checked)]


def local(at_ms: int, zone: ZoneInfo) -> datetime:
    """The local time of an instant. Instants beyond the calendar are moved to its end."""
    at_s = min(max(at_ms / 1000, -62_000_000_000), 253_000_000_000)
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone)


def knows_holidays(year: int) -> bool:
    """Whether the public holidays of ``year`` are known."""
    return _first_year() <= year <= _last_year()


def _holidays() -> Iterable[date]:
    known: dict[date, str] = chinese_calendar.constants.holidays
    return known


@lru_cache(maxsize=1)
def _first_year() -> int:
    return min(day.year for day in _holidays())


@lru_cache(maxsize=1)
def _last_year() -> int:
    return max(day.year for day in _holidays())


@lru_cache(maxsize=1024)
def is_workday(day: date) -> bool:
    """Whether people work on ``day``: make-up days count, public holidays do not."""
    if not knows_holidays(day.year):
        return day.weekday() < 5
    return bool(chinese_calendar.is_workday(day))


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


def _day_counts(day: date, days: str | tuple[Day, ...] | None) -> bool:
    if days is None:
        return True
    if isinstance(days, tuple):
        return DAYS[day.weekday()] in days
    return is_workday(day) == (days == "workdays")


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
        return _day_counts(at.date(), days)
    minute = at.hour * 60 + at.minute
    for begin, end in hours_of(hours):
        if begin <= minute < end and _day_counts(at.date(), days):
            return True
        if minute < end - _DAY_MIN and _day_counts(at.date() - timedelta(days=1), days):
            return True
    return False


def _boundary_ms(hours: str | None, days: str | tuple[Day, ...] | None, at_ms: int, zone: ZoneInfo) -> int:
    day = local(at_ms, zone).date()
    minutes = {0} if hours is None else {m % _DAY_MIN for span in hours_of(hours) for m in span}
    if days is not None:
        minutes.add(0)
    instants = (_instant_ms(day + timedelta(days=ahead), minute, zone) for ahead in (0, 1) for minute in minutes)
    return min((instant for instant in instants if instant > at_ms), default=at_ms + 86_400_000)


def _instant_ms(day: date, minute: int, zone: ZoneInfo) -> int:
    at = datetime.combine(day, time(), zone) + timedelta(minutes=minute)  # wall time: fold and gap are the zone's
    return int(at.timestamp() * 1000)


def _spans_ms(hours: str, from_ms: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """The spans of ``hours`` as instants, from the day before ``from_ms`` on, in order, for ever."""
    day = local(from_ms, zone).date() - timedelta(days=1)
    while True:
        for begin, end in hours_of(hours):
            yield _instant_ms(day, begin, zone), _instant_ms(day, end, zone)
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
