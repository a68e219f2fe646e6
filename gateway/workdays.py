"""Local time, hours of the day and Chinese working days: the calendar that rules and time limits share.

Public holidays and make-up days come from ``chinesecalendar`` (the State Council's yearly notices). For a year that it
does not know yet, Saturdays and Sundays are the days off: `knows_holidays` says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import chinese_calendar
from pydantic import AfterValidator

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MIN = 24 * 60
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
        if begin >= DAY_MIN or end > DAY_MIN or begin == end:
            raise ValueError(f"{part.strip()}: expected two different times from 00:00 to 24:00")
        spans.append((begin, end if end > begin else end + DAY_MIN))
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


@lru_cache(maxsize=1024)
def is_holiday(day: date) -> bool:
    """Whether ``day`` is off because of a public holiday. An ordinary weekend is none; nor is any day of a year that is
    not known yet."""
    return day in set(_holidays())


def day_counts(day: date, days: str | tuple[Day, ...] | None) -> bool:
    """Whether ``day`` is one of ``days``: every day where none are named."""
    if days is None:
        return True
    if isinstance(days, tuple):
        return DAYS[day.weekday()] in days
    return is_workday(day) == (days == "workdays")


def instant_ms(day: date, minute: int, zone: ZoneInfo) -> int:
    """The instant at ``minute`` of a local day; beyond 1440 it lies in the next one."""
    at = datetime.combine(day, time(), zone) + timedelta(minutes=minute)  # wall time: fold and gap are the zone's
    return int(at.timestamp() * 1000)
