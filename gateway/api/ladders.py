"""Ladders: who would be told when, played with a virtual clock."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.cases.simulate import Simulation
from gateway.registry.directory import CommunityDirectory
from gateway.registry.rehearsal import CannotRehearse, rehearse

router = APIRouter(prefix="/ladders", tags=["ladders"])

LAST_MS = 253_402_300_799_000
"""The end of the year 9999: no calendar goes on after it."""
Named = Annotated[str | None, Query(max_length=64, pattern=ID)]


def known(context: Context) -> CommunityDirectory:
    """The registry's present view. Raises ApiProblem before a community was applied."""
    directory = context.directory()
    if directory is None:
        raise ApiProblem(
            409, "no_community", "尚未配置社区", "no community has been applied yet: run `anju apply FILE`"
        )
    return directory


@router.get("/simulate", responses=described(409))
def simulate(
    context: Gateway,
    _: Reader,
    type: Annotated[str, Query(max_length=64, pattern=ID, description="alarm type")] = "personal_emergency",
    resident: Named = None,
    place: Named = None,
    device: Named = None,
    ladder: Named = None,
    at_ms: Annotated[int | None, Query(ge=0, le=LAST_MS, description="when; now where it is not given")] = None,
    for_s: Annotated[int | None, Query(ge=1, le=86_400, description="how far to look ahead")] = None,
    answers: Annotated[bool, Query(description="also what happens at each answer")] = True,
) -> Simulation:
    """Who would be told when by which channel, for a place, a resident or a device, a type of alarm and an instant.

    It runs the case machine itself with a virtual clock: first with nobody who answers, then with each answer that
    could be given. Nothing is sent.
    """
    try:
        return rehearse(
            known(context),
            at_ms=context.clock.now_ms() if at_ms is None else at_ms,
            type_=type,
            resident=resident,
            place=place,
            device=device,
            ladder=ladder,
            for_s=for_s,
            answers=answers,
        )
    except CannotRehearse as error:
        raise ApiProblem(422, "cannot_simulate", error.zh, f"{error.field}: {error.en}") from None
