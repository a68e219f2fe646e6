"""Cases: what is open, everything about one, and what people decide."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import JSONResponse

from gateway.api import reads
from gateway.api.auth import Operator, Reader
from gateway.api.context import Gateway
from gateway.api.models import CaseDetail, CaseSummary, Decision, Problem
from gateway.api.views import case_detail, case_summary
from gateway.cases.commands import Action, HumanAction, Refused

router = APIRouter(prefix="/cases", tags=["cases"])

CaseId = Annotated[str, Path(max_length=64, examples=["2026-000042"])]
DECIDE_WITHIN_S = 15.0


@router.get("")
def list_cases(
    context: Gateway,
    _: Reader,
    open: Annotated[bool, Query(description="only cases that are not closed or cancelled")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before_ms: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> list[CaseSummary]:
    """Cases, the newest first."""
    found = reads.cases(context.engine, open_only=open, limit=limit, before_ms=before_ms)
    return [case_summary(context, case) for case in found]


@router.get("/{case_id}", responses={404: {"model": Problem}})
def get_case(context: Gateway, _: Reader, case_id: CaseId) -> CaseDetail:
    """One case with its timeline, its alarms with their evidence, and everything that was said."""
    case = reads.case(context.engine, case_id)
    if case is None:
        raise HTTPException(404, f"there is no case {case_id!r}")
    return case_detail(context, case)


@router.post(
    "/{case_id}/{action}",
    response_model=CaseSummary,
    responses={404: {"model": Problem}, 409: {"model": Problem, "description": "not now; says how things stand"}},
)
async def decide(
    context: Gateway, caller: Operator, case_id: CaseId, action: Action, decision: Decision
) -> CaseSummary | JSONResponse:
    """Take a decision on a case. It is committed when this returns.

    ``acknowledge`` I take it (a lease: without progress the ladder goes on) · ``dispatch`` somebody is on the way ·
    ``arrive`` somebody is there · ``resolve`` done · ``verify`` checked · ``close`` · ``cancel`` it was a mistake ·
    ``release`` I hand it back · ``veto`` do not call 120 · ``dial_now`` call 120 now · ``note``.
    """
    command = HumanAction(
        action=action, actor=caller.actor, reason=decision.reason, to=decision.to, version=decision.version
    )
    try:
        async with asyncio.timeout(DECIDE_WITHIN_S):
            case = await asyncio.wrap_future(context.decider.act(case_id, command))
    except KeyError:
        return _problem(404, "no_such_case", f"没有案卷 {case_id}", f"there is no case {case_id!r}")
    except Refused as refused:
        return _problem(409, refused.code, refused.zh, refused.en)
    except TimeoutError:
        return _problem(503, "busy", "系统繁忙，请重试", "not decided in time; look at the case before you try again")
    return await asyncio.to_thread(case_summary, context, case)


def _problem(status: int, code: str, zh: str, en: str) -> JSONResponse:
    return JSONResponse(Problem(code=code, zh=zh, en=en).model_dump(), status_code=status)
