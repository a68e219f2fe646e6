"""The time of day, and curves over it."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(maxsize=16)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local_hour(now_ms: int, zone: str) -> float:
    """Hour of the local day, 0 ≤ h < 24."""
    local = datetime.fromtimestamp(now_ms / 1000, _zone(zone))
    return local.hour + local.minute / 60 + local.second / 3600


def is_weekend(now_ms: int, zone: str) -> bool:
    """Whether it is Saturday or Sunday there."""
    return datetime.fromtimestamp(now_ms / 1000, _zone(zone)).weekday() >= 5


def local_date(now_ms: int, zone: str) -> date:
    """The date there."""
    return datetime.fromtimestamp(now_ms / 1000, _zone(zone)).date()


def midnight_ms(day: date, zone: str) -> int:
    """The instant at which the local day begins."""
    return round(datetime.combine(day, time(), _zone(zone)).timestamp() * 1000)


def bump(hour: float, centre: float, width: float) -> float:
    """A bell of height 1 around ``centre`` (hours, ``width`` = standard deviation), closed over midnight."""
    distance = abs(hour - centre) % 24.0
    distance = min(distance, 24.0 - distance)
    return math.exp(-0.5 * (distance / width) ** 2)


def seconds_until(hour_wanted: float, now_ms: int, zone: str) -> float:
    """Seconds from now until the local day next shows ``hour_wanted``; never 0."""
    gap_h = (hour_wanted - local_hour(now_ms, zone)) % 24.0
    return gap_h * 3600 or 86_400.0
