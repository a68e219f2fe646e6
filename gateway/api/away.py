"""Residents who are not at home: in hospital, travelling. Said with an end, and taken back before it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path

from gateway.api.auth import Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.device_models import AwayOrder, AwayOut
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.api.registering import change_registry
from gateway.registry import away
from gateway.registry.away import Absence
from gateway.registry.facts import TEXT_MOST

router = APIRouter(tags=["places and residents"])
ResidentId = Annotated[str, Path(max_length=64, pattern=ID, examples=["li"])]


def absences(context: Context) -> list[Absence]:
    """Everybody who is away; first those without an end, then those that end first."""
    directory = context.directory()
    return [] if directory is None else away.absences(directory.community)


def absence(context: Context, resident_id: str | None) -> Absence | None:
    """The absence of one resident; None for one who is at home as far as anybody said."""
    directory = context.directory()
    known = directory.resident(resident_id) if directory is not None and resident_id is not None else None
    return None if known is None or directory is None else away.absence_of(known, directory.calendar.zone)


async def say_away(context: Context, resident_id: str, reason: str, until: str, actor: str) -> None:
    """She is away from now until then; it holds when this returns. Raises ApiProblem."""
    by, now_ms = actor[:TEXT_MOST], context.clock.now_ms()
    await change_registry(context, away.say(resident_id, why=reason, until=until, by=by, now_ms=now_ms), actor)


async def say_back(context: Context, resident_id: str, actor: str) -> None:
    """She is at home again; where she was not away, nothing changes. Raises ApiProblem."""
    await change_registry(context, away.back(resident_id), actor)


def _out(one: Absence) -> AwayOut:
    return AwayOut(
        resident=one.resident,
        reason=one.why,
        until=one.until or None,
        until_ms=one.until_ms,
        by=one.by,
        zh=one.says.zh,
        en=one.says.en,
    )


@router.get("/away")
def list_away(context: Gateway, _: Reader) -> list[AwayOut]:
    """Who is away; first those of whom nobody said until when, then those who come back first."""
    return [_out(one) for one in absences(context)]


@router.put("/residents/{resident_id}/away", responses=described(404, 409))
async def put_away(
    context: Gateway, caller: Operator, resident_id: ResidentId, order: Annotated[AwayOrder, Body()]
) -> AwayOut:
    """A resident is away: rules that ask for `resident.away` (inactivity, no-return) are not for her until then.

    It ends by itself, written down as a revision of the registry. Emergency keys, vital signs, smoke and gas are
    watched as ever. Said again, the last word holds.
    """
    await say_away(context, resident_id, order.reason, order.until, caller.actor)
    now = absence(context, resident_id)
    if now is None:
        en = "another gateway decides, or somebody took it back just now; look again: GET /away"
        raise ApiProblem(503, "not_yet", "尚未生效或刚被撤销，请再看一次", en)
    return _out(now)


@router.delete("/residents/{resident_id}/away", responses=described(404, 409))
async def delete_away(context: Gateway, caller: Operator, resident_id: ResidentId) -> list[AwayOut]:
    """She is at home again: from now on she is watched as before. Where she was not away, nothing changes.

    Answers with those who are still away.
    """
    await say_back(context, resident_id, caller.actor)
    return [_out(one) for one in absences(context)]
