"""What people answered, by whatever was at hand; and who was shown what of whom."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.answers import rows
from gateway.answers.rows import Disclosure, Kept
from gateway.api.auth import Admin, Reader
from gateway.api.context import Gateway
from gateway.api.models import ID

router = APIRouter(tags=["answers"])

OfCase = Annotated[str | None, Query(max_length=64, pattern=ID)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@router.get("/answers")
def list_answers(context: Gateway, _: Reader, case_id: OfCase = None, limit: Limit = 100) -> list[Kept]:
    """Answers as they came in, the newest first, with what came of each: ``acted``, ``refused``, ``asked`` back,
    ``unknown_sender``, ``failed``; null while it waits to be decided."""
    return rows.answers_of(context.engine, case_id=case_id, limit=limit)


@router.get("/disclosures")
def list_disclosures(
    context: Gateway,
    _: Admin,
    case_id: OfCase = None,
    resident: Annotated[str | None, Query(max_length=64, pattern=ID)] = None,
    limit: Limit = 100,
) -> list[Disclosure]:
    """Who was shown what of whom on a page of their own, and on what ground; the newest first."""
    return rows.disclosures_of(context.engine, case_id=case_id, resident=resident, limit=limit)
