"""值班: who is on duty here now, and then; where nobody will be; somebody instead of somebody in two taps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api import rosters
from gateway.api.context import Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem
from gateway.api.words import role_in_words
from gateway.cases.wording import Words
from gateway.registry import coverage, handing, overrides
from gateway.registry.coverage import Repeated
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS, Key, Line
from gateway.registry.model import Person, Place
from gateway.registry.overrides import Made, Order
from gateway.state.db import reading
from gateway.web.render import page
from gateway.web.session import Acting, Seen

router = APIRouter(include_in_schema=False)

LOOK_AHEAD_DAYS = 28
SHOWN = 400
PEOPLE_SHOWN = 300
_NUMBERS = re.compile(r"(\d+)")
Text = Annotated[str, Form(max_length=64)]


class Row(NamedTuple):
    """One role at one place."""

    key: Key
    role: Words
    place: Words
    people: tuple[Person, ...]
    until_ms: int | None
    """When others are on duty; None where that is not in sight."""
    then: tuple[Person, ...]
    from_above: bool
    """Nobody is here, and who is on duty is so for a larger place."""


class Group(NamedTuple):
    """The roles at one place, as one looks for them: where am I, who is on duty here."""

    place: Words
    anchor: str
    depth: int
    rows: list[Row]


class Warned(NamedTuple):
    """Something wrong with the rosters."""

    when: Words
    said: Words
    times: int
    serious: bool


@router.get("/duty")
def duty(
    request: Request, context: Gateway, caller: Seen, q: Annotated[str, Query(max_length=64)] = ""
) -> HTMLResponse:
    """The page; ``q`` looks for a place, a role, or a name."""
    directory, now_ms = context.directory(), context.clock.now_ms()
    rows = [] if directory is None else rows_of(directory, now_ms, q.strip())
    warnings = [] if directory is None else warnings_of(directory, now_ms)
    with reading(context.engine) as connection:
        made = overrides.load(connection, now_ms)
        handed = handing.recent(connection, 20, waiting=True)
    return page(
        request,
        "duty.html",
        caller=caller,
        groups=[] if directory is None else groups_of(directory, rows[:SHOWN]),
        nobody=[row for row in rows if not row.people],
        more=max(0, len(rows) - SHOWN),
        warnings=warnings,
        made=[(one, told(one, directory)) for one in made if directory is not None],
        handed=handed,
        q=q,
        name=lambda person: _name(directory, person),
        days=LOOK_AHEAD_DAYS,
    )


def rows_of(directory: CommunityDirectory, now_ms: int, q: str = "") -> list[Row]:
    """Every duty, where it is written: those of a place, then those of what lies in it."""
    found = [_row(directory, key, line, now_ms) for key, line in directory.duties.lines.items()]
    if q:
        found = [row for row in found if any(q.lower() in text.lower() for text in _texts(row))]
    return sorted(found, key=lambda row: (_order(directory, row.key[1]), row.key))


def _order(directory: CommunityDirectory, place: str) -> list[list[tuple[int, str]]]:
    """Places as people list them: each before what lies in it, and 第2网格 before 第10网格."""
    names = [known.name.zh for id_ in reversed(directory.way(place)) if (known := directory.place(id_)) is not None]
    return [[(int(part), "") if part.isdecimal() else (0, part) for part in _NUMBERS.split(name)] for name in names]


def groups_of(directory: CommunityDirectory, rows: Sequence[Row]) -> list[Group]:
    """The rows by their places, as they come."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.key[1], []).append(row)
    return [Group(some[0].place, place, len(directory.way(place)), some) for place, some in found.items()]


def _row(directory: CommunityDirectory, key: Key, line: Line, now_ms: int) -> Row:
    role, place = key
    known = directory.place(place)
    until_ms = directory.duties.next_change_ms(key, now_ms)
    return Row(
        key,
        role_in_words(directory, role),
        Words(place, place) if known is None else _place(directory, known),
        _people(directory, directory.on_duty(role, place, now_ms)),
        until_ms,
        () if until_ms is None else _people(directory, directory.on_duty(role, place, until_ms)),
        not line.at(now_ms).people,
    )


def _place(directory: CommunityDirectory, known: Place) -> Words:
    """A place by its name, and what it lies in: every community has a 第2网格."""
    above = None if known.parent is None else directory.place(known.parent)
    if above is None or above.parent is None:
        return Words(known.name.zh, known.name.en)
    return Words(f"{above.name.zh} {known.name.zh}", f"{above.name.en}, {known.name.en}")


def _texts(row: Row) -> tuple[str, ...]:
    return (*row.key, *row.role, *row.place, *(text for one in row.people for text in (one.id, one.name)))


def _people(directory: CommunityDirectory, people: Sequence[str]) -> tuple[Person, ...]:
    return tuple(person for name in people if (person := directory.person(name)) is not None)


def warnings_of(directory: CommunityDirectory, now_ms: int) -> list[Warned]:
    """What is wrong in the coming weeks, each thing once."""
    found = coverage.troubles(directory, now_ms, now_ms + LOOK_AHEAD_DAYS * DAY_MS)
    return [_warning(one, directory) for one in coverage.grouped(found)]


def _warning(one: Repeated, directory: CommunityDirectory) -> Warned:
    first, times = one
    when = coverage.when(first.begin_ms, first.until_ms, directory.duties.zone)
    return Warned(when, coverage.in_words(first, directory), times, first.kind in coverage.SERIOUS)


def told(made: Made, directory: CommunityDirectory) -> Words:
    """When and where an override holds."""
    when = coverage.when(made.begin_ms, made.until_ms, directory.duties.zone)
    zh, en = "所有岗位", "every duty"
    if made.role is not None:
        zh, en = role_in_words(directory, made.role)
    if made.place is not None and (place := directory.place(made.place)) is not None:
        zh, en = f"{place.name.zh} {zh}", f"{place.name.en} {en}"
    return Words(f"{when.zh} {zh}", f"{when.en} {en}")


def _name(directory: CommunityDirectory | None, person: str | None) -> str:
    known = directory.person(person or "") if directory is not None else None
    return (person or "") if known is None else known.name


@router.get("/duty/instead")
def instead(
    request: Request,
    context: Gateway,
    caller: Acting,
    role: Annotated[str, Query(max_length=64, pattern=ID)],
    place: Annotated[str, Query(max_length=64, pattern=ID)],
) -> HTMLResponse:
    """The first tap: who is to stand in, and until when (the end of the shift, else tomorrow)."""
    directory, now_ms = rosters.need_directory(context), context.clock.now_ms()
    line = directory.duties.lines.get((role, place))
    if line is None:
        raise ApiProblem(404, "no_such_duty", "没有此排班", "there is no such duty")
    row = _row(directory, (role, place), line, now_ms)
    own = line.at(now_ms).people
    return page(
        request,
        "duty_instead.html",
        caller=caller,
        row=row,
        own=_people(directory, own),
        until=_local(directory, row.until_ms or now_ms + DAY_MS),
        candidates=_candidates(directory, role, place, own),
    )


def _candidates(directory: CommunityDirectory, role: str, place: str, own: Sequence[str]) -> list[Person]:
    """Who could stand in: first those who ever hold the role here, then elsewhere, then all others who are on duty as
    anything. Families are on nobody's roster."""
    here: list[str] = []
    elsewhere: list[str] = []
    others: list[str] = []
    for roster in directory.community.rosters:
        for one in roster.duties:
            same = one.role == role
            (here if same and one.place == place else elsewhere if same else others).extend(one.everybody)
    found = dict.fromkeys((*here, *elsewhere, *others))
    people = _people(directory, [person for person in found if person not in own])
    return [person for person in people if person.contacts][:PEOPLE_SHOWN]


def _local(directory: CommunityDirectory, at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, directory.duties.zone).strftime("%Y-%m-%dT%H:%M")


@router.post("/duty/instead")
async def make_instead(
    context: Gateway,
    caller: Acting,
    role: Text,
    place: Text,
    person: Text,
    until: Annotated[str, Form(max_length=32)],
    instead_of: Text = "",
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """The second tap: it is so from now on."""
    zone = rosters.need_directory(context).duties.zone
    try:
        until_ms = int(datetime.fromisoformat(until).replace(tzinfo=zone).timestamp() * 1000)
        order = Order.model_validate(
            {
                "role": role,
                "place": place,
                "instead_of": instead_of or None,
                "person": person,
                "begin_ms": context.clock.now_ms(),
                "until_ms": until_ms,
            }
        )
    except ValueError:
        raise ApiProblem(422, "invalid", f"填写有误，请检查时间 {until}", f"look at the time: {until!r}") from None
    await rosters.make(context, caller, lambda _: (order,), reason)
    return _back()


@router.post("/duty/overrides/{override_id}/end")
async def end(context: Gateway, caller: Acting, override_id: rosters.RowId) -> Response:
    """The roster holds again."""
    await rosters.take_back(context, caller, override_id)
    return _back()


@router.post("/duty/handovers/{handover_id}/receipt")
def receipt(context: Gateway, caller: Acting, handover_id: rosters.RowId) -> Response:
    """Whoever came on duty has taken over."""
    rosters.confirm(context, caller, handover_id)
    return _back()


def _back() -> Response:
    return RedirectResponse("/duty", status_code=303)
