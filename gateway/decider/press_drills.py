"""Cases of drills, and the presses that are one: the first press of a key that a running drill waits for. Every further
press of it is real."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.alarms import AlarmChange, AlarmMove
from gateway.cases import machine
from gateway.cases.effects import Write
from gateway.cases.model import Case
from gateway.cases.policy import Ladder
from gateway.decider import case_rows, drill_rows
from gateway.decider.drill_rows import Drill, Pressed

if TYPE_CHECKING:
    from gateway.decider.decision import Decision


def open_case(decision: Decision, drill: Drill, change: AlarmChange, ladder: Ladder) -> Case:
    """A case of a drill. Its alarm is in no table: it holds nothing back, and is in no storm."""
    case_id, number = decision.new_case()
    moved = machine.open_case(
        case_id=case_id,
        number=number,
        change=change,
        ladder=ladder,
        directory=decision.view.directory,
        now_ms=decision.now_ms,
        drill=drill.order,
    )
    case = decision.apply(None, moved)
    by = {"drill": drill.id, "test": drill.test, "tell": drill.tell}
    line = Write(actor=drill.actor, what="drill", reason=drill.reason, data=by)
    case_rows.append(decision.connection, case.id, [line], decision.now_ms)
    return case


def takes(decision: Decision, change: AlarmChange) -> bool:
    """Whether a press is a drill: the first one of a key that a running drill waits for. Every further one is real."""
    if not change.momentary or change.device is None or change.move is not AlarmMove.RAISED:
        return False  # REPEATED: a real case of it is open
    for drill in drill_rows.unfinished(decision.connection, "running"):
        if change.device not in [one.device for one in drill.subjects if one.press]:
            continue
        if decision.now_ms >= drill.ends_at_ms or drill.end_asked_by is not None:
            continue
        pressed = drill.pressed.get(change.device)
        message = change.evidence[0].message_id if change.evidence else ""
        if pressed is None:
            return _take_press(decision, drill, change, message)
        bounced = abs(change.observed_at_ms - pressed.at_ms) < machine.BOUNCE_MS
        if (message and message == pressed.message) or bounced:
            line = Write(actor=f"rule:{change.rule}", what="alarm_repeated", reason=change.explanation)
            case_rows.append(decision.connection, pressed.case, [line], decision.now_ms)
            decision.view.rules.end_momentary(change.rule, change.subject, rest=False)
            return True
    return False


def _take_press(decision: Decision, drill: Drill, change: AlarmChange, message: str) -> bool:
    ladder = decision.view.ladders.get(change.ladder)
    locked = drill_rows.load(decision.connection, drill.id)
    if ladder is None or change.device is None or locked is None or locked.end_asked_by is not None:
        return False
    drill = locked
    if case_rows.joinable(decision.connection, change, ladder, decision.now_ms) is not None:
        return False  # there is a real case at this home: it belongs to that
    named = f"drill:{drill.id}:{change.device}"
    why = f"{change.explanation} ({change.rule} v{change.rule_version})"
    case = open_case(
        decision, drill, change.model_copy(update={"rule": "drill", "subject": named, "explanation": why}), ladder
    )
    decision.view.rules.end_momentary(change.rule, change.subject, rest=False)
    pressed = Pressed(case=case.id, message=message, at_ms=change.observed_at_ms)
    more = {"cases": (*drill.cases, case.id), "pressed": {**drill.pressed, change.device: pressed}}
    drill_rows.save(decision.connection, drill.model_copy(update=more))
    return True
