"""The gate before the emergency line: whether a machine calls, and when. Disarmed, armed, counting down, committed.

It has a timer of its own, so that neither an empty rung nor a message that is late moves the call. A machine calls only
if every guard holds, in the transaction that commits the call; before that a person may veto it, with a reason. What
follows is `emergency_call`'s.
"""

from __future__ import annotations

from gateway.cases import emergency_call
from gateway.cases.directory import Directory
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, LineState, Stage, VoiceCheck
from gateway.cases.turn import Turn

MIN_RUNG_S = 20
"""Who is told late still has so long to answer before the next step."""
STALE_FOR_LINE_MS = 30 * 60_000
"""An alarm that arrives later than this (a backlog after an outage) is told to people at once, but a machine does not
call 120 for it: whoever takes the case may."""


# what arms it


def begin(turn: Turn, late_ms: int | None = None) -> None:
    """A case opens, or a new alarm comes after a call that was vetoed, failed or withheld: a call is ahead, unless the
    alarm is too old for a machine's call."""
    index = turn.case.ladder.call_index
    if index is None or turn.case.emergency.state.called:
        return
    late_ms = turn.case.late_ms if late_ms is None else late_ms
    if late_ms > STALE_FOR_LINE_MS:
        turn.write("system", "line_not_armed", f"the alarm is {late_ms // 60_000} min old")
        return
    rung = turn.case.ladder.rungs[index]
    armed = rung.arm_s is None
    numbers = emergency_call.wanted(turn.case)
    turn.become_line(
        state=LineState.ARMED if armed else LineState.DISARMED,
        number=numbers[0],
        arm_s=rung.arm_s,
        countdown_s=rung.countdown_s,
        hurried=False,
        voice=VoiceCheck.NONE,
    )
    turn.write("system", "line_armed" if armed else "line_disarmed", number=numbers[0])


def rearm(turn: Turn, late_ms: int) -> None:
    """A new alarm after a veto, a failed call, a call that was withheld, or one that came too late."""
    index = turn.case.ladder.call_index
    if index is None:
        return
    begin(turn, late_ms)
    if turn.case.emergency.state.ahead and turn.case.next_at_ms is not None:
        passed = turn.case.rung > index
        follow(turn, turn.now_ms + turn.case.ladder.rungs[index].after_s * 1000 if passed else None)


def follow(turn: Turn, deadline_ms: int | None = None) -> None:
    """Set the deadline by the ladder's next rung, or by ``deadline_ms``; sooner where the type of the alarm asks it."""
    case = turn.case
    index = case.ladder.call_index
    if index is None or not case.emergency.state.ahead:
        return
    if deadline_ms is None:
        deadline_ms = case.next_at_ms if case.next_at_ms is not None else turn.now_ms
        if case.rung > index:
            deadline_ms = turn.now_ms + MIN_RUNG_S * 1000
        deadline_ms += sum(rung.after_s for rung in case.ladder.rungs[case.rung + 1 : index + 1]) * 1000
    dial = emergency_call.fitting(case)
    if dial is not None and dial.within_s is not None:
        deadline_ms = min(deadline_ms, turn.now_ms + max(dial.within_s, MIN_RUNG_S) * 1000)
    turn.become_line(deadline_ms=deadline_ms)


def hasten(turn: Turn, *, again: bool) -> None:
    """An alarm came: the call is brought forward where its type asks that, and the resident is asked."""
    case = turn.case
    if again and not case.emergency.again:
        turn.become_line(again=True)
    if case.emergency.state.ahead and again:
        turn.become_line(voice=VoiceCheck.NONE)  # whoever calls again is not fine
    dial = emergency_call.fitting(turn.case)
    if dial is None or dial.within_s is None or case.emergency.deadline_ms is None or not case.emergency.state.ahead:
        return
    soon_ms = turn.now_ms + dial.within_s * 1000
    if soon_ms < case.emergency.deadline_ms:
        turn.become_line(deadline_ms=soon_ms)
        turn.write("system", "line_hastened", f"{dial.within_s} s", types=list(dial.types))
    if dial.ask and turn.case.emergency.voice is VoiceCheck.NONE:
        ask(turn, "are_you_all_right")


def bring_forward(turn: Turn, why: str) -> None:
    """Call as soon as the guards let it."""
    if turn.case.emergency.state.ahead and turn.case.emergency.deadline_ms is not None:
        turn.become_line(deadline_ms=min(turn.case.emergency.deadline_ms, turn.now_ms), hurried=True)
        turn.write("system", "line_hastened", why)


def hold(turn: Turn) -> None:
    """Somebody has the case: the machine does not call while that is so."""
    emergency = turn.case.emergency
    if emergency.deadline_ms is not None:
        counting = emergency.state is LineState.COUNTDOWN
        turn.become_line(deadline_ms=None, state=LineState.ARMED if counting else emergency.state)


# the voice check


def ask(turn: Turn, voice: str) -> None:
    """Ask the resident by the device's voice whether all is well."""
    if turn.ask_aloud(voice):
        turn.become_line(voice=VoiceCheck.ASKED)
        turn.write("system", "voice_asked")
    else:
        turn.write("system", "voice_unasked")


def fine(turn: Turn, actor: str) -> bool:
    """The resident answers the question: all is well. False where nothing was asked, or the line is called already."""
    emergency = turn.case.emergency
    if emergency.voice is not VoiceCheck.ASKED or not emergency.state.ahead or turn.case.duress:
        return False
    turn.become_line(voice=VoiceCheck.FINE)
    turn.write(actor, "voice_fine")
    return True


def forced(turn: Turn) -> None:
    """Duress: that all is well was not said freely, and holds no call back."""
    emergency = turn.case.emergency
    if emergency.voice is VoiceCheck.NONE or not emergency.state.ahead:
        return
    turn.become_line(voice=VoiceCheck.NONE)
    if emergency.deadline_ms is None and turn.case.stage is Stage.OPENED:
        rearm(turn, 0)  # it was withheld because of that word


# what it does when its time has come


def advance(turn: Turn) -> None:
    """The gate's timer is due: arm, count down, call."""
    while turn.case.open and (due := turn.case.emergency.next_ms) is not None and due <= turn.now_ms:
        emergency = turn.case.emergency
        assert emergency.deadline_ms is not None
        hastened = emergency.hurried or emergency_call.fitting(turn.case) is not None
        if not hastened and (earliest_ms := _earliest_ms(turn)) > emergency.deadline_ms:
            # After an outage people who are told only now have their time before a machine calls.
            turn.become_line(deadline_ms=earliest_ms)
        elif emergency.state is LineState.DISARMED:
            turn.become_line(state=LineState.ARMED)
            turn.write("system", "line_armed", number=emergency.number)
        elif emergency.state is LineState.ARMED and emergency.countdown_s:
            least_ms = turn.now_ms + (0 if hastened else min(emergency.countdown_s, MIN_RUNG_S) * 1000)
            turn.become_line(state=LineState.COUNTDOWN, deadline_ms=max(emergency.deadline_ms, least_ms))
            if turn.case.emergency.deadline_ms != turn.now_ms:
                _count_down(turn)
        else:
            _call(turn)


def _count_down(turn: Turn) -> None:
    emergency = turn.case.emergency
    assert emergency.deadline_ms is not None
    left_s = (emergency.deadline_ms - turn.now_ms) // 1000
    turn.write("system", "line_soon", f"{left_s} s", number=emergency.number)
    if emergency.voice is not VoiceCheck.FINE:
        ask(turn, "calling_for_help")
    turn.tell(
        turn.case.told,
        Purpose.LINE_SOON,
        occasion=f"{turn.case.version}:line-soon",
        detail=(f"{left_s} 秒后自动呼叫 {emergency.number}", f"{emergency.number} is called in {left_s} s"),
    )


def _earliest_ms(turn: Turn) -> int:
    """When every rung before the call has gone out and had its least time."""
    case = turn.case
    index = case.ladder.call_index
    if index is None or case.rung > index or case.next_at_ms is None:
        return 0
    waits = (min(rung.after_s, MIN_RUNG_S) for rung in case.ladder.rungs[case.rung + 1 : index + 1])
    at_ms = max(case.next_at_ms, turn.now_ms) if case.rung < index else case.next_at_ms
    return at_ms + sum(waits) * 1000


def withheld(case: Case, directory: Directory, now_ms: int) -> str | None:
    """Why the line may not be called by the machine now; None where it may.

    All of it is evaluated in the transaction that commits the call.
    """
    emergency = case.emergency
    if not case.ladder.life_safety:
        return "not a ladder for life safety"
    if not case.drill and not directory.line_enabled(now_ms):
        return "the site has no automatic call switched on, with consent on record"
    if (why := emergency_call.drilling(case, directory)) is not None:
        return why
    if not case.open:
        return "the case is over"
    if emergency.state not in (LineState.ARMED, LineState.COUNTDOWN):
        return f"the line is {emergency.state.value}, not armed"
    if emergency.deadline_ms is None or now_ms < emergency.deadline_ms:
        return "the deadline has not passed"
    if _owned(case, now_ms) and not (case.stage is Stage.ACKNOWLEDGED and emergency.postponed):
        return "somebody has the case"
    if emergency.voice is VoiceCheck.FINE:
        return "the resident answered that all is well"
    return None


def _owned(case: Case, now_ms: int) -> bool:
    """Whether somebody has the case, by a lease that still runs or by being there."""
    if case.stage in (Stage.ACKNOWLEDGED, Stage.DISPATCHED):
        return case.lease_until_ms is None or case.lease_until_ms > now_ms
    return case.stage is not Stage.OPENED


def _call(turn: Turn) -> None:
    """Commit the emergency call, if every guard holds; else say which does not, and let it rest."""
    case = turn.case
    reason = withheld(case, turn.directory, turn.now_ms)
    if reason is None:
        emergency_call.commit(turn, "system", "")
        return
    turn.write("system", "line_withheld", reason)
    turn.become_line(state=LineState.DISARMED, deadline_ms=None)
    if not case.drill and not turn.directory.line_enabled(turn.now_ms):
        detail = ("本站未启用自动呼叫", "Automatic calls are not switched on at this site")
        turn.tell(case.told, Purpose.LINE_FAILED, occasion=f"{case.version}:line-withheld", detail=detail)
