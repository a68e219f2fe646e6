"""What people decide about the emergency line, and what they say of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gateway.cases import emergency_call, gate
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.cases.effects import Purpose
from gateway.cases.model import AT_WORK, Case, LineState, Stage
from gateway.cases.turn import Turn
from gateway.cases.wording import LINE_STATES

FROM: Mapping[Action, tuple[Stage, ...]] = {
    "veto": tuple(Stage),
    "dial_now": AT_WORK,
    "line_sent": (*AT_WORK, Stage.RESOLVED),
    "line_arrived": (*AT_WORK, Stage.RESOLVED),
    "line_hospital": (*AT_WORK, Stage.RESOLVED, Stage.VERIFIED),
    "line_update": (*AT_WORK, Stage.RESOLVED),
}
REASON_NEEDED: Mapping[Action, str] = {"veto": "否决呼叫", "line_update": "向 120 补充情况"}
_STAGES: Mapping[Action, tuple[str, str]] = {
    "line_sent": ("救护车已派出", "The vehicle is on its way"),
    "line_arrived": ("救护车已到", "The vehicle is there"),
    "line_hospital": ("已送医院", "At the hospital"),
}


def silent(case: Case) -> set[Action]:
    """Of these actions those that make no sense now."""
    line = case.emergency.state
    found: set[Action] = set()
    if not line.ahead:
        found.add("veto")
    if not case.ladder.life_safety or (line.called and not emergency_call.missing(case)):
        found.add("dial_now")
    if not line.called:
        found |= {"line_sent", "line_arrived", "line_hospital", "line_update"}
    return found | {action for action in _STAGES if action in case.times}


def _veto(turn: Turn, action: HumanAction) -> None:
    emergency = turn.case.emergency
    if not emergency.state.ahead:
        raise Refused(
            "line_not_armed",
            f"120 状态为“{LINE_STATES[emergency.state].zh}”，不能否决",
            f"the line is {emergency.state.value}, not armed: there is nothing to veto",
        )
    counting = emergency.state is LineState.COUNTDOWN
    turn.become_line(state=LineState.VETOED, deadline_ms=None)
    turn.write(action.actor, "line_vetoed", action.reason)
    if counting:
        turn.indicate("green", "received")  # nobody is being called after all, and the resident heard that it would


def _dial_now(turn: Turn, action: HumanAction) -> None:
    emergency = turn.case.emergency
    if not turn.case.ladder.life_safety:
        raise Refused("not_life_safety", "此类案卷不呼叫 120", "this kind of case does not call an emergency line")
    if (why := emergency_call.drilling(turn.case, turn.directory)) is not None:
        raise Refused("drill", "演练案卷不能呼叫真实线路", why)
    if emergency.state.called:
        if not emergency_call.missing(turn.case):
            raise Refused("line_busy", "120 已呼叫", f"the line is already {emergency.state.value}")
        emergency_call.call_others(turn, action.actor)
        return
    emergency_call.commit(turn, action.actor, action.reason or "decided by a person")


def duress(turn: Turn, actor: str) -> None:
    """It looks like a cancel, and goes on: the devices fall silent, those who were told know, nobody telephones."""
    if turn.case.duress:
        return
    turn.indicate("off", "cancelled")
    turn.become(duress=True)
    turn.write(actor, "duress")
    gate.forced(turn)
    turn.withdraw("duress", Purpose.SOUND)
    turn.tell(turn.case.told, Purpose.DURESS, occasion=f"{turn.case.version}:duress")


def _stage(turn: Turn, action: HumanAction) -> None:
    _called(turn)
    emergency_call.stage(turn, action.actor, action.action, _STAGES[action.action], action.reason)


def _update(turn: Turn, action: HumanAction) -> None:
    _called(turn)
    emergency_call.update(turn, action.actor, action.reason)


def _called(turn: Turn) -> None:
    if not turn.case.emergency.state.called:
        raise Refused("line_not_called", "120 尚未呼叫", "the line has not been called")


ACTIONS: Mapping[Action, Callable[[Turn, HumanAction], None]] = {
    "veto": _veto,
    "dial_now": _dial_now,
    "line_sent": _stage,
    "line_arrived": _stage,
    "line_hospital": _stage,
    "line_update": _update,
}
