"""Strangers: gear that is not registered, what it said, and its adoption."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from gateway.api.auth import Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.device_models import Adoption, CandidateOut, DevicesChanged, NotUnderstood
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.api.registering import change_registry
from gateway.journal.entry import Quarantined
from gateway.registry import adopt, candidates
from gateway.registry.candidates import Candidate, readable
from gateway.registry.model import NATIVE
from gateway.state.db import reading, writing

router = APIRouter(prefix="/candidates", tags=["devices"])

BridgeId = Annotated[str, Path(max_length=64, pattern=ID, examples=["z2m"])]
Address = Annotated[str, Path(max_length=200, pattern=ID, examples=["0x00158d0001a2b3c4"])]
SAID = 20


def strangers(context: Context, *, dismissed: bool = False) -> list[Candidate]:
    """The strangers of this moment, those heard last first."""
    with reading(context.engine) as connection:
        found = candidates.waiting(connection, dismissed=dismissed)
    directory = context.directory()
    return found if directory is None else adopt.unregistered(found, directory)


def stranger(context: Context, bridge: str, address: str) -> Candidate:
    """Raises ApiProblem."""
    with reading(context.engine) as connection:
        found = candidates.find(connection, bridge, address)
    if found is None:
        raise ApiProblem(
            404,
            "no_such_candidate",
            f"没有待接入设备 {bridge} {address}",
            f"there is no stranger {address!r} at {bridge!r}",
        )
    return found


def what_they_said(context: Context, one: Candidate) -> list[NotUnderstood]:
    """Its newest messages, as they were put aside. Raises JournalError."""
    sender = one.address if one.bridge == NATIVE else f"{one.bridge}/{one.address}"
    return [_said(item) for item in context.quarantined(SAID, sender)]


def _said(item: Quarantined) -> NotUnderstood:
    return NotUnderstood(
        received_at_ms=item.received_at_ms,
        transport=item.transport,
        source=item.source,
        reason=item.reason,
        field=item.field,
        expected=item.expected,
        hint=item.hint,
        payload=readable(item.payload),
    )


@router.get("")
def list_candidates(
    context: Gateway,
    _: Reader,
    dismissed: Annotated[bool, Query(description="also those somebody wants to see no more")] = False,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> list[CandidateOut]:
    """Gear that spoke, or that its bridge described, and is not registered; what was heard last first."""
    return [CandidateOut(**asdict(one)) for one in strangers(context, dismissed=dismissed)[:limit]]


@router.get("/{bridge}/{address:path}/said", responses=described(404))
def said(context: Gateway, _: Reader, bridge: BridgeId, address: Address) -> list[NotUnderstood]:
    """What a stranger said, the newest first."""
    return what_they_said(context, stranger(context, bridge, address))


@router.post("/{bridge}/{address:path}/adopt", responses=described(404, 409))
async def adopt_candidate(
    context: Gateway, caller: Operator, bridge: BridgeId, address: Address, wish: Annotated[Adoption, Body()]
) -> DevicesChanged:
    """Make a stranger a device: it is listened to from now on. Everything but its place is proposed."""
    one = await asyncio.to_thread(stranger, context, bridge, address)
    chosen = adopt.Wish(
        place=wish.place,
        kind=wish.kind or "",
        resident=wish.resident or "",
        id=wish.id or "",
        name_zh=wish.name_zh,
        name_en=wish.name_en,
        serial=wish.serial,
    )
    plan = adopt.adopted(adopt.way_of(one), chosen, kind=one.kind, by="adopt")
    return await change_registry(context, plan, caller.actor)


@router.post("/{bridge}/{address:path}/dismiss", responses=described(404))
def dismiss_candidate(context: Gateway, _: Operator, bridge: BridgeId, address: Address) -> CandidateOut:
    """It is none of ours: the list shows it no more, however often it speaks."""
    stranger(context, bridge, address)
    with writing(context.engine) as connection:
        candidates.dismiss(connection, bridge, address, context.clock.now_ms())
    return CandidateOut(**asdict(stranger(context, bridge, address)))
