"""What one person may see of a case, and answer to it: the need and the place, never a reading. Each look is written
down before it is shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from gateway.answers import acting
from gateway.answers.meaning import Answer
from gateway.answers.rows import Basis, Disclosure, disclose
from gateway.answers.words import who
from gateway.api import reads
from gateway.api.away import absence
from gateway.api.context import Context
from gateway.api.reads import TimelineLine
from gateway.cases import scene
from gateway.cases.causes import CAUSES
from gateway.cases.human import possible
from gateway.cases.model import Case, LineState, Stage
from gateway.cases.wording import LINE_STATES, STAGES, Words, kind
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import party_of, rates_work
from gateway.registry.model import Relative, Resident
from gateway.registry.organisation import RESIDENTS
from gateway.state import tables as t
from gateway.state.db import reading

MONTH_MS = 30 * 86_400_000
_SHOWN = frozenset(
    (
        *("opened", "alarm_repeated", "acknowledged", "dispatched", "arrived", "resolved", "verified", "closed"),
        *("cancelled", "released", "passed_on", "coming", "helper_left", "cancel_claimed", "line_committed"),
        *("attached", "line_answered", "line_failed", "line_vetoed", "line_sent", "line_arrived", "line_hospital"),
    )
)
"""The lines of a timeline that people see who are not at the console: what was done, and nothing measured."""
_SAYS_WHY = frozenset({"resolved", "closed", "cancelled"})
ANSWERS: dict[Answer, Words] = {
    Answer.ACCEPT: Words("我来处理", "I take it"),
    Answer.COMING: Words("我在路上", "I am on my way"),
    Answer.ARRIVED: Words("已到现场", "I am there"),
    Answer.REPORT: Words("处置完成", "it is done"),
    Answer.FALSE_ALARM: Words("误报", "false alarm"),
    Answer.PASS_ON: Words("转给下一位", "pass on to the next"),
}
_FAMILY_SAYS = {
    Answer.COMING: Words("我正在赶来", "I am on my way"),
    Answer.ARRIVED: Words("我已到现场", "I am there"),
    Answer.FALSE_ALARM: Words("是误按，请核实", "it was a mistake, please verify"),
    Answer.PASS_ON: Words("我去不了", "I cannot come"),
}
_NEEDS = {
    Answer.ACCEPT: "acknowledge",
    Answer.COMING: "dispatch",
    Answer.ARRIVED: "arrive",
    Answer.REPORT: "resolve",
    Answer.FALSE_ALARM: "cancel",
    Answer.PASS_ON: "pass_on",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, as people read it."""

    at_ms: int
    says: Words
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class PersonView:
    """A case as one person sees it."""

    case: Case
    person: str
    name: str
    family: bool
    type: Words
    resident: str
    where: Words
    access: str
    """Of those who have to get in."""
    meet_at: str
    phones: tuple[tuple[str, str], ...]
    """Whom to call: name, number."""
    stage: Words
    owner: str
    mine: bool
    """Whether this person has the case."""
    coming: tuple[str, ...]
    line: Words | None
    """The emergency line, where it has to do with it."""
    line_is_drill: bool
    line_reaches_nobody: bool
    """A real alarm whose line is a drill: whoever reads it has to dial themselves."""
    steps: tuple[Step, ...]
    answers: tuple[tuple[Answer, Words], ...]
    causes: tuple[tuple[str, str, str], ...]
    rates: bool
    """Whether they are asked how satisfied they are (评价)."""
    rated: int | None
    """What they said last: 1 to 5."""
    away: Words | None
    """Where the resident is away, what was said of it; for staff, and with consent."""


def relative_of(directory: CommunityDirectory, resident: str | None, person: str) -> Relative | None:
    """The person as family of a resident."""
    known = directory.resident(resident or "")
    return None if known is None else next((one for one in known.family if one.person == person), None)


def basis_of(context: Context, directory: CommunityDirectory, case: Case, person: str) -> Basis | None:
    """On what ground the person may see the case; None where they may not.

    Staff: they have it, or stand for it on its ladder, or their organisation rates it. Family: the resident agreed, or
    a life is at stake and they were told of it.
    """
    if case.owner == f"person:{person}" or acting.on_duty_for(directory, case, person, context.clock.now_ms()):
        return "duty"
    if rates_as(directory, case, person, family=False) is not None:
        return "duty"
    relative = relative_of(directory, case.resident, person)
    told = any(target.person == person for target in case.told)
    if relative is not None:
        if relative.consent is not None:
            return "consent"
        return "emergency" if told and case.open and case.ladder.life_safety else None
    return "duty" if told and case.open else None


def beat_of(directory: CommunityDirectory, person: str, now_ms: int) -> frozenset[str]:
    """The places for which the person is on duty now."""
    return frozenset(place for (_, place), _ in directory.duties.turns_of(person, now_ms, now_ms + 1))


def says_away(directory: CommunityDirectory, person: str, resident: Resident, beat: Collection[str]) -> Basis | None:
    """On what ground the person may know and say that a resident is away; None where they may not: the resident
    agreed, or lives where they are on duty (``beat``)."""
    relative = relative_of(directory, resident.id, person)
    if relative is not None and relative.consent is not None:
        return "consent"
    return "duty" if any(directory.lies_in(resident.home, place) for place in beat) else None


def basis_at_hand(context: Context, directory: CommunityDirectory, case: Case, person: str) -> Basis:
    """The ground for showing a case to somebody who was sent a link to it: they were told of it by message already."""
    basis = basis_of(context, directory, case, person)
    return basis or ("emergency" if case.ladder.life_safety else "consent")


def look(
    context: Context, directory: CommunityDirectory, case: Case, person: str, way: str, basis: Basis
) -> PersonView:
    """The case as the person may see it; that they saw it is on disk when this returns."""
    now_ms = context.clock.now_ms()
    disclose(
        context.engine,
        Disclosure(
            at_ms=now_ms, person=person, way=way, what="case", case_id=case.id, resident=case.resident, basis=basis
        ),
    )
    family = acting.is_family(directory, case, person, now_ms)
    line, drill_line = case.emergency.state, case.drill or directory.line_mode == "drill"
    card = scene.emergency_card(case, directory, "", now_ms)
    known = directory.person(person)
    own, desk = scene.numbers(case, directory)
    resident = scene.resident_name(case, directory)
    phones = ((f"{resident} 本人", own), ("值班室 control room", desk))
    sees_why = not family or basis == "consent"
    away, relative = absence(context, case.resident), relative_of(directory, case.resident, person)
    consents = relative is not None and relative.consent is not None
    return PersonView(
        case=case,
        person=person,
        name=known.name if known is not None else person,
        family=family,
        type=kind(case, case.type),
        resident=resident,
        where=Words(*(scene.place_path(case, directory, language) for language in ("zh", "en"))),
        access="" if family or not case.open else str(card["access"]),
        meet_at="" if family or not case.open else str(card["meet_at"]),
        phones=tuple((name, number) for name, number in phones[case.duress :] if number),  # a call would give it away
        stage=STAGES[case.stage.value],
        owner=who(directory, case.owner) if case.owner else "",
        mine=case.owner == f"person:{person}",
        coming=tuple(who(directory, helper.actor) for helper in case.helpers),
        line=LINE_STATES[line.value] if line.called or line is LineState.FAILED else None,
        line_is_drill=drill_line,
        line_reaches_nobody=drill_line and not case.drill and (line.called or line is LineState.FAILED),
        steps=_steps(context, directory, case, sees_why, drill_line),
        answers=_answers(case, person, family),
        causes=tuple((key, *words) for key, words in CAUSES.items()),
        rates=rates_as(directory, case, person, family=family) is not None,
        rated=rated_by(case, person),
        away=away.says if away is not None and (not family or consents) else None,
    )


def rates_as(directory: CommunityDirectory, case: Case, person: str, *, family: bool) -> str | None:
    """For whom the person rates a closed case: family for the residents, others for their organisation. None for whom
    nobody asks: the staff, who had part in it, and of drills everybody."""
    if case.stage is not Stage.CLOSED or case.drill or f"person:{person}" in case.handlers:
        return None
    if family:
        return RESIDENTS
    own = party_of(directory, f"person:{person}")
    return own if rates_work(directory, own, case) else None


def rated_by(case: Case, person: str) -> int | None:
    """How satisfied the person said they are; None where they have not said it."""
    return next((said.score for said in reversed(case.ratings) if said.actor == f"person:{person}"), None)


def _answers(case: Case, person: str, family: bool) -> tuple[tuple[Answer, Words], ...]:
    """The buttons: what would be carried out now."""
    can = possible(case, f"person:{person}")
    if family:
        if not case.at_work:
            return ()
        coming = any(helper.actor == f"person:{person}" for helper in case.helpers)
        return tuple(one for one in _FAMILY_SAYS.items() if not (coming and one[0] is Answer.COMING))
    mine = case.owner == f"person:{person}"
    found = []
    for answer, says in ANSWERS.items():
        if _NEEDS[answer] not in can:
            continue
        if answer is Answer.ACCEPT and case.owner is not None:
            continue  # they have it, or somebody else has
        if answer is Answer.ARRIVED and mine and case.stage is Stage.ARRIVED:
            continue
        if answer in (Answer.PASS_ON, Answer.FALSE_ALARM, Answer.REPORT) and case.owner is not None and not mine:
            continue
        found.append((answer, says))
    return tuple(found)


def _steps(
    context: Context, directory: CommunityDirectory, case: Case, why: bool, drill_line: bool
) -> tuple[Step, ...]:
    def says(line: TimelineLine) -> Words:
        drill = drill_line and line.what.startswith("line_")
        return Words(f"{line.zh}（演练）", f"{line.en} (drill)") if drill else Words(line.zh, line.en)

    return tuple(
        Step(
            at_ms=line.at_ms,
            says=says(line),
            who=who(directory, line.actor) if line.actor.startswith(("person:", "operator:")) else "",
            why=line.reason if why and line.what in _SAYS_WHY else "",
        )
        for line in reads.timeline(context.engine, case.id)
        if line.what in _SHOWN
    )


def cases_of_staff(context: Context, directory: CommunityDirectory, person: str) -> list[Case]:
    """The open cases that are this person's as staff: they have them, or they stand for them. Their own first."""
    found, _ = reads.open_cases(context.engine, 1000)
    mine = [
        case
        for case in found
        if basis_of(context, directory, case, person) == "duty"
        and not acting.is_family(directory, case, person, context.clock.now_ms())
    ]
    return sorted(mine, key=lambda case: (case.owner != f"person:{person}", case.owner is not None))


def cases_to_rate(context: Context, directory: CommunityDirectory, person: str) -> list[Case]:
    """The cases of the last 30 days that the person is asked about and has not rated yet: of their own people, and of
    the work that their organisation rates."""
    family = any(one.person == person for resident in directory.community.residents for one in resident.family)
    if not family and party_of(directory, f"person:{person}") == RESIDENTS:
        return []
    c, now_ms = t.cases.c, context.clock.now_ms()
    query = sa.select(c.body).where(c.open.is_(False), c.opened_at_ms >= now_ms - MONTH_MS)
    with reading(context.engine) as connection:
        bodies = connection.execute(query.order_by(c.opened_at_ms.desc()).limit(500)).scalars()
        closed = [case for body in bodies if (case := Case.model_validate_json(body)).stage is Stage.CLOSED]
    return [
        case
        for case in closed
        if basis_of(context, directory, case, person) is not None
        and rated_by(case, person) is None
        and rates_as(directory, case, person, family=acting.is_family(directory, case, person, now_ms)) is not None
    ]


def cases_of_resident(engine: sa.Engine, resident: str, since_ms: int) -> list[Case]:
    """A resident's cases since then, and those that are open; the newest first."""
    c = t.cases.c
    query = sa.select(c.body).where(c.resident == resident, sa.or_(c.open, c.opened_at_ms >= since_ms))
    with reading(engine) as connection:
        bodies = connection.execute(query.order_by(c.opened_at_ms.desc()).limit(200)).scalars()
        return [Case.model_validate_json(body) for body in bodies]
