"""Alarms and outbox, to be read."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.reads import AlarmRow, OutboxRow

router = APIRouter()


@router.get("/alarms", tags=["alarms"])
def list_alarms(
    context: Gateway,
    _: Reader,
    open: Annotated[bool, Query(description="only alarms whose condition holds")] = False,
    case_id: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AlarmRow]:
    """Alarms, the newest first, each with the observations it was decided on."""
    return reads.alarms(context.engine, open_only=open, case_id=case_id, limit=limit)


@router.get("/outbox", tags=["outbox"])
def list_outbox(
    context: Gateway,
    _: Reader,
    case_id: str | None = None,
    status: Annotated[str | None, Query(description="pending, sending, delivered, failed or withdrawn")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[OutboxRow]:
    """What was said to whom, with every attempt; the newest first."""
    return reads.outbox(context.engine, case_id=case_id, status=status, limit=limit)
