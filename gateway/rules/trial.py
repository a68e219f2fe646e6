"""Runs the examples beside a rule: the live engine over the story, and what came of it beside what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from devices.kinds import KINDS
from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.document import ConditionRule, RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.examples import FIRST_DAY, Example, ExampleDevice, Fact, Given, day_of, moment
from gateway.rules.forms import KnownDevice, Limit, subject_of
from gateway.rules.story import tell

ZONE = ZoneInfo("Asia/Shanghai")
_LISTENING_S = 400 * 86_400
"""In an example of a condition nobody is silent; a silence, and a gap in a span of readings, are the kind's own."""
_WORD: Mapping[AlarmMove, str] = {
    AlarmMove.RAISED: "raise",
    AlarmMove.REPEATED: "repeat",
    AlarmMove.CLEARED: "clear",
    AlarmMove.CANCELLED: "cancel",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one example."""

    example: Example
    got: tuple[tuple[str, str], ...]
    """(move, time) as the example would write them."""
    changes: tuple[AlarmChange, ...]
    problem: str
    """Empty where it came as expected."""


def run_examples(rule: RuleDocument) -> list[Outcome]:
    """Run every example of ``rule``. Raises RuleError for a rule that cannot be compiled."""
    return [_run(rule, example) for example in rule.examples]


def _run(rule: RuleDocument, example: Example) -> Outcome:
    devices = _devices(rule, example)
    if wrong := _misspoken(example, devices):
        return Outcome(example, (), (), wrong)
    given = sorted(enumerate(example.given), key=lambda item: (_arrival_ms(item[1]), item[0]))
    begin_ms = min(instant_ms(one.at) for one in example.given)
    running = rule.model_copy(update={"enabled": True, "shadow": False})
    engine = Engine([running], devices.get, {}, ZONE)
    engine.watch(devices, begin_ms - 1000)
    changes: list[AlarmChange] = []
    said: list[Observation] = []
    now_ms = begin_ms
    for number, one in given:
        arrival_ms = _arrival_ms(one)
        changes += _pass(engine, now_ms, arrival_ms)
        now_ms = arrival_ms
        name = one.device or next(iter(devices))
        said.append(_observation(name, devices[name].kind, number, one))
        changes += engine.observe(said[-1], arrival_ms)
    if example.until is not None:
        changes += _pass(engine, now_ms, instant_ms(example.until), inclusive=True)
    got = tuple((_WORD[change.move], _written(change.observed_at_ms, example)) for change in changes)
    expected = tuple((one.move, _written(instant_ms(one.at), example)) for one in example.expect)
    problem = ""
    if sorted(got, key=lambda each: each[1]) != sorted(expected, key=lambda each: each[1]):
        problem = f"expected {_listed(expected)}; the rule gives {_listed(got)}"
        missed = next((at for move, at in expected if move == "raise" and (move, at) not in got), None)
        if missed is not None:
            problem += _why_none(running, devices, said, instant_ms(missed))
    return Outcome(example, got, tuple(changes), problem)


def _misspoken(example: Example, devices: Mapping[str, KnownDevice]) -> str:
    """What no such device can say: a slip of the pen in a story that expects no alarm would always pass. Else empty."""
    for one in example.given:
        if one.device and one.device not in devices:
            return f"given: there is no device {one.device!r}; there are {', '.join(devices)}"
        if not one.device and len(devices) > 1:
            return f"given: say which device speaks ({', '.join(devices)})"
        kind = KINDS[devices[one.device or next(iter(devices))].kind]
        if one.event is not None and one.event not in kind.events:
            return f"given: at {one.at}: {kind.key} has no event {one.event!r}; {_meant(one.event, kind.events)}"
        for name, value in one.metrics.items():
            if name not in kind.metrics:
                return f"given: at {one.at}: {kind.key} has no metric {name!r}; {_meant(name, kind.metrics)}"
            metric = kind.metrics[name]
            if not metric.low <= value <= metric.high:
                lies = f"{metric.low:g} to {metric.high:g} {metric.unit}"
                return f"given: at {one.at}: {name} {value:g} would be refused; it is {lies}"
    last_ms = max(instant_ms(one.at) for one in example.given)
    if example.until is not None and instant_ms(example.until) < last_ms:
        return f"until: {example.until} is before the last word"
    return ""


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known))}"


def _why_none(rule: RuleDocument, devices: Mapping[str, KnownDevice], said: Sequence[Observation], at_ms: int) -> str:
    """Why there was no alarm at that instant, as it is explained of a real one."""
    own = next((device for device in devices.values() if device.kind in rule.kinds), None)
    if own is None:
        return f"; why: none of the devices is a {' or a '.join(rule.kinds)}"
    heard = [one for one in said if one.received_at_ms <= at_ms]
    from_ms = min(one.received_at_ms for one in said)
    story = tell(rule, subject_of(rule, own), devices, heard, from_ms=from_ms, until_ms=at_ms, zone=ZONE)
    return "".join(f"; why: {one.zh} {one.en}" for one in story.why)


def _pass(engine: Engine, now_ms: int, until_ms: int, *, inclusive: bool = False) -> Iterator[AlarmChange]:
    """Time passes. What was due before ``now_ms``, because it was heard late, is looked at now: time goes one way."""
    while (due := engine.next_deadline_ms()) is not None and (due < until_ms or (inclusive and due == until_ms)):
        yield from engine.tick(max(due, now_ms))


def _devices(rule: RuleDocument, example: Example) -> dict[str, KnownDevice]:
    described = example.devices or {"d1": ExampleDevice(kind=rule.kinds[0])}
    limits = tuple(Limit(name, value) for name, value in example.limits.items())
    supervision_s = _LISTENING_S if isinstance(rule, ConditionRule) else None
    found = {}
    for name, one in described.items():
        facts: dict[str, Fact] = {"device.id": name, "device.kind": one.kind, "place.id": one.place}
        facts |= {f"device.{key}": value for key, value in one.attributes.items()}
        facts |= {f"place.{key}": value for key, value in example.place.items()}
        if one.resident:
            facts |= {"resident.id": "resident"} | {f"resident.{key}": v for key, v in example.resident.items()}
        found[name] = KnownDevice(
            id=name,
            kind=one.kind,
            place=one.place,
            resident="resident" if one.resident else None,
            supervision_s=supervision_s,
            via=one.via,
            facts=facts,
            limits=limits,
        )
    return found


def _observation(name: str, kind: str, number: int, one: Given) -> Observation:
    return Observation(
        message_id=f"{name}:1:{number}",
        device=name,
        kind=kind,
        lane=Lane.URGENT if one.event else Lane.ROUTINE,
        observed_at_ms=instant_ms(one.at),
        received_at_ms=_arrival_ms(one),
        metrics=dict(one.metrics),
        event=one.event,
        clock_suspect=one.clock_suspect,
    )


def instant_ms(text: str) -> int:
    """The instant of an example's time."""
    day, second = moment(text)
    on = date.fromordinal(day_of(day))
    return int(datetime.combine(on, time(), ZONE).timestamp() * 1000) + second * 1000


def _arrival_ms(one: Given) -> int:
    return instant_ms(one.at) + int(one.late_s * 1000)


def _written(at_ms: int, example: Example) -> str:
    """An instant as the example writes its times."""
    at = datetime.fromtimestamp(at_ms / 1000, ZONE)
    clock = at.strftime("%H:%M:%S" if at.second else "%H:%M")
    if any(not moment(one.at)[0].startswith("d") for one in example.given):
        return f"{at.date().isoformat()} {clock}"
    day = (at.date() - FIRST_DAY).days + 1
    return clock if day == 1 else f"d{day} {clock}"


def _listed(moves: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{move} at {at}" for move, at in moves) or "nothing"
