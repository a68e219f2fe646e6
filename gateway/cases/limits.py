"""Time limits of work: how long a stage may take, on the wall clock or in working time, and what stops the clock.

Pure: `due_at` is a function of the limit, the start, the pauses and the calendar. A working day is as long as one day's
office hours, so that 1 working day and 8 working hours mean the same where the office is open for 8 hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.alarms import Frozen
from gateway.workdays import Day, Hours, day_counts, hours_of, instant_ms, local

Unit = Literal["min", "h", "d", "working_hours", "working_days"]
_MS: dict[Unit, int] = {"min": 60_000, "h": 3_600_000, "d": 86_400_000, "working_hours": 3_600_000}
_UNITS: dict[Unit, tuple[str, ...]] = {
    "min": ("min", "minute", "minutes", "分", "分钟"),
    "h": ("h", "hour", "hours", "小时", "个小时"),
    "d": ("d", "day", "days", "天", "日"),
    "working_hours": ("wh", "working hour", "working hours", "工作小时", "个工作小时", "工作时", "个工作时"),
    "working_days": ("wd", "working day", "working days", "工作日", "个工作日"),
}
_WORDED: dict[Unit, tuple[str, str]] = {
    "min": ("分钟", "min"),
    "h": ("小时", "h"),
    "d": ("天", "d"),
    "working_hours": ("个工作小时", "working hours"),
    "working_days": ("个工作日", "working days"),
}
_BY_WORD: dict[str, Unit] = {word: unit for unit, words in _UNITS.items() for word in words}
_TEXT = re.compile(r"(\d{1,4})\s*([^\d\s].*)")
WARN_AT = 0.8
"""Of a limit's time, when those who have the work are warned."""


class Limit(Frozen):
    """An amount of time: ``30 min``, ``2 h``, ``1 d`` of the wall clock; ``4 working hours``, ``15 working days``."""

    amount: int = Field(ge=1, le=1000)
    unit: Unit

    @property
    def working(self) -> bool:
        """Whether only office hours count."""
        return self.unit in ("working_hours", "working_days")

    @property
    def on_wall(self) -> Limit:
        """The same amount on the wall clock: for life safety there is no office."""
        if not self.working:
            return self
        return Limit(amount=self.amount, unit="h" if self.unit == "working_hours" else "d")

    @property
    def zh(self) -> str:
        """For people: ``3 个工作日``."""
        return f"{self.amount} {_WORDED[self.unit][0]}"

    @property
    def en(self) -> str:
        """For people: ``3 working days``."""
        return f"{self.amount} {_WORDED[self.unit][1]}"


def _limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _TEXT.fullmatch(value.strip())
    unit = _BY_WORD.get(found[2].strip().lower()) if found is not None else None
    if found is None or unit is None:
        raise PydanticCustomError(
            "limit",
            "expected a time such as 30 min, 2 h, 1 d, 4 working hours, 15 working days (4 工作小时, 15 工作日)",
        )
    return {"amount": int(found[1]), "unit": unit}


LimitText = Annotated[Limit, BeforeValidator(_limit, json_schema_input_type=str | Limit)]
"""A limit as people write it."""


class LimitStage(StrEnum):
    """What has to be done within a limit."""

    ACCEPT = "accept"  # 受理, from the opening
    DISPATCH = "dispatch"  # 派遣, from the acceptance
    HANDLE = "handle"  # 处置, from the dispatch; from the acceptance where there is no limit for the dispatch
    VERIFY = "verify"  # 核查, from when it is done
    CLOSE = "close"  # 结案, from the check; from when it is done where there is no limit for the check


class Limits(Frozen):
    """The limits of one type of work; a stage without one may take as long as it takes."""

    accept: LimitText | None = None
    dispatch: LimitText | None = None
    handle: LimitText | None = None
    verify: LimitText | None = None
    close: LimitText | None = None

    def of(self, stage: LimitStage) -> Limit | None:
        """The limit of a stage; None where it has none."""
        found: Limit | None = getattr(self, stage.value)
        return found

    @property
    def given(self) -> tuple[tuple[LimitStage, Limit], ...]:
        """The stages that have a limit, in their order."""
        return tuple((stage, limit) for stage in LimitStage if (limit := self.of(stage)) is not None)


class Office(Frozen):
    """When a community's offices work."""

    hours: Hours = "09:00-12:00,13:00-18:00"
    days: Literal["workdays"] | Annotated[tuple[Day, ...], Field(min_length=1)] = "workdays"
    """``workdays``: Monday to Friday with China's public holidays and make-up days; or the days of the week."""

    @model_validator(mode="after")
    def _in_one_day(self) -> Self:
        if any(end > 24 * 60 for _, end in hours_of(self.hours)):
            raise ValueError("hours: office hours must not pass midnight; end at 24:00 and begin again at 00:00")
        return self

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """The hours of a day as minutes, in order; what overlaps is joined."""
        joined: list[tuple[int, int]] = []
        for begin, end in hours_of(self.hours):
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        return tuple(joined)

    @property
    def day_ms(self) -> int:
        """How long the office is open on a working day."""
        return sum(end - begin for begin, end in self.spans) * 60_000


class WorkCalendar(NamedTuple):
    """Office hours in a time zone."""

    office: Office
    zone: ZoneInfo


class Pause(Frozen):
    """A time that does not count: the case was suspended (挂账)."""

    from_ms: int
    until_ms: int
    reason: str
    actor: str


class RunningLimit(Frozen):
    """The limit of the stage in which a case is."""

    stage: LimitStage
    limit: Limit
    started_at_ms: int
    due_at_ms: int
    warn_at_ms: int
    extended_from_ms: int | None = None
    extended_to_ms: int | None = None
    """More time was granted (延期): until then, whatever the limit."""
    warned: bool = False
    overdue: int = 0
    """How often it was told that the limit is over."""
    again_at_ms: int | None = None
    """When that is told next."""

    @property
    def next_ms(self) -> int:
        """When there is something to be told next."""
        if self.overdue and self.again_at_ms is not None:
            return self.again_at_ms
        return self.due_at_ms if self.warned else min(self.warn_at_ms, self.due_at_ms)


def due_at(
    limit: Limit, started_ms: int, pauses: Sequence[Pause], calendar: WorkCalendar, *, share: float = 1.0
) -> int:
    """The instant at which ``share`` of the limit has passed since ``started_ms``, without the pauses."""
    if limit.unit == "working_days":
        amount_ms = limit.amount * calendar.office.day_ms
    else:
        amount_ms = limit.amount * _MS[limit.unit]
    left = max(1, round(amount_ms * share))
    spans = work_spans(calendar, started_ms) if limit.working else iter(((started_ms, _FOR_EVER),))
    for span in spans:
        for begin, end in _without(span, started_ms, pauses):
            if end - begin >= left:
                return begin + left
            left -= end - begin
    raise AssertionError("the spans never end")


_FOR_EVER = 1 << 60


def work_spans(calendar: WorkCalendar, from_ms: int) -> Iterator[tuple[int, int]]:
    """The office hours of the day of ``from_ms`` and of all days after it, as instants, in order, for ever."""
    day: date = local(from_ms, calendar.zone).date()
    spans = calendar.office.spans
    while True:
        if day_counts(day, calendar.office.days):
            for begin, end in spans:
                yield instant_ms(day, begin, calendar.zone), instant_ms(day, end, calendar.zone)
        day += timedelta(days=1)


def _without(span: tuple[int, int], from_ms: int, pauses: Sequence[Pause]) -> Iterator[tuple[int, int]]:
    """What is left of a span from ``from_ms`` on without the pauses."""
    floor, end = max(span[0], from_ms), span[1]
    for pause in sorted(pauses, key=lambda one: one.from_ms):
        if pause.from_ms >= end:
            break
        if pause.from_ms > floor:
            yield floor, pause.from_ms
        floor = max(floor, pause.until_ms)
    if floor < end:
        yield floor, end
