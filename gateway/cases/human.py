"""What people do with a case: take it, send somebody, arrive, resolve, verify, close, cancel, hand back, veto, dial.

Actions out of their order are refused with a sentence that says how things stand; a late answer is answered kindly
("already taken by …"), never with a fault.
"""

from __future__ import annotations

from gateway.cases import beside, emergency_call, gate, handling, line_actions, timing
from gateway.cases import ladder as rungs
from gateway.cases.commands import Action, HumanAction, Refused
from gateway.cases.effects import EndMomentaryAlarms, Purpose, WithdrawUnsent
from gateway.cases.model import AT_WORK, HELD, Case, LineState, Stage
from gateway.cases.turn import Turn
from gateway.cases.wording import ACTIONS, STAGES

_REASON_NEEDED: dict[Action, str] = {
    **{"cancel": "撤销", "claim": "称误报", "release": "退回", "note": "备注"},
    **line_actions.REASON_NEEDED,
    **handling.REASON_NEEDED,
}
_FROM: dict[Action, tuple[Stage, ...]] = {
    "acknowledge": (Stage.OPENED, Stage.ACKNOWLEDGED),
    "dispatch": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED),
    "arrive": AT_WORK,
    "resolve": HELD,
    "verify": (Stage.RESOLVED,),
    "close": (Stage.RESOLVED, Stage.VERIFIED),
    "cancel": AT_WORK,
    "release": HELD,
    "pass_on": (Stage.OPENED, Stage.ACKNOWLEDGED, Stage.DISPATCHED),
    "claim": AT_WORK,
    "come": AT_WORK,
    "take_back": AT_WORK,
    **line_actions.FROM,
    "note": tuple(Stage),
    **handling.FROM,
}
"""The stages in which each action makes sense."""


def act(turn: Turn, action: HumanAction) -> None:
    """Carry out a person's decision on one case; for those that move two see `linking`. Raises Refused."""
    case = turn.case
    if beside.concerns(case, action):
        beside.answer(turn, action)  # of a branch: how the case itself stands changes nothing of it
        return
    check(case, action)
    _ACTIONS[action.action](turn, action)


def check(case: Case, action: HumanAction) -> None:
    """Whether the action fits the case as it stands, and says what it must. Raises Refused."""
    if action.version is not None and action.version < case.changed_in:
        by_zh, by_en = (f"，由 {case.owner} 受理", f", taken by {case.owner}") if case.owner else ("", "")
        raise Refused(
            "stale",
            f"案卷已变更为“{STAGES[case.stage].zh}”{by_zh}，请刷新后再操作",
            f"the case has moved on to {case.stage.value}{by_en}: look again",
        )
    said = action.reason.strip() or (action.action == "cancel" and action.cause not in (None, "other"))
    if action.action in _REASON_NEEDED and not said:
        what = _REASON_NEEDED[action.action]
        raise Refused("reason_needed", f"{what}需要说明原因", f"{action.action} needs a reason")
    if case.stage not in _FROM[action.action]:
        raise Refused(
            "wrong_stage",
            f"案卷处于“{STAGES[case.stage].zh}”，现在不能“{ACTIONS[action.action].zh}”",
            f"the case is {case.stage.value}; {action.action} is possible when it is "
            + " or ".join(stage.value for stage in _FROM[action.action]),
        )
    if case.suspended is not None and action.action not in handling.WHILE_SUSPENDED:
        raise Refused(
            "suspended",
            f"案卷已挂账（{case.suspended.reason}），请先恢复办理",
            f"the case is suspended ({case.suspended.reason}): let it go on first (resume)",
        )


def possible(case: Case, actor: str | None = None) -> tuple[Action, ...]:
    """The actions that would be carried out now, given what they need to say; for the buttons of a page. ``actor``: by
    this person."""
    silent = line_actions.silent(case) | handling.silent(case, actor)
    if case.resident is None or not case.alarms or case.duress:
        silent.add("take_back")
    if actor is None or not actor.startswith("person:"):
        silent |= {"pass_on", "claim", "come"}  # what people on the ladder answer; the console has other words for it
    return tuple(action for action, stages in _FROM.items() if case.stage in stages and action not in silent)


_GOES_ON = (Purpose.ACTION, Purpose.INDICATE, *(one for one in Purpose if one.value.startswith("emergency_")))
_ENDS_WITH_A_MERGER = tuple(one for one in Purpose if one not in _GOES_ON)


def over(turn: Turn, actor: str, stage: Stage, reason: str, **data: object) -> None:
    """The case ends: nothing more goes out, those who were told are told that it is over, presses end with it. Of one
    that is merged alarms, commands and the resident's lamp go on in the other case."""
    case = turn.case
    turn.become(stage=stage, cancel_until_ms=None, cancel_claimed=False)
    turn.stamp("closed")
    rungs.stand_down(turn)
    turn.stop_lease()
    if case.cause is not None:
        data["cause"] = case.cause
    turn.write(actor, stage.value, reason, **data)
    withdrawn = f"{stage.value}: {reason}" if reason else stage.value
    if stage is Stage.MERGED:
        turn.effect(WithdrawUnsent(reason=withdrawn, only=_ENDS_WITH_A_MERGER))
        return
    turn.effect(WithdrawUnsent(reason=withdrawn))
    turn.effect(EndMomentaryAlarms())
    if stage is Stage.CANCELLED:
        why = handling.cause_in_words(case, reason)
        turn.tell(
            case.told,
            Purpose.CANCELLED,
            occasion="cancelled",
            detail=(f"原因：{why[0]}", f"Reason: {why[1]}") if any(why) else ("", ""),
        )
        emergency_call.tell_cancelled(turn, reason)
        turn.indicate("off", "cancelled")
    else:
        turn.indicate("off", "none")


def _acknowledge(turn: Turn, action: HumanAction) -> None:
    case = turn.case
    if case.stage is Stage.ACKNOWLEDGED and case.owner != action.actor and action.version is None:
        raise Refused("already_taken", f"已由 {case.owner} 受理，谢谢", f"already taken by {case.owner}, thank you")
    renewed = case.stage is Stage.ACKNOWLEDGED and case.owner == action.actor
    if renewed and case.emergency.state.ahead and case.emergency.postponed and case.emergency.deadline_ms is None:
        turn.write(action.actor, "lease_kept", action.reason)  # a second tap brings the call neither nearer nor farther
        return
    turn.write(action.actor, "lease_renewed" if renewed else "acknowledged", action.reason)
    _own(turn, action.actor, Stage.ACKNOWLEDGED)
    _lease(turn, case.ladder.lease_s)
    if not renewed:
        _tell_taken(turn, action.actor)
    if case.emergency.state.ahead and case.emergency.postponed:
        # One acknowledgement postpones the call; another without progress does not: the ladder runs on beside it.
        if case.next_at_ms is None:
            rungs.resume(turn)
        return
    if case.emergency.state.ahead and case.emergency.deadline_ms is not None:
        turn.become_line(postponed=True)
        turn.write("system", "line_postponed", f"for {case.ladder.lease_s} s")
    rungs.stand_down(turn)


def _own(turn: Turn, actor: str, stage: Stage) -> None:
    turn.stamp("answered")
    turn.withdraw(f"taken by {actor}", Purpose.REMINDER)
    turn.become(stage=stage, owner=actor)
    handling.took_part(turn, actor)


def _lease(turn: Turn, seconds: int) -> None:
    if timing.leased(turn.case, turn.case.stage):
        turn.set_lease(seconds)
    elif turn.case.lease_until_ms is not None:
        turn.stop_lease()


def _tell_taken(turn: Turn, actor: str) -> None:
    who = actor.partition(":")[2]
    name = next((one.name for one in turn.case.told if actor == f"person:{one.person}"), who)
    turn.tell(
        [target for target in turn.case.told if f"person:{target.person}" != actor],
        Purpose.TAKEN,
        occasion=f"{turn.case.version}:taken",
        detail=(f"受理人：{name}", f"Taken by {name}"),
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
    if turn.case.owner not in (None, action.actor) and action.actor.startswith("person:"):
        beside.come(turn, action.actor, "", turn.case.ladder.on_the_way_s)  # several may say that they are coming
    _own(turn, turn.case.owner or action.actor, Stage.DISPATCHED)
    turn.stamp("dispatched")
    rungs.stand_down(turn)
    _lease(turn, turn.case.ladder.on_the_way_s)
    handling.assign(turn, action)
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
    handling.took_part(turn, action.actor)
    said = action.reason
    _tell_progress(turn, action.actor, Purpose.RESOLVED, (said, said))
    turn.become(stage=Stage.RESOLVED)
    rungs.stand_down(turn)
    turn.stop_lease()


def _verify(turn: Turn, action: HumanAction) -> None:
    handling.check_by_another(turn, action)
    turn.write(action.actor, "verified", action.reason)
    turn.stamp("verified")
    turn.become(stage=Stage.VERIFIED)


def _close(turn: Turn, action: HumanAction) -> None:
    handling.check_verified(turn)
    still = turn.case.still
    if still and not action.reason.strip():
        raise Refused(
            "condition_holds",
            f"报警条件仍在（{'、'.join(still)}），结案需说明原因",
            f"still active: {', '.join(still)}; say why it may be closed all the same",
        )
    over(turn, action.actor, Stage.CLOSED, action.reason)


def _cancel(turn: Turn, action: HumanAction) -> None:
    turn.become(cause=action.cause or "other")
    over(turn, action.actor, Stage.CANCELLED, action.reason)


def _release(turn: Turn, action: HumanAction) -> None:
    turn.write(action.actor, "released", action.reason, owner=turn.case.owner)
    timing.end_suspension(turn)
    turn.become(stage=Stage.OPENED, owner=None, handler="")
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
    branch = case.branch_of.get(action.actor.removeprefix("person:"))
    if branch is not None:
        beside.hurry(turn, branch)
    elif case.rung < len(case.ladder.rungs) and not case.ladder.rungs[case.rung].call:
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


def _take_back(turn: Turn, action: HumanAction) -> None:
    """The resident takes it back with their code: by telephone, on a page."""
    means = turn.directory.cancels(turn.case.resident, action.code)
    if means is None:
        raise Refused("wrong_code", "撤回码不对，请重试", "the code is wrong: try again")
    taken_back(turn, action.actor, duress=means == "duress")


def taken_back(turn: Turn, actor: str, *, duress: bool = False, others: bool = False) -> None:
    """The resident says that it was a mistake, and proves that it is them: by the device, or by their code.

    In the window it is over; afterwards, or where ``others`` of its alarms hold, a claim that an operator decides.
    """
    case = turn.case
    if duress:
        line_actions.duress(turn, actor)
        return
    in_window = case.cancel_until_ms is not None and turn.now_ms <= case.cancel_until_ms
    if in_window and case.stage is Stage.OPENED and not others and not case.duress:
        turn.become(cause="pressed_by_mistake")
        over(turn, actor, Stage.CANCELLED, "the resident said that it was a mistake")
        return
    if case.duress:
        turn.write(actor, "cancel_under_duress")  # whoever stands beside the resident wants it: nobody is told of it
        return
    if gate.fine(turn, actor) and case.emergency.state is LineState.COUNTDOWN:
        turn.indicate("green", "received")
    turn.become(cancel_claimed=True)
    turn.write(actor, "cancel_claimed", "another alarm of the case is active" if others else "")
    turn.tell(case.told, Purpose.CANCEL_CLAIM, occasion=f"{case.version}:cancel-claim")


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
    "come": beside.answer,
    "take_back": _take_back,
    **line_actions.ACTIONS,
    "note": _note,
    **handling.ACTIONS,
}
