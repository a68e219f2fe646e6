"""Climbing the ladder: who is told when, reminders, leases, and the gate before the emergency line.

Deadlines are absolute: a gateway that was down catches up, but gives every rung at least `MIN_RUNG_S` so that people
who are told late still have time to answer before the next step.
"""

from __future__ import annotations

from gateway.alarms import AlarmChange
from gateway.cases import wording
from gateway.cases.directory import Target
from gateway.cases.effects import Purpose, TimerName
from gateway.cases.model import Case, LineState, Stage
from gateway.cases.policy import Rung
from gateway.cases.turn import Turn

MIN_RUNG_S = 20
STALE_FOR_LINE_MS = 30 * 60_000
"""An alarm that arrives later than this (a backlog after an outage) is told to people at once, but a machine does not
call 120 for it: whoever takes the case may."""
MAX_RUNGS_AT_ONCE = 20
ALERT_AGAIN_S = 60
"""A hundred presses in a minute tell everybody once."""


def start(turn: Turn) -> None:
    """Begin to climb: arm the line if a rung calls it, and set the first deadline."""
    turn.become(rung=0, loop=0)
    arm(turn)
    schedule(turn, turn.now_ms + turn.case.ladder.rungs[0].after_s * 1000)


def arm(turn: Turn, late_ms: int | None = None) -> None:
    """Arm the emergency line where a rung ahead calls it, unless the alarm is too old for a machine's call."""
    case = turn.case
    late_ms = case.late_ms if late_ms is None else late_ms
    number = next((rung.call for rung in case.ladder.rungs[case.rung :] if rung.call), None)
    if number is None or case.emergency.state in (LineState.COMMITTED, LineState.ANSWERED):
        return
    if late_ms > STALE_FOR_LINE_MS:
        turn.write("system", "line_not_armed", f"the alarm is {late_ms // 60_000} min old")
        return
    turn.become(emergency=case.emergency.model_copy(update={"state": LineState.ARMED, "number": number}))
    turn.write("system", "line_armed", number=number)


def rearm(turn: Turn, late_ms: int) -> None:
    """A new alarm after a veto, a failed call, or one that came too late: the call is ahead once more."""
    index = next((i for i, rung in enumerate(turn.case.ladder.rungs) if rung.call), None)
    if index is None:
        return
    passed = turn.case.rung > index
    if passed:
        turn.become(rung=index)
    arm(turn, late_ms)
    if passed:
        schedule(turn, turn.now_ms + turn.case.ladder.rungs[index].after_s * 1000)
    elif turn.case.next_at_ms is not None:
        schedule(turn, turn.case.next_at_ms)


def schedule(turn: Turn, due_at_ms: int) -> None:
    """Set when the next rung is due, and with it the line's deadline."""
    turn.set_ladder(due_at_ms)
    case = turn.case
    if case.emergency.state is LineState.ARMED:
        deadline = due_at_ms
        for index in range(case.rung, len(case.ladder.rungs)):
            if index > case.rung:
                deadline += case.ladder.rungs[index].after_s * 1000
            if case.ladder.rungs[index].call:
                turn.become(emergency=case.emergency.model_copy(update={"deadline_ms": deadline}))
                return


def climb(turn: Turn) -> None:
    """The ladder's timer is due: take the next rung, and those behind it that have nobody on them."""
    for _ in range(MAX_RUNGS_AT_ONCE):
        case = turn.case
        if case.rung >= len(case.ladder.rungs):
            if case.stage is Stage.OPENED:
                _remind(turn)
            else:
                stand_down(turn)
            return
        rung = case.ladder.rungs[case.rung]
        reached = _take(turn, rung)
        planned = case.next_at_ms if case.next_at_ms is not None else turn.now_ms
        turn.become(rung=case.rung + 1)
        if turn.case.rung < len(case.ladder.rungs):
            wait_s = case.ladder.rungs[turn.case.rung].after_s
            due = max(planned + wait_s * 1000, turn.now_ms + min(wait_s, MIN_RUNG_S) * 1000)
            if not reached:
                turn.write("system", "rung_empty", rung=rung.id)
                due = turn.now_ms if not case.ladder.rungs[turn.case.rung].call else due
            schedule(turn, due)
            if due > turn.now_ms:
                return
        elif case.ladder.life_safety:
            turn.set_ladder(turn.now_ms + case.ladder.repeat_s * 1000)
            return
        else:
            turn.write("system", "ladder_ended")
            turn.stop_ladder()
            return


def _take(turn: Turn, rung: Rung) -> bool:
    """Do what one rung says; False when it reached nobody."""
    targets = _people(turn, rung)
    turn.write("system", "rung", rung=rung.id, people=[target.person for target in targets], call=rung.call)
    # Who stands on several rungs (a son who is grid staff) is told by the first of them; reminders come later.
    known = {target.person for target in turn.case.told} if turn.case.loop == 0 else set()
    new = [target for target in targets if target.person not in known]
    turn.tell(new, Purpose.ALARM, occasion=f"{turn.case.ladder.id}:{turn.case.loop}:{rung.id}", rung=rung.id)
    reached = any(target.addresses for target in targets)
    _remember(turn, targets)
    if rung.call:
        call_line(turn, "system")
        return True
    return reached


def _remind(turn: Turn) -> None:
    """After the last rung: everybody on the ladder, as they are on duty now, is told again."""
    turn.become(loop=turn.case.loop + 1)
    targets: dict[str, Target] = {}
    for rung in turn.case.ladder.rungs:
        targets |= {target.person: target for target in _people(turn, rung)}
    turn.withdraw("a newer reminder", Purpose.REMINDER)
    turn.write("system", "reminder", loop=turn.case.loop, people=list(targets))
    turn.tell(targets.values(), Purpose.REMINDER, occasion=f"{turn.case.ladder.id}:{turn.case.loop}:reminder")
    _remember(turn, list(targets.values()))
    turn.set_ladder(turn.now_ms + turn.case.ladder.repeat_s * 1000)


def tell_others(turn: Turn, change: AlarmChange, detail: tuple[str, str]) -> None:
    """Of a case for many places: tell those who stand for the place and the person of ``change`` on the rungs taken so
    far, and have not been told."""
    known = {target.person for target in turn.case.told}
    found: dict[str, Target] = {}
    for rung in turn.case.ladder.rungs[: turn.case.rung]:
        for target in _stand_for(turn, rung, change.place, change.resident):
            if target.person not in known:
                found.setdefault(target.person, target)
    if found:
        turn.tell(found.values(), Purpose.ALARM, occasion=f"{turn.case.version}:others", detail=detail)
        _remember(turn, list(found.values()))


def _people(turn: Turn, rung: Rung) -> list[Target]:
    return _stand_for(turn, rung, turn.case.place, turn.case.resident)


def _stand_for(turn: Turn, rung: Rung, place: str | None, resident: str | None) -> list[Target]:
    found: dict[str, Target] = {}
    for recipient in rung.notify:
        targets = turn.directory.resolve(recipient, place=place, resident=resident, at_ms=turn.now_ms)
        for target in targets:
            found.setdefault(target.person, target)
    return list(found.values())


def _remember(turn: Turn, targets: list[Target]) -> None:
    known = {target.person for target in turn.case.told}
    new = tuple(target for target in targets if target.person not in known)
    if new:
        turn.become(told=(*turn.case.told, *new))


def withheld(case: Case, now_ms: int) -> str | None:
    """The gate: why the line may not be called by the machine now; None where it may.

    All of it is evaluated in the transaction that commits the call.
    """
    if not case.ladder.life_safety:
        return "not a ladder for life safety"
    if not case.open:
        return "the case is over"
    if case.emergency.state is not LineState.ARMED:
        return f"the line is {case.emergency.state.value}, not armed"
    if case.emergency.deadline_ms is None or now_ms < case.emergency.deadline_ms:
        return "the deadline has not passed"
    if case.stage is not Stage.OPENED and not (case.stage is Stage.ACKNOWLEDGED and case.emergency.postponed):
        return "somebody has the case"
    return None


def call_line(turn: Turn, actor: str, *, decided: str | None = None) -> None:
    """Commit the emergency call: by the machine through the gate, or by a person who says why (``decided``)."""
    case = turn.case
    reason = None if decided is not None else withheld(case, turn.now_ms)
    if reason is not None:
        turn.write(actor, "line_withheld", reason)
        return
    number = case.emergency.number or next((rung.call for rung in case.ladder.rungs if rung.call), None) or "120"
    reference = f"{case.id}:line:{case.version}"
    turn.become(
        emergency=case.emergency.model_copy(
            update={"state": LineState.COMMITTED, "number": number, "deadline_ms": None, "reference": reference}
        )
    )
    card = turn.directory.emergency_card(
        case_number=case.number,
        complaint=wording.complaint(case),
        place=case.place,
        resident=case.resident,
        source=turn.directory.device_name(case.device, "zh"),
        at_ms=turn.now_ms,
    )
    turn.write(actor, "line_committed", decided or "", number=number, mode=turn.directory.line_mode)
    turn.line(reference, Purpose.EMERGENCY_CALL, card)
    # The line of this version reaches no public number. Whoever was told must know that it is up to them.
    turn.tell(turn.case.told, Purpose.LINE_IS_DRILL, occasion=f"{turn.case.version}:line-is-drill")


def alert_again(turn: Turn, change: AlarmChange) -> None:
    """It was raised again, or something was added, while people think that it is in hand: they are told at once."""
    case = turn.case
    if case.alerted_at_ms is not None and 0 <= turn.now_ms - case.alerted_at_ms < ALERT_AGAIN_S * 1000:
        return
    turn.become(alerted_at_ms=turn.now_ms)
    first = _people(turn, case.ladder.rungs[0])
    targets = {target.person: target for target in (*case.told, *first)}
    turn.write("system", "alerted_again", change.explanation, people=list(targets))
    turn.tell(
        targets.values(),
        Purpose.ALARM,
        occasion=f"{case.version}:again",
        detail=("注意：再次报警，请确认现场情况。", "Note: the alarm was raised again, find out how things stand."),
    )
    _remember(turn, first)


def repair(turn: Turn, name: TimerName) -> None:
    """A timer was lost, or stands too far ahead: set it so that the ladder goes on, or the lease ends."""
    case = turn.case
    turn.write("system", "audit_repaired", name.value)
    if name is TimerName.LEASE:
        latest = turn.now_ms + case.ladder.lease_s * 1000
        turn.set_lease_until(min(case.lease_until_ms or latest, latest))
    elif case.next_at_ms is None or too_far(case, name, turn.now_ms):
        resume(turn)
    else:
        calls = case.rung < len(case.ladder.rungs) and case.ladder.rungs[case.rung].call
        schedule(turn, max(case.next_at_ms, turn.now_ms + (MIN_RUNG_S * 1000 if calls else 0)))


def too_far(case: Case, name: TimerName, now_ms: int) -> bool:
    """Whether a timer of ``case`` stands further ahead than its ladder can have set it."""
    ladder = case.ladder
    if name is TimerName.LEASE:
        due, longest_s = case.lease_until_ms, max(ladder.lease_s, ladder.on_the_way_s)
    else:
        due, longest_s = case.next_at_ms, max(ladder.repeat_s, MIN_RUNG_S, *(rung.after_s for rung in ladder.rungs))
    return due is not None and due > now_ms + longest_s * 1000


def resume(turn: Turn) -> None:
    """Nobody has the case any more: the ladder goes on at the next rung, at once unless that rung calls the line."""
    case = turn.case
    ladder = case.ladder
    if case.rung < len(ladder.rungs):
        wait_s = MIN_RUNG_S if ladder.rungs[case.rung].call else 0
        schedule(turn, turn.now_ms + wait_s * 1000)
    else:
        if not ladder.life_safety:
            turn.become(rung=0, loop=case.loop + 1)
        schedule(turn, turn.now_ms)


def stand_down(turn: Turn) -> None:
    """Somebody has it: no rung is due."""
    turn.stop_ladder()
    if turn.case.emergency.deadline_ms is not None:
        turn.become(emergency=turn.case.emergency.model_copy(update={"deadline_ms": None}))
