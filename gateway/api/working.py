"""What work there is, and why alarms can have been false: the tables that forms and kiosks offer."""

from __future__ import annotations

from fastapi import APIRouter

from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import CauseOut, WorkTypeOut
from gateway.cases.causes import CAUSES
from gateway.cases.timing import WORDS

router = APIRouter(tags=["cases"])


def work_types(context: Context) -> list[WorkTypeOut]:
    """The types of work that can be reported, with their limits in words."""
    directory = context.directory()
    return [
        WorkTypeOut(
            id=row.id,
            zh=row.zh,
            en=row.en,
            department=row.department,
            severity=row.severity,
            limits_zh=[f"{WORDS[stage][0]} {limit.zh}" for stage, limit in row.limits.given],
            limits_en=[f"{WORDS[stage][1]} within {limit.en}" for stage, limit in row.limits.given],
        )
        for row in (directory.work.values() if directory is not None else ())
        if row.reportable
    ]


@router.get("/work-types")
def list_work_types(context: Gateway, _: Reader) -> list[WorkTypeOut]:
    """The types of work that can be reported in this community."""
    return work_types(context)


@router.get("/cancel-causes")
def list_causes(_: Reader) -> list[CauseOut]:
    """The causes of false alarms."""
    return [CauseOut(code=code, zh=zh, en=en) for code, (zh, en) in CAUSES.items()]
