"""The escalation policy of a case: ladders, their rungs, and whom a rung tells. Pure data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.alarms import ALARM_TYPES, Frozen

Number = Literal["120", "119", "110"]


class Recipient(Frozen):
    """Whom a rung tells. Exactly one field is set; people are resolved when the rung is due, not before."""

    role: str | None = None
    """A roster role: whoever is on duty for the case's place."""
    family: bool | Literal["first", "further"] = False
    """The resident's own contacts, in the order the resident gave; ``first``: the first of them, ``further``: the
    others."""
    neighbours: bool = False
    """The people next door whom the resident allows to be told."""
    doctor: bool = False
    """The resident's own doctor."""
    organisation: str | None = None
    """A contractor, a social organisation, a department: its people on duty for the case's place, else all of them."""
    person: str | None = None
    """One person by id."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        named = (self.role, self.organisation, self.person)
        if sum((bool(self.family), self.neighbours, self.doctor, *(one is not None for one in named))) != 1:
            kinds = "role, family: true, neighbours: true, doctor: true, organisation, person"
            raise ValueError(f"give exactly one of {kinds}")
        return self

    def __str__(self) -> str:
        if self.role:
            return f"role {self.role}"
        if self.person:
            return f"person {self.person}"
        if self.organisation:
            return f"organisation {self.organisation}"
        if self.family:
            return "family" if self.family is True else f"family ({self.family})"
        return "neighbours" if self.neighbours else "doctor"


class DeviceOrder(Frozen):
    """A command that a rung gives devices: the siren of the yard, the voice at the bed."""

    kinds: tuple[str, ...] = Field(min_length=1)
    command: str
    args: dict[str, str] = {}


class Repeat(Frozen):
    """The people of a rung are told again until somebody has accepted."""

    times: int = Field(ge=1, le=100)
    every_s: int = Field(ge=10, le=86_400)


class Rung(Frozen):
    """One step of a ladder."""

    id: str
    after_s: int = Field(ge=0, le=86_400)
    """Seconds after the rung before it went out (after the case opened, for the first)."""
    notify: tuple[Recipient, ...] = ()
    tell: Literal["anyone", "all"] = "anyone"
    """``anyone``: once somebody has accepted, the others need not be told. ``all``: everybody on it is told at its
    time, whoever has accepted meanwhile."""
    repeat: Repeat | None = None
    devices: tuple[DeviceOrder, ...] = ()
    call: Number | None = None
    """The public emergency line this rung calls; only on ladders for life safety."""
    arm_s: int | None = Field(default=None, ge=0, le=86_400)
    """The line is armed so many seconds before it is called; without it, from the start."""
    countdown_s: int = Field(default=0, ge=0, le=300)
    """Before the call, so long a countdown that can be heard; 0 for none."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.notify and not self.devices and self.call is None:
            raise ValueError("a rung must notify somebody, command a device or call a line")
        if self.call is None and (self.arm_s is not None or self.countdown_s):
            raise ValueError("arm_s and countdown_s belong to a rung with call")
        return self


class Branch(Frozen):
    """Rungs that run beside the ladder, with an acknowledgement of their own: a family that is coming does not silence
    the control room, and the control room does not silence the family's own ladder where its rungs tell all."""

    id: str
    rungs: tuple[Rung, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _only_people(self) -> Self:
        if any(rung.call for rung in self.rungs):
            raise ValueError("an emergency line is called by the ladder itself, not by a branch")
        return self


class Fallback(Frozen):
    """Takes over, once, when nobody on the ladder can be reached."""

    notify: tuple[Recipient, ...] = ()
    devices: tuple[DeviceOrder, ...] = ()
    call: bool = False
    """Call the ladder's line now rather than at its time."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.notify and not self.devices and not self.call:
            raise ValueError("a fallback must notify somebody, command a device or call the line")
        return self


class Dial(Frozen):
    """When the line is called for some types of alarm, where that is not the ladder's own clock. The first that fits
    counts."""

    types: tuple[str, ...] = ()
    """Types of alarm; empty for all."""
    rules: tuple[str, ...] = ()
    """Of these types only what these rules raise; empty for all."""
    again: bool = False
    """Only once the key was pressed again, or a further danger has joined."""
    number: Number | None = None
    """The line for these; without it that of the ladder."""
    within_s: int | None = Field(default=None, ge=0, le=3600)
    """It is called when nobody has taken the case within so long; 0 for at once, without it by the ladder's clock."""
    ask: bool = False
    """The resident is asked by the device's voice, and who answers that all is well is not called for."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        for type_ in self.types:
            if type_ not in ALARM_TYPES:
                raise ValueError(f"types: unknown alarm type {type_!r}; known: {', '.join(ALARM_TYPES)}")
        if self.ask and not self.within_s:
            raise ValueError("ask: give within_s as well, the seconds the resident has to answer")
        if self.number is None and self.within_s is None:
            raise ValueError("give number or within_s; else it changes nothing")
        return self


class Ladder(Frozen):
    """The escalation policy of a case, snapshotted into it when it opens."""

    id: str
    life_safety: bool = False
    cancel_window_s: int = Field(default=0, ge=0, le=300)
    """For so long after opening, the resident may take the alarm back at the device without anybody's leave."""
    lease_s: int = Field(default=180, ge=10, le=86_400)
    """An acknowledgement is a lease: without progress for so long the ladder goes on, and the owner is told."""
    on_the_way_s: int = Field(default=900, ge=10, le=86_400)
    """The lease once somebody has been dispatched."""
    repeat_s: int = Field(default=60, ge=10, le=86_400)
    """After the last rung the people are told again this often, until somebody takes it (life safety)."""
    loops: int = Field(default=0, ge=0, le=1000)
    """How often that is where no life is at stake; life safety has no limit."""
    rungs: tuple[Rung, ...] = Field(min_length=1)
    branches: tuple[Branch, ...] = ()
    """Ladders beside this one, on clocks of their own, which begin with it."""
    fallback: Fallback | None = None
    supervisor: Recipient | None = Recipient(role="supervisor")
    """Who hears that a rung had nobody on it."""
    lines: tuple[Dial, ...] = ()

    @model_validator(mode="after")
    def _lines_only_for_life_safety(self) -> Self:
        ids = [rung.id for rung in self.every_rung]
        if len(set(ids)) != len(ids):
            raise ValueError("rung ids must differ")
        if len({branch.id for branch in self.branches}) != len(self.branches):
            raise ValueError("branch ids must differ")
        calls = [rung for rung in self.rungs if rung.call]
        if not self.life_safety and (calls or self.lines):
            raise ValueError("only a ladder with life_safety: true may call an emergency line")
        if len(calls) > 1:
            raise ValueError("one rung calls the line; other numbers by type of alarm stand in lines")
        if not calls and (self.lines or (self.fallback is not None and self.fallback.call)):
            raise ValueError('lines and a fallback that calls need a rung with call: "120"')
        return self

    @property
    def every_rung(self) -> tuple[Rung, ...]:
        """The ladder's own rungs, and those of its branches."""
        return (*self.rungs, *(rung for branch in self.branches for rung in branch.rungs))

    @property
    def call_index(self) -> int | None:
        """Which of its own rungs calls the line."""
        return next((index for index, rung in enumerate(self.rungs) if rung.call), None)
