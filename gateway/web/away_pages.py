"""外出登记: who is away and until when, said and taken back at the console. The form is that of `my_away`, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.answers.words import who
from gateway.api.auth import Caller
from gateway.api.away import absences, say_away, say_back
from gateway.api.context import Context, Gateway
from gateway.api.problem import ApiProblem
from gateway.cases.wording import Words
from gateway.registry.away import LONGEST_DAYS, MEANWHILE, WHY, WHY_MOST, Absence
from gateway.registry.model import Resident
from gateway.web.render import Show, page
from gateway.web.session import Acting, Seen, may_act

router = APIRouter(prefix="/away", include_in_schema=False)
Id = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True)
class Away:
    """Somebody who is away, as a page shows it."""

    absence: Absence
    name: str
    where: str
    by: str


class Said:
    """What the form holds: why, and the last day or the hour it ends."""

    def __init__(
        self,
        resident: Annotated[str, Form(min_length=1, max_length=64)],
        day: Annotated[str, Form(max_length=20)] = "",
        hour: Annotated[str, Form(max_length=20)] = "",
        why: Annotated[str, Form(max_length=20)] = "",
        other: Annotated[str, Form(max_length=WHY_MOST)] = "",
    ) -> None:
        self.resident = resident
        self.reason = other.strip() or why
        self.until = f"{day.strip()} {hour.strip()}".strip()


def shown(context: Context, some: Sequence[Absence]) -> list[Away]:
    """Absences with the names of those they are about and of those who said them."""
    directory = context.directory()
    if directory is None:
        return []
    return [
        Away(
            absence=one,
            name=directory.resident_name(one.resident),
            where=directory.place_path(directory.home_of(one.resident), "zh"),
            by=who(directory, one.by) if one.by else "",
        )
        for one in some
    ]


def form_of(context: Context, residents: Sequence[Resident], chosen: str) -> dict[str, Any]:
    """What the form needs: of whom it can be said, why, and from which day to which."""
    directory, show = context.directory(), Show(context)
    named = [
        (one.id, f"{one.name} {directory.place_path(one.home, 'zh')}" if directory is not None else one.name)
        for one in residents
    ]
    days = (show.day(show.now_ms), show.day(show.now_ms + LONGEST_DAYS * 86_400_000))
    return {
        "residents": named,
        "chosen": chosen,
        "why": WHY,
        "why_most": WHY_MOST,
        "days": days,
        "meanwhile": MEANWHILE,
    }


# at the console


def _page(
    request: Request, context: Context, caller: Caller, chosen: str, wrong: Words | None = None, status: int = 200
) -> HTMLResponse:
    directory = context.directory()
    residents = directory.community.residents if directory is not None else ()
    form = form_of(context, residents, chosen)
    away = shown(context, absences(context))
    acts = may_act(caller)
    return page(request, "away.html", status=status, caller=caller, acts=acts, away=away, wrong=wrong, **form)


@router.get("")
def away(request: Request, context: Gateway, caller: Seen, resident: Id = "") -> HTMLResponse:
    """Who is away, and the form."""
    return _page(request, context, caller, resident)


@router.post("")
async def say(request: Request, context: Gateway, caller: Acting, said: Annotated[Said, Depends()]) -> Response:
    """Somebody is away from now on."""
    try:
        await say_away(context, said.resident, said.reason, said.until, caller.actor)
    except ApiProblem as problem:
        wrong = Words(problem.zh, problem.en)
        return _page(request, context, caller, said.resident, wrong, problem.status_code)
    return RedirectResponse("/away", status_code=303)


@router.post("/{resident_id}/back")
async def back(context: Gateway, caller: Acting, resident_id: str) -> Response:
    """Somebody is at home again."""
    await say_back(context, resident_id, caller.actor)
    return RedirectResponse("/away", status_code=303)
