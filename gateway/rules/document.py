"""A rule as a document: what it watches, when it raises, when it clears. Data, not code.

Four forms, told apart by ``form``: ``event`` (something happened), ``threshold`` (a condition over the readings of one
device holds, with persistence and hysteresis), ``silence`` (a supervised device is not heard), ``condition`` (several
named inputs of a device, a home or a person, over time).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from devices.kinds import KINDS
from gateway.alarms import ALARM_TYPES, Frozen, Severity
from gateway.rules.examples import Example
from gateway.workdays import Day, Hours

RESERVED = frozenset({"library", "export", "schema", "validate", "test", "new"})
"""Stand where the API and the console have a rule's id."""
NAME = r"^[a-z][a-z0-9_]{0,31}$"


class Raise(Frozen):
    """What the rule raises."""

    type: str
    severity: Severity
    ladder: str

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        return _known_type(value)


def _known_type(value: str) -> str:
    if value not in ALARM_TYPES:
        raise ValueError(f"unknown alarm type; known types: {', '.join(sorted(ALARM_TYPES))}")
    return value


def _known_kinds(value: tuple[str, ...]) -> tuple[str, ...]:
    for kind in value:
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; known kinds: {', '.join(sorted(KINDS))}")
    return value


class Say(Frozen):
    """What people are told, with placeholders: ``{spo2}`` stands for the value that decided."""

    zh: str = Field(max_length=300)
    en: str = Field(max_length=300)


class Action(Frozen):
    """What is done by itself when the rule raises: a command to the devices of a kind that are near."""

    command: str
    args: dict[str, str] = {}
    kinds: tuple[str, ...] = Field(min_length=1)
    at: Literal["place", "device"] = "place"
    """``place``: every such device of the alarm's place. ``device``: the device that raised it."""
    where: str | None = Field(default=None, max_length=500)
    """Which of them: a condition over the facts of the device that is told (``device.medium == "gas"``)."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        for kind in _known_kinds(self.kinds):
            command = KINDS[kind].commands.get(self.command)
            if command is None:
                known = ", ".join(KINDS[kind].commands) or "no commands"
                raise ValueError(f"command: a {kind} knows {known}, not {self.command!r}")
            for name, value in self.args.items():
                if value not in command.args.get(name, ()):
                    takes = "; ".join(f"{key}: {', '.join(allowed)}" for key, allowed in command.args.items())
                    raise ValueError(
                        f"args: {self.command} of a {kind} takes {takes or 'nothing'}, not {name}: {value}"
                    )
        return self


class Inhibition(Frozen):
    """While an alarm of one of ``types`` stands at the same place (device, resident, carrier), this rule is quiet.

    What still holds when that alarm ends is told then. An alarm for life safety cannot be inhibited.
    """

    types: tuple[str, ...] = Field(min_length=1)
    at: Literal["device", "via", "place", "resident"] = "place"

    @field_validator("types")
    @classmethod
    def _types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known_type(one) for one in value)


class Storm(Frozen):
    """Beyond ``count`` new alarms of the rule within ``within_s``, people are told once of all of them."""

    count: int = Field(default=20, ge=2, le=10_000)
    within_s: int = Field(default=600, ge=10, le=86_400)


class _Rule(Frozen):
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    version: int = Field(ge=1, le=2**31 - 1)
    zh: str
    en: str
    enabled: bool = True
    shadow: bool = False
    """Tried out: it decides and is counted, but nobody is told and nothing is done."""
    subject: Literal["device", "resident", "place"] = "device"
    """Whom the alarm is about. A device without a resident falls back to its place, never to nothing."""
    where: str | None = Field(default=None, max_length=500)
    """For which devices it is in force: a condition over ``device.…``, ``place.…`` and ``resident.…``."""
    hours: Hours | None = None
    """Local time of day in which it watches: ``22:00-06:00``, several with commas. Without it: always."""
    days: Literal["workdays", "holidays"] | tuple[Day, ...] | None = None
    """On which days it watches; a night belongs to the day on which it began."""
    limits: dict[Annotated[str, Field(pattern=NAME)], Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        default={}, max_length=32
    )
    """This site's defaults in place of those in ``limit(name, default)``; a resident's own go before them."""
    raises: Raise
    say: Say | None = None
    do: tuple[Action, ...] = Field(default=(), max_length=8)
    inhibited_by: Inhibition | None = None
    rest_s: int = Field(default=0, ge=0, le=604_800)
    """After it ended, it is not raised again for so long."""
    storm: Storm = Storm()
    examples: tuple[Example, ...] = Field(default=(), max_length=50)

    @field_validator("id")
    @classmethod
    def _free(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError(f"{value} is an address of the API or the console; take another id")
        return value

    @model_validator(mode="after")
    def _life_safety(self) -> Self:
        life = ALARM_TYPES[self.raises.type].life_safety or self.raises.severity is Severity.EMERGENCY
        if life and self.inhibited_by is not None:
            raise ValueError("inhibited_by: an alarm that may concern a life is never held back; remove it")
        if life and self.rest_s:
            raise ValueError("rest_s: an alarm that may concern a life is never held back; remove it")
        return self


class _OneDevice(_Rule):
    kinds: tuple[str, ...] = Field(min_length=1)

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(value)


class EventRule(_OneDevice):
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
            _known_events(kind, (*self.events, *self.clear_events, *self.cancel_events))
        return self


def _known_events(kind: str, events: tuple[str, ...]) -> None:
    for event in events:
        if event not in KINDS[kind].events:
            raise ValueError(f"{kind} has no event {event!r}; it has {', '.join(sorted(KINDS[kind].events))}")


class Readings(Frozen):
    """``count`` of the last ``of`` readings must meet the condition."""

    count: int = Field(ge=1, le=100)
    of: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.count > self.of:
            raise ValueError("count must not be larger than of")
        return self


class ThresholdRule(_OneDevice):
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


class SilenceRule(_OneDevice):
    """Raises when a supervised device has not been heard for ``intervals`` of its supervision interval."""

    form: Literal["silence"]
    intervals: float = Field(default=1.0, ge=1.0, le=100.0)
    startup_grace_s: int = Field(default=120, ge=0, le=3600)
    """After the gateway starts, nobody is silent for so long: it was the gateway that did not listen."""


class Input(Frozen):
    """One thing a condition looks at. An *occurrence* (``events`` or ``reading``: when did it happen), or a *value*
    (``metric``, or ``state``: what was said last)."""

    kinds: tuple[str, ...] = Field(min_length=1)
    events: tuple[str, ...] = ()
    """Each of these is an occurrence."""
    reading: str | None = Field(default=None, max_length=500)
    """A reading for which this holds is an occurrence: ``targets > 0``."""
    metric: str | None = None
    state: str | None = None
    """A state of the kind (``open``): 1 or 0, by its events and by its metric."""
    where: str | None = Field(default=None, max_length=500)
    """Which devices and readings count: facts, and for ``metric`` also the reading's other metrics."""
    link: str | None = Field(default=None, pattern=NAME)
    """Comes from another device: the one that this attribute of the subject's device names (``upstream``)."""
    hours: Hours | None = None
    """``quiet`` counts only this time of day: nobody moves while asleep."""
    max_age_s: int = Field(default=86_400, ge=1, le=31_536_000)
    """An older value is not known any more."""

    @field_validator("kinds")
    @classmethod
    def _kinds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _known_kinds(value)

    @property
    def occurrence(self) -> bool:
        """Whether it is something that happens; else it is a value."""
        return self.metric is None and self.state is None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        given = (bool(self.events) or self.reading is not None, self.metric is not None, self.state is not None)
        if sum(given) != 1:
            raise ValueError("give exactly one of: events and/or reading (an occurrence), metric, state (a value)")
        every = {event for kind in self.kinds for event in KINDS[kind].events}
        for event in self.events:
            if event not in every:
                raise ValueError(f"events: none of these kinds has {event!r}; they have {', '.join(sorted(every))}")
        for kind in self.kinds:
            if self.events and self.reading is None and not set(self.events) & set(KINDS[kind].events):
                known = ", ".join(sorted(KINDS[kind].events))
                raise ValueError(f"events: {kind} has none of these; it has {known}; leave the kind out")
            if self.metric is not None and self.metric not in KINDS[kind].metrics:
                known = ", ".join(sorted(KINDS[kind].metrics))
                raise ValueError(f"metric: {kind} has no {self.metric!r}; it has {known}")
            if self.state is not None and self.state not in KINDS[kind].states:
                known = ", ".join(sorted(KINDS[kind].states)) or "none"
                raise ValueError(f"state: {kind} has no {self.state!r}; it has {known}")
        return self


class Band(Frozen):
    """``points`` for values up to and including ``upto``; the last band has no ``upto``."""

    upto: float | None = None
    points: int = Field(ge=0, le=100)


class Parameter(Frozen):
    """One row of a score: the input it looks at, and its points by bands."""

    of: str = Field(pattern=NAME)
    when: str | None = Field(default=None, max_length=500)
    """In place of the other rows of the same input where this holds (another scale for this person)."""
    bands: tuple[Band, ...] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        limits = [band.upto for band in self.bands]
        if limits[-1] is not None or None in limits[:-1]:
            raise ValueError("bands: every band but the last has an upto")
        known = [limit for limit in limits if limit is not None]
        if known != sorted(set(known)):
            raise ValueError("bands: upto must grow from band to band")
        return self


class ConditionRule(_Rule):
    """Raises when ``when`` holds over its inputs; clears when it no longer does, or ``clear`` does."""

    form: Literal["condition"]
    inputs: dict[Annotated[str, Field(pattern=NAME)], Input] = Field(min_length=1, max_length=12)
    score: tuple[Parameter, ...] = Field(default=(), max_length=24)
    """Points by tables (NEWS2): gives the names ``score``, ``score_highest`` and ``score_missing``."""
    when: str = Field(max_length=500)
    for_s: float | None = Field(default=None, gt=0, le=604_800)
    """It must hold for so long without a break."""
    clear: str | None = Field(default=None, max_length=500)
    momentary: bool = False
    """It ends with its case, and not by a condition."""
    lateness_s: int = Field(default=0, ge=0, le=86_400)
    """What time alone would raise waits so long for messages that are still under way."""
    startup_grace_s: int = Field(default=120, ge=0, le=3600)
    """After the gateway starts, time alone raises nothing for so long."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind it looks at."""
        return tuple(dict.fromkeys(kind for one in self.inputs.values() for kind in one.kinds))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.momentary and self.clear is not None:
            raise ValueError("clear: a momentary alarm ends with its case; leave one of the two out")
        for row in self.score:
            if row.of not in self.inputs:
                raise ValueError(f"score: there is no input {row.of!r}; there are {', '.join(self.inputs)}")
            if self.inputs[row.of].occurrence:
                raise ValueError(f"score: {row.of} is an occurrence, not a value")
        if all(one.link is not None for one in self.inputs.values()):
            raise ValueError("inputs: one of them must come from the subject's own devices, without link")
        return self


RuleDocument = Annotated[EventRule | ThresholdRule | SilenceRule | ConditionRule, Field(discriminator="form")]


def placeholders(say: Say) -> frozenset[str]:
    """The names between braces in either language."""
    return frozenset(re.findall(r"\{([^{}]*)\}", say.zh + say.en))
