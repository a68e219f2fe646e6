"""案卷: everything about one case, and the list of all cases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from gateway.answers.rows import Disclosure, Kept, answers_of, disclosures_of
from gateway.api import reads
from gateway.api.away import absence
from gateway.api.cases import CaseId
from gateway.api.context import Context, Gateway
from gateway.api.reads import AlarmRow, OutboxRow, TimelineLine
from gateway.api.rungs import line_reaches_nobody, rung_in_words, who
from gateway.api.words import accepted, channel, line_was_drill
from gateway.cases.effects import DRILL_LINE_CHANNEL, LINE_CHANNEL, Purpose, Send
from gateway.cases.model import Case
from gateway.cases.wording import Words
from gateway.record import attachments
from gateway.record.attachments import Attachment
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import party_name
from gateway.state import tables as t
from gateway.state.db import reading
from gateway.web.calls import Call, call_of, said_of
from gateway.web.cards import Card, card
from gateway.web.render import page
from gateway.web.reporting import WAYS
from gateway.web.session import Seen, may_act
from gateway.web.vitals import vitals_of

router = APIRouter(include_in_schema=False)

PER_PAGE = 50
FIRST, LAST, SAID = 40, 40, 150
"""How much of a long story is shown at once: lines of its beginning and end, messages. The rest is one click away."""
ALL = 100_000
_WORST_FIRST = ("failed", "sending", "pending", "withdrawn", "delivered")
_QUIET = (
    *("evidence", "person", "people", "who", "to", "owner", "call", "purpose", "mode"),
    *("device", "command", "args"),  # the reason says them in words
)
"""Facts of a timeline line that are worded, shown elsewhere, or said by the line itself."""


LINKS: dict[str, Words] = {
    "merged_into": Words("已并入", "merged into"),
    "merged_from": Words("并入了", "takes in"),
    "split_from": Words("拆分自", "split from"),
    "split_into": Words("拆分出", "split into"),
    "follows": Words("接续", "follows"),
    "followed_by": Words("重新立案为", "opened again as"),
}


@dataclass(slots=True)
class Entry:
    """A line of the timeline as the page shows it; the same thing said to several people is one line."""

    line: TimelineLine
    who: str
    people: list[str]
    reason: str
    facts: dict[str, object]
    evidence: list[dict[str, object]]
    drill: bool
    """Whether it tells of an emergency line that reaches nobody."""


@dataclass(slots=True)
class Said:
    """An outbox row with what was said."""

    row: OutboxRow
    to: str
    text: str


@dataclass(slots=True)
class Occasion:
    """What was said to several people at one instant and for one reason."""

    purpose: str
    at_ms: int
    said: list[Said]

    @property
    def state(self) -> str:
        """The state that most needs to be seen among those of its rows."""
        return next(state for state in _WORST_FIRST if any(one.row.status == state for one in self.said))


@dataclass(slots=True)
class CaseView:
    """What the page of a case shows."""

    card: Card
    entries: list[Entry]
    left_out: int
    """Lines of the timeline between the first and the last that are not shown."""
    alarms: list[tuple[AlarmRow, bool]]
    """Each with whether it is momentary: a press, that ends with its case."""
    occasions: list[Occasion]
    more_said: bool
    mock: bool
    """Its emergency line reaches nobody."""
    calls: list[Call]
    """Calls to the emergency line."""
    attachments: list[Attachment]
    handler: str
    """To whom the work was given."""
    asked_by: str
    """Who asks for more time."""
    answers: list[Kept]
    """What people answered, in order."""
    looks: list[tuple[str, int, int]]
    """Who was shown the case on a page of their own: name, how often, when last."""
    told: list[tuple[str, str]]
    """Everybody who has been told, and by which channels."""
    away: Words | None
    """Where the resident is away, what was said of it."""


@router.get("/cases")
def case_list(
    request: Request,
    context: Gateway,
    caller: Seen,
    open: bool = False,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """All cases, the newest first; ``before``: those that come after this one."""
    found = reads.cases(context.engine, open_only=open, limit=PER_PAGE + 1, before=before)
    shown = found[:PER_PAGE]
    older = shown[-1].id if len(found) > PER_PAGE else None
    cards = [card(context, case) for case in shown]
    return page(request, "cases.html", caller=caller, cards=cards, open_only=open, older=older, newest=before is None)


@router.get("/cases/{case_id}")
async def case_page(
    request: Request, context: Gateway, caller: Seen, case_id: CaseId, all: bool = False
) -> HTMLResponse:
    """One case; ``all`` shows a long story whole."""
    return page(request, "case.html", caller=caller, acts=may_act(caller), **await _look(context, case_id, all))


@router.get("/cases/{case_id}/body")
async def case_body(
    request: Request, context: Gateway, caller: Seen, case_id: CaseId, all: bool = False
) -> HTMLResponse:
    """The part of a case's page that changes, for its refresh."""
    return page(request, "case_body.html", acts=may_act(caller), **await _look(context, case_id, all))


async def _look(context: Context, case_id: str, all: bool) -> dict[str, Any]:
    view = await asyncio.to_thread(_view, context, case_id, all)
    if view is None:
        raise HTTPException(404, f"没有案卷 {case_id} · there is no such case")
    case = view.card.case
    # The values are those of now: beside a case that is over they would be taken for its own.
    vitals = await vitals_of(context, case.resident) if case.resident is not None and case.open else None
    name = partial(who, context.directory())
    return {"name": name, "view": view, "vitals": vitals, "all": all, "sources": WAYS, "link_words": LINKS}


def _view(context: Context, case_id: str, all: bool) -> CaseView | None:
    case = reads.case(context.engine, case_id)
    if case is None:
        return None
    case_id = case.id  # people write the number
    directory = context.directory()
    lines = reads.timeline(context.engine, case_id)
    mode = "drill" if line_reaches_nobody(directory) else "live"
    mock = line_was_drill(case, ((line.what, line.data) for line in lines), mode)
    entries = _entries(case, lines, directory, mock)
    left_out = 0 if all else max(0, len(entries) - FIRST - LAST)
    limit = ALL if all else SAID
    rows = reads.outbox(context.engine, case_id=case_id, status=None, limit=limit + 1)
    line = reads.outbox(context.engine, case_id=case_id, status=None, limit=50, channel=LINE_CHANNEL)
    line += reads.outbox(context.engine, case_id=case_id, status=None, limit=50, channel=DRILL_LINE_CHANNEL)
    sends = _sends(context.engine, [row.key for row in (*rows, *line)])
    with reading(context.engine) as connection:
        added = attachments.of_case(connection, case.id)
    momentary = {(ref.rule, ref.subject) for ref in case.alarms if ref.momentary}
    away = absence(context, case.resident)
    return CaseView(
        card=card(context, case),
        away=away.says if away is not None else None,
        entries=entries if not left_out else [*entries[:FIRST], *entries[-LAST:]],
        left_out=left_out,
        alarms=[
            (row, (row.rule, row.subject) in momentary)
            for row in reads.alarms(context.engine, open_only=False, case_id=case_id, limit=200)
        ],
        occasions=_occasions([Said(row, _to(row, directory), _body(sends.get(row.key))) for row in rows[:limit]]),
        more_said=len(rows) > limit,
        mock=mock,
        calls=[call_of(row, sends[row.key], drill=mock) for row in line if row.purpose == Purpose.EMERGENCY_CALL.value],
        attachments=added,
        handler=who(directory, case.handler) if ":" in case.handler else case.handler,
        asked_by=who(directory, case.asked.by) if case.asked is not None else "",
        answers=answers_of(context.engine, case_id=case.id)[::-1],
        looks=_looks(disclosures_of(context.engine, case_id=case.id), directory),
        told=_told(case, lines),
    )


def _looks(disclosures: Sequence[Disclosure], directory: CommunityDirectory | None) -> list[tuple[str, int, int]]:
    found: dict[str, list[int]] = {}
    for one in disclosures:
        found.setdefault(one.person, []).append(one.at_ms)
    return [(who(directory, f"person:{person}"), len(times), max(times)) for person, times in found.items()]


def _told(case: Case, lines: Iterable[TimelineLine]) -> list[tuple[str, str]]:
    reached: dict[str, dict[str, None]] = {}
    for line in lines:
        if line.what == "told":
            reached.setdefault(str(line.data.get("person")), {})[channel(str(line.data.get("channel"))).zh] = None
    return [(target.name, "、".join(reached.get(target.person, ()))) for target in case.told]


def _occasions(said: Iterable[Said]) -> list[Occasion]:
    found: dict[tuple[str, int], Occasion] = {}
    for one in said:
        key = one.row.purpose, one.row.created_at_ms
        found.setdefault(key, Occasion(*key, [])).said.append(one)
    return list(found.values())


def _sends(engine: sa.Engine, keys: Sequence[str]) -> dict[str, Send]:
    """What rows of the outbox say, by key; a few hundred keys to a query."""
    found: dict[str, Send] = {}
    with reading(engine) as connection:
        for start in range(0, len(keys), 500):
            query = sa.select(t.outbox.c.key, t.outbox.c.body).where(t.outbox.c.key.in_(keys[start : start + 500]))
            found |= {row.key: Send.model_validate_json(row.body) for row in connection.execute(query)}
    return found


def _entries(
    case: Case, lines: Iterable[TimelineLine], directory: CommunityDirectory | None, mock: bool
) -> list[Entry]:
    entries: list[Entry] = []
    rungs = {rung.id: rung_in_words(rung, directory).zh for rung in case.ladder.every_rung}
    for line in lines:
        names = [who(directory, f"person:{person}") for person in _people(line.data)]
        last = entries[-1] if entries else None
        if last is not None and names and _same(last.line, line):
            last.people += [name for name in names if name not in last.people]
            continue
        raw = line.data.get("evidence")
        facts = {key: value for key, value in line.data.items() if key not in _QUIET and value not in (None, "")}
        if line.what == "attached":
            facts = {}  # shown among the attachments
        for key in ("who", "to", "owner"):
            if line.data.get(key):
                facts[key] = who(directory, str(line.data[key]))
        if line.what == "rated":
            facts["score"] = f"{facts.get('score')} / 5"
            if directory is not None and "by" in facts:
                facts["by"] = party_name(directory, str(facts["by"])).zh
        if "rung" in facts:
            facts["rung"] = rungs.get(str(facts["rung"]), facts["rung"])
        if "via" in facts:
            facts["via"] = channel(str(facts["via"])).zh
        if "channel" in facts:
            facts["channel"] = channel(str(facts["channel"]), drill=mock).zh
        if line.what in ("device_confirmed", "device_silent"):
            # The line does not say which; where one device was pressed it can be no other.
            facts["channel"] = who(directory, f"device:{case.indicators[0]}") if len(case.indicators) == 1 else "设备"
        evidence = [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []
        drill = mock and line.what.startswith("line_")
        entries.append(Entry(line, who(directory, line.actor), names, _reason(line), facts, evidence, drill))
    return entries


def _reason(line: TimelineLine) -> str:
    return said_of(line.reason) if line.what == "line_answered" else accepted(line.reason)


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
