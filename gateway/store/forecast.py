"""When will a battery be empty, and is a radio link getting worse? Pure: readings in, an honest answer out.

The fit is Theil's and Sen's: the median of the slopes between all pairs of days. A few days of cold, a bad reading or a
reboot do not move it. Its range is Sen's interval for 80 % (P. K. Sen, *Estimates of the regression coefficient based
on Kendall's tau*, JASA 63, 1968).

Lithium cells hold their voltage until shortly before the end, and most gear makes its percentage from the voltage. So
the last four weeks are fitted by themselves too, and the steeper of the two fits counts: a knee shows there first. What
has not begun to fall is called stable and gets no date.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, NamedTuple

DAY_MS = 86_400_000
EMPTY_PERCENT = 15.0
"""Where the rule ``low-battery`` raises."""
JUMP_PERCENT = 30.0
"""A rise between two days that no weather makes: the battery was changed, or charged."""
DAYS_LEAST = 14
"""Days with readings, from first to last, before anything is said."""
RECENT_DAYS = 28
FAR_DAYS = 3 * 365
"""A date further ahead is not said: what has been seen in weeks does not tell years."""
LEAST_RANGE = 0.1
"""A range is never narrower than this part of the time to go: no battery falls in a straight line to its end."""
_Z80 = 1.2816
_CHARGES = 3
"""So many rises mean a battery that is charged, and has no date of change."""

Verdict = Literal["too_little", "stable", "falling", "empty", "charged"]


class Day(NamedTuple):
    """The median of one day."""

    day: int
    """Days since the epoch."""
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What can be said of one battery."""

    verdict: Verdict
    level: float | None = None
    """The median of the last three days with readings."""
    days: int = 0
    """How many days the answer rests on: since the battery was changed last."""
    changed_ms: int | None = None
    """When the battery was changed last, as far as the readings go back."""
    at_ms: int | None = None
    """When it will be below its limit."""
    earliest_ms: int | None = None
    latest_ms: int | None = None
    """The range of 80 %; None where it has no upper end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """How well a device is heard, now and before."""

    level: float
    """The median of the last seven days."""
    change: float | None
    """Against the three weeks before; None where there are too few days."""


class _Slope(NamedTuple):
    middle: float
    low: float
    high: float


def daily(points: Iterable[tuple[int, float]]) -> list[Day]:
    """Readings (or means of some hours) as one median for each day, in order."""
    values: dict[int, list[float]] = defaultdict(list)
    for at_ms, value in points:
        values[at_ms // DAY_MS].append(value)
    return [Day(day, median(values[day])) for day in sorted(values)]


def forecast(days: Sequence[Day], *, empty: float = EMPTY_PERCENT, jump: float = JUMP_PERCENT) -> Forecast:
    """When the level falls below ``empty``. A rise of ``jump`` is another battery, and the fit begins anew there."""
    rises = _rises(days, jump)
    mine = days[rises[-1] :] if rises else days
    if not mine:
        return Forecast(verdict="too_little")
    level = median(day.value for day in mine[-3:])
    changed_ms = mine[0].day * DAY_MS if rises else None
    known = Forecast(verdict="too_little", level=level, days=len(mine), changed_ms=changed_ms)
    if len(rises) >= _CHARGES:
        return replace(known, verdict="charged")
    if level < empty:
        return replace(known, verdict="empty")
    if len(mine) < DAYS_LEAST // 2 or mine[-1].day - mine[0].day < DAYS_LEAST:
        return known
    slope = _steeper(mine)
    last = mine[-1].day
    at = _reached(last, level, slope.middle, empty)
    if at is None:
        return replace(known, verdict="stable")
    earliest, latest = (_reached(last, level, end, empty) for end in (slope.low, slope.high))
    margin = round((at - last * DAY_MS) * LEAST_RANGE)
    return replace(
        known,
        verdict="falling",
        at_ms=at,
        earliest_ms=min(earliest or at, at - margin),
        latest_ms=None if latest is None else max(latest, at + margin),
    )


def _rises(days: Sequence[Day], jump: float) -> list[int]:
    """Where another battery begins. One bad day, which rises again the next, is none: the days around it count too."""
    return [
        index
        for index in range(1, len(days))
        if days[index].value - days[index - 1].value >= jump
        and median(day.value for day in days[index : index + 3])
        - median(day.value for day in days[max(0, index - 3) : index])
        >= 0.7 * jump
    ]


def _steeper(days: Sequence[Day]) -> _Slope:
    whole = _fit(days)
    recent = [day for day in days if day.day > days[-1].day - RECENT_DAYS]
    if len(recent) < DAYS_LEAST or len(recent) == len(days):
        return whole
    knee = _fit(recent)
    steeper = min(whole, knee)
    # Where the two tell different stories, the range spans both.
    return _Slope(steeper.middle, min(whole.low, knee.low), max(whole.high, knee.high))


def _fit(days: Sequence[Day]) -> _Slope:
    """The median slope in units a day, and the ends of its range."""
    slopes = sorted(
        (later.value - earlier.value) / (later.day - earlier.day)
        for index, earlier in enumerate(days)
        for later in days[index + 1 :]
    )
    n = len(days)
    width = _Z80 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, math.floor((len(slopes) - width) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + width) / 2))
    return _Slope(median(slopes), slopes[low], slopes[high])


def _reached(last: int, level: float, slope: float, empty: float) -> int | None:
    """When a line from ``level`` on day ``last`` comes down to ``empty``; None for never, or too far ahead."""
    if slope >= 0:
        return None
    ahead = (level - empty) / -slope
    return None if ahead > FAR_DAYS else round((last + ahead) * DAY_MS)


def signal(days: Sequence[Day]) -> Signal | None:
    """The link of the last week against the three weeks before it; None without readings."""
    if not days:
        return None
    last = days[-1].day
    now = [day.value for day in days if day.day > last - 7]
    before = [day.value for day in days if last - RECENT_DAYS < day.day <= last - 7]
    level = median(now)
    return Signal(level=level, change=level - median(before) if len(before) >= 5 and len(now) >= 3 else None)


class Cell(NamedTuple):
    """What a battery voltage means."""

    highest: float
    """Of a new battery of this sort, V; a voltage above it is of the next sort."""
    empty: float
    """Where its gear begins to fail, V."""
    jump: float


_CELLS = (
    Cell(1.75, 1.1, 0.2),  # one alkaline or NiMH cell
    Cell(3.45, 2.5, 0.3),  # lithium 3 V (CR2032, CR123A), or two alkaline cells
    Cell(3.75, 3.2, 0.2),  # Li-SOCl2 3.6 V
    Cell(4.35, 3.5, 0.4),  # Li-ion
    Cell(5.2, 3.6, 0.6),  # three alkaline cells
    Cell(6.9, 5.0, 0.7),  # two lithium 3 V, or four alkaline cells
    Cell(15.0, 11.8, 1.0),  # lead-acid 12 V
    Cell(30.0, 23.6, 2.0),  # lead-acid 24 V
    Cell(60.0, 47.2, 4.0),  # lead-acid 48 V
)
"""From the makers' discharge curves at light load: Energizer L91 and CR2032, Tadiran TL-5903, Yuasa NP."""


def cell_of(days: Sequence[Day]) -> Cell:
    """The sort of battery, by the highest voltage seen: a new one tells it."""
    highest = max(day.value for day in days)
    return next((cell for cell in _CELLS if highest <= cell.highest), _CELLS[-1])
