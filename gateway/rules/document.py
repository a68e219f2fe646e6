"""A rule as a document: what it watches, when it raises, when it clears. Data, not code.

Three forms in this first set, told apart by ``form``: ``event`` (something happened), ``threshold`` (a condition over
metrics holds, with persistence and hysteresis), ``silence`` (a supervised device is not heard).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from devices.kinds import KINDS
from gateway.alarms import ALARM_TYPES, Frozen, Severity


class Raise(Frozen):
    """What the rule raises."""

    type: str
    severity: Severity
    ladder: str

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ALARM_TYPES:
            raise ValueError(f"unknown alarm type; known types: {', '.join(sorted(ALARM_TYPES))}")
        return value


class _Rule(Frozen):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    version: int = Field(ge=1)
    zh: str
    en: str
    enabled: bool = True
    kinds: tuple[str, ...] = Field(min_length=1)
    subject: Literal["device", "resident", "place"] = "device"
    """Whom the alarm is about. A device without a resident falls back to its place, never to nothing."""
    raises: Raise

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for kind in value:
            if kind not in KINDS:
                raise ValueError(f"unknown kind {kind!r}; known kinds: {', '.join(sorted(KINDS))}")
        return value


class EventRule(_Rule):
    """Raises when one of ``events`` happens."""

    form: Literal["event"]
    events: tuple[str, ...] = Field(min_length=1)
    clear_events: tuple[str, ...] = ()
    """Events that say the condition is over (``smoke_cleared``)."""
    cancel_events: tuple[str, ...] = ()
    """Events by which the resident takes the alarm back (``cancel``)."""

    @property
    def momentary(self) -> bool:
        """Without an event that ends it, the alarm ends with its case."""
        return not self.clear_events

    @model_validator(mode="after")
    def _events(self) -> Self:
        for kind in self.kinds:
            for event in (*self.events, *self.clear_events, *self.cancel_events):
                if event not in KINDS[kind].events:
                    raise ValueError(f"{kind} has no event {event!r}; it has {', '.join(sorted(KINDS[kind].events))}")
        return self


class Readings(Frozen):
    """``count`` of the last ``of`` readings must meet the condition."""

    count: int = Field(ge=1, le=100)
    of: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.count > self.of:
            raise ValueError("count must not be larger than of")
        return self


class ThresholdRule(_Rule):
    """Raises when ``when`` holds persistently; clears when ``clear`` does (hysteresis)."""

    form: Literal["threshold"]
    when: str = Field(max_length=500)
    ignore: str | None = Field(default=None, max_length=500)
    """Readings for which this holds say nothing (a probe that is off)."""
    readings: Readings | None = None
    for_s: float | None = Field(default=None, gt=0, le=86_400)
    """The condition must hold in every reading for so long."""
    clear: str | None = Field(default=None, max_length=500)
    """When the alarm is over; where not given, when ``when`` no longer holds."""
    clear_readings: Readings | None = None


class SilenceRule(_Rule):
    """Raises when a supervised device has not been heard for ``intervals`` of its supervision interval."""

    form: Literal["silence"]
    intervals: float = Field(default=1.0, ge=1.0, le=100.0)
    startup_grace_s: int = Field(default=120, ge=0, le=3600)
    """After the gateway starts, nobody is silent for so long: it was the gateway that did not listen."""


RuleDocument = Annotated[EventRule | ThresholdRule | SilenceRule, Field(discriminator="form")]
