"""The call to the emergency line: which numbers the alarms ask for, what each centre is told, and how it went.

Whether and when a machine may call is `gate`'s to say; a person who decides comes here as well.
"""

from __future__ import annotations

from gateway.alarms import ALARM_TYPES, AlarmChange
from gateway.cases import messages, reach, scene
from gateway.cases.commands import DeliveryHeard
from gateway.cases.directory import Directory
from gateway.cases.effects import Delivery, Purpose
from gateway.cases.model import Case, LineState, OtherCall, Stage
from gateway.cases.policy import Dial
from gateway.cases.turn import Turn
from gateway.cases.wording import DRILL_MARK

# which line


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


def missing(case: Case) -> list[str]:
    """Lines that the alarms ask for and that have not been called, while one has."""
    called = {case.emergency.number, *(one.number for one in case.emergency.also)}
    return [number for number in wanted(case) if number not in called] if case.emergency.state.called else []


def drilling(case: Case, directory: Directory) -> str | None:
    """Why nobody, neither machine nor person, may call this line for this case."""
    alone = case.drill and directory.line_mode != "drill" and not directory.drill_line
    return "a drill never calls a line that is no drill" if alone else None


# calling


def commit(turn: Turn, actor: str, reason: str) -> None:
    """Call every line the alarms ask for: ``actor`` may, and nothing holds it back (`drilling`, `gate.withheld`)."""
    case = turn.case
    numbers = wanted(case)
    reference = f"{case.id}:line:{case.version}"
    changes = {"number": numbers[0], "deadline_ms": None, "reference": reference, "path": 0, "also": (), "centre": ""}
    turn.become_line(state=LineState.COMMITTED, **changes)
    turn.write(actor, "line_committed", reason, number=numbers[0], mode=turn.directory.line_mode)
    turn.line(reference, Purpose.EMERGENCY_CALL, _card(turn))
    call_others(turn, actor)
    if turn.directory.line_mode == "drill" and not case.drill:
        # This line reaches no public number. Whoever was told must know that it is up to them.
        turn.tell(case.told, Purpose.LINE_IS_DRILL, occasion=f"{case.version}:line-is-drill")


def call_others(turn: Turn, actor: str) -> None:
    """Call the further lines that the alarms ask for, each once."""
    for number in missing(turn.case):
        reference = f"{turn.case.id}:line:{turn.case.version}:{number}"
        other = OtherCall(number=number, reference=reference)
        turn.become_line(also=(*turn.case.emergency.also, other))
        turn.write(actor, "line_also", number=number, mode=turn.directory.line_mode)
        turn.line(reference, Purpose.EMERGENCY_CALL, _card(turn), number=number)


def _card(turn: Turn) -> dict[str, object]:
    return scene.emergency_card(turn.case, turn.directory, messages.complaint(turn.case), turn.now_ms)


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
            turn.become_line(state=LineState.DIALLING)
        return False
    answered = heard.delivery is Delivery.DELIVERED
    other = next((one for one in emergency.also if one.reference == heard.key), None)
    if other is not None:
        state = LineState.ANSWERED if answered else LineState.FAILED
        after = other.model_copy(update={"state": state, "detail": heard.detail})
        turn.become_line(also=tuple(after if one is other else one for one in emergency.also))
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
    turn.become_line(state=LineState.FAILED, detail=heard.detail)
    turn.write("system", "line_failed", heard.detail, reference=heard.reference)
    return _tell_failed(turn, emergency.number)


def _answered(turn: Turn, heard: DeliveryHeard) -> None:
    turn.become_line(state=LineState.ANSWERED, detail=heard.detail, centre=heard.reference or "")
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
    turn.become_line(state=LineState.COMMITTED, path=emergency.path + 1, reference=reference, detail=heard.detail)
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
    mark = DRILL_MARK if turn.case.drill or turn.directory.line_mode == "drill" else ""
    zh, en = (f"{mark}{one}{f'：{reason}' if reason else ''}" for one in words)
    targets = [target for target in turn.case.told if f"person:{target.person}" != actor]
    turn.tell(targets, Purpose.LINE_STAGE, occasion=f"{turn.case.version}:{what}", detail=(zh, en))
