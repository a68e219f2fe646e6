"""What rules do by themselves: commands to devices, whether they were confirmed, and that nobody takes them for done
when they are not.

A command is given once for an alarm. It is given again when the alarm was over and is raised anew, or when the case
knows that the last one failed; never because the same alarm is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.alarms import AlarmChange, AlarmMove
from gateway.cases.commands import DeliveryHeard, Order
from gateway.cases.effects import DEVICE_CHANNEL, Delivery, Purpose, Send, WithdrawUnsent
from gateway.cases.model import Measure, MeasureState
from gateway.cases.turn import Turn

GIVE_UP_S = 600
"""A valve that was without power for some minutes must still shut while the alarm stands."""
_PENDING = (MeasureState.GIVEN, MeasureState.UNCONFIRMED)
_ALARMING = (MeasureState.UNCONFIRMED, MeasureState.FAILED)


def give(turn: Turn, change: AlarmChange, orders: Sequence[Order]) -> None:
    """The alarm was raised or repeated: give the commands of its rule that are not given already."""
    for order in orders:
        for device in order.devices:
            _give(turn, change, order, device)
        for unable in order.unable or ((None,) if not order.devices else ()):
            _nobody(turn, change, order, unable)


def _give(turn: Turn, change: AlarmChange, order: Order, device: str) -> None:
    before = [one for one in turn.case.measures if _same(one, change.rule, order, device)]
    last = before[-1] if before else None
    if last is not None and last.state in _PENDING:
        if change.subject not in last.subjects:
            _become(turn, last, subjects=(*last.subjects, change.subject))
        return
    if last is not None and last.state is MeasureState.DONE and change.move is not AlarmMove.RAISED:
        return
    args = "".join(f":{name}={value}" for name, value in sorted(order.args.items()))
    key = f"{turn.case.id}:do:{change.rule}:{device}:{order.command}{args}:{len(before) + 1}"
    measure = _measure(change, order, device, MeasureState.GIVEN, key)
    turn.become(measures=(*turn.case.measures, measure))
    turn.effect(
        Send(
            key=key,
            channel=DEVICE_CHANNEL,
            to=device,
            purpose=Purpose.ACTION,
            urgent=True,
            title=order.zh,
            data={"command": order.command, "args": order.args},
            give_up_after_s=GIVE_UP_S,
        )
    )
    _write(turn, f"rule:{change.rule}", "action_given", measure)


def _nobody(turn: Turn, change: AlarmChange, order: Order, unable: str | None) -> None:
    if not any(_same(one, change.rule, order, unable) for one in turn.case.measures):
        measure = _measure(change, order, unable, MeasureState.NOBODY, "")
        turn.become(measures=(*turn.case.measures, measure))
        _write(turn, f"rule:{change.rule}", "action_nobody", measure)


def heard(turn: Turn, heard: DeliveryHeard) -> None:
    """What became of a command. One that is not done must not end silently: those who were told are told again."""
    measure = next((one for one in turn.case.measures if one.key == heard.key), None)
    if measure is None:
        turn.write("system", "device_silent", heard.detail, purpose=heard.purpose.value)
        return
    alarming = any(one.state in _ALARMING for one in turn.case.measures)
    match heard.delivery:
        case Delivery.DELIVERED:
            after = _become(turn, measure, state=MeasureState.DONE)
            _write(turn, f"device:{measure.device}", "action_done", after, heard.detail)
            if measure.state in _ALARMING:
                _tell(turn, Purpose.ACTION_DONE)
        case Delivery.WITHDRAWN:
            after = _become(turn, measure, state=MeasureState.WITHDRAWN)
            _write(turn, "system", "action_withdrawn", after, heard.detail)
        case Delivery.TROUBLE | Delivery.GAVE_UP:
            failed = heard.delivery is Delivery.GAVE_UP
            state = MeasureState.FAILED if failed else MeasureState.UNCONFIRMED
            after = _become(turn, measure, state=state)
            _write(turn, "system", "action_failed" if failed else "action_unconfirmed", after, heard.detail)
            if turn.case.storm is None or not alarming:  # of a storm's commands people hear once that some fail
                _tell(turn, Purpose.ACTION_FAILED)


def withdraw(turn: Turn, change: AlarmChange) -> None:
    """The alarm is over: what it wanted and no other alarm of the rule wants is withdrawn, where it is not done."""
    unwanted = []
    for measure in turn.case.measures:
        if measure.rule != change.rule or change.subject not in measure.subjects or measure.state not in _PENDING:
            continue
        left = tuple(subject for subject in measure.subjects if subject != change.subject)
        if left:
            _become(turn, measure, subjects=left)
        else:
            unwanted.append(measure.key)
    if unwanted:
        reason = f"{change.move.value} {change.rule} {change.subject}"
        turn.effect(WithdrawUnsent(reason=reason, only=(Purpose.ACTION,), keys=tuple(unwanted)))


def _tell(turn: Turn, purpose: Purpose) -> None:
    if turn.case.open:
        turn.tell(turn.case.told, purpose, occasion=f"{turn.case.version}:{purpose.value}")


def _same(measure: Measure, rule: str, order: Order, device: str | None) -> bool:
    mine = (measure.rule, measure.command, measure.args, measure.device)
    return mine == (rule, order.command, order.args, device)


def _measure(change: AlarmChange, order: Order, device: str | None, state: MeasureState, key: str) -> Measure:
    return Measure(
        key=key,
        rule=change.rule,
        subjects=(change.subject,),
        command=order.command,
        args=order.args,
        zh=order.zh,
        en=order.en,
        device=device,
        state=state,
    )


def _become(turn: Turn, measure: Measure, **changes: object) -> Measure:
    after = measure.model_copy(update=changes)
    turn.become(measures=tuple(after if one is measure else one for one in turn.case.measures))
    return after


def _write(turn: Turn, actor: str, what: str, measure: Measure, detail: str = "") -> None:
    zh, en = (turn.directory.device_name(measure.device, language) for language in ("zh", "en"))
    at = f" · {zh} {en}" if zh != en else f" · {zh}" if zh else ""
    reason = f"{measure.zh} {measure.en}{at}{'：' if detail else ''}{detail}"
    args = " ".join(f"{name}={value}" for name, value in measure.args.items())
    turn.write(actor, what, reason, device=measure.device, command=measure.command, args=args)
