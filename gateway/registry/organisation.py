"""Who does the work beside the community's own staff, and how their work is rated.

An organisation is a handler like any person: types of work and a dispatch name it. Its people are told as the roster
says, where it holds roles; else all of them.
"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.alarms import Frozen
from gateway.registry.values import Id, Wording

OrganisationKind = Literal["committee", "contractor", "social_organisation", "department", "enterprise"]
"""居委会 (residents' committee), 承包单位, 社会组织, 职能部门, 企业."""
RESIDENTS = "residents"
"""Those whom the work was done for, as raters."""
HANDLERS = "handlers"
"""As those who are rated: everybody who has had part in a case."""
LEVEL = "level:"
"""As those who are rated: before the name of a level, every place at it."""


class Organisation(Frozen):
    """Somebody beside the community's own staff who does work: a committee, a contractor, a department."""

    id: Id
    name: Wording
    kind: OrganisationKind
    people: tuple[Id, ...] = ()
    """Who can be told for it, in this order."""
    roles: tuple[str, ...] = ()
    """The roles of the roster that are its own: whoever holds one at the place of the work is told."""
    places: tuple[Id, ...] = ()
    """Where it works; everywhere where it is left out."""
    services: tuple[str, ...] = ()
    """What it does, in the words of the community's types of work."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if not self.people and not self.roles:
            raise ValueError("give people or roles, else nobody can be told")
        return self


class Rater(Frozen):
    """One who rates, and what their word weighs."""

    by: str = Field(min_length=1, max_length=64)
    """The id of an organisation, or `residents` for those whom the work was done for."""
    weight: float = Field(gt=0, le=100, allow_inf_nan=False)
    """Per cent of the rating."""
    at_least: float = Field(default=0, ge=0, le=100, allow_inf_nan=False)
    """What the community demands that it weighs at least: 50 where the residents' committee must have half the say."""


class Evaluation(Frozen):
    """Who rates whom with which weight."""

    id: Id
    name: Wording
    of: tuple[str, ...] = Field(min_length=1)
    """Whom: ids of organisations, or kinds of them; `handlers` for each person who had part in it; `level:` with the
    name of a level for each place at it, such as `level:三级网格`."""
    raters: tuple[Rater, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        names = [rater.by for rater in self.raters]
        if len(set(names)) != len(names):
            raise ValueError("somebody rates twice; name everybody once")
        total = math.fsum(rater.weight for rater in self.raters)
        if not math.isclose(total, 100, abs_tol=1e-6):
            raise ValueError(f"the weights make {total:g}; expected 100")
        for rater in self.raters:
            if rater.weight < rater.at_least:
                raise ValueError(f"{rater.by} weighs {rater.weight:g}, and must weigh at least {rater.at_least:g}")
        return self
