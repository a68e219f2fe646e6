"""``--from`` and ``--to``: dates and times of the community, or so long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_AGO = re.compile(r"(\d{1,6})\s*([dhm])")
_UNIT_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000}
EXPECTED = "a date (2026-10-01), a time (2026-10-01T08:30), or how long ago (7d, 12h, 30m)"


def instant(text: str, zone: ZoneInfo, now_ms: int, *, end: bool = False) -> int:
    """The instant that ``text`` names; a date alone is its beginning, as the end of a span (``end``) its end.

    Times without an offset are local to the community. Raises ValueError that says what was expected.
    """
    text = text.strip()
    if _AGO.fullmatch(text):
        return now_ms - length_ms(text)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return _ms(datetime.combine(day, time(), zone)) - (1 if end else 0)
        at = datetime.fromisoformat(text)
        return _ms(at.replace(tzinfo=zone) if at.tzinfo is None else at)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r}: expected {EXPECTED}") from None


def length_ms(text: str) -> int:
    """A length of time: ``7d``, ``12h``, ``30m``. Raises ValueError that says what was expected."""
    match = _AGO.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r}: expected a length of time such as 14d, 12h, 30m")
    return int(match[1]) * _UNIT_MS[match[2]]


def _ms(at: datetime) -> int:
    return round(at.astimezone(UTC).timestamp() * 1000)


def day_of(at_ms: int, zone: ZoneInfo) -> str:
    """The local date of an instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date().isoformat()


def shown(at_ms: int, zone: ZoneInfo) -> str:
    """An instant as people of the community write it."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
