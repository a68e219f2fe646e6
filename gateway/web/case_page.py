"""案卷: everything about one case, and the list of all cases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from gateway.api import reads
from gateway.api.cases import CaseId
from gateway.api.context import Context, Gateway
from gateway.api.reads import AlarmRow, OutboxRow, TimelineLine
from gateway.cases.model import Purpose, Send
from gateway.outbox.card import FIELDS, card_for_line
from gateway.registry.directory import CommunityDirectory
from gateway.state import tables as t
from gateway.state.db import reading
from gateway.web.cards import Card, card, who
from gateway.web.render import page
from gateway.web.session import Seen, may_act
from gateway.web.vitals import vitals_of

router = APIRouter(include_in_schema=False)

PER_PAGE = 50
_QUIET = ("evidence", "person", "people", "who", "to", "owner", "call", "purpose")
"""Facts of a timeline line that are worded, shown elsewhere, or said by the line itself."""


@dataclass(slots=True)
class Entry:
    """A line of the timeline as the page shows it; the same thing said to several people is one line."""

    line: TimelineLine
    who: str
    people: list[str]
    facts: dict[str, object]
    evidence: list[dict[str, object]]


@dataclass(slots=True)
class Said:
    """An outbox row with what was said."""

    row: OutboxRow
    to: str
    text: str


@dataclass(slots=True)
class CaseView:
    """What the page of a case shows."""

    card: Card
    entries: list[Entry]
    alarms: list[AlarmRow]
    said: list[Said]
    calls: list[tuple[OutboxRow, list[tuple[str, str]], str]]
    """Calls to the emergency line: the row, the card's fields in words, and the text that is read out."""
    told: list[tuple[str, str]] = field(default_factory=list)
    """Everybody who has been told, and by which channels."""


@router.get("/cases")
def case_list(
    request: Request,
    context: Gateway,
    caller: Seen,
    open: bool = False,
    before_ms: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> HTMLResponse:
    """All cases, the newest first; ``before_ms`` is the way to older ones."""
    found = reads.cases(context.engine, open_only=open, limit=PER_PAGE + 1, before_ms=before_ms)
    shown = found[:PER_PAGE]
    older = shown[-1].times["raised"] if len(found) > PER_PAGE else None
    cards = [card(context, case) for case in shown]
    return page(
        request, "cases.html", caller=caller, cards=cards, open_only=open, older_ms=older, newest=before_ms is None
    )


@router.get("/cases/{case_id}")
async def case_page(request: Request, context: Gateway, caller: Seen, case_id: CaseId) -> HTMLResponse:
    return page(request, "case.html", caller=caller, acts=may_act(caller), **await _look(context, case_id))


@router.get("/cases/{case_id}/body")
async def case_body(request: Request, context: Gateway, caller: Seen, case_id: CaseId) -> HTMLResponse:
    return page(request, "case_body.html", acts=may_act(caller), **await _look(context, case_id))


async def _look(context: Context, case_id: str) -> dict[str, Any]:
    view = await asyncio.to_thread(_view, context, case_id)
    if view is None:
        raise HTTPException(404, f"没有案卷 {case_id} · there is no such case")
    resident = view.card.case.resident
    return {"view": view, "vitals": await vitals_of(context, resident) if resident is not None else None}


def _view(context: Context, case_id: str) -> CaseView | None:
    case = reads.case(context.engine, case_id)
    if case is None:
        return None
    directory = context.directory()
    rows = reads.outbox(context.engine, case_id=case_id, status=None, limit=1000)
    sends = _sends(context.engine, case_id)
    channels: dict[str, list[str]] = {}
    for row in reversed(rows):
        if row.person is not None and row.status == "delivered" and row.channel not in channels.get(row.person, []):
            channels.setdefault(row.person, []).append(row.channel)
    return CaseView(
        card=card(context, case),
        entries=_entries(reads.timeline(context.engine, case_id), directory),
        alarms=reads.alarms(context.engine, open_only=False, case_id=case_id, limit=200),
        said=[Said(row, _to(row, directory), _body(sends.get(row.key))) for row in rows],
        calls=[
            (row, *_emergency_card(sends[row.key]))
            for row in rows
            if row.purpose == Purpose.EMERGENCY_CALL.value and row.key in sends
        ],
        told=[(target.name, "、".join(channels.get(target.person, ()))) for target in case.told],
    )


def _sends(engine: sa.Engine, case_id: str) -> dict[str, Send]:
    query = sa.select(t.outbox.c.key, t.outbox.c.body).where(t.outbox.c.case_id == case_id)
    with reading(engine) as connection:
        return {row.key: Send.model_validate_json(row.body) for row in connection.execute(query)}


def _entries(lines: Iterable[TimelineLine], directory: CommunityDirectory | None) -> list[Entry]:
    entries: list[Entry] = []
    for line in lines:
        names = [who(directory, f"person:{person}") for person in _people(line.data)]
        last = entries[-1] if entries else None
        if last is not None and names and _same(last.line, line):
            last.people += [name for name in names if name not in last.people]
            continue
        raw = line.data.get("evidence")
        facts = {key: value for key, value in line.data.items() if key not in _QUIET and value not in (None, "")}
        for key in ("who", "to", "owner"):
            if line.data.get(key):
                facts[key] = who(directory, str(line.data[key]))
        evidence = [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []
        entries.append(Entry(line, who(directory, line.actor), names, facts, evidence))
    return entries


def _people(data: Mapping[str, object]) -> list[str]:
    people = data.get("people")
    if isinstance(people, list):
        return [str(person) for person in people]
    return [str(data["person"])] if data.get("person") else []


def _same(one: TimelineLine, other: TimelineLine) -> bool:
    """The same thing said to another person within seconds."""
    facts = [{key: value for key, value in line.data.items() if key != "person"} for line in (one, other)]
    return (
        (one.what, one.actor, one.reason) == (other.what, other.actor, other.reason)
        and one.what != "rung"
        and facts[0] == facts[1]
        and other.at_ms - one.at_ms < 10_000
    )


def _to(row: OutboxRow, directory: CommunityDirectory | None) -> str:
    if row.person is not None:
        return who(directory, f"person:{row.person}")
    return who(directory, f"device:{row.to}") if row.channel == "device" else row.to


def _body(send: Send | None) -> str:
    if send is None:
        return ""
    if send.body:
        return send.body
    return " ".join(f"{key}={value}" for key, value in send.data.items() if isinstance(value, str | int | float))


def _emergency_card(send: Send) -> tuple[list[tuple[str, str]], str]:
    """The card as the line's driver makes it of the row: its fields with their labels, and the text."""
    sent = card_for_line(send.data, drill=True)
    return [(label, _field(sent, path)) for path, label in FIELDS], str(sent["text"])


def _field(sent: Mapping[str, Any], path: str) -> str:
    value: Any = sent
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return "" if path in sent["unknown"] else _in_words(value)


def _in_words(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(_in_words(part) for part in value.values() if part not in (None, ""))
    if isinstance(value, list | tuple):
        return "；".join(_in_words(part) for part in value)
    return {"male": "男", "female": "女"}.get(str(value), str(value))
