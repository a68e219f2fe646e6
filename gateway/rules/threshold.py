"""Rules over measurements: a condition that holds persistently raises, another one clears (hysteresis).

A reading counts when the condition can be decided from it and ``ignore`` does not hold. Persistence is either
``readings`` (so many of the last so many) or ``for_s`` (in every reading for so long); neither means: one reading is
enough. Clearing asks for the same persistence, unless ``clear_readings`` is given. After each change counting starts
anew. Time is the device's: when it happened, not when it arrived.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from devices.observation import Observation
from gateway.alarms import AlarmMove
from gateway.rules.document import Readings, ThresholdRule
from gateway.rules.env import Env
from gateway.rules.errors import RuleError
from gateway.rules.expression import Expression, Limits, Metrics, compile_expression, number
from gateway.rules.forms import DeviceInfo, Step, change, raised_by, subject_of, supervision_s
from gateway.rules.say import as_value, said
from gateway.rules.schedule import in_force
from gateway.rules.states import Reading, ThresholdState, Window, before

MAX_AGE_MS = 24 * 3_600_000
"""Readings further apart than this do not belong together: yesterday's blood pressure does not confirm today's."""
_RUN_KEPT = 10
"""Readings of a ``for_s`` run that are kept as evidence: the first, and the newest nine."""
_ONE = Readings(count=1, of=1)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold rule ready to run."""

    rule: ThresholdRule
    when: Expression
    ignore: Expression | None
    clear: Expression | None
    metrics: frozenset[str]
    """What the rule reads: kept as evidence."""
    touched_by: frozenset[str]
    """A reading without any of these says nothing to the rule."""
    condition: str
    """Fingerprint: while it stays, a new version of the rule may go on counting."""

    def persistence(self, clearing: bool) -> Readings | None:
        """How many readings decide; None where it is a span of time."""
        rule = self.rule
        if clearing and rule.clear_readings is not None:
            return rule.clear_readings
        return None if rule.for_s is not None else rule.readings or _ONE


def compile_threshold(rule: ThresholdRule, *, trying: Mapping[str, float] | None = None) -> Threshold:
    """Compile a rule's expressions. ``trying``: check it with these limits. Raises RuleError, naming rule and key."""
    if rule.readings is not None and rule.for_s is not None:
        raise RuleError(
            "readings and for_s are both given",
            expected="one kind of persistence",
            hint="take readings for spot measurements, for_s for steady streams",
            rule=rule.id,
            key="for_s",
        )

    def compiled(key: str, text: str | None) -> Expression | None:
        try:
            return None if text is None else compile_expression(text, rule.kinds, limits=Limits(rule.limits, trying))
        except RuleError as error:
            error.rule, error.key = rule.id, key
            raise

    when = compiled("when", rule.when)
    assert when is not None
    ignore, clear = compiled("ignore", rule.ignore), compiled("clear", rule.clear)
    named = [expression.metrics for expression in (when, ignore, clear) if expression is not None]
    parts = rule.model_dump(
        mode="json",
        include={
            "kinds",
            "where",
            "hours",
            "days",
            "limits",
            "when",
            "ignore",
            "readings",
            "for_s",
            "clear",
            "clear_readings",
        },
    )
    return Threshold(
        rule=rule,
        when=when,
        ignore=ignore,
        clear=clear,
        metrics=frozenset().union(*named),
        touched_by=when.metrics,
        condition=hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:12],
    )


def idle(threshold: Threshold, metrics: Metrics, env: Env) -> bool:
    """Whether a reading says nothing to a rule that remembers nothing of its device: the cheap way for the healthy."""
    try:
        return threshold.when.evaluate(metrics, env) is not True
    except ZeroDivisionError:
        return False


def step_threshold(
    threshold: Threshold,
    state: ThresholdState,
    observation: Observation,
    device: DeviceInfo,
    now_ms: int,
    env: Env,
    *,
    straggler: bool,
) -> Step:
    """What one reading does to the alarm about its subject.

    ``straggler``: a newer reading of the device has been heard. With ``readings``, a straggler takes the place in which
    it happened, unless so many newer ones are there that it no longer matters. With ``for_s`` it is not considered.
    Either way a reading from before the last change says nothing any more. All of these are counted, and told in the
    explanation.
    """
    if state.condition != threshold.condition:
        state = ThresholdState(raised=state.raised, holders=state.holders, condition=threshold.condition)
    notes: list[str] = []
    rule = threshold.rule
    if device.id not in state.holders and not in_force(rule.hours, rule.days, env.at_ms, env.zone):
        return Step(state, notes=("outside_hours",))
    if threshold.ignore is not None and _truth(threshold.ignore, observation.metrics, env, notes):
        return Step(state, notes=(*notes, "ignored"))
    holds = _truth(threshold.when, observation.metrics, env, notes)
    if holds is None:
        return Step(state, notes=tuple(notes))

    window = state.windows.get(device.id, Window())
    active = device.id in state.holders
    counts = _clears(threshold, observation.metrics, env, holds, notes) if active else holds
    reading = Reading(
        message_id=observation.message_id,
        observed_at_ms=observation.observed_at_ms,
        received_at_ms=observation.received_at_ms,
        metrics={key: value for key, value in observation.metrics.items() if key in threshold.metrics},
        counts=counts,
        clock_suspect=observation.clock_suspect,
    )
    if any(reading.message_id == known.message_id for known in window.readings):
        return Step(state, notes=(*notes, "duplicate"))
    persistence = threshold.persistence(clearing=active)
    if window.floor_id and (reading.message_id == window.floor_id or _before_floor(reading, window, straggler)):
        moved: Window | None = None
    elif persistence is None:
        moved = None if straggler else _run(window, reading, threshold, device)
    else:
        moved = _counted(window, reading, persistence, straggler)
    if moved is None:
        notes.append("overtaken")
        kept = Window(
            readings=window.readings,
            run=window.run,
            overtaken=window.overtaken + 1,
            floor_id=window.floor_id,
            floor_ms=window.floor_ms,
        )
        # An idle window has nothing to explain, and a healthy device costs no write.
        return Step(state if not window.readings else _with_window(state, device.id, kept), notes=tuple(notes))
    if not _decided(moved, persistence, rule.for_s):
        return Step(_with_window(state, device.id, moved), notes=tuple(notes))
    if not active and state.ended_ms and moved.readings[-1].observed_at_ms < state.ended_ms + rule.rest_s * 1000:
        return Step(_with_window(state, device.id, moved), notes=(*notes, "resting"))
    return _change(threshold, state, moved, persistence, device, now_ms, env, active, tuple(notes))


def _truth(expression: Expression, metrics: Metrics, env: Env, notes: list[str]) -> bool | None:
    try:
        return expression.evaluate(metrics, env)
    except ZeroDivisionError:
        notes.append("division_by_zero")
        return None


def _clears(threshold: Threshold, metrics: Metrics, env: Env, holds: bool, notes: list[str]) -> bool:
    """A reading that meets ``when`` never speaks for clearing, whatever ``clear`` says."""
    if holds or threshold.clear is None:
        return not holds
    return _truth(threshold.clear, metrics, env, notes) is True


def _before_floor(reading: Reading, window: Window, straggler: bool) -> bool:
    # Only a straggler can be: for what is newer by its sequence number the clock may have been set back.
    return straggler and before(reading.message_id, reading.observed_at_ms, window.floor_id, window.floor_ms)


def _run(window: Window, reading: Reading, threshold: Threshold, device: DeviceInfo) -> Window:
    """The unbroken run of counting readings, after ``reading``."""
    alone = Window(readings=(reading,), run=1, floor_id=window.floor_id, floor_ms=window.floor_ms)
    if not reading.counts:
        return Window(floor_id=window.floor_id, floor_ms=window.floor_ms)
    if not window.readings:
        return alone
    gap_ms = reading.observed_at_ms - window.readings[-1].observed_at_ms
    limit_s = max(threshold.rule.for_s or 0.0, supervision_s(device))
    if gap_ms < 0 or gap_ms > limit_s * 1000:
        return alone  # the device's clock was set back, or nobody knows what was in between
    readings = (*window.readings, reading)
    if len(readings) > _RUN_KEPT:
        readings = (readings[0], *readings[2:])
    return Window(
        readings=readings,
        run=window.run + 1,
        overtaken=window.overtaken,
        floor_id=window.floor_id,
        floor_ms=window.floor_ms,
    )


def _counted(window: Window, reading: Reading, persistence: Readings, straggler: bool) -> Window | None:
    """The last readings, with ``reading`` where it happened; None where enough newer ones are known."""
    readings = list(window.readings)
    place = len(readings)
    if straggler:
        while place and before(
            reading.message_id,
            reading.observed_at_ms,
            readings[place - 1].message_id,
            readings[place - 1].observed_at_ms,
        ):
            place -= 1
    if place == 0 and len(readings) >= persistence.of:
        return None
    readings.insert(place, reading)
    readings = readings[-persistence.of :]
    newest_ms = readings[-1].observed_at_ms
    readings = [known for known in readings if newest_ms - known.observed_at_ms <= MAX_AGE_MS]
    while readings and not readings[0].counts:
        readings.pop(0)
    return Window(
        readings=tuple(readings),
        overtaken=window.overtaken if readings else 0,
        floor_id=window.floor_id,
        floor_ms=window.floor_ms,
    )


def _decided(window: Window, persistence: Readings | None, for_s: float | None) -> bool:
    if persistence is not None:
        return sum(reading.counts for reading in window.readings) >= persistence.count
    if len(window.readings) < 2 or for_s is None:
        return False
    return window.readings[-1].observed_at_ms - window.readings[0].observed_at_ms >= for_s * 1000


def _change(
    threshold: Threshold,
    state: ThresholdState,
    window: Window,
    persistence: Readings | None,
    device: DeviceInfo,
    now_ms: int,
    env: Env,
    active: bool,
    notes: tuple[str, ...],
) -> Step:
    """The device takes hold of the alarm, or lets go of it."""
    rule = threshold.rule
    deciding = window.readings[-1]
    if active:
        holders = tuple(holder for holder in state.holders if holder != device.id)
    else:
        holders = (*state.holders, device.id)
    raised = state.raised or raised_by(rule, device)
    after = _with_window(
        ThresholdState(
            raised=raised if holders else None,
            holders=holders,
            ended_ms=deciding.observed_at_ms if active and not holders and rule.rest_s else 0,
            condition=state.condition,
            windows=state.windows,
        ),
        device.id,
        Window(floor_id=deciding.message_id, floor_ms=deciding.observed_at_ms),
    )
    if active and holders:
        return Step(after, notes=(*notes, "others_still_hold"))
    move = AlarmMove.CLEARED if active else AlarmMove.RAISED if state.raised is None else AlarmMove.REPEATED
    told = change(
        move,
        rule.id,
        subject_of(rule, device),
        raised,
        _explain(threshold, window, persistence, env, active),
        device=device.id,
        now_ms=now_ms,
        observed_at_ms=deciding.observed_at_ms,
        evidence=tuple(reading.evidence(device.id) for reading in window.readings),
        conditions=_shown(threshold, active).parts(_newest(window).metrics, env),
        words=("", "") if active else said(rule, _words(threshold, window, env)),
    )
    return Step(after, (told,), notes)


def _shown(threshold: Threshold, active: bool) -> Expression:
    return threshold.when if not active or threshold.clear is None else threshold.clear


def _newest(window: Window) -> Reading:
    return next(reading for reading in reversed(window.readings) if reading.counts)


def _words(threshold: Threshold, window: Window, env: Env) -> dict[str, tuple[str, str]]:
    newest = _newest(window)
    words = {name: as_value(value) for name, value in newest.metrics.items()}
    return words | {name: as_value(env.limit(name, default)) for name, default in threshold.when.limits.items()}


def _explain(threshold: Threshold, window: Window, persistence: Readings | None, env: Env, active: bool) -> str:
    """``spo2 88 < 90 in 2 of 3 readings (88, 97, 89)``"""
    newest, expression = _newest(window), _shown(threshold, active)
    names = sorted(expression.metrics, key=expression.text.find)
    if active and threshold.clear is None:
        sentence = f"no longer {expression.text} ({_values(newest, names)})"
    else:
        sentence = expression.explain(newest.metrics, env)
    if persistence is None:
        span_s = (window.readings[-1].observed_at_ms - window.readings[0].observed_at_ms) / 1000
        sentence += f" for {span_s:.0f} s in {window.run} readings"
    elif persistence.of > 1:
        counted = sum(reading.counts for reading in window.readings)
        sentence += f" in {counted} of {max(persistence.count, len(window.readings))} readings"
        sentence += f" ({', '.join(_values(reading, names) for reading in window.readings)})"
    if window.overtaken:
        sentence += f"; {window.overtaken} late reading{'s' if window.overtaken > 1 else ''} not considered"
    return sentence


def _values(reading: Reading, names: list[str]) -> str:
    if len(names) == 1:
        return number(reading.metrics[names[0]]) if names[0] in reading.metrics else "?"
    return " ".join(f"{name} {number(reading.metrics[name])}" for name in names if name in reading.metrics)


def _with_window(state: ThresholdState, device: str, window: Window) -> ThresholdState:
    """``state`` with this window; the same object where nothing changed, so that nothing is saved."""
    old = state.windows.get(device)
    if window == Window():
        if old is None:
            return state
        windows = {key: value for key, value in state.windows.items() if key != device}
    elif old == window:
        return state
    else:
        windows = {**state.windows, device: window}
    return ThresholdState(
        raised=state.raised,
        holders=state.holders,
        ended_ms=state.ended_ms,
        condition=state.condition,
        windows=windows,
    )
