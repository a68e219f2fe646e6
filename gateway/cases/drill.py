"""Drills (演练): whom a drill tells, and what it leaves alone.

A drill case runs through the machine like any other; what differs stands here and in the words (`wording`): it bears
its mark everywhere, it commands no device, it spares whom it must not frighten, and it is over at its time, whatever
becomes of it.

Pure. That no drill reaches a public line is `emergency_call.drilling`'s and the outbox's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gateway.alarms import Frozen
from gateway.cases.directory import Directory, Target
from gateway.cases.policy import Recipient

if TYPE_CHECKING:
    from gateway.cases.turn import Turn

Tell = Literal["staff", "everybody", "instead"]
"""``staff``: who works here, by role, organisation or name; no family, no neighbours, no doctor. ``everybody``: those
on the ladder themselves. ``instead``: only people with a stand-in, and only the stand-in."""
LONGEST_S = 4 * 3600
"""No drill lasts longer: one that is forgotten must not be in force at night."""


class DrillOrder(Frozen):
    """By what a case is a drill."""

    id: str
    """Of the drill; several cases may belong to one."""
    tell: Tell = "staff"
    instead: dict[str, str] = {}
    """Person → who stands in for them."""
    ends_at_ms: int = Field(ge=0)
    """The case is over by then."""


def told(
    order: DrillOrder,
    recipient: Recipient,
    found: Sequence[Target],
    directory: Directory,
    at_ms: int,
) -> tuple[list[Target], list[Target]]:
    """Whom a drill tells of those whom ``recipient`` stands for, and whom it spares."""
    if order.tell == "everybody":
        return list(found), []
    if order.tell == "staff":
        private = bool(recipient.family) or recipient.neighbours or recipient.doctor
        return ([], list(found)) if private else (list(found), [])
    return stand_ins(order, found, directory, at_ms)


def stand_ins(
    order: DrillOrder, found: Iterable[Target], directory: Directory, at_ms: int
) -> tuple[list[Target], list[Target]]:
    """Of people the stand-ins, each once, and those who have none and are told nothing."""
    instead: dict[str, Target] = {}
    spared: list[Target] = []
    for target in found:
        person = order.instead.get(target.person)
        known = (
            ()
            if person is None
            else directory.resolve(Recipient(person=person), place=None, resident=None, at_ms=at_ms)
        )
        for one in known:
            instead.setdefault(one.person, one)
        if not known:
            spared.append(target)
    return list(instead.values()), spared


def missing_stand_ins(instead: Mapping[str, str], people: Iterable[str]) -> list[str]:
    """Ids in a number map that nobody bears."""
    known = set(people)
    return sorted({one for pair in instead.items() for one in pair} - known)


def nothing_at(turn: Turn, what: str, **facts: object) -> bool:
    """Whether nothing is to be done at a device because the case is a drill: a lamp or a siren bears no mark."""
    if turn.case.drill:
        turn.write("system", "drill_no_device", what, **facts)
    return turn.case.drill
