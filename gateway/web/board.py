"""The console's first page: open cases, the gateway's health, the devices, and vitals of those who need help."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.api import reads
from gateway.api.away import absences
from gateway.api.context import Context, Gateway
from gateway.cases.wording import Words
from gateway.health import Part
from gateway.registry.care import Care
from gateway.web.away_pages import Away, shown
from gateway.web.cards import Card, card, rank
from gateway.web.device_life import care_lines
from gateway.web.fleet import fleet
from gateway.web.render import Show, page
from gateway.web.session import Seen, may_act
from gateway.web.vitals import Vitals, vitals_of

router = APIRouter(include_in_schema=False)

READ, SHOWN = 200, 30
"""How many of the worst open cases are read, and shown as cards; the rest is one click away."""


@dataclass(frozen=True, slots=True)
class Board:
    """What the board shows."""

    cards: list[Card]
    total: int
    vitals: dict[str, Vitals]
    """Newest vitals by resident, of those with an open case."""
    broken: list[Part]
    """Parts without which alarms may not get through: all is not well then, however quiet it is."""
    worked_on: list[tuple[Care, Words]]
    """Devices of whose alarms nobody is told just now, or not of all."""
    away: list[Away]
    """Residents who are away: inactivity is not watched meanwhile."""

    @property
    def burning(self) -> list[Card]:
        """The cards that cannot wait."""
        return [one for one in self.cards if one.burning]

    @property
    def unowned(self) -> int:
        """How many nobody has taken."""
        return sum(1 for one in self.cards if one.unowned)

    @property
    def lives(self) -> int:
        """How many may cost a life."""
        return sum(1 for one in self.cards if one.life)


@router.get("/")
async def console(request: Request, context: Gateway, caller: Seen) -> HTMLResponse:
    """值班台. The parts fill in and renew themselves by the routes below."""
    return page(
        request,
        "console.html",
        caller=caller,
        acts=may_act(caller),
        board=await _board(context),
        **await asyncio.to_thread(_side, context),
    )


@router.get("/board")
async def board(request: Request, context: Gateway, caller: Seen) -> HTMLResponse:
    """The part of the page with the cards, for its refresh."""
    return page(request, "board.html", acts=may_act(caller), board=await _board(context))


@router.get("/side")
async def side(request: Request, context: Gateway, _: Seen) -> HTMLResponse:
    """The part of the page beside the cards, for its refresh."""
    return page(request, "side.html", **await asyncio.to_thread(_side, context))


async def _board(context: Context) -> Board:
    def read() -> tuple[list[Card], int, list[Part], list[tuple[Care, Words]], list[Away]]:
        cases, total = reads.open_cases(context.engine, READ)
        broken = [part for part in context.health() if part.critical and part.state == "failed"]
        cards = sorted((card(context, case) for case in cases), key=rank)
        return cards, total, broken, care_lines(context), shown(context, absences(context))

    cards, total, broken, worked_on, away = await asyncio.to_thread(read)
    residents = dict.fromkeys(one.case.resident for one in cards[:SHOWN] if one.case.resident is not None)
    found = await asyncio.gather(*(vitals_of(context, resident) for resident in residents))
    return Board(cards, total, {one.resident: one for one in found if one is not None}, broken, worked_on, away)


def _side(context: Context) -> dict[str, Any]:
    return {"parts": context.health(), "fleet": fleet(context), "show": Show(context)}
