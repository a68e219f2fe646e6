"""Cases that people open: by a report, out of a part of another case, or because one was over too soon.

Pure, as `machine`; cases of alarms are opened there.
"""

from __future__ import annotations

from gateway.cases import ladder as rungs
from gateway.cases import linking
from gateway.cases.commands import HumanAction
from gateway.cases.directory import Directory
from gateway.cases.human import act
from gateway.cases.model import Case
from gateway.cases.policy import Ladder
from gateway.cases.report import Link, Report
from gateway.cases.settling import settle
from gateway.cases.turn import Moved, Turn
from gateway.cases.work import WorkType


def open_report(
    *,
    case_id: str,
    number: str,
    report: Report,
    work: WorkType,
    ladder: Ladder,
    directory: Directory,
    now_ms: int,
) -> Moved:
    """A new case for something that people report."""
    case = Case(
        id=case_id,
        number=number,
        version=0,
        type=work.id,
        severity=work.severity,
        place=report.place,
        resident=report.resident,
        explanation=report.text,
        ladder=ladder,
        source=report.source,
        work=work,
        text=report.text,
        reporter=report.reporter,
        position=report.position,
        pole=report.pole,
        times=_reported(report.happened_at_ms, now_ms),
    )
    turn = Turn(case, directory, now_ms)
    turn.write(report.actor, "opened", report.text, source=report.source.value, pole=report.pole)
    rungs.start(turn)
    return settle(turn)


def merge(case: Case, into: Case, action: HumanAction, directory: Directory, now_ms: int) -> tuple[Moved, Moved]:
    """``case`` becomes part of ``into``. Raises commands.Refused."""
    turn, target = Turn(case, directory, now_ms), Turn(into, directory, now_ms)
    linking.merge(turn, target, action)
    return settle(turn), settle(target)


def split(
    case: Case,
    action: HumanAction,
    *,
    case_id: str,
    number: str,
    work: WorkType,
    ladder: Ladder,
    directory: Directory,
    now_ms: int,
) -> tuple[Moved, Moved]:
    """A part of ``case`` becomes a case of its own (``action.reason`` says which); the older one first. Raises
    commands.Refused."""
    linking.check_split(case, action)
    turn = Turn(case, directory, now_ms)
    begun = case.model_copy(update={"type": work.id, "severity": work.severity, "work": work})
    link = Link(kind="split_from", case=case.id, number=case.number)
    new = _take_up(begun, link, action, "split_from", case_id, number, ladder, directory, now_ms)
    linking.linked(turn, new.case, action.actor, "split_off", action.reason)
    return settle(turn), new


def reopen(
    case: Case,
    action: HumanAction,
    *,
    case_id: str,
    number: str,
    ladder: Ladder,
    directory: Directory,
    now_ms: int,
) -> tuple[Moved, Moved]:
    """What was over is taken up again, as a case of its own; the older one first. Raises commands.Refused.

    After a call-back that found it not done, the call-back is noted with it.
    """
    turn = Turn(case, directory, now_ms)
    if action.action == "reopen":
        linking.check_reopen(case, action)
    else:
        act(turn, action)
        linking.refuse_second(case)
    begun = case.model_copy(update={"episode": case.episode + 1})
    link = Link(kind="follows", case=case.id, number=case.number)
    new = _take_up(begun, link, action, "follows", case_id, number, ladder, directory, now_ms)
    linking.linked(turn, new.case, action.actor, "reopened", action.reason)
    return settle(turn), new


def _take_up(
    begun: Case,
    link: Link,
    action: HumanAction,
    what: str,
    case_id: str,
    number: str,
    ladder: Ladder,
    directory: Directory,
    now_ms: int,
) -> Moved:
    """A new case by a person's word, about the same place and people as the older one that ``begun`` was made of."""
    case = Case(
        id=case_id,
        number=number,
        version=0,
        type=begun.type,
        severity=begun.severity,
        place=begun.place,
        resident=begun.resident,
        explanation=action.reason,
        ladder=linking.without_calls(ladder),
        source=begun.source,
        work=begun.work,
        text=action.reason,
        reporter=begun.reporter,
        position=begun.position,
        pole=begun.pole,
        episode=begun.episode,
        drill=begun.drill,
        drill_of=begun.drill_of,
        scene=begun.scene,
        links=(link,),
        times=_reported(None, now_ms),
    )
    turn = Turn(case, directory, now_ms)
    turn.write(action.actor, "opened", action.reason, source=begun.source.value)
    turn.write(action.actor, what, case=link.number)
    rungs.start(turn)
    return settle(turn)


def _reported(happened_at_ms: int | None, now_ms: int) -> dict[str, int]:
    triggered_ms = now_ms if happened_at_ms is None else min(happened_at_ms, now_ms)
    return {"triggered": triggered_ms, "received": now_ms, "raised": now_ms}
