"""Climbing the ladder: who is told when, reminders, leases, and what takes over when nobody can be reached.

Deadlines are absolute: a gateway that was down catches up, but gives every rung at least `MIN_RUNG_S` so that people
who are told late still have time to answer before the next step. The emergency line has a clock of its own: `gate`.
"""

from __future__ import annotations

from gateway.alarms import AlarmChange
from gateway.cases import beside, gate, reach
from gateway.cases.directory import Target
from gateway.cases.effects import Purpose, TimerName, WithdrawUnsent
from gateway.cases.gate import MIN_RUNG_S
from gateway.cases.model import Case, Stage
from gateway.cases.turn import Turn

MAX_RUNGS_AT_ONCE = 20
ALERT_AGAIN_S = 60
"""A hundred presses in a minute tell everybody once."""


def start(turn: Turn) -> None:
    """Begin to climb: the ladder, its branches, and the gate where a rung calls the line."""
    turn.become(rung=0, loop=0)
    beside.begin(turn)
    gate.begin(turn)
    schedule(turn, turn.now_ms + turn.case.ladder.rungs[0].after_s * 1000)
    gate.follow(turn, _line_ms(turn))
    gate.hasten(turn, again=False)


def _line_ms(turn: Turn) -> int:
    """When the line is called by the ladder's own clock, from its beginning."""
    index = turn.case.ladder.call_index
    rungs = turn.case.ladder.rungs[: 0 if index is None else index + 1]
    return turn.now_ms + sum(rung.after_s for rung in rungs) * 1000


def schedule(turn: Turn, due_at_ms: int, planned_ms: int | None = None) -> None:
    """Set when the next rung is due; ``planned_ms``: when it would be, had nothing been late."""
    turn.become(planned_ms=due_at_ms if planned_ms is None else planned_ms)
    turn.set_ladder(due_at_ms)


def climb(turn: Turn) -> None:
    """The ladder's timer is due: take the next rung, and those behind it that have nobody on them."""
    for _ in range(MAX_RUNGS_AT_ONCE):
        case = turn.case
        if case.rung >= len(case.ladder.rungs):
            if case.stage is Stage.OPENED:
                _remind(turn)
            else:
                turn.stop_ladder()  # somebody has it; an acknowledgement that came again does not hold the line
            return
        rung = case.ladder.rungs[case.rung]
        reached = True
        if rung.tell == "anyone" or beside.waits(case, rung):
            beside.drop(turn, "rung", rung.id)
            reached = reach.take(turn, rung)
            beside.repeat(turn, rung)
        planned = case.planned_ms or case.next_at_ms or turn.now_ms
        turn.become(rung=case.rung + 1)
        if turn.case.rung < len(case.ladder.rungs):
            following = case.ladder.rungs[turn.case.rung]
            wait_s = following.after_s
            planned += wait_s * 1000
            due = max(planned, turn.now_ms + min(wait_s, MIN_RUNG_S) * 1000)
            if following.call:
                due = max(due, turn.case.emergency.deadline_ms or 0)  # it keeps its time, whatever was passed over
                if not turn.case.spared and not any(target.addresses for target in turn.case.told):
                    fall_back(turn, "nobody is on the ladder", hurry=False)
            elif not reached:
                due = planned = turn.now_ms
            schedule(turn, due, planned)
            if due > turn.now_ms:
                return
        else:
            _end_of_rungs(turn)
            return


def _end_of_rungs(turn: Turn) -> None:
    """The last rung is out: life safety goes on telling people, the rest as often as the ladder says."""
    if not any(target.addresses for target in turn.case.told):
        fall_back(turn, "nobody on the ladder can be reached")
    if turn.case.ladder.life_safety or turn.case.loop < turn.case.ladder.loops:
        turn.set_ladder(turn.now_ms + turn.case.ladder.repeat_s * 1000)
    else:
        turn.write("system", "ladder_ended")
        turn.stop_ladder()


def _remind(turn: Turn) -> None:
    """After the last rung: everybody on the ladder, as they are on duty now, is told again."""
    case = turn.case
    turn.become(loop=case.loop + 1)
    coming = {helper.actor for helper in case.helpers}
    targets: dict[str, tuple[Target, str]] = {}
    for branch, rungs in (("", case.ladder.rungs), *((one.id, one.rungs) for one in case.ladder.branches)):
        if not beside.accepted(case, branch):
            for target in reach.people(turn, (recipient for rung in rungs for recipient in rung.notify)):
                targets.setdefault(target.person, (target, branch))
    people = [target for target, _ in targets.values() if f"person:{target.person}" not in coming]
    turn.withdraw("a newer reminder", Purpose.REMINDER)
    turn.write("system", "reminder", loop=turn.case.loop, people=[target.person for target in people])
    turn.tell(people, Purpose.REMINDER, occasion=f"{case.ladder.id}:{turn.case.loop}:reminder")
    for target, branch in targets.values():
        reach.remember(turn, [target], branch)
    if "notified" not in turn.case.times:
        fall_back(turn, "nobody has been reached so far")
    _end_of_rungs(turn)


def fall_back(turn: Turn, why: str, *, hurry: bool = True) -> None:
    """Nobody on the ladder can be reached: its fallback takes over, once. Without ``hurry`` the line keeps its time."""
    fallback = turn.case.ladder.fallback
    if fallback is None or turn.case.fell_back or not turn.case.open:
        return
    turn.become(fell_back=True)
    targets = reach.people(turn, fallback.notify)
    turn.write("system", "fallback", why, people=[target.person for target in targets])
    turn.tell(targets, Purpose.ALARM, occasion=f"{turn.case.ladder.id}:fallback", rung="fallback")
    reach.remember(turn, targets)
    reach.command(turn, fallback.devices, "fallback")
    if fallback.call and hurry:
        gate.bring_forward(turn, why)


def unreached(turn: Turn, person: str) -> None:
    """The last way to a person failed. With nobody left who has been reached, the fallback takes over."""
    if person not in turn.case.unreached:
        turn.become(unreached=(*turn.case.unreached, person))
    told = {target.person for target in turn.case.told if target.addresses}
    if turn.case.stage is Stage.OPENED and "notified" not in turn.case.times and told <= set(turn.case.unreached):
        fall_back(turn, "nobody who was told could be reached")


def tell_others(turn: Turn, change: AlarmChange, detail: tuple[str, str]) -> None:
    """Of a case for many places: tell those who stand for the place and the person of ``change`` on the rungs taken so
    far, and have not been told."""
    known = {target.person for target in turn.case.told}
    taken = [(rung, "") for rung in turn.case.ladder.rungs[: turn.case.rung]]
    for branch in turn.case.ladder.branches:
        taken += [(rung, branch.id) for rung in branch.rungs[: turn.case.branches.get(branch.id, 0)]]
    found: dict[str, tuple[Target, str]] = {}
    for rung, name in taken:
        for target in reach.stand_for(turn, rung.notify, change.place, change.resident):
            if target.person not in known:
                found.setdefault(target.person, (target, name))
    if found:
        targets = [target for target, _ in found.values()]
        turn.tell(targets, Purpose.ALARM, occasion=f"{turn.case.version}:others", detail=detail)
        for target, name in found.values():
            reach.remember(turn, [target], name)


def alert_again(turn: Turn, change: AlarmChange) -> None:
    """It was raised again, or something was added, while people think that it is in hand: they are told at once."""
    case = turn.case
    if case.alerted_at_ms is not None and 0 <= turn.now_ms - case.alerted_at_ms < ALERT_AGAIN_S * 1000:
        return
    turn.become(alerted_at_ms=turn.now_ms)
    first = reach.people(turn, case.ladder.rungs[0].notify)
    targets = {target.person: target for target in (*case.told, *first)}
    turn.write("system", "alerted_again", change.explanation, people=list(targets))
    turn.tell(
        targets.values(),
        Purpose.ALARM,
        occasion=f"{case.version}:again",
        detail=("注意：再次报警，请确认现场情况。", "Note: the alarm was raised again, find out how things stand."),
    )
    reach.remember(turn, first)


def repair(turn: Turn, name: TimerName) -> None:
    """A timer was lost, or stands too far ahead: set it so that the ladder goes on, or the lease ends."""
    case = turn.case
    turn.write("system", "audit_repaired", name.value)
    if name is TimerName.LEASE:
        latest = turn.now_ms + case.ladder.lease_s * 1000
        turn.set_lease_until(min(case.lease_until_ms or latest, latest))
    elif name is TimerName.LINE:
        if too_far(case, name, turn.now_ms):
            gate.follow(turn)
        turn.fired.add(name)
    elif name is TimerName.BESIDE:
        turn.fired.add(name)
    elif case.next_at_ms is None or too_far(case, name, turn.now_ms):
        resume(turn)
    else:
        schedule(turn, max(case.next_at_ms, turn.now_ms))


def too_far(case: Case, name: TimerName, now_ms: int) -> bool:
    """Whether a timer of ``case`` stands further ahead than its ladder can have set it."""
    ladder = case.ladder
    all_of_it_s = MIN_RUNG_S + sum(max(rung.after_s, MIN_RUNG_S) for rung in ladder.rungs)
    match name:
        case TimerName.LEASE:
            due, longest_s = case.lease_until_ms, max(ladder.lease_s, ladder.on_the_way_s)
        case TimerName.LINE:
            due, longest_s = case.emergency.next_ms, all_of_it_s
        case TimerName.BESIDE:
            return False  # messages wait through a night, and the rest is no longer than that
        case TimerName.LADDER:
            due, longest_s = case.next_at_ms, max(ladder.repeat_s, MIN_RUNG_S, *(rung.after_s for rung in ladder.rungs))
            if case.rung < len(ladder.rungs) and ladder.rungs[case.rung].call:
                longest_s = max(longest_s, all_of_it_s)  # the line keeps its time, whatever was passed over
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
    gate.follow(turn)
    beside.revive(turn)


def stand_down(turn: Turn) -> None:
    """Somebody has it: no rung is due, but those that tell all; who need not be told any more is not told."""
    turn.stop_ladder()
    gate.hold(turn)
    anyone = tuple(rung.id for rung in turn.case.ladder.rungs if rung.tell == "anyone")
    if turn.case.owner is not None and anyone:
        reason = f"taken by {turn.case.owner}"
        turn.effect(WithdrawUnsent(reason=reason, only=(Purpose.ALARM, Purpose.REMINDER), rungs=anyone))
