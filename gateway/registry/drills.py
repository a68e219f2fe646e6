"""Self-tests of the ladder as data: what is drilled, when, for how long, and who gets the report.

Carried out by `gateway.decider.drills`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from gateway.alarms import ALARM_TYPES, Frozen
from gateway.cases.drill import LONGEST_S, Tell
from gateway.cases.policy import Recipient
from gateway.registry.roster import Clock
from gateway.registry.values import Id, Wording
from gateway.workdays import Day, instant_ms

_WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class When(Frozen):
    """Some days of the week at one time, local time of the community."""

    days: Literal["daily"] | tuple[Day, ...] = Field(min_length=1)
    at: Clock

    def between(self, after_ms: int, until_ms: int, zone: ZoneInfo) -> Iterator[int]:
        """The instants in (``after_ms``, ``until_ms``], in their order. A time that comes twice is taken once."""
        day = datetime.fromtimestamp(after_ms / 1000, UTC).astimezone(zone).date() - timedelta(days=1)
        minute = int(self.at[:2]) * 60 + int(self.at[3:])
        while (at_ms := instant_ms(day, minute, zone)) <= until_ms:
            if at_ms > after_ms and (self.days == "daily" or _WEEK[day.weekday()] in self.days):
                yield at_ms
            day += timedelta(days=1)


class SelfTest(Frozen):
    """A drill that begins by itself: the whole ladder, through the real channels, and a report of it."""

    id: Id
    name: Wording
    enabled: bool = True
    when: When
    alarm: str
    """The type of alarm that is drilled."""
    ladder: Id
    device: Id | None = None
    """Where: a device, or a resident's home, or a place."""
    resident: Id | None = None
    place: Id | None = None
    tell: Tell = "staff"
    instead: dict[Id, Id] = {}
    """With ``tell: instead``: person → who stands in for them. Who has no stand-in is not told."""
    answered_within_s: int | None = Field(default=None, ge=10, le=LONGEST_S)
    """It has failed when nobody has taken the case within so long; without it no answer is expected."""
    lasts_s: int = Field(default=900, ge=60, le=LONGEST_S)
    """It is over after so long, whoever has answered."""
    report_to: tuple[Recipient, ...] = (Recipient(role="supervisor"),)
    """Who is told how it went."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.alarm not in ALARM_TYPES:
            raise ValueError(f"alarm: unknown alarm type {self.alarm!r}; known: {', '.join(ALARM_TYPES)}")
        if sum(one is not None for one in (self.device, self.resident, self.place)) != 1:
            raise ValueError("give exactly one of device, resident, place: where it is drilled")
        if (self.tell == "instead") != bool(self.instead):
            raise ValueError("tell: instead and a number map (instead: {person: stand-in}) belong together")
        if self.answered_within_s is not None and self.answered_within_s > self.lasts_s:
            raise ValueError("answered_within_s: longer than the drill lasts (lasts_s)")
        if any(one.family or one.neighbours or one.doctor for one in self.report_to):
            raise ValueError("report_to: name roles, organisations or people; a drill has no family")
        return self
