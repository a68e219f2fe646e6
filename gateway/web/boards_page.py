"""看板: the control room's boards on the gateway's own pages, from the definitions that Grafana's are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from dashboards.answer import Look
from dashboards.board import Board, Row, Variable
from dashboards.boards import BOARDS
from dashboards.influxql import span_ms
from dashboards.query import Query as Asked
from dashboards.text import Text
from gateway.api.auth import Caller
from gateway.api.context import Context, Gateway
from gateway.store.protocol import StoreUnavailable
from gateway.web.asked import Drawn, Named, drawn, unnamed
from gateway.web.render import page
from gateway.web.session import Seen, may_act

router = APIRouter(include_in_schema=False)

RANGES = (
    ("1h", "一小时", "1 h"),
    ("6h", "六小时", "6 h"),
    ("24h", "一天", "1 day"),
    ("7d", "七天", "7 days"),
    ("30d", "三十天", "30 days"),
    ("90d", "九十天", "90 days"),
)
_KNOWN = {board.uid: board for board in BOARDS}
REFRESH_LEAST_S = 2
"""A page with many panels is asked for again no sooner, however live its board is in Grafana."""
PICTURE_POINTS = 180
LONGEST_MS = 366 * 86_400_000
WIDTHS_MS = tuple(minutes * 60_000 for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))
CHOSEN_LONGEST = 128


@dataclass(frozen=True, slots=True)
class Choice:
    """One selection at the head of a board."""

    name: str
    title: Text
    offered: tuple[tuple[str, str], ...]
    """Value and label."""
    chosen: str
    several: bool
    """All of them may be chosen too."""


@dataclass(frozen=True, slots=True)
class RowDrawn:
    """A row of a board, ready to be shown."""

    title: Text | None
    panels: tuple[Drawn, ...]


@router.get("/boards")
def boards_page(request: Request, caller: Seen) -> HTMLResponse:
    """All boards that the caller may see."""
    shown = [board for board in BOARDS if _may_see(caller, board)]
    return page(request, "dashboards.html", caller=caller, boards=shown, hidden=len(shown) < len(BOARDS))


@router.get("/boards/{uid}")
async def board_page(
    request: Request,
    context: Gateway,
    caller: Seen,
    uid: str,
    range: Annotated[str, Query(max_length=8)] = "",
) -> HTMLResponse:
    """One board, with its choices."""
    board = _board(uid, caller)
    at, choices = await _looked(request, context, board, range)
    query = {name: value for name, value in request.query_params.items() if value}
    return page(
        request,
        "dashboard.html",
        caller=caller,
        board=board,
        choices=choices,
        ranges=RANGES,
        range=range or board.range,
        query="?" + urlencode(query) if query else "",
        refresh_s=max(REFRESH_LEAST_S, span_ms(board.refresh) // 1000),
        rows=await _rows(context, board, at),
    )


@router.get("/boards/{uid}/panels")
async def board_panels(
    request: Request,
    context: Gateway,
    caller: Seen,
    uid: str,
    range: Annotated[str, Query(max_length=8)] = "",
) -> HTMLResponse:
    """The panels alone, as they are now."""
    board = _board(uid, caller)
    at, _ = await _looked(request, context, board, range)
    rows = await _rows(context, board, at)
    return page(request, "dashboard_panels.html", rows=rows)


def _may_see(caller: Caller, board: Board) -> bool:
    return not board.private or may_act(caller)


def _board(uid: str, caller: Caller) -> Board:
    board = _KNOWN.get(uid)
    if board is None:
        raise HTTPException(404, f"没有看板 {uid} · there is no such dashboard: {', '.join(_KNOWN)}")
    if not _may_see(caller, board):
        raise HTTPException(403, "含健康数据，需要 operator 令牌 · health data: a token of an operator is needed")
    return board


async def _looked(request: Request, context: Context, board: Board, span: str) -> tuple[Look, list[Choice]]:
    """The look that the address asks for, and what may be chosen instead."""
    try:
        length_ms = span_ms(span or board.range)
    except ValueError:
        length_ms = 0
    if not 0 < length_ms <= LONGEST_MS:  # who asks for a million days wants to see none of them
        raise HTTPException(422, f"时段不正确：{span} · expected a range such as 24h or 7d, up to 366d")
    now_ms = context.clock.now_ms()
    width_ms = next((width for width in WIDTHS_MS if length_ms / width <= PICTURE_POINTS), WIDTHS_MS[-1])
    chosen: dict[str, str | None] = {}
    choices: list[Choice] = []

    def at(variables: Mapping[str, str | None]) -> Look:
        return Look(
            language="zh",
            start_ms=now_ms - length_ms,
            end_ms=now_ms,
            variables=variables,
            width_ms=width_ms,
            day_offset_ms=_day_offset_ms(context, now_ms),
        )

    for variable in board.variables:
        offered = await _offered(context, variable, at(chosen))
        value = request.query_params.get(variable.name, "")[:CHOSEN_LONGEST]
        if not value and not variable.several:
            value = offered[0][0] if offered else ""
        chosen[variable.name] = value or None
        choices.append(Choice(variable.name, variable.title, offered, value, variable.several))
    return at(chosen), choices


async def _offered(context: Context, variable: Variable, at: Look) -> tuple[tuple[str, str], ...]:
    asks = variable.asks()
    try:
        answer = await context.store.ask(asks, at)
    except StoreUnavailable:
        return ()
    if not isinstance(asks, Asked):
        return tuple((str(value), str(value)) for (value,) in answer.rows)
    labels = dict.fromkeys(str(value) for value in answer.column("label"))
    return tuple((label.rpartition("(")[2].removesuffix(")"), label.rpartition(" (")[0]) for label in labels)


def _day_offset_ms(context: Context, now_ms: int) -> int:
    """When the community's days begin, from midnight UTC."""
    directory = context.directory()
    if directory is None:
        return 0
    offset = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(directory.community.community.timezone))
    ahead = offset.utcoffset()
    return 0 if ahead is None else -int(ahead.total_seconds() * 1000)


async def _rows(context: Context, board: Board, at: Look) -> list[RowDrawn]:
    named = _names(context)

    async def row(one: Row) -> RowDrawn:
        panels = await asyncio.gather(*(drawn(context.store, board, panel, at, named) for panel in one.panels))
        return RowDrawn(one.title, tuple(panels))

    return [await row(one) for one in board.rows]


def _names(context: Context) -> Named:
    """What places and devices are called here: readings bear their ids alone, and this gateway knows the registry."""
    directory = context.directory()
    if directory is None:
        return unnamed
    known = directory

    def named(tag: str, id: str) -> str:
        if tag in ("grid", "building"):
            return known.areas.told_apart(id).zh
        if tag == "place":
            return known.place_path(id, "zh") or id
        return known.device_name(id, "zh") if tag == "device" else id

    return named
