"""What an answer does to a case: who the person is to it, and the action that follows. Pure."""

from __future__ import annotations

from gateway.answers.meaning import Answer
from gateway.cases.causes import Cause
from gateway.cases.commands import Action, HumanAction
from gateway.cases.directory import Directory
from gateway.cases.model import Case
from gateway.registry.directory import CommunityDirectory

_STAFF: dict[Answer, Action] = {
    Answer.ACCEPT: "acknowledge",
    Answer.PASS_ON: "pass_on",
    Answer.COMING: "dispatch",
    Answer.ARRIVED: "arrive",
    Answer.FALSE_ALARM: "cancel",
    Answer.REPORT: "resolve",
    Answer.SEEN: "note",
}
_FAMILY: dict[Answer, Action] = {
    Answer.ACCEPT: "come",
    Answer.PASS_ON: "pass_on",
    Answer.COMING: "come",
    Answer.ARRIVED: "note",
    Answer.FALSE_ALARM: "claim",
    Answer.REPORT: "note",
    Answer.SEEN: "note",
}
_NOTED: dict[Answer, str] = {
    Answer.ARRIVED: "家属已到现场 the family is there",
    Answer.REPORT: "家属反馈 the family says",
    Answer.SEEN: "收到 seen",
}


def on_duty_for(directory: Directory, case: Case, person: str, at_ms: int) -> bool:
    """Whether the person stands on the case's ladder by a role or by name, and not only as family."""
    return any(
        target.person == person
        for rung in case.ladder.rungs
        for recipient in rung.notify
        if not recipient.family
        for target in directory.resolve(recipient, place=case.place, resident=case.resident, at_ms=at_ms)
    )


def is_family(directory: CommunityDirectory, case: Case, person: str, at_ms: int) -> bool:
    """Whether the person answers as family: a son who is grid staff here, or has the case, answers as staff."""
    resident = directory.resident(case.resident or "")
    if resident is None or all(relative.person != person for relative in resident.family):
        return False
    return case.owner != f"person:{person}" and not on_duty_for(directory, case, person, at_ms)


def action_of(
    answer: Answer,
    person: str,
    *,
    family: bool,
    via: str,
    row: int,
    version: int | None,
    reason: str,
    cause: Cause | None = None,
) -> HumanAction:
    """The action that carries an answer out. What family says never takes the case out of other hands."""
    action = (_FAMILY if family else _STAFF)[answer]
    said = reason.strip()
    if action == "note":
        said = f"{_NOTED[answer]}：{said}" if said else _NOTED[answer]
    elif action in ("claim", "cancel", "pass_on") and not said:
        said = {"pass_on": "转给下一位 passed on"}.get(action, "误报 false alarm")
    return HumanAction(
        action=action,
        actor=f"person:{person}",
        reason=said,
        to=f"person:{person}" if action in ("dispatch", "arrive") else "",
        cause=cause if action == "cancel" else None,
        version=None if action == "note" else version,
        via=via,
        answer=row,
    )
