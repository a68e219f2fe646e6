"""升级推演: who would be told when, for any place, resident, type of alarm and instant."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from gateway.alarms import ALARM_TYPES
from gateway.api.context import Gateway
from gateway.api.rungs import order_in_words, rungs_in_words, title_in_words
from gateway.api.words import channel
from gateway.cases.simulate import Simulation
from gateway.registry.rehearsal import CannotRehearse, rehearse, together
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(prefix="/ladders", include_in_schema=False)

Field = Annotated[str, Query(max_length=64)]


@router.get("/simulate")
async def simulate(
    request: Request,
    context: Gateway,
    caller: Seen,
    type: Field = "",
    resident: Field = "",
    place: Field = "",
    ladder: Field = "",
    at: Annotated[str, Query(max_length=32)] = "",
) -> HTMLResponse:
    """The form, and below it what would happen."""
    directory = context.directory()
    played: Simulation | None = None
    problem: tuple[str, str] | None = None
    if directory is None:
        problem = ("尚未配置社区", "no community has been applied yet")
    elif type:
        zone = ZoneInfo(directory.community.community.timezone)
        try:
            at_ms = context.clock.now_ms()
            if at:
                at_ms = int(datetime.fromisoformat(at).replace(tzinfo=zone).timestamp() * 1000)
            played = await asyncio.to_thread(
                rehearse,
                directory,
                at_ms=at_ms,
                type_=type,
                resident=resident or None,
                place=place or None,
                ladder=ladder or None,
            )
        except CannotRehearse as error:
            problem = (error.zh, f"{error.field}: {error.en}")
        except (ValueError, OverflowError):
            problem = (f"时间 {at} 无法识别", "at: expected a local time such as 2026-02-17T02:30")
    community = directory.community if directory is not None else None
    ladders = community.ladders if community is not None else ()
    chosen = next((one for one in ladders if played is not None and one.id == played.ladder), None)
    rungs = rungs_in_words(chosen, directory)
    return page(
        request,
        "ladder_simulate.html",
        caller=caller,
        played=played,
        problem=problem,
        drill=directory is None or directory.line_mode == "drill",
        runs=[(title_in_words(run, rungs), list(together(run.happenings))) for run in played.runs] if played else [],
        rungs=rungs,
        order=order_in_words,
        by=lambda channels: "、".join(channel(one.strip()).zh for one in channels.split(",") if one.strip()),
        types=list(ALARM_TYPES.values()),
        residents=community.residents if community is not None else (),
        ladders=ladders,
        asked={"type": type or "personal_emergency", "resident": resident, "place": place, "ladder": ladder, "at": at},
        status=200 if problem is None or not type else 422,
    )
