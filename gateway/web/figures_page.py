"""指标: how soon people answered, how long each stage took, by place, person, type and cause. To be printed as well."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from devices.targets import LIFE, ON_SITE, OTHER
from gateway.api.context import Gateway
from gateway.api.figures import INSTANTS, LIMITS, BadPeriod, Worded, bad_period, gather
from gateway.api.models import ID
from gateway.api.words import duration
from gateway.cases.figures import Share
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(include_in_schema=False)

WIDTH, HEIGHT, LABELS = 960.0, 150.0, 18.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or month of the chart, in SVG coordinates."""

    x: float
    width: float
    top: float
    """Where the bar of all cases begins."""
    answered_top: float | None
    """Where the part begins that was answered within 60 s; None without alarms."""
    label: str
    title: str


@router.get("/figures")
async def figures_page(
    request: Request,
    context: Gateway,
    caller: Seen,
    begin: Annotated[str, Query(alias="from", max_length=10)] = "",
    end: Annotated[str, Query(alias="until", max_length=10)] = "",
    place: Annotated[str, Query(max_length=64, pattern=f"^$|{ID}")] = "",
    drills: bool = False,
) -> HTMLResponse:
    """The figures of a period, by default of the last 30 days; with ``drills`` of drills alone."""
    directory = context.directory()
    if place and (directory is None or directory.place(place) is None):
        raise HTTPException(404, f"没有地点 {place} · there is no such place")
    now_ms = context.clock.now_ms()
    try:
        days = [date.fromisoformat(day) if day else None for day in (begin, end)]
        found = await asyncio.to_thread(
            gather,
            context.engine,
            directory,
            begin=days[0],
            end=days[1],
            place=place or None,
            now_ms=now_ms,
            drills=drills,
        )
    except BadPeriod as error:
        raise bad_period(error) from None
    except ValueError:
        raise HTTPException(422, f"日期不正确：{begin} {end} · expected days such as 2026-11-01") from None
    inside = {one.parent for one in directory.community.places} if directory is not None else set()
    way = [one for key in directory.way(place) if (one := directory.place(key)) is not None] if directory else []
    return page(
        request,
        "figures.html",
        caller=caller,
        found=found,
        of=found.figures,
        targets={"life": LIFE, "other": OTHER, "on_site": ON_SITE},
        instants=INSTANTS,
        limits=LIMITS,
        bars=bars(found),
        way=list(reversed(way)),
        deeper=inside,
        duration=duration,
        percent=percent,
        periods=_periods(found, now_ms),
        query=partial(_query, drills=drills),
        drills=drills,
    )


def percent(share: Share) -> str:
    """A share in percent; a dash of nothing."""
    return "–" if share.share is None else f"{100 * share.share:.1f} %"


def bars(found: Worded) -> list[Bar]:
    """The chart of cases over time."""
    slots = found.figures.slots
    most = max((slot.n for slot in slots), default=0) or 1
    step = WIDTH / max(1, len(slots))
    by_day = len(slots) < 2 or slots[1].begin_ms - slots[0].begin_ms < 3 * 86_400_000
    zone = ZoneInfo(found.timezone)
    every = max(1, -(-len(slots) // 12))
    drawn = []
    for number, slot in enumerate(slots):
        day = datetime.fromtimestamp(slot.begin_ms / 1000, UTC).astimezone(zone)
        high = HEIGHT - LABELS
        share = slot.answered_60
        label = day.strftime("%m-%d" if by_day else "%Y-%m") if number % every == 0 else ""
        drawn.append(
            Bar(
                x=round(number * step + step * 0.12, 1),
                width=round(step * 0.76, 1),
                top=round(high - high * slot.n / most, 1),
                answered_top=round(high - high * share.count / most, 1) if share.n else None,
                label=label,
                title=f"{day:%Y-%m-%d}：{slot.n} 件 cases，60 秒内受理 {share.count}/{share.n}",
            )
        )
    return drawn


def _periods(found: Worded, now_ms: int) -> list[tuple[str, str, date, date]]:
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(found.timezone)).date()
    first = today.replace(day=1)
    before = first - timedelta(days=1)
    return [
        ("近 7 天", "7 days", today - timedelta(days=6), today),
        ("近 30 天", "30 days", today - timedelta(days=29), today),
        ("本月", "this month", first, today),
        ("上月", "last month", before.replace(day=1), before),
        ("今年", "this year", today.replace(month=1, day=1), today),
    ]


def _query(begin: date, end: date, place: str | None, *, drills: bool) -> str:
    return f"?from={begin}&until={end}" + (f"&place={place}" if place else "") + ("&drills=true" if drills else "")
