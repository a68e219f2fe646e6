"""Who is on duty where."""

from __future__ import annotations

from pydantic import Field

from gateway.alarms import Frozen
from gateway.registry.values import Id


class Duty(Frozen):
    """Who holds a role for a place and everything below it. The nearest duty up the tree wins."""

    role: str
    place: Id
    people: tuple[Id, ...] = Field(min_length=1)


class Roster(Frozen):
    """A list of duties under one name."""

    id: Id
    duties: tuple[Duty, ...] = Field(min_length=1)
