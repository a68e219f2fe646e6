"""Alarms and outbox, to be read."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.models import ID, NO_NUL
from gateway.api.problem import ApiProblem, described
from gateway.api.reads import AlarmRow, OutboxRow

router = APIRouter()

Status = Literal["pending", "sending", "delivered", "failed", "withdrawn"]


@router.get("/alarms", tags=["alarms"])
def list_alarms(
    context: Gateway,
    _: Reader,
    open: Annotated[bool, Query(description="only alarms whose condition holds")] = False,
    case_id: Annotated[str | None, Query(max_length=64, pattern=ID)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        int | None, Query(ge=0, le=2**53, description="the last alarm you have: what comes after it, for the next page")
    ] = None,
) -> list[AlarmRow]:
    """Alarms, the newest first, each with the observations it was decided on."""
    return reads.alarms(context.engine, open_only=open, case_id=case_id, limit=limit, before=before)


@router.get("/outbox", tags=["outbox"], responses=described(404))
def list_outbox(
    context: Gateway,
    _: Reader,
    case_id: Annotated[str | None, Query(max_length=64, pattern=ID)] = None,
    status: Status | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[
        str | None,
        Query(max_length=500, pattern=NO_NUL, description="key of the last one you have: what comes after it"),
    ] = None,
) -> list[OutboxRow]:
    """What was said to whom, with every attempt; the newest first."""
    if before is not None and not reads.was_said(context.engine, before):
        raise ApiProblem(404, "no_such_message", "没有这条消息", f"the outbox has nothing of the key {before!r}")
    return reads.outbox(context.engine, case_id=case_id, status=status, limit=limit, before=before)
