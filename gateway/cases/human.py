"""What people do with a case: take it, send somebody, arrive, resolve, verify, close, cancel, hand back, veto, dial.

Actions out of their order are refused with a sentence that says how things stand; a late answer is answered kindly
("already taken by …"), never with a fault.
"""

from __future__ import annotations

from gateway.cases import ladder as rungs
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.cases.effects import EndMomentaryAlarms, Purpose, WithdrawUnsent
from gateway.cases.model import Case, LineState, Stage
from gateway.cases.turn import Turn
from gateway.cases.wording import ACTIONS, LINE_STATES, STAGES

_REASON_NEEDED = {"cancel": "撤销", "claim": "称误报", "veto": "否决呼叫", "release": "退回", "note": "备注"}
_FROM: dict[Action, tuple[Stage, ...]] = {
    "acknowledge": (Stage.OPENED, Stage.ACKNOWLEDGED),
    "dispatch": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED),
    "arrive": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED),
    "resolve": (Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED),
    "verify": (Stage.RESOLVED,),
    "close": (Stage.RESOLVED, Stage.VERIFIED),
    "cancel": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED),
    "release": (Stage.ACKNOWLEDGED, Stage.DISPATCHED),
    "pass_on": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED),
    "claim": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED),
    "veto": tuple(Stage),
    "dial_now": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED, Stage.ARRIVED),
    "note": tuple(Stage),
}
"""The stages in which each action makes sense."""


def act(turn: Turn, action: HumanAction) -> None:
    """Carry out a person's decision. Raises Refused."""
    case = turn.case
    if action.version is not None and action.version < case.changed_in:
        by_zh, by_en = (f"，由 {case.owner} 受理", f", taken by {case.owner}") if case.owner else ("", "")
        raise Refused(
            "stale",
            f"案卷已变更为“{STAGES[case.stage].zh}”{by_zh}，请刷新后再操作",
            f"the case has moved on to {case.stage.value}{by_en}: look again",
        )
    if action.action in _REASON_NEEDED and not action.reason.strip():
        what = _REASON_NEEDED[action.action]
        raise Refused("reason_needed", f"{what}需要说明原因", f"{action.action} needs a reason")
    if case.stage not in _FROM[action.action]:
        raise Refused(
            "wrong_stage",
            f"案卷处于“{STAGES[case.stage].zh}”，现在不能“{ACTIONS[action.action].zh}”",
            f"the case is {case.stage.value}; {action.action} is possible when it is "
            + " or ".join(stage.value for stage in _FROM[action.action]),
        )
    _ACTIONS[action.action](turn, action)


def possible(case: Case) -> tuple[Action, ...]:
    """The actions that `act` would carry out now, given a reason where one is needed; for the buttons of a page."""
    line = case.emergency.state
    silent: set[Action] = set()
    if line is not LineState.ARMED:
        silent.add("veto")
    if not case.ladder.life_safety or line in (LineState.COMMITTED, LineState.ANSWERED):
        silent.add("dial_now")
    return tuple(action for action, stages in _FROM.items() if case.stage in stages and action not in silent)


def over(turn: Turn, actor: str, stage: Stage, reason: str) -> None:
    """The case ends: nothing more goes out, those who were told are told that it is over, presses end with it."""
    case = turn.case
    turn.become(stage=stage, cancel_until_ms=None, cancel_claimed=False)
    turn.stamp("closed")
    rungs.stand_down(turn)
    turn.stop_lease()
    turn.write(actor, stage.value, reason)
    turn.effect(WithdrawUnsent(reason=f"{stage.value}: {reason}" if reason else stage.value))
    turn.effect(EndMomentaryAlarms())
    if stage is Stage.CANCELLED:
        turn.tell(
            case.told,
            Purpose.CANCELLED,
            occasion="cancelled",
            detail=(f"原因：{reason}", f"Reason: {reason}") if reason else ("", ""),
        )
        if case.emergency.state in (LineState.COMMITTED, LineState.ANSWERED):
            turn.line(
                f"{case.emergency.reference}:cancel",
                Purpose.EMERGENCY_CANCEL,
                {"reason": reason, "call_key": case.emergency.reference, "case": case.number},
            )
        turn.indicate("off", "cancelled")
    else:
        turn.indicate("off", "none")


def _acknowledge(turn: Turn, action: HumanAction) -> None:
    case = turn.case
    if case.stage is Stage.ACKNOWLEDGED and case.owner != action.actor and action.version is None:
        raise Refused("already_taken", f"已由 {case.owner} 受理，谢谢", f"already taken by {case.owner}, thank you")
    renewed = case.stage is Stage.ACKNOWLEDGED and case.owner == action.actor
    turn.write(action.actor, "lease_renewed" if renewed else "acknowledged", action.reason)
    _own(turn, action.actor, Stage.ACKNOWLEDGED)
    turn.set_lease(case.ladder.lease_s)
    if not renewed:
        _tell_taken(turn, action.actor)
    if case.emergency.state is LineState.ARMED and case.emergency.postponed:
        # One acknowledgement postpones the call; another without progress does not: the ladder runs on beside it.
        if case.next_at_ms is None:
            rungs.resume(turn)
        return
    if case.emergency.state is LineState.ARMED:
        turn.become(emergency=turn.case.emergency.model_copy(update={"postponed": True}))
        turn.write("system", "line_postponed", f"for {case.ladder.lease_s} s")
    rungs.stand_down(turn)


def _own(turn: Turn, actor: str, stage: Stage) -> None:
    turn.stamp("answered")
    turn.withdraw(f"taken by {actor}", Purpose.REMINDER)
    turn.become(stage=stage, owner=actor)


def _tell_taken(turn: Turn, actor: str) -> None:
    turn.tell(
        [target for target in turn.case.told if f"person:{target.person}" != actor],
        Purpose.TAKEN,
        occasion=f"{turn.case.version}:taken",
        detail=(f"受理人：{actor.partition(':')[2]}", f"Taken by {actor.partition(':')[2]}"),
    )
    turn.indicate("blue", "help_is_coming")


def _tell_progress(turn: Turn, actor: str, purpose: Purpose, detail: tuple[str, str]) -> None:
    """Where a life was at stake, everybody who was told hears how it goes on."""
    if turn.case.ladder.life_safety:
        turn.tell(
            [target for target in turn.case.told if f"person:{target.person}" != actor],
            purpose,
            occasion=f"{turn.case.version}:{purpose.value}",
            detail=detail,
        )


def _dispatch(turn: Turn, action: HumanAction) -> None:
    unowned = turn.case.owner is None
    turn.write(action.actor, "dispatched", action.reason, to=action.to)
    _own(turn, turn.case.owner or action.actor, Stage.DISPATCHED)
    turn.stamp("dispatched")
    rungs.stand_down(turn)
    turn.set_lease(turn.case.ladder.on_the_way_s)
    if unowned:
        _tell_taken(turn, action.actor)


def _arrive(turn: Turn, action: HumanAction) -> None:
    unowned = turn.case.owner is None
    turn.write(action.actor, "arrived", action.reason, who=action.to)
    _own(turn, turn.case.owner or action.actor, Stage.ARRIVED)
    first = "arrived" not in turn.case.times
    turn.stamp("arrived")
    rungs.stand_down(turn)
    turn.stop_lease()
    if unowned:
        _tell_taken(turn, action.actor)
    if first:
        who = action.to or action.reason
        _tell_progress(turn, action.actor, Purpose.ARRIVED, (f"到场：{who}", f"There: {who}") if who else ("", ""))


def _resolve(turn: Turn, action: HumanAction) -> None:
    turn.write(action.actor, "resolved", action.reason)
    turn.stamp("resolved")
    said = action.reason
    _tell_progress(turn, action.actor, Purpose.RESOLVED, (said, said))
    turn.become(stage=Stage.RESOLVED)
    rungs.stand_down(turn)
    turn.stop_lease()


def _verify(turn: Turn, action: HumanAction) -> None:
    turn.write(action.actor, "verified", action.reason)
    turn.stamp("verified")
    turn.become(stage=Stage.VERIFIED)


def _close(turn: Turn, action: HumanAction) -> None:
    still = turn.case.still
    if still and not action.reason.strip():
        raise Refused(
            "condition_holds",
            f"报警条件仍在（{'、'.join(still)}），结案需说明原因",
            f"still active: {', '.join(still)}; say why it may be closed all the same",
        )
    over(turn, action.actor, Stage.CLOSED, action.reason)


def _cancel(turn: Turn, action: HumanAction) -> None:
    over(turn, action.actor, Stage.CANCELLED, action.reason)


def _release(turn: Turn, action: HumanAction) -> None:
    turn.write(action.actor, "released", action.reason, owner=turn.case.owner)
    turn.become(stage=Stage.OPENED, owner=None)
    turn.stop_lease()
    turn.indicate("green", "received")  # nobody is coming any more, and the resident must not think so
    rungs.resume(turn)


def _pass_on(turn: Turn, action: HumanAction) -> None:
    """Somebody who was told cannot: the next ones are told now. What is planned after them stays as it is planned, so
    that nobody brings the emergency line nearer by this."""
    case = turn.case
    if case.owner is not None and case.owner != action.actor:
        raise Refused("already_taken", f"已由 {case.owner} 受理，谢谢", f"already taken by {case.owner}, thank you")
    if case.owner is not None:
        _release(turn, action)
        return
    turn.write(action.actor, "passed_on", action.reason)
    if case.rung < len(case.ladder.rungs) and not case.ladder.rungs[case.rung].call:
        rungs.climb(turn)


def _claim(turn: Turn, action: HumanAction) -> None:
    """Somebody who cannot decide it says that it was a mistake: whoever was told has to find out."""
    turn.become(cancel_claimed=True)
    turn.write(action.actor, "cancel_claimed", action.reason)
    turn.tell(
        [target for target in turn.case.told if f"person:{target.person}" != action.actor],
        Purpose.CANCEL_CLAIM,
        occasion=f"{turn.case.version}:cancel-claim",
        detail=(action.reason, action.reason),
    )


def _veto(turn: Turn, action: HumanAction) -> None:
    emergency = turn.case.emergency
    if emergency.state is not LineState.ARMED:
        raise Refused(
            "line_not_armed",
            f"120 状态为“{LINE_STATES[emergency.state].zh}”，不能否决",
            f"the line is {emergency.state.value}, not armed: there is nothing to veto",
        )
    turn.become(emergency=emergency.model_copy(update={"state": LineState.VETOED, "deadline_ms": None}))
    turn.write(action.actor, "line_vetoed", action.reason)


def _dial_now(turn: Turn, action: HumanAction) -> None:
    emergency = turn.case.emergency
    if not turn.case.ladder.life_safety:
        raise Refused("not_life_safety", "此类案卷不呼叫 120", "this kind of case does not call an emergency line")
    if emergency.state in (LineState.COMMITTED, LineState.ANSWERED):
        raise Refused("line_busy", "120 已呼叫", f"the line is already {emergency.state.value}")
    rungs.call_line(turn, action.actor, decided=action.reason or "decided by a person")


def _note(turn: Turn, action: HumanAction) -> None:
    turn.write(action.actor, "note", action.reason)


_ACTIONS = {
    "acknowledge": _acknowledge,
    "dispatch": _dispatch,
    "arrive": _arrive,
    "resolve": _resolve,
    "verify": _verify,
    "close": _close,
    "cancel": _cancel,
    "release": _release,
    "pass_on": _pass_on,
    "claim": _claim,
    "veto": _veto,
    "dial_now": _dial_now,
    "note": _note,
}
