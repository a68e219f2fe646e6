"""The case machine: one pure function over a case and what happens to it.

`open_case` and `step` are deterministic in their arguments: the live gateway, a back-test and an explanation run the
same code. What they return is committed in one transaction by the decider.

Two axes (ISA-18.2): whether the *condition* still holds (``Case.alarms[].active``) and whether *somebody has it*
(``Case.stage``, ``owner``) are independent: a condition that ended by itself leaves a case that is somebody's work.
"""

from __future__ import annotations

from gateway.alarms import AlarmChange, AlarmMove, Severity
from gateway.cases import beside, emergency_call, gate, measures, timing
from gateway.cases import ladder as rungs
from gateway.cases import storm as storms
from gateway.cases.commands import (
    AlarmHeard,
    AlarmWithheld,
    ClockStepped,
    Command,
    DeliveryHeard,
    DrillOver,
    DutyPassed,
    HumanAction,
    Order,
    StormJoined,
    TimerDue,
    TimerLost,
    VoiceAnswered,
)
from gateway.cases.directory import Directory
from gateway.cases.drill import DrillOrder
from gateway.cases.effects import Delivery, Purpose, TimerName
from gateway.cases.human import act, over, taken_back
from gateway.cases.model import Case, LineState, Stage, Storm
from gateway.cases.passing import passed
from gateway.cases.policy import Ladder
from gateway.cases.report import Source
from gateway.cases.settling import settle
from gateway.cases.turn import Moved, Turn, reference
from gateway.cases.work import WorkType

BOUNCE_MS = 3000
"""A second press within this is the same press (a bouncing key, a trembling hand)."""
WITHHELD_LINES_MOST = 100
"""A case tells so many alarms one by one that were held back because of it; further ones are only counted."""
_ORDER = list(Severity)


def open_case(
    *,
    case_id: str,
    number: str,
    change: AlarmChange,
    ladder: Ladder,
    directory: Directory,
    now_ms: int,
    orders: tuple[Order, ...] = (),
    storm: Storm | None = None,
    work: WorkType | None = None,
    source: Source = Source.ALARM,
    drill: DrillOrder | None = None,
) -> Moved:
    """A new case for a raised alarm; with ``storm`` for one that stands for many, with ``work`` for one with limits,
    with ``drill`` for one that is none in earnest."""
    received = max((evidence.received_at_ms for evidence in change.evidence), default=change.at_ms)
    late = max(0, change.late_ms)
    case = Case(
        id=case_id,
        number=number,
        version=0,
        type=change.type,
        severity=change.severity,
        device=change.device,
        place=change.place,
        resident=change.resident,
        explanation=change.explanation,
        alarms=(reference(change),),
        storm=storm,
        work=work,
        source=source,
        drill=drill is not None,
        drill_of=drill,
        ladder=ladder,
        cancel_until_ms=now_ms + ladder.cancel_window_s * 1000 if ladder.cancel_window_s else None,
        late_ms=late if late > 60_000 else 0,
        pressed_at_ms=change.observed_at_ms,
        times={"triggered": change.observed_at_ms, "received": received, "raised": change.at_ms},
    )
    turn = Turn(case, directory, now_ms)
    turn.write(
        f"rule:{change.rule}",
        "opened",
        change.explanation,
        rule_version=change.rule_version,
        evidence=[evidence.model_dump() for evidence in change.evidence],
    )
    measures.give(turn, change, orders)  # before anybody is told: people hear with it where there was nobody to obey
    if change.momentary:
        turn.pressed(change.device)
    rungs.start(turn)
    return settle(turn)


def step(case: Case, command: Command, directory: Directory, now_ms: int) -> Moved:
    """What ``command`` does to ``case``. Raises commands.Refused for a human action that does not fit its stage."""
    turn = Turn(case, directory, now_ms)
    match command:
        case AlarmHeard() if case.storm is not None and command.change.subject != f"rule:{case.storm.rule}":
            storms.heard(turn, command.change, command.orders)
        case AlarmHeard():
            _alarm(turn, command.change, command.orders)
        case StormJoined():
            storms.join(turn, command)
        case AlarmWithheld():
            _withheld(turn, command.change)
        case VoiceAnswered():
            if case.open and gate.fine(turn, f"device:{command.device}"):
                turn.indicate("green", "received")
        case TimerDue():
            _timer(turn, command.name)
        case TimerLost(name=TimerName.LIMIT):
            turn.write("system", "audit_repaired", command.name.value)
            timing.repair(turn)
        case TimerLost():
            rungs.repair(turn, command.name)
        case ClockStepped():
            _clock_stepped(turn, command.by_ms)
        case DeliveryHeard():
            _delivery(turn, command)
        case HumanAction():
            act(turn, command)
        case DutyPassed():
            passed(turn, command)
        case DrillOver():
            if case.open and case.drill:
                over(turn, "system", Stage.CLOSED, command.reason)
                turn.tell(case.told, Purpose.DRILL_OVER, occasion="drill-over")
    return settle(turn)


def _alarm(turn: Turn, change: AlarmChange, orders: tuple[Order, ...]) -> None:
    actor = f"rule:{change.rule}"
    known = turn.knows(change)
    match change.move:
        case AlarmMove.RAISED | AlarmMove.REPEATED:
            if known:
                turn.write(actor, "alarm_repeated", change.explanation, evidence=_evidence(change))
                turn.mark(change, active=True)
            else:
                turn.write(actor, "alarm_joined", change.explanation, evidence=_evidence(change), type=change.type)
                turn.add(change)
                _name(turn, change)
            measures.give(turn, change, orders)
            _again(turn, change, joined=not known)
            if turn.case.resident != turn.before.resident and turn.case.open:
                rungs.tell_others(turn, change, ("", ""))
        case AlarmMove.CLEARED:
            turn.mark(change, active=False)
            turn.write(actor, "alarm_cleared", change.explanation, evidence=_evidence(change))
            measures.withdraw(turn, change)
        case AlarmMove.CANCELLED:
            turn.mark(change, active=False)
            measures.withdraw(turn, change)
            _cancelled_by_resident(turn, change)


def _name(turn: Turn, change: AlarmChange) -> None:
    """The first alarm was of nobody in particular (smoke in a home), and now it is known who is in danger: their family
    is told, and the emergency card names them."""
    if turn.case.resident is None and turn.case.storm is None:
        turn.become(resident=change.resident)


def _evidence(change: AlarmChange) -> list[dict[str, object]]:
    return [evidence.model_dump() for evidence in change.evidence]


def _withheld(turn: Turn, change: AlarmChange) -> None:
    """Nobody is told of this alarm while one of this case stands; here it can be seen."""
    turn.become(withheld=turn.case.withheld + 1)
    if turn.case.withheld <= WITHHELD_LINES_MOST:
        turn.write(f"rule:{change.rule}", "alarm_withheld", change.explanation, subject=change.subject)
    if turn.case.withheld == WITHHELD_LINES_MOST:
        turn.write("system", "withheld_counted")


def _again(turn: Turn, change: AlarmChange, *, joined: bool) -> None:
    """An alarm came again, or another one joined: the worst counts, and a sleeping owner loses the case."""
    if not turn.case.open:
        return
    if _ORDER.index(change.severity) < _ORDER.index(turn.case.severity):
        turn.become(severity=change.severity, type=change.type)
    helped = turn.case.stage in (Stage.DISPATCHED, Stage.ARRIVED)
    last_ms, new_type = turn.case.pressed_at_ms, change.type not in [ref.type for ref in turn.before.alarms]
    # Both ways: a device whose clock was set back in between has been pressed again all the same.
    bounce = last_ms is not None and abs(change.observed_at_ms - last_ms) < BOUNCE_MS
    if change.momentary:
        turn.pressed(change.device, helped=helped)
        if not bounce:
            turn.become(pressed_at_ms=change.observed_at_ms)
    if not joined and (bounce or not change.momentary):
        return
    if change.severity is not Severity.EMERGENCY and turn.case.ladder.life_safety:
        if joined and change.severity is Severity.URGENT:
            emergency_call.further(turn, change)  # the centre hears what is measured
        return  # a lesser alarm beside an emergency is written down, and changes nothing else
    line = turn.case.emergency
    idle = line.state in (LineState.NONE, LineState.VETOED, LineState.FAILED)
    idle = idle or (line.state.ahead and line.deadline_ms is None)  # withheld
    if idle and turn.case.stage is Stage.OPENED:
        gate.rearm(turn, change.late_ms)
    elif idle and not line.state.ahead:
        gate.begin(turn, change.late_ms)  # held while somebody has it, and not gone for good
    gate.hasten(turn, again=True)
    if joined:
        emergency_call.further(turn, change)
    in_hand = helped or new_type or turn.case.stage is Stage.ACKNOWLEDGED
    if (turn.case.ladder.life_safety and in_hand) or _reports_more(turn, change):
        rungs.alert_again(turn, change)
    if helped:
        # Whoever is there or on the way has to say how things stand; else the ladder goes on.
        latest = turn.now_ms + turn.case.ladder.lease_s * 1000
        if turn.case.suspended is None and timing.leased(turn.case, turn.case.stage):
            turn.set_lease_until(min(turn.case.lease_until_ms or latest, latest))
    elif turn.case.stage is Stage.ACKNOWLEDGED and turn.case.ladder.life_safety:
        turn.write("system", "owner_revoked", owner=turn.case.owner)
        turn.become(stage=Stage.OPENED, owner=None)
        turn.stop_lease()
        rungs.resume(turn)
    elif turn.case.stage is Stage.OPENED and turn.case.cancel_until_ms is not None:
        waiting = turn.now_ms <= turn.case.cancel_until_ms
        turn.become(cancel_until_ms=None)
        if waiting and turn.case.rung < len(turn.case.ladder.rungs):
            turn.write("system", "window_ended")
            if not turn.case.ladder.rungs[turn.case.rung].call:
                rungs.schedule(turn, turn.now_ms)


def _reports_more(turn: Turn, change: AlarmChange) -> bool:
    """Whether somebody says something else at the same kiosk: it may be another matter, and nobody knows of it yet."""
    if turn.case.source not in (Source.KIOSK, Source.SERVICE):
        return False
    said = [(ref.zh, ref.en) for ref in turn.before.alarms if (ref.rule, ref.subject) == (change.rule, change.subject)]
    return (change.zh, change.en) not in said


def _cancelled_by_resident(turn: Turn, change: AlarmChange) -> None:
    if not turn.case.open:
        return
    others = any(ref.active for ref in turn.case.alarms)
    means = turn.directory.cancels(turn.case.resident, change.code) if change.code else "cancel"
    if means is None:
        turn.write(f"device:{change.device}", "code_wrong")
    taken_back(turn, f"device:{change.device}", duress=means == "duress", others=others or means is None)


def _timer(turn: Turn, name: TimerName) -> None:
    case = turn.case
    turn.fired.add(name)
    if not case.open:
        return
    if name in (TimerName.LINE, TimerName.BESIDE):
        return  # what is due is taken as after every step, and the timer is set again
    if name is TimerName.LIMIT:
        timing.due(turn)
        return
    if name is TimerName.LADDER:
        if case.next_at_ms is not None and case.next_at_ms <= turn.now_ms:
            rungs.climb(turn)
        elif case.next_at_ms is not None:
            turn.set_ladder(case.next_at_ms)  # the clock went back since it was seen to be due: it was taken out
    elif case.lease_until_ms is not None and case.lease_until_ms > turn.now_ms:
        turn.set_lease_until(case.lease_until_ms)
    elif case.lease_until_ms is not None:
        turn.write("system", "lease_expired", owner=case.owner)
        turn.tell(
            [target for target in case.told if f"person:{target.person}" == case.owner],
            Purpose.OWNER_SILENT,
            occasion=f"{case.version}:owner-silent",
        )
        if (helper := beside.successor(turn)) is not None:
            turn.write("system", "owner_from_helper", owner=helper.actor)
            turn.become(owner=helper.actor)
            turn.set_lease_until(helper.until_ms)
            return
        turn.become(stage=Stage.OPENED, owner=None, lease_until_ms=None)
        turn.indicate("green", "received")  # nobody is coming any more, and the resident must not think so
        rungs.resume(turn)


def _clock_stepped(turn: Turn, by_ms: int) -> None:
    case = turn.case
    turn.write("system", "clock_stepped", f"{by_ms / 1000:+.1f} s")
    if case.cancel_until_ms is not None:
        turn.become(cancel_until_ms=case.cancel_until_ms + by_ms)
    if case.emergency.deadline_ms is not None:
        turn.become_line(deadline_ms=case.emergency.deadline_ms + by_ms)
    if case.agenda:
        moved = (
            item.model_copy(update={"at_ms": item.at_ms + (0 if item.what == "held" else by_ms)})
            for item in case.agenda
        )
        turn.become(agenda=tuple(moved))
        later = (one.model_copy(update={"until_ms": one.until_ms + by_ms}) for one in case.helpers)
        turn.become(helpers=tuple(later))
    timing.moved(turn, by_ms)
    if case.planned_ms is not None:
        turn.become(planned_ms=case.planned_ms + by_ms)
    if case.next_at_ms is not None:
        turn.set_ladder(case.next_at_ms + by_ms)
    if case.lease_until_ms is not None:
        turn.set_lease_until(case.lease_until_ms + by_ms)


def _delivery(turn: Turn, heard: DeliveryHeard) -> None:
    facts = {"person": heard.person, "channel": heard.channel, "purpose": heard.purpose.value}
    if heard.purpose is Purpose.EMERGENCY_CALL:
        if emergency_call.heard(turn, heard):
            rungs.fall_back(turn, "the line was not reached")
    elif heard.purpose in (Purpose.EMERGENCY_CANCEL, Purpose.EMERGENCY_UPDATE):
        what = "line_told" if heard.delivery is Delivery.DELIVERED else "not_reached"
        turn.write("system", what, heard.detail, **facts)
    elif heard.purpose is Purpose.ACTION:
        measures.heard(turn, heard)
    elif heard.purpose in (Purpose.INDICATE, Purpose.SOUND):
        what = "device_confirmed" if heard.delivery is Delivery.DELIVERED else "device_silent"
        if heard.delivery is Delivery.WITHDRAWN:
            turn.write("system", "withdrawn", heard.detail, **facts)
        elif heard.delivery is not Delivery.TROUBLE:
            turn.write("system", what, heard.detail, **facts)
    elif heard.purpose is Purpose.HAND_OVER:
        said = {Delivery.DELIVERED: "told_outside", Delivery.TROUBLE: "delivery_trouble"}
        turn.write("system", said.get(heard.delivery, "not_reached"), heard.detail, **facts)
    elif heard.delivery is Delivery.DELIVERED:
        turn.stamp("notified")
        turn.become(unreached=tuple(one for one in turn.case.unreached if one != heard.person))
        turn.write("system", "told", heard.detail, **facts)
    elif heard.delivery is Delivery.WITHDRAWN:
        turn.write("system", "withdrawn", heard.detail, **facts)
    else:
        what = "delivery_trouble" if heard.delivery is Delivery.TROUBLE else "not_reached"
        turn.write("system", what, heard.detail, **facts)
        # After trouble the next address has been tried already: its key is known, and nothing is said twice.
        target = next((target for target in turn.case.told if target.person == heard.person), None)
        if target is not None and turn.case.open and not turn.tell_elsewhere(target, heard):
            rungs.unreached(turn, target.person)
