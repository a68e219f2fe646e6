"""The escalation policy of a case: ladders, their rungs, and whom a rung tells. Pure data."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.alarms import Frozen

EMERGENCY_NUMBERS = ("120", "119", "110")


class Recipient(Frozen):
    """Whom a rung tells. Exactly one field is set; people are resolved when the rung is due, not before."""

    role: str | None = None
    """A roster role: whoever is on duty for the case's place."""
    family: bool = False
    """The resident's own contacts, in the order the resident gave."""
    person: str | None = None
    """One person by id."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum((self.role is not None, self.family, self.person is not None)) != 1:
            raise ValueError("give exactly one of role, family: true, person")
        return self

    def __str__(self) -> str:
        return f"role {self.role}" if self.role else f"person {self.person}" if self.person else "family"


class Rung(Frozen):
    """One step of a ladder."""

    id: str
    after_s: int = Field(ge=0, le=86_400)
    """Seconds after the rung before it went out (after the case opened, for the first)."""
    notify: tuple[Recipient, ...] = ()
    call: Literal["120", "119", "110"] | None = None
    """The public emergency line this rung calls; only on ladders for life safety."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not self.notify and self.call is None:
            raise ValueError("a rung must notify somebody or call a line")
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
    """After the last rung the people are told again this often, until somebody takes it (life safety), else never."""
    rungs: tuple[Rung, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _lines_only_for_life_safety(self) -> Self:
        if len({rung.id for rung in self.rungs}) != len(self.rungs):
            raise ValueError("rung ids must differ")
        if not self.life_safety and any(rung.call for rung in self.rungs):
            raise ValueError("only a ladder with life_safety: true may call an emergency line")
        return self
