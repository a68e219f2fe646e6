"""外出登记 on somebody's own page: families say it of their people, staff of those who live where they are on duty."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.answers.pace import Paces
from gateway.answers.rows import Basis
from gateway.api.away import absences, say_away, say_back
from gateway.api.context import Context, Gateway
from gateway.api.problem import ApiProblem
from gateway.cases.wording import Words
from gateway.web.away_pages import Id, Said, form_of, shown
from gateway.web.my_pages import Visiting, Visitor, note, nothing
from gateway.web.person_view import beat_of, says_away
from gateway.web.render import page

router = APIRouter(prefix="/me/away", include_in_schema=False)


def _own(context: Context, visitor: Visitor) -> dict[str, Basis]:
    """Of whom the visitor may say that they are away, by id, and on what ground."""
    directory, person = visitor.directory, visitor.person.id
    beat = beat_of(directory, person, context.clock.now_ms())
    asked = ((one.id, says_away(directory, person, one, beat)) for one in directory.community.residents)
    return {id_: basis for id_, basis in asked if basis is not None}


def _my_page(
    request: Request, context: Context, visitor: Visitor, chosen: str, wrong: Words | None = None, status: int = 200
) -> HTMLResponse:
    directory = visitor.directory
    own = _own(context, visitor)
    if not own or (chosen and chosen not in own):
        raise nothing()
    away = shown(context, [one for one in absences(context) if one.resident in own])
    for one in away:
        note(context, visitor, "away", own[one.absence.resident], one.absence.resident, None)
    form = form_of(context, [one for one in directory.community.residents if one.id in own], chosen)
    return page(request, "person_away.html", status=status, visitor=visitor, away=away, wrong=wrong, **form)


@router.get("")
def my_away(request: Request, context: Gateway, visitor: Visiting, resident: Id = "") -> HTMLResponse:
    """Who of one's own people, or of those where one is on duty, is away; and the form."""
    return _my_page(request, context, visitor, resident)


def _may(request: Request, context: Context, visitor: Visitor, resident_id: str) -> None:
    if resident_id not in _own(context, visitor):
        raise nothing()
    paces: Paces = request.app.state.paces
    if not paces.taps.allows(visitor.person.id):
        raise HTTPException(429, "操作过于频繁，请稍候 · tapped too often, wait a moment", {"Retry-After": "10"})


@router.post("")
async def my_say(request: Request, context: Gateway, visitor: Visiting, said: Annotated[Said, Depends()]) -> Response:
    """Somebody of one's own is away from now on."""
    _may(request, context, visitor, said.resident)
    try:
        await say_away(context, said.resident, said.reason, said.until, f"person:{visitor.person.id}")
    except ApiProblem as problem:
        wrong = Words(problem.zh, problem.en)
        return _my_page(request, context, visitor, said.resident, wrong, problem.status_code)
    return RedirectResponse(f"/me/away?resident={quote(said.resident)}", status_code=303)


@router.post("/{resident_id}/back")
async def my_back(request: Request, context: Gateway, visitor: Visiting, resident_id: str) -> Response:
    """Somebody of one's own is at home again."""
    _may(request, context, visitor, resident_id)
    await say_back(context, resident_id, f"person:{visitor.person.id}")
    return RedirectResponse(f"/me/away?resident={quote(resident_id)}", status_code=303)
