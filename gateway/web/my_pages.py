"""Somebody's own pages: grid staff see their open work, a family sees its own people and nobody else's.

One logs in with a code that is sent to the contact the registry has. What a person may not see is answered as if it
were not there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.answers import acting, logins
from gateway.answers.pace import Paces
from gateway.answers.rows import Basis, Disclosure, disclose
from gateway.api import reads
from gateway.api.away import absence, absences
from gateway.api.cases import CaseId, decided
from gateway.api.context import Context, Gateway
from gateway.api.reads import DeviceState
from gateway.api.record import take_file
from gateway.cases import scene
from gateway.cases.commands import HumanAction
from gateway.cases.model import Case
from gateway.cases.wording import STAGES, Words, kind
from gateway.registry.away import MEANWHILE, Absence
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Person, Relative, Resident
from gateway.web.away_pages import shown
from gateway.web.person_view import (
    MONTH_MS,
    basis_of,
    beat_of,
    cases_of_resident,
    cases_of_staff,
    cases_to_rate,
    look,
    rates_as,
    relative_of,
    says_away,
)
from gateway.web.render import page
from gateway.web.session import own_page_only
from gateway.web.tapping import ONCE, Tap, new_once, said, tap

router = APIRouter(prefix="/me", include_in_schema=False)
COOKIE = "anju_person"
WAY = "page"


class PersonNeeded(Exception):
    """Nobody is logged in on this telephone."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody on their own page."""

    person: Person
    directory: CommunityDirectory


def visiting(request: Request, context: Gateway) -> Visitor:
    """Who is logged in. Raises PersonNeeded; HTTPException 403 for a form of another site's page."""
    token = request.cookies.get(COOKIE)
    directory = context.directory()
    id_ = logins.session_of(context.engine, token, context.clock.now_ms()) if token is not None else None
    person = directory.person(id_) if directory is not None and id_ is not None else None
    if person is None or directory is None:
        raise PersonNeeded
    if request.method not in ("GET", "HEAD"):
        own_page_only(request)
    return Visitor(person, directory)


Visiting = Annotated[Visitor, Depends(visiting)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A case in a list."""

    case: Case
    type: Words
    who: str
    where: Words
    stage: Words
    mine: bool
    basis: Basis


@dataclass(frozen=True, slots=True)
class Relation:
    """One of the visitor's own people."""

    resident: Resident
    relative: Relative
    open: list[Listed]
    """Open cases that the visitor may see."""
    heard_ms: int | None
    """When a device of theirs was heard last; None without consent."""
    silent: int
    """How many of their devices are silent."""
    devices: int
    away: Words | None
    """Where they are away, what was said of it; with consent."""


def _listed(case: Case, directory: CommunityDirectory, person: str, basis: Basis) -> Listed:
    return Listed(
        case=case,
        type=kind(case, case.type),
        who=scene.resident_name(case, directory),
        where=Words(*(scene.place_path(case, directory, language) for language in ("zh", "en"))),
        stage=STAGES[case.stage.value],
        mine=case.owner == f"person:{person}",
        basis=basis,
    )


def _relation(context: Context, visitor: Visitor, resident: Resident, relative: Relative) -> Relation:
    directory, person = visitor.directory, visitor.person.id
    since_ms = context.clock.now_ms() - MONTH_MS
    open_ = [case for case in cases_of_resident(context.engine, resident.id, since_ms) if case.open]
    seen = [(case, basis) for case in open_ if (basis := basis_of(context, directory, case, person)) is not None]
    away = absence(context, resident.id)
    states = _states(context, directory, resident.id) if relative.consent is not None else {}
    return Relation(
        resident=resident,
        relative=relative,
        open=[_listed(case, directory, person, basis) for case, basis in seen],
        heard_ms=max((state.last_seen_ms for state in states.values()), default=None),
        silent=sum(not state.online for state in states.values()),
        devices=len(states),
        away=away.says if relative.consent is not None and away is not None else None,
    )


def _states(context: Context, directory: CommunityDirectory, resident: str) -> dict[str, DeviceState]:
    mine = {device.id for device in directory.devices.values() if device.resident == resident}
    return {id_: state for id_, state in reads.device_states(context.engine).items() if id_ in mine}


def _own_people(directory: CommunityDirectory, person: str) -> list[tuple[Resident, Relative]]:
    return [
        (resident, relative)
        for resident in directory.community.residents
        for relative in resident.family
        if relative.person == person
    ]


@router.get("")
def my_page(request: Request, context: Gateway, visitor: Visiting) -> HTMLResponse:
    """My open work, and my own people."""
    directory, person = visitor.directory, visitor.person.id
    work = [_listed(case, directory, person, "duty") for case in cases_of_staff(context, directory, person)]
    people = [_relation(context, visitor, *one) for one in _own_people(directory, person)]
    asked = [
        _listed(case, directory, person, basis)
        for case in cases_to_rate(context, directory, person)
        if (basis := basis_of(context, directory, case, person)) is not None
    ]
    beat = beat_of(directory, person, context.clock.now_ms())
    neighbours = shown(context, [one for one in absences(context) if _on_duty_for(directory, person, one, beat)])
    for away in neighbours:
        note(context, visitor, "away", "duty", away.absence.resident, None)
    for one in (*work, *asked):
        note(context, visitor, "list", one.basis, one.case.resident, one.case.id)
    for relation in people:
        if relation.relative.consent is not None:
            note(context, visitor, "state", "consent", relation.resident.id, None)
        for one in relation.open:
            note(context, visitor, "list", one.basis, relation.resident.id, one.case.id)
    return page(
        request,
        "person_home.html",
        visitor=visitor,
        work=work,
        people=people,
        asked=asked,
        away=neighbours,
        beat=beat,
        meanwhile=MEANWHILE,
    )


def _on_duty_for(directory: CommunityDirectory, person: str, away: Absence, beat: frozenset[str]) -> bool:
    resident = directory.resident(away.resident)
    return resident is not None and says_away(directory, person, resident, beat) == "duty"


def note(context: Context, visitor: Visitor, what: str, basis: Basis, resident: str | None, case: str | None) -> None:
    """Write down what is about to be shown to the visitor."""
    seen = {"person": visitor.person.id, "way": WAY, "what": what, "case_id": case, "resident": resident}
    disclose(context.engine, Disclosure.model_validate({"at_ms": context.clock.now_ms(), "basis": basis, **seen}))


@router.get("/residents/{resident_id}")
def my_resident(request: Request, context: Gateway, visitor: Visiting, resident_id: str) -> HTMLResponse:
    """How somebody of the family is: what is open, and what was in the last 30 days. With their consent only."""
    directory, person = visitor.directory, visitor.person.id
    resident, relative = directory.resident(resident_id), relative_of(directory, resident_id, person)
    if resident is None or relative is None or relative.consent is None:
        raise nothing()
    now_ms = context.clock.now_ms()
    found = cases_of_resident(context.engine, resident_id, now_ms - MONTH_MS)
    note(context, visitor, "history", "consent", resident_id, None)
    return page(
        request,
        "person_resident.html",
        visitor=visitor,
        one=_relation(context, visitor, resident, relative),
        history=[_listed(case, directory, person, "consent") for case in found if not case.open],
    )


def nothing() -> HTTPException:
    """The answer to what a visitor may not see: as if it were not there."""
    return HTTPException(404, "没有这一页 · there is no such page")


async def _case(context: Context, visitor: Visitor, case_id: str) -> tuple[Case, Basis]:
    """A case the visitor may see, and on what ground. 404 for any other: whether it exists is nobody's business."""
    case = await asyncio.to_thread(reads.case, context.engine, case_id)
    basis = None if case is None else basis_of(context, visitor.directory, case, visitor.person.id)
    if case is None or basis is None:
        raise nothing()
    return case, basis


@router.get("/cases/{case_id}")
async def my_case(
    request: Request,
    context: Gateway,
    visitor: Visiting,
    case_id: CaseId,
    once: Annotated[str | None, Query(pattern=ONCE)] = None,
) -> HTMLResponse:
    """One case, and what the visitor can answer."""
    case, basis = await _case(context, visitor, case_id)
    person = visitor.person.id
    view = await asyncio.to_thread(look, context, visitor.directory, case, person, WAY, basis)
    reply = await said(context, WAY, person, case.id, once)
    action = f"/me/cases/{case.id}"
    return page(request, "person_case.html", view=view, reply=reply, once=new_once(), action=action, home="/me")


@router.post("/cases/{case_id}")
async def my_answer(
    request: Request, context: Gateway, visitor: Visiting, case_id: CaseId, tapped: Annotated[Tap, Depends()]
) -> Response:
    """Carry out a tap, and show the case again."""
    case, _ = await _case(context, visitor, case_id)
    paces: Paces = request.app.state.paces
    if not paces.taps.allows(visitor.person.id):
        raise HTTPException(429, "操作过于频繁，请稍候 · tapped too often, wait a moment", {"Retry-After": "10"})
    await tap(context, WAY, visitor.person.id, case.id, tapped)
    still = await asyncio.to_thread(reads.case, context.engine, case.id)
    if still is None or basis_of(context, visitor.directory, still, visitor.person.id) is None:
        return RedirectResponse("/me", status_code=303)  # it is over, and was theirs to see only while it lasted
    return RedirectResponse(f"/me/cases/{case.id}?once={tapped.once}", status_code=303)


@router.post("/cases/{case_id}/rating")
async def my_rating(
    context: Gateway,
    visitor: Visiting,
    case_id: CaseId,
    score: Annotated[int, Form(ge=1, le=5)],
    words: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """评价: how satisfied somebody is with what was done. Said again, the last word counts."""
    case, _ = await _case(context, visitor, case_id)
    directory, person = visitor.directory, visitor.person.id
    family = acting.is_family(directory, case, person, context.clock.now_ms())
    by = rates_as(directory, case, person, family=family)
    if by is None:
        raise nothing()
    said = {"score": score, "by": by, "way": WAY, "to": visitor.person.name, "reason": words.strip()}
    await decided(
        context.decider.act(
            case.id, HumanAction.model_validate({"action": "rate", "actor": f"person:{person}", "via": WAY} | said)
        )
    )
    return RedirectResponse(f"/me/cases/{case.id}", status_code=303)


@router.post("/cases/{case_id}/attachments")
async def my_photo(
    context: Gateway, visitor: Visiting, case_id: CaseId, file: Annotated[UploadFile, File()]
) -> Response:
    """A photo from the spot, of somebody whose work it is."""
    case, basis = await _case(context, visitor, case_id)
    if basis != "duty":
        raise nothing()
    await take_file(context, case.id, file, f"person:{visitor.person.id}")
    return RedirectResponse(f"/me/cases/{case.id}", status_code=303)


# logging in


def ask_who(request: Request, _: Exception) -> Response:
    """The answer to `PersonNeeded`."""
    return page(request, "person_login.html", status=401, number="", sent=False, wrong=False)


@router.post("/code")
async def send_code(
    request: Request, context: Gateway, number: Annotated[str, Form(max_length=100)] = ""
) -> HTMLResponse:
    """Send a code to the registered contact of whoever has this number. The answer does not say whether anybody has."""
    own_page_only(request)
    directory = context.directory()
    paces: Paces = request.app.state.paces
    if not (paces.codes.allows(_address(request)) and paces.codes.allows(f"number:{number}")):
        raise HTTPException(429, "尝试过多，请稍候 · too many attempts, wait a moment", {"Retry-After": "60"})
    if directory is not None:
        now_ms = context.clock.now_ms()
        if await asyncio.to_thread(logins.send_code, context.engine, directory, number.strip(), now_ms):
            context.said()
    return page(request, "person_login.html", number=number.strip(), sent=True, wrong=False)


@router.post("/login")
async def log_in(
    request: Request,
    context: Gateway,
    number: Annotated[str, Form(max_length=100)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Change a code for a session on this telephone."""
    own_page_only(request)
    directory = context.directory()
    paces: Paces = request.app.state.paces
    if not paces.logins.allows(_address(request)):
        raise HTTPException(429, "尝试过多，请稍候 · too many attempts, wait a moment", {"Retry-After": "60"})
    token = None
    if directory is not None:
        people = directory.community.people
        token = await asyncio.to_thread(logins.log_in, context.engine, people, number, code, context.clock.now_ms())
    if token is None:
        return page(request, "person_login.html", status=401, number=number, sent=True, wrong=True)
    answer = RedirectResponse("/me", status_code=303)
    lasts_s, secure = logins.SESSION_MS // 1000, request.url.scheme == "https"
    # Lax and not strict: who comes by a link in a messenger stays logged in. Forms are checked by their origin.
    answer.set_cookie(COOKIE, token, max_age=lasts_s, path="/me", httponly=True, samesite="lax", secure=secure)
    return answer


@router.post("/logout")
async def log_out(request: Request, context: Gateway) -> Response:
    """End the session of this telephone."""
    own_page_only(request)
    token = request.cookies.get(COOKIE)
    if token is not None:
        await asyncio.to_thread(logins.log_out, context.engine, token)
    answer = RedirectResponse("/me", status_code=303)
    answer.delete_cookie(COOKIE, path="/me", httponly=True, samesite="lax")
    return answer


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else "?"
