"""为什么 Why: an alarm, or its absence, explained step by step."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from gateway.api.cases import CaseId
from gateway.api.context import Context, Gateway
from gateway.api.explaining import asked
from gateway.explain.explainer import Explanation
from gateway.registry.directory import CommunityDirectory
from gateway.rules.story import NOTE_WORDS
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(include_in_schema=False)

HOURS = (1, 6, 24, 72, 168)
_SHOWN = 40


@router.get("/cases/{case_id}/why")
def why_of_case(request: Request, context: Gateway, caller: Seen, case_id: CaseId) -> HTMLResponse:
    """Why the alarms of a case were raised."""
    found = asked(context, lambda explainer: explainer.case(case_id))
    return _shown(request, context, caller, found, back=f"/cases/{case_id}")


@router.get("/why")
def why(
    request: Request,
    context: Gateway,
    caller: Seen,
    rule: Annotated[str, Query(max_length=64)] = "",
    subject: Annotated[str, Query(max_length=210)] = "",
    at: Annotated[str, Query(max_length=40)] = "",
    hours: Annotated[int, Query(ge=1, le=744)] = 24,
) -> HTMLResponse:
    """Why a rule did, or did not, raise an alarm about somebody; without a question, the form for one."""
    directory = _directory(context)
    found: list[Explanation] = []
    trouble: tuple[str, str] | None = None
    if rule and subject:
        now_ms = context.clock.now_ms()
        try:
            at_ms = min(_instant(at, directory) or now_ms, now_ms)
            found = [asked(context, lambda explainer: explainer.rule(rule, subject, at_ms, hours * 3600))]
        except HTTPException as error:
            zh, _, en = str(error.detail).partition(" · ")
            trouble = zh, en
    asked_for = {"rule": rule, "subject": subject, "at": at, "hours": hours}
    return _shown(request, context, caller, found, asked_for=asked_for, trouble=trouble)


def _directory(context: Context) -> CommunityDirectory:
    directory = context.directory()
    if directory is None:
        raise HTTPException(404, "尚未配置社区 · no community has been applied yet")
    return directory


def _instant(text: str, directory: CommunityDirectory) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise HTTPException(422, f"时间有误：{text[:40]} · expected a time such as 2026-10-01T08:30") from None
    zone = ZoneInfo(directory.community.community.timezone)
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def _shown(
    request: Request,
    context: Context,
    caller: Seen,
    found: list[Explanation],
    *,
    back: str = "",
    asked_for: dict[str, object] | None = None,
    trouble: tuple[str, str] | None = None,
) -> HTMLResponse:
    directory = _directory(context)
    return page(
        request,
        "why.html",
        caller=caller,
        found=[(one, _name(directory, one.story.subject), one.story.steps[-_SHOWN:]) for one in found],
        back=back,
        asked=asked_for,
        trouble=trouble,
        rules=sorted(directory.community.rules, key=lambda rule: rule.id),
        residents=directory.community.residents,
        hours=HOURS,
        note_words=NOTE_WORDS,
    )


def _name(directory: CommunityDirectory, subject: str) -> str:
    kind, _, name = subject.partition(":")
    if kind == "resident":
        return directory.resident_name(name)
    if kind == "place":
        return directory.place_path(name, "zh") or name
    return directory.device_name(name, "zh")
