"""Overrides of the rosters in the state database: somebody instead of somebody, made at the running gateway.

Making one and taking one back each write a new revision of the registry, so that everybody who works by it looks anew,
and the revisions tell who did it. Applying files leaves them as they are.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import Field

from gateway.alarms import Frozen
from gateway.cases.wording import Words
from gateway.registry import store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS, Override
from gateway.registry.problem import did_you_mean
from gateway.registry.values import Id
from gateway.state.human_tables import roster_overrides

_o = roster_overrides.c
LONGEST_MS = 366 * DAY_MS
KEPT_MS = 8 * DAY_MS
"""Those that are over are looked at for so long after they ended, so that what was can still be answered."""


class NotMade(Exception):
    """This override makes no sense; ``said`` tells why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.said = Words(zh, en)


class Order(Frozen):
    """An override as somebody asks for it."""

    role: str | None = Field(default=None, max_length=64)
    place: Id | None = None
    instead_of: Id | None = None
    person: Id | None = None
    begin_ms: int = Field(ge=0, le=10_000_000_000_000)
    until_ms: int = Field(ge=0, le=10_000_000_000_000)


class Made(Override):
    """An override as it stands, with who made it."""

    made_with: str
    actor: str
    reason: str
    made_ms: int
    ended_ms: int | None = None
    ended_by: str | None = None


def load(connection: sa.Connection, since_ms: int) -> tuple[Made, ...]:
    """All that hold or will, or have been over for no longer than since ``since_ms``; in the order they were made.

    One that was taken back ends when it was.
    """
    query = sa.select(roster_overrides).where(_o.until_ms > since_ms).order_by(_o.made_ms, _o.id)
    found = (_made(row) for row in connection.execute(query))
    return tuple(one for one in found if one.begin_ms < one.until_ms)


def _made(row: sa.Row[Any]) -> Made:
    one = Made.model_validate(row._asdict())
    return one if one.ended_ms is None else one.model_copy(update={"until_ms": min(one.until_ms, one.ended_ms)})


def make(
    connection: sa.Connection,
    directory: CommunityDirectory,
    orders: Sequence[Order],
    *,
    actor: str,
    reason: str,
    now_ms: int,
) -> tuple[tuple[Made, ...], int]:
    """Write overrides that belong together (two for a swap), in the caller's transaction. Returns them, and the new
    revision. Raises NotMade, and then nothing is to be committed."""
    store.lock(connection)
    check(directory, orders, now_ms)
    made_with = secrets.token_hex(4)
    made = tuple(
        Made(
            id=f"{made_with}-{number}",
            made_with=made_with,
            **order.model_dump(),
            actor=actor,
            reason=reason,
            made_ms=now_ms,
        )
        for number, order in enumerate(orders, 1)
    )
    connection.execute(sa.insert(roster_overrides), [one.model_dump() for one in made])
    told = ", ".join(_told(one, directory) for one in made)
    return made, store.write_revision(connection, actor, f"roster override {told}", now_ms)


def swap(directory: CommunityDirectory, first: Order, second: Order) -> tuple[Order, Order]:
    """Two people take each other's duty: ``first.instead_of``'s time goes to ``second.instead_of``, and the other way
    round. Raises NotMade."""
    if first.instead_of is None or second.instead_of is None or first.instead_of == second.instead_of:
        raise NotMade("换班需要两个人", "a swap needs two people, each with a time of duty")
    same = (first.role, first.place) == (second.role, second.place) or None in (first.role, first.place)
    if same and first.begin_ms < second.until_ms and second.begin_ms < first.until_ms:
        raise NotMade(
            "两段时间重叠，换班后与原来相同", "the two times overlap: after such a swap the same would be on duty"
        )
    return (
        first.model_copy(update={"person": second.instead_of}),
        second.model_copy(update={"person": first.instead_of}),
    )


def end(connection: sa.Connection, id_: str, *, actor: str, now_ms: int) -> tuple[tuple[Made, ...], int]:
    """Take an override back, and what was made with it: from now on the roster holds again. Returns them and the new
    revision. Raises KeyError where there is none, NotMade where it is over."""
    store.lock(connection)
    group = connection.execute(sa.select(_o.made_with).where(_o.id == id_)).scalar_one_or_none()
    if group is None:
        raise KeyError(id_)
    running = sa.and_(_o.made_with == group, _o.until_ms > now_ms, _o.ended_ms.is_(None))
    ended = [row.id for row in connection.execute(sa.select(_o.id).where(running))]
    if not ended:
        raise NotMade("此替班已结束", "this override is over already")
    connection.execute(sa.update(roster_overrides).where(_o.id.in_(ended)).values(ended_ms=now_ms, ended_by=actor))
    rows = connection.execute(sa.select(roster_overrides).where(_o.id.in_(ended)).order_by(_o.id))
    made = tuple(_made(row) for row in rows)
    return made, store.write_revision(connection, actor, f"roster override {', '.join(ended)} taken back", now_ms)


def check(directory: CommunityDirectory, orders: Sequence[Order], now_ms: int) -> None:
    """Could these be made? Raises NotMade."""
    for order in orders:
        _check(directory, order, now_ms)


def with_orders(directory: CommunityDirectory, orders: Sequence[Order | Override]) -> CommunityDirectory:
    """The directory as it will be with these as well."""
    new = [Override(id="new", **one.model_dump(include=set(Order.model_fields))) for one in orders]
    return CommunityDirectory(directory.community, overrides=(*directory.overrides, *new))


def _check(directory: CommunityDirectory, order: Order, now_ms: int) -> None:
    if order.until_ms <= order.begin_ms:
        raise NotMade("结束时间应在开始之后", "it ends before it begins; correct one of the times")
    if order.until_ms <= now_ms:
        raise NotMade("结束时间已过", "it is over already; give a time to come")
    if order.until_ms - order.begin_ms > LONGEST_MS:
        raise NotMade("最长一年，长期变动请修改排班表", "at most a year; what lasts longer belongs into the roster")
    if order.person is None and order.instead_of is None:
        raise NotMade("请说明由谁值班，或替谁", "say who is on duty, or instead of whom")
    if order.person == order.instead_of:
        raise NotMade("替班人与原值班人相同", "this is the same person twice; name somebody else")
    for name in (order.person, order.instead_of):
        if name is not None and directory.person(name) is None:
            near = did_you_mean(name, [person.id for person in directory.community.people])
            raise NotMade(f"没有人员 {name}", f"there is no person {name}{near}")
    if order.place is not None and directory.place(order.place) is None:
        near = did_you_mean(order.place, [place.id for place in directory.community.places])
        raise NotMade(f"没有地点 {order.place}", f"there is no place {order.place}{near}")
    if order.person is not None:
        known = directory.person(order.person)
        if known is not None and not known.contacts:
            raise NotMade(
                f"{known.name}没有联系方式，不能值班", f"{order.person} has no contacts and cannot be reached"
            )
    if order.instead_of is None:
        if order.role is None or order.place is None:
            raise NotMade("增加值班人时请给出角色和地点", "somebody in addition needs a role and a place")
        return
    lines = directory.duties.lines
    fitting = [line for key, line in lines.items() if order.role in (None, key[0]) and order.place in (None, key[1])]
    if order.role is not None and order.place is not None and not fitting:
        raise NotMade(
            f"{order.place} 没有 {order.role} 的排班", f"no roster has a duty for role {order.role} at {order.place}"
        )
    if not any(order.instead_of in line.named(order.begin_ms, order.until_ms) for line in fitting):
        known = directory.person(order.instead_of)
        name = order.instead_of if known is None else known.name
        raise NotMade(
            f"{name}在这段时间没有值班", f"{order.instead_of} is not on duty in that time; look at `anju roster show`"
        )


def _told(one: Override, directory: CommunityDirectory) -> str:
    zone = directory.duties.zone
    begin, until = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone) for ms in (one.begin_ms, one.until_ms))
    where = f"{one.role or 'every role'} at {one.place or 'every place'}"
    who = f"{one.person or 'nobody'} instead of {one.instead_of}" if one.instead_of else f"{one.person} as well"
    return f"{who} ({where}, {begin:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M})"
