"""Drills (演练): the self-tests of the community, those ordered by hand, and how they went."""

from __future__ import annotations

import asyncio
import secrets
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query
from pydantic import Field, model_validator

from gateway.alarms import ALARM_TYPES, Frozen
from gateway.api.auth import Caller, Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.api.rosters import need_directory
from gateway.cases.drill import LONGEST_S, Tell, missing_stand_ins
from gateway.cases.policy import Recipient
from gateway.decider import drill_rows
from gateway.decider.drill_rows import Drill, Subject
from gateway.registry.directory import CommunityDirectory
from gateway.state.db import reading, writing

router = APIRouter(prefix="/drills", tags=["drills"])

SUBJECTS_MOST = 200
DrillId = Annotated[str, Path(max_length=100, pattern=ID)]
Named = Annotated[str, Field(max_length=64, pattern=ID)]


class SubjectOrder(Frozen):
    """Where it is drilled: exactly one of these."""

    device: Named | None = None
    """The next press of this device is the drill; with ``at_once`` it begins without one."""
    resident: Named | None = None
    place: Named | None = None
    at_once: bool = False

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(one is not None for one in (self.device, self.resident, self.place)) != 1:
            raise ValueError("give exactly one of device, resident, place")
        return self


class DrillOrdered(Frozen):
    """A drill to begin now. It ends by itself."""

    reason: str = Field(min_length=1, max_length=500)
    subjects: tuple[SubjectOrder, ...] = Field(min_length=1, max_length=SUBJECTS_MOST)
    """Several of them make it site-wide."""
    minutes: int = Field(default=30, ge=1, le=LONGEST_S // 60)
    name: str = Field(default="", max_length=100)
    alarm: str = Field(default="personal_emergency", max_length=64)
    ladder: str = Field(default="", max_length=64)
    """For what begins at once; without it that of the rule which raises such alarms."""
    tell: Tell = "staff"
    instead: dict[Named, Named] = {}
    answered_within_s: int | None = Field(default=None, ge=10, le=LONGEST_S)
    report_to: tuple[Recipient, ...] = Field(default=(Recipient(role="supervisor"),), max_length=20)
    key: str = Field(default="", max_length=64)
    """What is sent twice under one key begins once."""


@router.get("")
def list_drills(
    context: Gateway, _: Reader, limit: Annotated[int, Query(ge=1, le=200)] = 50, test: str | None = None
) -> list[Drill]:
    """The newest drills with their reports; with ``test`` those of one self-test."""
    with reading(context.engine) as connection:
        return drill_rows.newest(connection, limit, test)


@router.get("/{drill_id}", responses=described(404))
def get_drill(context: Gateway, _: Reader, drill_id: DrillId) -> Drill:
    """One drill with its report."""
    with reading(context.engine) as connection:
        found = drill_rows.load(connection, drill_id)
    if found is None:
        raise unknown(drill_id)
    return found


@router.post("", responses=described(409, 422))
async def order_drill(context: Gateway, caller: Operator, order: DrillOrdered) -> Drill:
    """Begin a drill: of devices by their next press, of homes and places at once. Every further press is real."""
    return await asyncio.to_thread(begin, context, caller, order)


@router.post("/{drill_id}/end", responses=described(404))
async def end_drill(context: Gateway, caller: Operator, drill_id: DrillId) -> Drill:
    """End a drill before its time."""
    return await asyncio.to_thread(end, context, caller, drill_id)


def unknown(drill_id: str) -> ApiProblem:
    """404, to be raised."""
    return ApiProblem(404, "no_such_drill", f"没有演练 {drill_id}", f"there is no drill {drill_id!r}")


def end(context: Context, caller: Caller, drill_id: str) -> Drill:
    """Raises ApiProblem."""
    with writing(context.engine) as connection:
        found = drill_rows.ask_to_end(connection, drill_id, caller.actor)
    if found is None:
        raise unknown(drill_id)
    context.decider.wake()
    return found


def begin(context: Context, caller: Caller, order: DrillOrdered) -> Drill:
    """Write the order down; the gateway that decides carries it out in a moment. Raises ApiProblem."""
    directory, now_ms = need_directory(context), context.clock.now_ms()
    ladder = _checked(directory, order)
    id_ = f"hand-{order.key}" if order.key else f"hand-{now_ms}-{secrets.token_hex(3)}"
    drill = Drill(
        id=id_,
        zh=order.name or "手动演练",
        en=order.name or "drill by hand",
        reason=order.reason,
        actor=caller.actor,
        ordered_ms=now_ms,
        due_ms=now_ms,
        ends_at_ms=now_ms + order.minutes * 60_000,
        lasts_s=order.minutes * 60,
        alarm=order.alarm,
        ladder=ladder,
        subjects=tuple(
            Subject(
                device=one.device,
                resident=one.resident,
                place=one.place,
                press=one.device is not None and not one.at_once,
            )
            for one in order.subjects
        ),
        tell=order.tell,
        instead=order.instead,
        answered_within_s=order.answered_within_s,
        report_to=order.report_to,
    )
    with writing(context.engine) as connection:
        if not drill_rows.add(connection, drill):
            before = drill_rows.load(connection, id_)
            if before is None or (before.reason, before.subjects) != (drill.reason, drill.subjects):
                raise ApiProblem(
                    409, "key_reused", "此编号（key）已用于另一次演练", "this key was used for another drill"
                )
            return before
    context.decider.wake()
    return drill


def _checked(directory: CommunityDirectory, order: DrillOrdered) -> str:
    """The ladder of what begins at once. Raises ApiProblem for what does not exist."""
    for one in order.subjects:
        if one.device is not None and directory.device(one.device) is None:
            raise _wrong("subjects", f"没有设备 {one.device}", f"there is no device {one.device!r}")
        if one.resident is not None and directory.resident(one.resident) is None:
            raise _wrong("subjects", f"没有居民 {one.resident}", f"there is no resident {one.resident!r}")
        if one.place is not None and directory.place(one.place) is None:
            raise _wrong("subjects", f"没有地点 {one.place}", f"there is no place {one.place!r}")
    if order.alarm not in ALARM_TYPES:
        raise _wrong("alarm", f"没有报警类型 {order.alarm}", f"there is no alarm type {order.alarm!r}")
    if (order.tell == "instead") != bool(order.instead):
        raise _wrong("instead", "请给出替身名单", "tell: instead and a number map (instead) belong together")
    strangers = missing_stand_ins(order.instead, (person.id for person in directory.community.people))
    if strangers:
        raise _wrong("instead", f"没有人员 {strangers[0]}", f"there is no person {strangers[0]!r}")
    ladders = [ladder.id for ladder in directory.community.ladders]
    rules = (rule.raises.ladder for rule in directory.community.rules if rule.raises.type == order.alarm)
    chosen = order.ladder or next(rules, "")
    if chosen not in ladders and any(one.device is None or one.at_once for one in order.subjects):
        raise _wrong("ladder", f"请给出升级流程：{'、'.join(ladders)}", f"give a ladder: {', '.join(ladders)}")
    return chosen


def _wrong(field: str, zh: str, en: str) -> ApiProblem:
    return ApiProblem(422, "cannot_drill", zh, f"{field}: {en}")
