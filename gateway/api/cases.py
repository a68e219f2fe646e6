"""Cases: what is open, everything about one, and what people decide."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from gateway.api import reads
from gateway.api.auth import Operator, Reader
from gateway.api.context import Gateway
from gateway.api.models import ID, CaseDetail, CaseSummary, Decision, ReportIn
from gateway.api.problem import ApiProblem, described
from gateway.api.rating import whose_word
from gateway.api.views import case_detail, case_summary
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.cases.model import Case
from gateway.cases.report import Report, Source
from gateway.decider.case_rows import Conflict

router = APIRouter(prefix="/cases", tags=["cases"])

CaseId = Annotated[str, Path(max_length=64, pattern=ID, examples=["2026-000042"])]
DECIDE_WITHIN_S = 20.0
"""Longer than it takes the next gateway to follow a leader that has just died."""


def no_such_case(case_id: str) -> ApiProblem:
    """404, to be raised."""
    return ApiProblem(404, "no_such_case", f"没有案卷 {case_id}", f"there is no case {case_id!r}")


@router.get("", responses=described(404))
def list_cases(
    context: Gateway,
    _: Reader,
    open: Annotated[bool, Query(description="only cases that are not closed or cancelled")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        str | None,
        Query(max_length=64, pattern=ID, description="the last case you have: what comes after it, for the next page"),
    ] = None,
) -> list[CaseSummary]:
    """Cases, the newest first."""
    if before is not None:
        last = reads.case(context.engine, before)
        if last is None:
            raise no_such_case(before)
        before = last.id  # it may have been named by its number
    found = reads.cases(context.engine, open_only=open, limit=limit, before=before)
    return [case_summary(context, case) for case in found]


@router.post("", responses=described(409, 413))
async def report(context: Gateway, caller: Operator, said: ReportIn) -> CaseSummary:
    """Report something that has to be done: a case is opened and those who do such work are told, before this returns.
    What is posted again under the same key answers with the case it opened."""
    known = {**said.model_dump(), "source": Source(said.source), "actor": caller.actor}
    return case_summary(context, await decided(context.decider.report(Report.model_validate(known))))


@router.get("/{case_id}", responses=described(404))
def get_case(context: Gateway, _: Reader, case_id: CaseId) -> CaseDetail:
    """One case with its timeline, its alarms with their evidence, and everything that was said."""
    case = reads.case(context.engine, case_id)
    if case is None:
        raise no_such_case(case_id)
    return case_detail(context, case)


@router.post("/{case_id}/{action}", responses=described(404, 409, 413))
async def decide(
    context: Gateway,
    caller: Operator,
    case_id: CaseId,
    action: Action,
    decision: Annotated[Decision, Body(default_factory=Decision)],
) -> CaseSummary:
    """Take a decision on a case. It is committed when this returns.

    ``acknowledge`` I take it (a lease: without progress the ladder goes on) · ``dispatch`` somebody is on the way ·
    ``arrive`` somebody is there · ``resolve`` done · ``verify`` checked, by somebody else than who handled it ·
    ``rework`` the check failed · ``close`` · ``cancel`` it was a mistake · ``release`` I hand it back · ``suspend`` it
    waits until … · ``resume`` it goes on · ``ask_time``, ``grant_time``, ``refuse_time`` more time · ``merge`` it is
    part of another case · ``split`` a part of it becomes a case of its own · ``reopen`` what is over is taken up again
    as a new, linked case · ``call_back``, ``rate`` after the closing · ``veto`` do not call 120 · ``dial_now`` call
    120 now · ``note``.
    """
    said = decision.model_dump()
    if action == "rate":
        said["by"] = whose_word(context, caller.actor, decision.by)
    command = HumanAction(action=action, actor=caller.actor, **said)
    try:
        case = await decided(context.decider.act(case_id, command))
    except KeyError:
        raise no_such_case(case_id) from None
    return case_summary(context, case)


async def decided(future: Future[Case]) -> Case:
    """The case as the decider has committed it. Raises KeyError, and ApiProblem for what was refused or not decided."""
    try:
        async with asyncio.timeout(DECIDE_WITHIN_S):
            return await asyncio.wrap_future(future)
    except Refused as refused:
        raise ApiProblem(409, refused.code, refused.zh, refused.en) from None
    except (TimeoutError, Conflict):
        raise ApiProblem(
            503, "busy", "系统繁忙，请先查看案卷再重试", "not decided in time; look at the case before you try again"
        ) from None
