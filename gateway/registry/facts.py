"""What a community says of its devices, places and residents for its rules: attributes, and residents' own limits."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.alarms import Frozen
from gateway.rules.forms import Fact, Limit

NAME = r"^[a-z][a-z0-9_]{0,31}$"
AWAY = ("away", "away_why", "away_until", "away_by")
"""The attributes by which a resident is away (`gateway.registry.away`). Rules ask for the first."""
ATTRIBUTES_MOST = 32
TEXT_MOST = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_YEARS = (1900, 2200)
"""Outside of these a date is a slip of the pen, and at the ends of the calendar there is no next day."""


def _name(value: str) -> str:
    if keyword.iskeyword(value):  # expressions are read by Python's grammar, which keeps these
        raise ValueError(f"expressions keep the word '{value}' for themselves; give it another name")
    return value


FactName = Annotated[str, StringConstraints(pattern=NAME), AfterValidator(_name)]


def _value(value: object) -> Fact:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise PydanticCustomError("finite_number", "expected a finite number")
        return number
    if isinstance(value, str):
        if len(value) > TEXT_MOST:
            raise ValueError(f"expected at most {TEXT_MOST} characters, found {len(value)}; shorten it")
        if _CONTROL.search(value):
            raise ValueError("expected text on one line; take line breaks and control characters out of it")
        return value
    raise PydanticCustomError("fact", "expected a number, true or false, or text")


FactValue = Annotated[float | bool | str, BeforeValidator(_value, json_schema_input_type=float | bool | str)]
Attributes = Annotated[dict[FactName, FactValue], Field(max_length=ATTRIBUTES_MOST)]
"""Name → number, true or false, or text; at most 32."""


def other_than(attributes: Mapping[str, Fact], keys: Iterable[str]) -> None:
    """Refuse an attribute that is called like a key of the entry itself, which rules may know by that name."""
    for name in keys:
        if name in attributes:
            raise ValueError(f"attribute '{name}' is called like a key of the entry itself; give it another name")


def same_attributes(one: Mapping[str, Fact], other: Mapping[str, Fact]) -> bool:
    """Whether both say the same. To Python 1.0 and True are equal; to a rule they are not."""
    return one == other and all(isinstance(value, bool) is isinstance(other[name], bool) for name, value in one.items())


def _moment(value: object) -> str:
    moment = value if isinstance(value, date) else None
    if isinstance(value, str):
        for read in (date.fromisoformat, datetime.fromisoformat):
            try:
                moment = read(value.strip())
                break
            except ValueError:
                continue
    if moment is None:
        raise PydanticCustomError("moment", "expected a date or an instant")
    if not _YEARS[0] <= moment.year <= _YEARS[1]:
        raise ValueError(f"expected a year from {_YEARS[0]} to {_YEARS[1]}, found {moment.year}; correct it")
    return moment.isoformat()


Moment = Annotated[str, BeforeValidator(_moment, json_schema_input_type=str)]
"""``2026-03-01``, or ``2026-03-01 08:00`` by the community's clock."""


class PersonalLimit(Frozen):
    """A resident's own limit, which somebody ordered: rules read it as `limit(name, default)`."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: FactName
    """As rules call it, such as ``spo2_low``."""
    value: float = Field(strict=True, allow_inf_nan=False)
    begin: Moment | None = Field(default=None, alias="from")
    """A date, whose whole day counts, or an instant such as ``2026-03-01 08:00``, by the community's clock. At once
    where it is left out."""
    until: Moment | None = None
    """A date, which is the last day that counts, or the instant at which it ends. For good where it is left out."""
    set_by: str = Field(min_length=1, max_length=200)
    """Who ordered it: the id of a person, or a name."""
    note: str = Field(default="", max_length=500)

    def seen_by_rules(self, zone: ZoneInfo) -> Limit:
        """The limit with its validity in milliseconds: from the first that counts to the first that does not."""
        from_ms = None if self.begin is None else _start_ms(self.begin, zone)
        until_ms = None if self.until is None else end_ms(self.until, zone)
        return Limit(self.name, self.value, from_ms, until_ms)


def _start_ms(moment: str, zone: ZoneInfo) -> int:
    at = datetime.fromisoformat(moment)
    return round((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def moment_of(value: object) -> str | None:
    """``value`` as a `Moment`; None where it is none."""
    try:
        return _moment(value)
    except ValueError:
        return None


def end_ms(moment: str, zone: ZoneInfo) -> int:
    """When a moment is over: a day with its last instant, an instant at once."""
    if "T" in moment:
        return _start_ms(moment, zone)
    next_day = datetime.combine(date.fromisoformat(moment) + timedelta(days=1), time())
    return _start_ms(next_day.isoformat(), zone)
