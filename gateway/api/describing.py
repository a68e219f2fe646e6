"""What rules may know of places and residents, given at the running gateway: a home is armed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Path

from gateway.api.auth import Operator
from gateway.api.context import Context, Gateway
from gateway.api.device_models import Attributed
from gateway.api.models import ID
from gateway.api.problem import described
from gateway.api.registering import follow, in_words, warned
from gateway.registry import desk
from gateway.registry.facts import Attributes

router = APIRouter(tags=["places and residents"])

Given = Annotated[Attributes, Body(examples=[{"armed": True}, {"mobility": "wheelchair", "night_visits": 2}])]


@router.put("/places/{place_id}/attributes", responses=described(404, 409))
async def describe_place(
    context: Gateway,
    caller: Operator,
    place_id: Annotated[str, Path(max_length=64, pattern=ID, examples=["b3-501"])],
    attributes: Given,
) -> Attributed:
    """Give a place these attributes, in place of all that it has; places inside inherit what they have not themselves.

    Rules go by them when the answer comes. Applying the community's files keeps them; the rest of the place goes by
    the files.
    """
    return await _describe(context, "places", place_id, attributes, caller.actor)


@router.put("/residents/{resident_id}/attributes", responses=described(404, 409))
async def describe_resident(
    context: Gateway,
    caller: Operator,
    resident_id: Annotated[str, Path(max_length=64, pattern=ID, examples=["li"])],
    attributes: Given,
) -> Attributed:
    """Give a resident these attributes, in place of all that the resident has.

    Rules go by them when the answer comes. Applying the community's files keeps them; the rest of what is known of the
    resident goes by the files.
    """
    return await _describe(context, "residents", resident_id, attributes, caller.actor)


async def _describe(
    context: Context, section: desk.Described, id_: str, attributes: Attributes, actor: str
) -> Attributed:
    now_ms = context.clock.now_ms()
    plan = desk.describe(section, id_, attributes)
    done = await in_words(lambda: desk.carry_out(context.engine, plan, actor, now_ms))
    await follow(context, done.revision)
    return Attributed(attributes=attributes, revision=done.revision, warnings=warned(done.warnings))
