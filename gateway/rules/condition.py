"""Rules over named inputs of a device, a home or a person, over time. Decided by what is said, and by what is not.

Everything is placed where it happened, by the device's clock. Before something newer is taken in, the condition is
looked at for the instants in between at which time alone would have changed it: what arrives late is decided as if it
had come in time, and says when it happened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove, Evidence
from gateway.rules.compiled import CompiledInput, Condition
from gateway.rules.expression import InputExpression
from gateway.rules.forms import DeviceInfo, Step, change, raised_by, subject_of
from gateway.rules.look import Home, Look
from gateway.rules.memory import DEVICES_MOST, InputState, Kept, PairState, add, add_distinct
from gateway.rules.say import as_age, as_value, said
from gateway.rules.schedule import in_force, next_boundary_ms
from gateway.rules.states import ConditionState, Raised

CATCH_UP_MOST = 64
"""Instants looked at before one word is taken in; of more, the rest are looked at afterwards."""
_HOUR_MS = 3_600_000
_UNHEARD = InputState()


class Looked(NamedTuple):
    """What one look came to: as `forms.Step`."""

    state: ConditionState
    changes: tuple[AlarmChange, ...]
    notes: tuple[str, ...]


def fresh(condition: Condition, state: ConditionState) -> ConditionState:
    """The state for this condition: where the rule was changed, what was remembered for the old one goes."""
    if state.condition == condition.condition:
        return state
    return ConditionState(
        raised=state.raised, holders=state.holders, condition=condition.condition, device=state.device
    )


def hear(
    condition: Condition,
    state: ConditionState,
    observation: Observation,
    taken: Mapping[str, float],
    device: DeviceInfo,
    subject_device: DeviceInfo,
    home: Home,
    zone: ZoneInfo,
    now_ms: int,
) -> Step:
    """Take in what ``observation`` says to some of the inputs, and look.

    ``taken``: by input, the value it takes of the observation. ``subject_device``: whom the alarm would be about, where
    that is not the device that speaks (an input with ``link``).
    """
    state = fresh(condition, state)
    at_ms = min(observation.observed_at_ms, now_ms)
    for name in taken:
        if state.inputs.get(name, _UNHEARD).message_id != observation.message_id:
            break
    else:
        return Step(state, notes=("duplicate",))
    changes: list[AlarmChange] = []
    notes: list[str] = []
    for _ in range(CATCH_UP_MOST):
        if not state.wake_ms or state.wake_ms > at_ms:
            break
        state, told, said_by = look(condition, state, state.wake_ms, subject_device, home, zone, now_ms, alone=True)
        changes += told
        notes += said_by
    inputs, pairs = dict(state.inputs), dict(state.pairs) if condition.pairs else state.pairs
    for name, value in taken.items():
        before = inputs.get(name, _UNHEARD)
        inputs[name] = _heard(condition.inputs[name], before, observation, value, device, at_ms, now_ms)
        if condition.pairs:
            _paired(condition, pairs, inputs, name, at_ms)
    state = ConditionState(
        raised=state.raised,
        holders=state.holders,
        ended_ms=state.ended_ms,
        condition=state.condition,
        inputs=inputs,
        pairs=pairs,
        at_ms=at_ms if at_ms > state.at_ms else state.at_ms,
        since_ms=state.since_ms,
        held=state.held,
        wake_ms=state.wake_ms,
        device=subject_device.id,
    )
    state, told, said_by = look(condition, state, state.at_ms, subject_device, home, zone, now_ms)
    return Step(state, (*changes, *told), (*notes, *said_by))


def _heard(
    one: CompiledInput,
    before: InputState,
    observation: Observation,
    value: float,
    device: DeviceInfo,
    at_ms: int,
    now_ms: int,
) -> InputState:
    # Of two words of one millisecond the change counts: a routine word repeats what was before it, or what it led to.
    repeats = observation.event is None and at_ms == before.at_ms and before.device == device.id and before.event != ""
    newest = at_ms >= before.at_ms and not (one.spec.state is not None and repeats)
    by_device, combined = before.by_device, value
    if one.spec.state is not None:
        known = by_device.get(device.id)
        if known is None or (at_ms >= known.at_ms and not repeats):
            others = sorted((name for name in by_device if name != device.id), key=lambda name: -by_device[name].at_ms)
            by_device = {name: by_device[name] for name in others[: DEVICES_MOST - 1]} | {device.id: Kept(value, at_ms)}
        combined = max(kept.value for kept in by_device.values())
    windows, gaps, distinct = before.windows, before.gaps, before.distinct
    if one.cells:
        newest_ms = max(at_ms, before.at_ms)
        windows = {name: add(windows.get(name, ()), at_ms, combined, length, newest_ms) for name, length in one.cells}
    if one.gaps and newest and before.base_ms and at_ms > before.base_ms:
        gap_s = (at_ms - before.base_ms) / 1000
        gaps = {name: add(gaps.get(name, ()), at_ms, gap_s, length, at_ms) for name, length in one.gaps}
    if one.distinct:
        newest_ms = max(at_ms, before.at_ms)
        distinct = {
            name: add_distinct(distinct.get(name, ()), at_ms, combined, newest_ms - length)
            for name, length in one.distinct
        }
    return InputState(
        at_ms=at_ms if newest else before.at_ms,
        received_ms=min(observation.received_at_ms, now_ms) if newest else before.received_ms,
        message_id=observation.message_id if newest else before.message_id,
        device=device.id if newest else before.device,
        event=(observation.event or "") if newest else before.event,
        value=value if newest else before.value,
        base_ms=max(before.base_ms, at_ms),
        by_device=by_device,
        windows=windows,
        gaps=gaps,
        distinct=distinct,
    )


def _paired(
    condition: Condition, pairs: dict[str, PairState], inputs: Mapping[str, InputState], name: str, at_ms: int
) -> None:
    """Two inputs in their order, after ``name`` happened at ``at_ms``; also where it is heard late."""
    for kind, first, second in condition.pairs:
        if name not in (first, second):
            continue
        key = f"{kind} {first} {second}"
        pair = pairs.get(key, PairState())
        other_ms = inputs.get(second if name == first else first, InputState()).at_ms
        if kind == "without":
            pairs[key] = _without(pair, name == first, at_ms, other_ms)
        elif name == first:
            matched = other_ms > at_ms and (not pair.matched_ms or pair.first_ms <= at_ms)
            pairs[key] = PairState(
                first_ms=max(pair.first_ms, at_ms),
                matched_ms=other_ms if matched else pair.matched_ms,
                after_ms=other_ms - at_ms if matched else pair.after_ms,
            )
        elif pair.first_ms and pair.first_ms <= at_ms and at_ms >= pair.matched_ms:
            pairs[key] = PairState(first_ms=pair.first_ms, matched_ms=at_ms, after_ms=at_ms - pair.first_ms)


def _without(pair: PairState, is_first: bool, at_ms: int, other_ms: int) -> PairState:
    if is_first:
        if other_ms >= at_ms:
            return pair  # it was answered before it was heard of
        return PairState(first_ms=min(pair.first_ms or at_ms, at_ms))
    if pair.first_ms and at_ms >= pair.first_ms:
        return PairState(first_ms=other_ms if other_ms > at_ms else 0)
    return pair


def look(
    condition: Condition,
    state: ConditionState,
    at_ms: int,
    device: DeviceInfo,
    home: Home,
    zone: ZoneInfo,
    now_ms: int,
    *,
    alone: bool = False,
) -> Looked:
    """What the condition comes to at an instant, and what follows. Sets when to look again.

    ``alone``: nothing was said then; by time alone nothing is raised soon after the gateway began to listen.
    """
    rule, raised = condition.rule, state.raised
    notes: list[str] = []
    closely = raised is not None or bool(state.since_ms)
    eye = Look(condition, state.inputs, state.pairs, home, device, at_ms, zone, closely=closely)
    holds = _truth(condition.when, eye, notes)
    watching = in_force(rule.hours, rule.days, at_ms, zone)
    since = state.since_ms
    if holds is True and (watching or raised is not None):
        since = since or at_ms
        if not closely:  # from now on the windows are watched, too
            eye.closely = True
            _truth(condition.when, eye, notes)
    elif holds is False or not watching:
        since = 0
    due = since + int((rule.for_s or 0) * 1000) if since else 0
    if state.ended_ms and due:
        due = max(due, state.ended_ms + rule.rest_s * 1000)
    if due and alone:
        due = max(due, home.quiet_from_ms)
    rises = bool(due) and at_ms >= due and holds is True and watching
    if due and at_ms < due:
        eye.wake(due)
    changes: tuple[AlarmChange, ...] = ()
    ended_ms = state.ended_ms
    holders = state.holders
    if rises and (not state.held if rule.momentary else raised is None):
        move = AlarmMove.RAISED if raised is None else AlarmMove.REPEATED
        raised, holders = raised or raised_by(rule, device), (device.id,)
        changes = (_told(move, condition, condition.when, state, eye, device, raised, now_ms),)
        eye.closely = True
        _truth(condition.when, eye, notes)
    elif raised is not None and not rule.momentary and holds is not True:
        over = holds is False if condition.clear is None else _truth(condition.clear, eye, notes) is True
        if over:
            shown = condition.clear or condition.when
            changes = (_told(AlarmMove.CLEARED, condition, shown, state, eye, device, raised, now_ms),)
            raised, holders, since, ended_ms = None, (), 0, at_ms if rule.rest_s else 0
    elif raised is not None and condition.clear is not None:
        _truth(condition.clear, eye, notes)  # it may say when to look again
    if condition.calendar:
        eye.wake(at_ms // _HOUR_MS * _HOUR_MS + _HOUR_MS)
    if (rule.hours is not None or rule.days is not None) and not (watching and raised is not None):
        boundary = next_boundary_ms(rule.hours, rule.days, at_ms, zone)
        if boundary is not None:
            eye.wake(boundary)
    at_ms = max(state.at_ms, at_ms)
    before = (state.raised, state.at_ms, state.since_ms, state.held, state.wake_ms, state.ended_ms, state.holders)
    if before == (raised, at_ms, since, rises, eye.wake_ms, ended_ms, holders):
        return Looked(state, changes, tuple(notes))
    after = ConditionState(
        raised=raised,
        holders=holders,
        ended_ms=ended_ms,
        condition=state.condition,
        inputs=state.inputs,
        pairs=state.pairs,
        at_ms=at_ms,
        since_ms=since,
        held=rises,
        wake_ms=eye.wake_ms,
        device=state.device,
    )
    return Looked(after, changes, tuple(notes))


def _truth(expression: InputExpression, eye: Look, notes: list[str]) -> bool | None:
    try:
        return expression.evaluate({}, eye)
    except ZeroDivisionError:
        notes.append("division_by_zero")
        return None


def _told(
    move: AlarmMove,
    condition: Condition,
    expression: InputExpression,
    state: ConditionState,
    eye: Look,
    device: DeviceInfo,
    raised: Raised,
    now_ms: int,
) -> AlarmChange:
    rule = condition.rule
    values = expression.values({}, eye)
    sentence = expression.explain_values(values)
    if move is AlarmMove.CLEARED and condition.clear is None:
        sentence = f"no longer {expression.text}"
    elif move is not AlarmMove.CLEARED and rule.for_s:
        sentence += f" for {as_age(rule.for_s)[1]}"
    if condition.score and not eye.score_missing():
        sentence += f"; score {eye.score():.0f}"
    elif condition.score:
        missing = ", ".join(sorted(name for name in condition.scored if eye.value(name) is None))
        sentence += f"; incomplete set, without {missing}: no total"
    return change(
        move,
        rule.id,
        subject_of(rule, device),
        raised,
        sentence,
        device=device.id,
        now_ms=now_ms,
        observed_at_ms=eye.at_ms,
        evidence=_evidence(state.inputs, condition.inputs),
        conditions=expression.parts_of(values),
        words=said(rule, _words(condition, eye)) if move is not AlarmMove.CLEARED else ("", ""),
    )


def _words(condition: Condition, eye: Look) -> dict[str, tuple[str, str]]:
    words = {
        name: as_age(eye.age_s(name)) if one.spec.occurrence else as_value(eye.value(name))
        for name, one in condition.inputs.items()
    }
    if condition.score:
        words |= {"score": as_value(eye.score()), "score_highest": as_value(eye.score_highest())}
    for name, default in condition.when.limits.items():
        words[name] = as_value(eye.limit(name, default))
    return words


def _evidence(states: Mapping[str, InputState], inputs: Mapping[str, CompiledInput]) -> tuple[Evidence, ...]:
    """The newest word of every input, the oldest first; one for each message."""
    by_message: dict[str, Evidence] = {}
    known: Sequence[tuple[str, InputState]] = sorted(states.items(), key=lambda item: item[1].at_ms)
    for name, one in known:
        if not one.at_ms:
            continue
        spec = inputs[name].spec if name in inputs else None
        metrics = {spec.metric or spec.state or name: one.value} if spec is not None and not spec.occurrence else {}
        before = by_message.get(one.message_id)
        by_message[one.message_id] = Evidence(
            message_id=one.message_id,
            device=one.device,
            observed_at_ms=one.at_ms,
            received_at_ms=one.received_ms,
            event=one.event or None,
            metrics={
                **({} if before is None else before.metrics),
                **{key: value for key, value in metrics.items() if value is not None},
            },
        )
    return tuple(by_message.values())
