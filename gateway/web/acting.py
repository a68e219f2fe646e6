"""What people decide at the console, as forms."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Request, Response

from gateway.api.cases import DECIDE_WITHIN_S, CaseId
from gateway.api.context import Context, Gateway
from gateway.api.problem import ApiProblem
from gateway.api.rating import whose_word
from gateway.cases.causes import Cause
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.web.render import page
from gateway.web.session import Acting

router = APIRouter(include_in_schema=False)


@router.post("/cases/{case_id}/act")
async def act(
    request: Request,
    context: Gateway,
    caller: Acting,
    case_id: CaseId,
    action: Annotated[Action, Form()],
    reason: Annotated[str, Form(max_length=2000)] = "",
    to: Annotated[str, Form(max_length=200)] = "",
    code: Annotated[str, Form(max_length=32)] = "",
    cause: Annotated[Cause | None, Form()] = None,
    until: Annotated[str, Form(max_length=40)] = "",
    into: Annotated[str, Form(max_length=64)] = "",
    work: Annotated[str, Form(max_length=64)] = "",
    key: Annotated[str, Form(max_length=200)] = "",
    done: Annotated[bool | None, Form()] = None,
    score: Annotated[int | None, Form(ge=1, le=5)] = None,
    by: Annotated[str, Form(max_length=64)] = "",
    way: Annotated[str, Form(max_length=100)] = "",
    version: Annotated[int | None, Form()] = None,
) -> Response:
    """Carry out an action; 204 when it is committed, else what stands against it, in words."""
    try:
        until_ms = _instant_ms(until, page_zone(context)) if until.strip() else None
    except ValueError:
        return _not_done(request, 422, f"看不懂时间“{until}”", f"{until!r} is no date and time")
    try:
        by = whose_word(context, caller.actor, by) if action == "rate" else ""
    except ApiProblem as problem:
        return _not_done(request, problem.status_code, problem.zh, problem.en)
    command = HumanAction(
        action=action,
        actor=caller.actor,
        reason=reason.strip(),
        to=to.strip(),
        code=code.strip(),
        cause=cause,
        until_ms=until_ms,
        into=into.strip(),
        work=work,
        key=key,
        done=done,
        score=score,
        by=by,
        way=way.strip(),
        version=version,
    )
    try:
        async with asyncio.timeout(DECIDE_WITHIN_S):
            await asyncio.wrap_future(context.decider.act(case_id, command))
    except KeyError:
        return _not_done(request, 404, f"没有案卷 {case_id}", f"there is no case {case_id}")
    except Refused as refused:
        return _not_done(request, 409, refused.zh, refused.en)
    except TimeoutError:
        return _not_done(request, 503, "系统繁忙，请先查看案卷再重试", "not decided in time; look at the case first")
    return Response(status_code=204, headers={"HX-Trigger": "acted"})


def page_zone(context: Context) -> ZoneInfo:
    """The time zone in which people at the console read and write times."""
    directory = context.directory()
    return directory.calendar.zone if directory is not None else ZoneInfo("UTC")


def _instant_ms(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text.strip()).replace(tzinfo=zone).timestamp() * 1000)


def _not_done(request: Request, status: int, zh: str, en: str) -> Response:
    return page(request, "not_done.html", status=status, zh=zh, en=en)
