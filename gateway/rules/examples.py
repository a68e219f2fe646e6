"""Examples beside a rule: what is given, and when it must raise and clear. A rule whose examples fail is not loaded."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from devices.kinds import KINDS
from gateway.alarms import Frozen

FIRST_DAY = date(2026, 1, 5)
"""``d1`` of examples: a Monday, and a working day."""
SPAN_MOST = 400
"""An example is over after so many days: it is run whenever the rule is checked."""
_MOMENT = re.compile(r"(?:(\d{4}-\d\d-\d\d|d[1-9]\d{0,2}) )?([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


def moment(text: str) -> tuple[str, int]:
    """The day (``d1`` where none is given) and the second of the day. Raises ValueError."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"expected a time such as 08:30, 08:30:15, 'd2 08:30' or '2026-10-01 08:30', got {text!r}")
    if match[1] and not match[1].startswith("d") and not 2000 <= date.fromisoformat(match[1]).year <= 2099:
        raise ValueError(f"expected a date from 2000 to 2099, got {text!r}")
    return match[1] or "d1", int(match[2]) * 3600 + int(match[3]) * 60 + int(match[4] or 0)


def _checked(text: str) -> str:
    moment(text)
    return text


def day_of(day: str) -> int:
    """The number of a day, to reckon with: ``d2`` is one more than ``d1``."""
    return FIRST_DAY.toordinal() + int(day[1:]) - 1 if day.startswith("d") else date.fromisoformat(day).toordinal()


Moment = Annotated[str, AfterValidator(_checked)]
"""Local time: ``08:30``, ``08:30:15``; ``d2 08:30`` on the second day; ``2026-10-01 08:30`` on that date."""

Fact = float | bool | str


class ExampleDevice(Frozen):
    """One of the devices of an example's home."""

    kind: str
    attributes: dict[str, Fact] = {}
    via: str | None = None
    resident: bool = True
    """Whether it serves the resident of the home."""
    place: str = "home"

    @model_validator(mode="after")
    def _known(self) -> ExampleDevice:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; known kinds: {', '.join(sorted(KINDS))}")
        return self


class Given(Frozen):
    """One thing a device says."""

    at: Moment
    device: str = ""
    """Of the example's devices; the only one, or one of the rule's first kind, where it is left out."""
    event: str | None = None
    metrics: dict[str, float] = {}
    late_s: float = Field(default=0, ge=0, le=604_800)
    """It reaches the gateway so long after ``at``."""
    clock_suspect: bool = False


class Expected(Frozen):
    """What must come of it."""

    move: Literal["raise", "repeat", "clear", "cancel"]
    at: Moment


class Example(Frozen):
    """A short story with its end. Whatever is not expected must not happen."""

    name: str = Field(max_length=200)
    devices: dict[str, ExampleDevice] = {}
    place: dict[str, Fact] = {}
    """The attributes of the home."""
    resident: dict[str, Fact] = {}
    limits: dict[str, float] = {}
    given: tuple[Given, ...] = Field(min_length=1, max_length=500)
    until: Moment | None = None
    """Time passes until then, after the last word."""
    expect: tuple[Expected, ...] = ()

    @model_validator(mode="after")
    def _short(self) -> Example:
        times = [one.at for one in self.given] + ([] if self.until is None else [self.until])
        days = [day_of(moment(at)[0]) for at in times]
        if max(days) - min(days) > SPAN_MOST:
            raise ValueError(f"an example lasts at most {SPAN_MOST} days, this one {max(days) - min(days)}; shorten it")
        return self
