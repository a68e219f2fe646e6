"""Who does the work beside the community's own staff, and how their work is rated.

An organisation is a handler like any person: types of work and a dispatch name it. Its people are told as the roster
says, where it holds roles; else all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from gateway.alarms import Frozen
from gateway.registry.values import Id, Wording

OrganisationKind = Literal["committee", "contractor", "social_organisation", "department", "enterprise"]
"""居委会 (residents' committee), 承包单位, 社会组织, 职能部门, 企业."""


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
    """Whom: ids of organisations, or kinds of them."""
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


class Satisfaction(Frozen):
    """How satisfied one rater was once."""

    by: str
    score: float = Field(ge=0, le=100, allow_inf_nan=False)


class Part(NamedTuple):
    """What one rater says, and how much it counts."""

    weight: float
    number: int
    mean: float | None
    """None where this rater has said nothing."""


class Rating(NamedTuple):
    """What comes of it."""

    score: float | None
    """From 0 to 100; None while a rater has said nothing: what is missing is never shared out among the others."""
    parts: Mapping[str, Part]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(by for by, part in self.parts.items() if part.mean is None)


def rate(evaluation: Evaluation, records: Iterable[Satisfaction]) -> Rating:
    """The rating by all records of a period: each rater's mean, by its weight. Records of others do not count."""
    scores: dict[str, list[float]] = {rater.by: [] for rater in evaluation.raters}
    for record in records:
        if record.by in scores:
            scores[record.by].append(record.score)
    parts = {
        rater.by: Part(
            rater.weight,
            len(scores[rater.by]),
            math.fsum(scores[rater.by]) / len(scores[rater.by]) if scores[rater.by] else None,
        )
        for rater in evaluation.raters
    }
    means = [(part.weight, part.mean) for part in parts.values()]
    if any(mean is None for _, mean in means):
        return Rating(None, parts)
    return Rating(math.fsum(weight * mean for weight, mean in means if mean is not None) / 100, parts)
