"""The gate before the emergency line: disarmed, armed, counting down, committed, dialling, answered or failed.

It has a timer of its own, so that neither an empty rung nor a message that is late moves the call. A machine calls only
if every guard holds, in the transaction that commits the call; before that a person may veto it, with a reason.
"""

from __future__ import annotations

from gateway.alarms import ALARM_TYPES, AlarmChange
from gateway.cases import reach, wording
from gateway.cases.commands import DeliveryHeard
from gateway.cases.directory import Directory
from gateway.cases.effects import Delivery, Purpose
from gateway.cases.model import Case, LineState, OtherCall, Stage, VoiceCheck
from gateway.cases.policy import Dial
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
    numbers = wanted(turn.case)
    _become(
        turn,
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
    dial = fitting(case)
    if dial is not None and dial.within_s is not None:
        deadline_ms = min(deadline_ms, turn.now_ms + max(dial.within_s, MIN_RUNG_S) * 1000)
    _become(turn, deadline_ms=deadline_ms)


def hasten(turn: Turn, *, again: bool) -> None:
    """An alarm came: the call is brought forward where its type asks that, and the resident is asked."""
    case = turn.case
    if again and not case.emergency.again:
        _become(turn, again=True)
    if case.emergency.state.ahead and again:
        _become(turn, voice=VoiceCheck.NONE)  # whoever calls again is not fine
    dial = fitting(turn.case)
    if dial is None or dial.within_s is None or case.emergency.deadline_ms is None or not case.emergency.state.ahead:
        return
    soon_ms = turn.now_ms + dial.within_s * 1000
    if soon_ms < case.emergency.deadline_ms:
        _become(turn, deadline_ms=soon_ms)
        turn.write("system", "line_hastened", f"{dial.within_s} s", types=list(dial.types))
    if dial.ask and turn.case.emergency.voice is VoiceCheck.NONE:
        ask(turn, "are_you_all_right")


def bring_forward(turn: Turn, why: str) -> None:
    """Call as soon as the guards let it."""
    if turn.case.emergency.state.ahead and turn.case.emergency.deadline_ms is not None:
        _become(turn, deadline_ms=min(turn.case.emergency.deadline_ms, turn.now_ms), hurried=True)
        turn.write("system", "line_hastened", why)


def hold(turn: Turn) -> None:
    """Somebody has the case: the machine does not call while that is so."""
    emergency = turn.case.emergency
    if emergency.deadline_ms is not None:
        counting = emergency.state is LineState.COUNTDOWN
        _become(turn, deadline_ms=None, state=LineState.ARMED if counting else emergency.state)


def fitting(case: Case) -> Dial | None:
    """What the ladder says of the alarms of this case; None where its own clock counts."""
    for dial in case.ladder.lines:
        fits = any(_is_for(dial, type_, rule) for type_, rule in _alarms(case))
        if dial.within_s is not None and fits and (case.emergency.again or not dial.again):
            return dial
    return None


def _alarms(case: Case) -> list[tuple[str, str]]:
    """Types of its alarms with their rules: what the case is named after first, then what else holds."""
    alarms = [(ref.type, ref.rule) for ref in case.alarms if ref.active or ref.type == case.type]
    alarms.sort(key=lambda alarm: alarm[0] != case.type)
    named = any(type_ == case.type for type_, _ in alarms)
    return alarms if named else [(case.type, ""), *alarms]


def _is_for(dial: Dial, type_: str, rule: str) -> bool:
    return (not dial.types or type_ in dial.types) and (not dial.rules or rule in dial.rules)


def wanted(case: Case) -> list[str]:
    """The lines that the alarms of the case ask for: that of the case itself first, then of what else costs lives."""
    index = case.ladder.call_index
    own = (None if index is None else case.ladder.rungs[index].call) or "120"
    found: dict[str, None] = {}
    for type_, rule in _alarms(case):
        named = next((d.number for d in case.ladder.lines if d.number and _is_for(d, type_, rule)), None)
        if named is not None or type_ == case.type or ALARM_TYPES[type_].life_safety:
            found[named or own] = None
    return list(found)


# the voice check


def ask(turn: Turn, voice: str) -> None:
    """Ask the resident by the device's voice whether all is well."""
    if turn.ask_aloud(voice):
        _become(turn, voice=VoiceCheck.ASKED)
        turn.write("system", "voice_asked")
    else:
        turn.write("system", "voice_unasked")


def fine(turn: Turn, actor: str) -> bool:
    """The resident answers the question: all is well. False where nothing was asked, or the line is called already."""
    emergency = turn.case.emergency
    if emergency.voice is not VoiceCheck.ASKED or not emergency.state.ahead or turn.case.duress:
        return False
    _become(turn, voice=VoiceCheck.FINE)
    turn.write(actor, "voice_fine")
    return True


def forced(turn: Turn) -> None:
    """Duress: that all is well was not said freely, and holds no call back."""
    emergency = turn.case.emergency
    if emergency.voice is VoiceCheck.NONE or not emergency.state.ahead:
        return
    _become(turn, voice=VoiceCheck.NONE)
    if emergency.deadline_ms is None and turn.case.stage is Stage.OPENED:
        rearm(turn, 0)  # it was withheld because of that word


# what it does when its time has come


def advance(turn: Turn) -> None:
    """The gate's timer is due: arm, count down, call."""
    while turn.case.open and (due := turn.case.emergency.next_ms) is not None and due <= turn.now_ms:
        emergency = turn.case.emergency
        assert emergency.deadline_ms is not None
        hastened = emergency.hurried or fitting(turn.case) is not None
        if not hastened and (earliest_ms := _earliest_ms(turn)) > emergency.deadline_ms:
            # After an outage people who are told only now have their time before a machine calls.
            _become(turn, deadline_ms=earliest_ms)
        elif emergency.state is LineState.DISARMED:
            _become(turn, state=LineState.ARMED)
            turn.write("system", "line_armed", number=emergency.number)
        elif emergency.state is LineState.ARMED and emergency.countdown_s:
            least_ms = turn.now_ms + (0 if hastened else min(emergency.countdown_s, MIN_RUNG_S) * 1000)
            _become(turn, state=LineState.COUNTDOWN, deadline_ms=max(emergency.deadline_ms, least_ms))
            if turn.case.emergency.deadline_ms != turn.now_ms:
                _count_down(turn)
        else:
            call(turn, "system")


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
    if (why := drilling(case, directory)) is not None:
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


def drilling(case: Case, directory: Directory) -> str | None:
    """Why nobody, neither machine nor person, may call this line for this case."""
    alone = case.drill and directory.line_mode != "drill" and not directory.drill_line
    return "a drill never calls a line that is no drill" if alone else None


def call(turn: Turn, actor: str, *, decided: str | None = None) -> None:
    """Commit the emergency call: by the machine through the gate, or by a person who says why (``decided``)."""
    case = turn.case
    reason = withheld(case, turn.directory, turn.now_ms) if decided is None else drilling(case, turn.directory)
    if reason is not None:
        turn.write(actor, "line_withheld", reason)
        _become(turn, state=LineState.DISARMED, deadline_ms=None)
        if not case.drill and not turn.directory.line_enabled(turn.now_ms):
            detail = ("本站未启用自动呼叫", "Automatic calls are not switched on at this site")
            turn.tell(case.told, Purpose.LINE_FAILED, occasion=f"{case.version}:line-withheld", detail=detail)
        return
    numbers = wanted(case)
    reference = f"{case.id}:line:{case.version}"
    changes = {"number": numbers[0], "deadline_ms": None, "reference": reference, "path": 0, "also": (), "centre": ""}
    _become(turn, state=LineState.COMMITTED, **changes)
    turn.write(actor, "line_committed", decided or "", number=numbers[0], mode=turn.directory.line_mode)
    turn.line(reference, Purpose.EMERGENCY_CALL, _card(turn))
    call_others(turn, actor)
    if turn.directory.line_mode == "drill" and not case.drill:
        # This line reaches no public number. Whoever was told must know that it is up to them.
        turn.tell(case.told, Purpose.LINE_IS_DRILL, occasion=f"{case.version}:line-is-drill")


def missing(case: Case) -> list[str]:
    """Lines that the alarms ask for and that have not been called, while one has."""
    called = {case.emergency.number, *(one.number for one in case.emergency.also)}
    return [number for number in wanted(case) if number not in called] if case.emergency.state.called else []


def call_others(turn: Turn, actor: str) -> None:
    """Call the further lines that the alarms ask for, each once."""
    for number in missing(turn.case):
        reference = f"{turn.case.id}:line:{turn.case.version}:{number}"
        other = OtherCall(number=number, reference=reference)
        _become(turn, also=(*turn.case.emergency.also, other))
        turn.write(actor, "line_also", number=number, mode=turn.directory.line_mode)
        turn.line(reference, Purpose.EMERGENCY_CALL, _card(turn), number=number)


def _card(turn: Turn) -> dict[str, object]:
    case = turn.case
    return turn.directory.emergency_card(
        case_number=case.number,
        complaint=wording.complaint(case),
        place=case.place,
        resident=case.resident,
        source=turn.directory.device_name(case.device, "zh"),
        at_ms=turn.now_ms,
    )


# after the call


def further(turn: Turn, change: AlarmChange) -> None:
    """A further danger, or new readings, after the line was called: the centre hears it; another line that it asks for
    is called while nobody has the case."""
    if not turn.case.emergency.state.called:
        return
    if (
        turn.case.stage is Stage.OPENED
        and turn.directory.line_enabled(turn.now_ms)
        and not drilling(turn.case, turn.directory)
    ):
        call_others(turn, "system")
    kind = ALARM_TYPES[change.type]
    update(turn, f"rule:{change.rule}", f"{kind.zh}：{change.zh or change.explanation}")


def update(turn: Turn, actor: str, what: str) -> None:
    """Tell the centre what is new."""
    turn.write(actor, "line_updated", what)
    facts: dict[str, object] = {
        "call_key": turn.case.emergency.reference,
        "case": turn.case.number,
        "what": what,
        "card": _card(turn),
        "path": turn.case.emergency.path,
    }
    turn.line(f"{turn.case.emergency.reference}:update:{turn.case.version}", Purpose.EMERGENCY_UPDATE, facts)


def tell_cancelled(turn: Turn, reason: str) -> None:
    """The case is over: every centre that was called is told, never silently hung up."""
    emergency = turn.case.emergency
    calls = [(emergency.number, emergency.reference)] if emergency.state.called else []
    for number, reference in (*calls, *((one.number, one.reference) for one in emergency.also)):
        facts: dict[str, object] = {"reason": reason, "call_key": reference, "case": turn.case.number}
        facts["card"] = _card(turn)
        facts["path"] = emergency.path if reference == emergency.reference else 0
        turn.line(f"{reference}:cancel", Purpose.EMERGENCY_CANCEL, facts, number=number)


def heard(turn: Turn, heard: DeliveryHeard) -> bool:
    """The line answered, or it did not. True when it has failed for good and everybody has to know."""
    emergency = turn.case.emergency
    mine = heard.key == emergency.reference
    if heard.delivery is Delivery.TROUBLE:
        turn.write("system", "delivery_trouble", heard.detail, channel=heard.channel)
        if mine and emergency.state is LineState.COMMITTED:
            _become(turn, state=LineState.DIALLING)
        return False
    answered = heard.delivery is Delivery.DELIVERED
    other = next((one for one in emergency.also if one.reference == heard.key), None)
    if other is not None:
        state = LineState.ANSWERED if answered else LineState.FAILED
        after = other.model_copy(update={"state": state, "detail": heard.detail})
        _become(turn, also=tuple(after if one is other else one for one in emergency.also))
        what = "line_answered" if answered else "line_failed"
        turn.write("system", what, heard.detail, reference=heard.reference, number=other.number)
        return not answered and _tell_failed(turn, other.number)
    if answered:
        _answered(turn, heard)
        return False
    if emergency.state is LineState.ANSWERED or (not mine and emergency.state.called):
        turn.write("system", "delivery_trouble", heard.detail, channel=heard.channel)
        return False  # one way to the line gave up: the other one is being tried, or has answered
    if mine and turn.case.open and emergency.path + 1 < turn.directory.line_paths:
        _other_path(turn, heard)
        return False
    _become(turn, state=LineState.FAILED, detail=heard.detail)
    turn.write("system", "line_failed", heard.detail, reference=heard.reference)
    return _tell_failed(turn, emergency.number)


def _answered(turn: Turn, heard: DeliveryHeard) -> None:
    _become(turn, state=LineState.ANSWERED, detail=heard.detail, centre=heard.reference or "")
    turn.write("system", "line_answered", heard.detail, reference=heard.reference)
    turn.stamp("line_answered")
    if not turn.case.open:
        # The case ended while the call was under way: it is told, never silently hung up.
        facts: dict[str, object] = {
            "reason": "the case was closed",
            "call_key": heard.key,
            "case": turn.case.number,
            "path": turn.case.emergency.path if heard.key == turn.case.emergency.reference else 0,
        }
        turn.line(f"{heard.key}:cancel", Purpose.EMERGENCY_CANCEL, facts)


def _other_path(turn: Turn, heard: DeliveryHeard) -> None:
    emergency = turn.case.emergency
    reference = f"{turn.case.id}:line:{turn.case.version}:path-{emergency.path + 1}"
    _become(turn, state=LineState.COMMITTED, path=emergency.path + 1, reference=reference, detail=heard.detail)
    turn.write("system", "line_path", heard.detail, number=emergency.number, path=emergency.path + 1)
    card = _card(turn)
    # The first call may have been heard after all: whoever answers this one has to know that it repeats it.
    card |= {"complaint": f"（重复呼叫，可能已受理）{card['complaint']}", "repeats": heard.key}
    turn.line(reference, Purpose.EMERGENCY_CALL, card | {"path": emergency.path + 1})


def _tell_failed(turn: Turn, number: str | None) -> bool:
    if turn.case.open:
        targets = reach.everybody(turn)
        turn.tell(targets, Purpose.LINE_FAILED, occasion=f"{turn.case.version}:line-failed:{number}")
        reach.remember(turn, targets)
    return turn.case.open


def stage(turn: Turn, actor: str, what: str, words: tuple[str, str], reason: str) -> None:
    """How the call goes on: everybody who was told hears it, the family first of all."""
    turn.write(actor, what, reason)
    turn.stamp(what)
    mark = wording.DRILL_MARK if turn.case.drill or turn.directory.line_mode == "drill" else ""
    zh, en = (f"{mark}{one}{f'：{reason}' if reason else ''}" for one in words)
    targets = [target for target in turn.case.told if f"person:{target.person}" != actor]
    turn.tell(targets, Purpose.LINE_STAGE, occasion=f"{turn.case.version}:{what}", detail=(zh, en))


def _become(turn: Turn, **changes: object) -> None:
    turn.become(emergency=turn.case.emergency.model_copy(update=changes))
