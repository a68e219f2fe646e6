"""Who is on duty, now and at any time; where nobody will be; overrides and hand-overs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import sqlalchemy as sa
from fastapi import APIRouter, Body, Path, Query
from pydantic import Field

from gateway.alarms import Frozen
from gateway.api.auth import Caller, Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.api.registering import follow
from gateway.registry import coverage, handing, overrides
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS, Key
from gateway.registry.handing import Handed
from gateway.registry.organisation import Organisation
from gateway.registry.overrides import Made, NotMade, Order
from gateway.state.db import reading, writing

router = APIRouter(tags=["rosters"])

T = TypeVar("T")
AtMs = Annotated[int | None, Query(ge=0, le=10_000_000_000_000, description="when; now where it is left out")]
Text = Annotated[str | None, Query(max_length=64, pattern=ID)]
Days = Annotated[int, Query(ge=1, le=366)]
RowId = Annotated[str, Path(max_length=200, pattern=ID)]


class Somebody(Frozen):
    """Somebody on duty, and how to reach them."""

    person: str
    name: str
    phone: str


class OnDuty(Frozen):
    """Who holds a role for a place at an instant, in the order they are told."""

    role: str
    role_zh: str
    role_en: str
    place: str
    place_zh: str
    place_en: str
    people: list[Somebody]
    until_ms: int | None
    """When others are on duty for exactly this place; None where that is not in sight, or their duty is for a larger
    place."""


class Hole(Frozen):
    """Something wrong with the rosters."""

    kind: coverage.Kind
    role: str
    place: str
    person: str | None
    begin_ms: int
    until_ms: int
    zh: str
    en: str


class OverrideOrder(Order):
    """Somebody stands in for somebody."""

    reason: str = Field(default="", max_length=500)


class SwapOrder(Frozen):
    """``first.instead_of`` and ``second.instead_of`` take each other's time."""

    first: Order
    second: Order
    reason: str = Field(default="", max_length=500)


class OverridesMade(Frozen):
    """What was changed, and under which revision."""

    overrides: list[Made]
    revision: int
    warnings: list[Hole]
    """What is wrong with the rosters because of it."""


def need_directory(context: Context) -> CommunityDirectory:
    """The registry. Raises ApiProblem before there is one."""
    directory = context.directory()
    if directory is None:
        raise ApiProblem(
            409, "no_community", "尚未配置社区", "no community has been applied yet: run `anju apply FILE`"
        )
    return directory


def on_duty(directory: CommunityDirectory, key: Key, at_ms: int) -> OnDuty:
    """One role at one place."""
    role, place = key
    known = directory.place(place)
    found = [(name, directory.person(name)) for name in directory.on_duty(role, place, at_ms)]
    return OnDuty(
        role=role,
        role_zh=directory.role_name(role, "zh"),
        role_en=directory.role_name(role, "en"),
        place=place,
        place_zh=place if known is None else known.name.zh,
        place_en=place if known is None else known.name.en,
        people=[Somebody(person=name, name=one.name, phone=one.phone) for name, one in found if one is not None],
        until_ms=directory.duties.next_change_ms(key, at_ms) if key in directory.duties.lines else None,
    )


def hole(trouble: coverage.Trouble, directory: CommunityDirectory) -> Hole:
    """A trouble with the words for it."""
    said = coverage.in_words(trouble, directory)
    return Hole(
        kind=trouble.kind,
        role=trouble.role,
        place=trouble.place,
        person=trouble.person,
        begin_ms=trouble.begin_ms,
        until_ms=trouble.until_ms,
        zh=said.zh,
        en=said.en,
    )


@router.get("/on-duty", responses=described(404, 409))
def list_on_duty(
    context: Gateway, _: Reader, place: Text = None, role: Text = None, at_ms: AtMs = None
) -> list[OnDuty]:
    """Who is on duty. With `place`: who holds each role there, wherever up the tree it is written; without it, every
    duty where it is written."""
    directory = need_directory(context)
    if place is not None and directory.place(place) is None:
        raise ApiProblem(404, "no_such_place", f"没有地点 {place}", f"there is no place {place!r}")
    keys = [key for key in directory.duties.lines if role in (None, key[0])]
    if place is not None:
        keys = [(one, place) for one in dict.fromkeys(key[0] for key in keys)]
    return [on_duty(directory, key, context.clock.now_ms() if at_ms is None else at_ms) for key in sorted(keys)]


@router.get("/rosters/holes", responses=described(409))
def list_holes(context: Gateway, _: Reader, days: Days = 28, at_ms: AtMs = None) -> list[Hole]:
    """When nobody is on duty where somebody must be, whom no channel reaches, who has left, who is doubly booked."""
    directory = need_directory(context)
    from_ms = context.clock.now_ms() if at_ms is None else at_ms
    return [hole(one, directory) for one in coverage.troubles(directory, from_ms, from_ms + days * DAY_MS)]


class Turn(Frozen):
    """Who is on duty from one instant to another; nobody where it is empty."""

    begin_ms: int
    until_ms: int
    role: str
    place: str
    people: tuple[str, ...]


@router.get("/rosters", responses=described(409))
def list_rosters(
    context: Gateway, _: Reader, role: Text = None, place: Text = None, days: Days = 7, at_ms: AtMs = None
) -> list[Turn]:
    """The coming days, with the overrides, the earliest first."""
    directory = need_directory(context)
    from_ms = context.clock.now_ms() if at_ms is None else at_ms
    found = [
        Turn(role=key[0], place=key[1], **stretch._asdict())
        for key, line in directory.duties.lines.items()
        if role in (None, key[0]) and place in (None, key[1])
        for stretch in line.between(from_ms, from_ms + days * DAY_MS)
    ]
    return sorted(found, key=lambda one: (one.begin_ms, one.role, one.place))


@router.get("/rosters/overrides")
def list_overrides(context: Gateway, _: Reader) -> list[Made]:
    """Those that hold, will, or did in the last days; in the order they were made."""
    with reading(context.engine) as connection:
        return list(overrides.load(connection, context.clock.now_ms() - overrides.KEPT_MS))


@router.post("/rosters/overrides", responses=described(409))
async def make_override(context: Gateway, caller: Operator, order: Annotated[OverrideOrder, Body()]) -> OverridesMade:
    """Somebody is on duty instead of `instead_of`, or in addition where that is left out; nobody where `person` is.

    Decisions go by it when the answer comes. Applying the community's files leaves it.
    """
    return await make(
        context, caller, lambda _: (Order.model_validate(order.model_dump(exclude={"reason"})),), order.reason
    )


@router.post("/rosters/swaps", responses=described(409))
async def make_swap(context: Gateway, caller: Operator, order: Annotated[SwapOrder, Body()]) -> OverridesMade:
    """Two people take each other's duty."""
    return await make(context, caller, lambda d: overrides.swap(d, order.first, order.second), order.reason)


@router.delete("/rosters/overrides/{override_id}", responses=described(404, 409))
async def end_override(context: Gateway, caller: Operator, override_id: RowId) -> OverridesMade:
    """Take an override back: from now on the roster holds again. Both halves of a swap end together."""
    return await take_back(context, caller, override_id)


async def make(
    context: Context, caller: Caller, orders: Callable[[CommunityDirectory], tuple[Order, ...]], reason: str
) -> OverridesMade:
    """Make overrides, and wait until the gateway works by them. Raises ApiProblem."""
    directory, now_ms = need_directory(context), context.clock.now_ms()

    def work(connection: sa.Connection) -> OverridesMade:
        wanted = orders(directory)
        made, revision = overrides.make(
            connection, directory, wanted, actor=caller.actor, reason=reason.strip(), now_ms=now_ms
        )
        after = overrides.with_orders(directory, made)
        begin_ms, until_ms = min(one.begin_ms for one in made), max(one.until_ms for one in made)
        known = set(coverage.troubles(directory, begin_ms, until_ms))
        new = [one for one in coverage.troubles(after, begin_ms, until_ms) if one not in known]
        return OverridesMade(overrides=list(made), revision=revision, warnings=[hole(one, after) for one in new])

    return await _committed(context, work)


async def take_back(context: Context, caller: Caller, override_id: str) -> OverridesMade:
    """End an override, and wait until the gateway works by it. Raises ApiProblem."""
    now_ms = context.clock.now_ms()

    def work(connection: sa.Connection) -> OverridesMade:
        made, revision = overrides.end(connection, override_id, actor=caller.actor, now_ms=now_ms)
        return OverridesMade(overrides=list(made), revision=revision, warnings=[])

    return await _committed(context, work)


async def _committed(context: Context, work: Callable[[sa.Connection], OverridesMade]) -> OverridesMade:
    def within() -> OverridesMade:
        with writing(context.engine) as connection:
            return work(connection)

    try:
        done = await asyncio.to_thread(within)
    except NotMade as error:
        raise ApiProblem(409, "not_made", error.said.zh, error.said.en) from None
    except KeyError as error:
        said = error.args[0]
        raise ApiProblem(404, "no_such_override", f"没有替班 {said}", f"there is no override {said!r}") from None
    await follow(context, done.revision)
    return done


@router.get("/rosters/handovers")
def list_handovers(
    context: Gateway,
    _: Reader,
    waiting: Annotated[bool, Query(description="only those that nobody has confirmed")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> list[Handed]:
    """Changes of shift at which cases were open, the newest first."""
    with reading(context.engine) as connection:
        return handing.recent(connection, limit, waiting=waiting)


@router.post("/rosters/handovers/{handover_id}/receipt", responses=described(404))
def confirm_handover(context: Gateway, caller: Operator, handover_id: RowId) -> Handed:
    """Whoever came on duty has taken over. Said twice, the first counts."""
    return confirm(context, caller, handover_id)


def confirm(context: Context, caller: Caller, handover_id: str) -> Handed:
    """Write the receipt. Raises ApiProblem."""
    with writing(context.engine) as connection:
        done = handing.confirm(connection, handover_id, caller.actor, context.clock.now_ms())
    if done is None:
        raise ApiProblem(404, "no_such_handover", f"没有交接 {handover_id}", f"there is no hand-over {handover_id!r}")
    return done


@router.get("/organisations", responses=described(409))
def list_organisations(context: Gateway, _: Reader) -> list[Organisation]:
    """Committees, contractors, social organisations, departments: who does work beside the community's own staff."""
    return list(need_directory(context).community.organisations)
