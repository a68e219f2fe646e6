"""Do rosters, roles and organisations hold together: does everybody who is named exist, and can anybody say who is
meant? When nobody is on duty is `gateway.registry.coverage`'s question: it needs to know from when on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import get_args

from gateway.registry.finding import Finding
from gateway.registry.model import Community
from gateway.registry.organisation import HANDLERS, LEVEL, RESIDENTS, OrganisationKind
from gateway.registry.problem import Path, did_you_mean
from gateway.registry.roster import Duty, Rotation

Missing = Callable[[str, str, str, int, Path], Iterator[Finding]]
"""(section, wanted, section that names it, index there, path there): what is wrong where it does not exist."""


def people_of(duty: Duty) -> Iterator[tuple[Path, str]]:
    """Everybody whom a duty names, with where."""
    for number, person in enumerate(duty.people or ()):
        yield ("people", number), person
    yield from _turns(("rotation",), duty.rotation)
    for index, shift in enumerate(duty.shifts):
        for number, person in enumerate(shift.people or ()):
            yield ("shifts", index, "people", number), person
        yield from _turns(("shifts", index, "rotation"), shift.rotation)


def _turns(path: Path, rotation: Rotation | None) -> Iterator[tuple[Path, str]]:
    for index, group in enumerate(rotation.order if rotation is not None else ()):
        for person in group:
            yield (*path, "order", index), person


def rosters(community: Community, missing: Missing, told: Sequence[str], blamed: Sequence[str]) -> Iterator[Finding]:
    """``told``: the roles that somebody is told by. ``blamed``: those that a ladder misspells, which was said."""
    known = {duty.role for roster in community.rosters for duty in roster.duties}
    seen: set[tuple[str, str]] = set()
    for index, roster in enumerate(community.rosters):
        for position, duty in enumerate(roster.duties):
            path: Path = ("duties", position)
            yield from missing("places", duty.place, "rosters", index, (*path, "place"))
            for where, person in people_of(duty):
                yield from missing("people", person, "rosters", index, (*path, *where))
            if (duty.role, duty.place) in seen:
                message = f"role {duty.role} is given twice for place {duty.place}; put all people into one duty"
                yield Finding(level="error", section="rosters", index=index, path=path, message=message)
            seen.add((duty.role, duty.place))
            if duty.role not in told and duty.role not in blamed:
                message = f"no ladder tells role {duty.role}{did_you_mean(duty.role, told)}"
                place = (*path, "role")
                yield Finding(level="warning", section="rosters", index=index, path=place, message=message)
        for position, required in enumerate(roster.required):
            path = ("required", position)
            yield from missing("places", required.place, "rosters", index, (*path, "place"))
            yield from _no_role(required.role, known, index, (*path, "role"))
        if roster.handover is not None:
            yield from _no_role(roster.handover.supervisor, known, index, ("handover", "supervisor"))


def _no_role(role: str, known: set[str], index: int, path: Path) -> Iterator[Finding]:
    if role not in known:
        message = f"role {role} is in no roster{did_you_mean(role, known)}; add a duty, or correct the role"
        yield Finding(level="error", section="rosters", index=index, path=path, message=message)


def organisations(community: Community, missing: Missing) -> Iterator[Finding]:
    """Do their people and places exist, and can those that rate be told from each other?"""
    roles = {duty.role for roster in community.rosters for duty in roster.duties}
    for index, one in enumerate(community.organisations):
        for number, person in enumerate(one.people):
            yield from missing("people", person, "organisations", index, ("people", number))
        for number, place in enumerate(one.places):
            yield from missing("places", place, "organisations", index, ("places", number))
        for number, role in enumerate(one.roles):
            if role not in roles:
                message = f"role {role} is in no roster{did_you_mean(role, roles)}; add a duty, or correct the role"
                path: Path = ("roles", number)
                yield Finding(level="error", section="organisations", index=index, path=path, message=message)
    yield from _named(community, missing)
    kinds = get_args(OrganisationKind)
    ids = [one.id for one in community.organisations]
    levels = dict.fromkeys(place.level for place in community.places)
    rated = [*ids, *kinds, HANDLERS, *(f"{LEVEL}{level}" for level in levels)]
    for index, evaluation in enumerate(community.evaluation):
        for number, of in enumerate(evaluation.of):
            if of not in rated:
                near = did_you_mean(of, rated)
                message = (
                    f"there is no organisation {of}, and it is no kind of them ({', '.join(kinds)}), not {HANDLERS}, "
                    f"and no level of a place ({LEVEL}…){near}"
                )
                yield Finding(level="error", section="evaluation", index=index, path=("of", number), message=message)
        for number, rater in enumerate(evaluation.raters):
            if rater.by not in ids and rater.by != RESIDENTS:
                near = did_you_mean(rater.by, [*ids, RESIDENTS])
                message = f"there is no organisation {rater.by}; name one, or {RESIDENTS}{near}"
                path = ("raters", number, "by")
                yield Finding(level="error", section="evaluation", index=index, path=path, message=message)
            elif rater.by in evaluation.of:
                message = f"{rater.by} rates itself; take it out of of, or of raters"
                path = ("raters", number, "by")
                yield Finding(level="error", section="evaluation", index=index, path=path, message=message)


def _named(community: Community, missing: Missing) -> Iterator[Finding]:
    """Do the organisations exist that types of work name?"""
    for index, work in enumerate(community.work):
        if work.organisation:
            yield from missing("organisations", work.organisation, "work", index, ("organisation",))
