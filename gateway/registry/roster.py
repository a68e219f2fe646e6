"""Who is on duty where and when, as data: duties, shifts, rotations, what must be covered, how duty is handed over.

Evaluated by `gateway.registry.duty`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.alarms import Frozen
from gateway.registry.values import Id, Wording
from gateway.workdays import Day, Hours

DutyDays = Literal["workdays", "holidays", "public_holidays"] | tuple[Day, ...]
"""``workdays`` with make-up days, ``holidays`` all others (as in rules), ``public_holidays`` without ordinary weekends;
or days of the week."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_YEARS = (1990, 2200)


def _clock(text: str) -> str:
    if _CLOCK.fullmatch(text) is None:
        raise ValueError("expected a time such as 08:00, from 00:00 to 23:59, in quotes")
    return text


def _day(value: object) -> str:
    day = value if isinstance(value, date) else None
    if isinstance(value, str):
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            day = None
    if day is None:
        raise PydanticCustomError("day", "expected a date such as 2026-03-01")
    if not _YEARS[0] <= day.year <= _YEARS[1]:
        raise ValueError(f"expected a year from {_YEARS[0]} to {_YEARS[1]}, found {day.year}; correct it")
    return date(day.year, day.month, day.day).isoformat()


Clock = Annotated[str, AfterValidator(_clock)]
"""A time of the local day."""
Date = Annotated[str, BeforeValidator(_day, json_schema_input_type=str)]
"""A local day."""
People = Annotated[tuple[Id, ...], Field(min_length=1)]


def _group(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Group = Annotated[People, BeforeValidator(_group, json_schema_input_type=str | list[str])]


class _Valid(Frozen):
    """What holds from one day to another, both included."""

    model_config = ConfigDict(serialize_by_alias=True)

    begin: Date | None = Field(default=None, alias="from")
    """The first day on which it begins; at once where it is left out."""
    until: Date | None = None
    """The last day on which it begins; for good where it is left out."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.begin is not None and self.until is not None and self.until < self.begin:
            raise ValueError(f"until {self.until} is before from {self.begin}; correct one of them")
        return self


class Rotation(Frozen):
    """People or groups who take turns, each for the same number of days; after the last comes the first again."""

    model_config = ConfigDict(serialize_by_alias=True)

    order: tuple[Group, ...] = Field(min_length=1)
    """Who takes turns: a person, or a list of people who are on duty together."""
    begin: Date = Field(alias="from")
    """A day on which the first of `order` takes over. Before it the rotation runs as well, backwards."""
    every_days: int = Field(default=7, ge=1, le=366)
    """How many days a turn lasts."""
    at: Clock | None = None
    """When the next one takes over; where it is left out, when the shift begins, else at 00:00."""


class Shift(_Valid):
    """Some hours of some days, and who works them."""

    hours: Hours | None = None
    """Such as `22:00-06:00`, several with commas; all day where it is left out. A night belongs to the day on which it
    begins."""
    days: DutyDays | None = None
    """`workdays` (make-up days count), `holidays` (all other days), `public_holidays`, or days of the week such as
    `[sat, sun]`; every day where it is left out."""
    people: People | None = None
    """The first is told first."""
    rotation: Rotation | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if (self.people is None) == (self.rotation is None):
            raise ValueError("give exactly one of people, rotation")
        return self

    @property
    def everybody(self) -> Iterator[str]:
        """All who ever work it."""
        yield from self.people or ()
        for group in self.rotation.order if self.rotation is not None else ():
            yield from group


class Duty(Frozen):
    """Who holds a role for a place and everything below it. The nearest place up the tree where somebody is on duty
    wins."""

    role: str
    place: Id
    people: People | None = None
    """Always; the first is told first."""
    rotation: Rotation | None = None
    """Always one of these, in turns."""
    shifts: tuple[Shift, ...] = ()
    """By the clock. Where several hold at once, everybody of them is on duty, in this order."""

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if sum((self.people is not None, self.rotation is not None, bool(self.shifts))) != 1:
            raise ValueError("give exactly one of people, rotation, shifts")
        return self

    @property
    def timed(self) -> bool:
        """Whether who is on duty ever changes by itself."""
        return self.people is None

    @property
    def as_shifts(self) -> tuple[Shift, ...]:
        """The duty as shifts, whichever way it is written."""
        return self.shifts or (Shift(people=self.people, rotation=self.rotation),)

    @property
    def everybody(self) -> tuple[str, ...]:
        """All who are ever on duty by it."""
        return tuple(dict.fromkeys(person for shift in self.as_shifts for person in shift.everybody))


class Required(_Valid):
    """When somebody must hold a role for a place. Where this is said of a role, only this is looked at; of other roles
    of ladders somebody must hold them always, wherever a device can raise."""

    role: str
    place: Id
    hours: Hours | None = None
    days: DutyDays | None = None
    people: int = Field(default=1, ge=1, le=100)
    """How many at least."""


class HandOver(Frozen):
    """What happens when duty passes on while cases are open."""

    supervisor: str
    """The role that is told when whoever takes over does not say so in time."""
    receipt_s: int = Field(default=600, ge=30, le=86_400)
    """For so long the incoming person may take to confirm."""


class Roster(Frozen):
    """A list of duties under one name."""

    id: Id
    name: Wording | None = None
    duties: tuple[Duty, ...] = Field(min_length=1)
    required: tuple[Required, ...] = ()
    """What must be covered, and when."""
    handover: HandOver | None = None
    """Whoever takes over open cases has to confirm it. Where it is left out, they are only told."""
    notice: bool = True
    """Whoever comes on duty by the clock is told so."""


class Role(Frozen):
    """What a role is called. A role that is not written down is called by its id."""

    id: str = Field(min_length=1, max_length=64)
    name: Wording
