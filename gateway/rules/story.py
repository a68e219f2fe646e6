"""Why there was an alarm, and why there was none: one rule and one subject replayed with every step written down.

The same engine over the same observations, told by its `trace`. What it remembered before the first observation is not
known: an explanation says where its story begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove, ConditionValue, Frozen
from gateway.rules.document import ConditionRule, EventRule, RuleDocument, SilenceRule, ThresholdRule
from gateway.rules.engine import Engine, Key
from gateway.rules.forms import DeviceInfo, subject_of
from gateway.rules.index import compile_where
from gateway.rules.schedule import in_force
from gateway.rules.states import ConditionState, SilenceState, State, ThresholdState
from gateway.rules.translate import UNKNOWN

STEPS_KEPT = 200


class Words(NamedTuple):
    """The same thing in both languages."""

    zh: str
    en: str


class InputView(Frozen):
    """What is known of one input, or of one device's readings."""

    name: str
    value: float | None = None
    at_ms: int | None = None
    device: str = ""
    note: str = ""


class StateView(Frozen):
    """What a rule remembers of a subject, for people."""

    raised: bool = False
    holders: tuple[str, ...] = ()
    holding_since_ms: int | None = None
    looks_again_ms: int | None = None
    known: tuple[InputView, ...] = ()


class StoryStep(Frozen):
    """One thing that was considered: an observation, or the passing of time."""

    at_ms: int
    """When the gateway considered it."""
    observed_at_ms: int
    message_id: str | None
    device: str | None
    event: str | None
    metrics: dict[str, float] = {}
    conditions: tuple[ConditionValue, ...]
    before: StateView
    after: StateView
    notes: tuple[str, ...]
    """Why it did not count: ``ignored``, ``outside_hours``, ``duplicate``, ``overtaken``, ``resting`` …"""
    moves: tuple[AlarmChange, ...]
    denied: tuple[str, ...] | None = None
    """What kept the whole condition from being true, with values; empty where it was true."""


class Story(Frozen):
    """The explanation of one rule about one subject."""

    rule: str
    rule_version: int
    zh: str
    en: str
    subject: str
    from_ms: int
    until_ms: int
    observations: int
    """So many of its devices were considered."""
    steps: tuple[StoryStep, ...]
    """The newest ones; those that moved the alarm are all there."""
    steps_left_out: int
    raised: bool
    """Whether the alarm stands at the end."""
    state: StateView
    why: tuple[Words, ...]
    """Why there is, or is no, alarm at the end: the nearest reasons."""


NOTE_WORDS: Mapping[str, Words] = {
    "ignored": Words("读数不计（ignore 条件成立）", "the reading does not count: its ignore condition holds"),
    "outside_hours": Words("不在规则的时段内", "outside the hours or days of the rule"),
    "duplicate": Words("重复的消息", "the same message again"),
    "overtaken": Words("迟到，已有更新的读数", "late: newer readings have been considered"),
    "resting": Words("刚解除，处于静默期", "it ended a short while ago, and the rule rests"),
    "division_by_zero": Words("除以零，无法判断", "a division by zero: nothing can be said"),
    "nothing_to_end": Words("没有可解除的报警", "there was no alarm to end"),
    "others_still_hold": Words("其他设备仍在报警", "other devices still hold the alarm"),
    "ended_by_another_device": Words("不是由报警的设备解除", "not the device that holds the alarm"),
}


class _Scribe:
    """Writes the steps of one key down."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.engine: Engine | None = None
        self.now_ms = 0
        self.steps: list[StoryStep] = []
        self.left_out = 0

    def __call__(
        self,
        key: Key,
        observation: Observation | None,
        before: State,
        after: State,
        changes: tuple[AlarmChange, ...],
        notes: tuple[str, ...],
    ) -> None:
        if key != self.key or self.engine is None:
            return
        at_ms = after.at_ms if isinstance(after, ConditionState) and observation is None else self.now_ms
        observed_ms = observation.observed_at_ms if observation is not None else at_ms
        self.steps.append(
            StoryStep(
                at_ms=self.now_ms,
                observed_at_ms=observed_ms,
                message_id=observation.message_id if observation is not None else None,
                device=observation.device if observation is not None else None,
                event=observation.event if observation is not None else None,
                metrics=observation.metrics if observation is not None else {},
                conditions=self.engine.conditions(key, after, max(observed_ms, at_ms), observation),
                before=_view(before),
                after=_view(after),
                notes=notes,
                moves=changes,
                denied=self.engine.denied(key, after, max(observed_ms, at_ms), observation),
            )
        )
        quiet = [at for at, step in enumerate(self.steps) if not step.moves]
        if len(quiet) > STEPS_KEPT:
            del self.steps[quiet[0]]
            self.left_out += 1


def tell(
    rule: RuleDocument,
    subject: str,
    devices: Mapping[str, DeviceInfo],
    observations: Sequence[Observation],
    *,
    from_ms: int,
    until_ms: int,
    zone: ZoneInfo,
) -> Story:
    """The story of ``rule`` about ``subject`` between two instants.

    ``devices``: those that can matter (`concerned`); ``observations``: theirs, in the order of receipt.
    Raises RuleError for a rule that cannot be compiled.
    """
    key = rule.id, subject
    scribe = _Scribe(key)
    trying = rule.model_copy(update={"enabled": True})
    engine = scribe.engine = Engine([trying], devices.get, {}, zone, trace=scribe)
    engine.watch(devices, min(from_ms, min((one.received_at_ms for one in observations), default=from_ms)))
    for observation in observations:
        _pass(engine, scribe, observation.received_at_ms)
        scribe.now_ms = observation.received_at_ms
        engine.observe(observation, observation.received_at_ms)
    _pass(engine, scribe, until_ms + 1)
    state = engine.state(key)
    raised = state is not None and state.raised is not None
    return Story(
        rule=rule.id,
        rule_version=rule.version,
        zh=rule.zh,
        en=rule.en,
        subject=subject,
        from_ms=from_ms,
        until_ms=until_ms,
        observations=len(observations),
        steps=tuple(scribe.steps),
        steps_left_out=scribe.left_out,
        raised=raised,
        state=StateView() if state is None else _view(state),
        why=tuple(_why(rule, subject, devices, engine, scribe.steps, state, until_ms, zone)),
    )


def _pass(engine: Engine, scribe: _Scribe, before_ms: int) -> None:
    while (due := engine.next_deadline_ms()) is not None and due < before_ms:
        scribe.now_ms = max(scribe.now_ms, due)
        engine.tick(scribe.now_ms)


def concerned(rule: RuleDocument, subject: str, devices: Mapping[str, DeviceInfo]) -> dict[str, DeviceInfo]:
    """The devices whose word can matter to ``rule`` about ``subject``, with those that are linked or carry them."""
    links = [one.link for one in rule.inputs.values() if one.link] if isinstance(rule, ConditionRule) else []
    found: dict[str, DeviceInfo] = {}
    kind, _, name = subject.partition(":")
    for device in devices.values():
        lives_there = (kind, name) in (("place", device.place), ("resident", device.resident))
        if lives_there or subject_of(rule, device) == subject:
            found[device.id] = device
    for device in list(found.values()):
        named = [device.facts.get(f"device.{link}") for link in links]
        for other in (device.via, *named):
            if isinstance(other, str) and other in devices:
                found[other] = devices[other]
    return found


def _view(state: State) -> StateView:
    known: list[InputView] = []
    since = wake = None
    if isinstance(state, ConditionState):
        since, wake = state.since_ms or None, state.wake_ms or None
        for name, one in sorted(state.inputs.items()):
            known.append(
                InputView(name=name, value=one.value, at_ms=one.at_ms or None, device=one.device, note=one.event)
            )
    elif isinstance(state, ThresholdState):
        for device, window in sorted(state.windows.items()):
            if not window.readings:
                continue
            counted = sum(reading.counts for reading in window.readings)
            since = window.readings[0].observed_at_ms if window.run else since
            known.append(
                InputView(
                    name=", ".join(sorted(window.readings[-1].metrics)),
                    at_ms=window.readings[-1].observed_at_ms,
                    device=device,
                    note=f"{window.run or counted} of {max(window.run, len(window.readings))} readings count",
                )
            )
    return StateView(
        raised=state.raised is not None,
        holders=state.holders,
        holding_since_ms=since,
        looks_again_ms=wake,
        known=tuple(known),
    )


def _why(
    rule: RuleDocument,
    subject: str,
    devices: Mapping[str, DeviceInfo],
    engine: Engine,
    steps: Sequence[StoryStep],
    state: State | None,
    until_ms: int,
    zone: ZoneInfo,
) -> list[Words]:
    if state is not None and state.raised is not None:
        last = next((move for step in reversed(steps) for move in reversed(step.moves)), None)
        return [Words("报警成立", f"the alarm stands: {last.explanation}" if last else "the alarm stands")]
    why: list[Words] = []
    if not rule.enabled:
        why.append(Words("规则已停用", "the rule is switched off"))
    if rule.shadow:
        why.append(Words("规则只是试运行，不通知任何人", "the rule is only being tried out: nobody is told"))
    own = [device for device in devices.values() if device.kind in rule.kinds]
    if not own:
        kinds = ", ".join(rule.kinds)
        return [*why, Words(f"该对象没有此类设备：{kinds}", f"{subject} has no device of these kinds: {kinds}")]
    if not any(engine.applies(rule, device) for device in own):
        return [*why, _not_for(rule, own)]
    if not in_force(rule.hours, rule.days, until_ms, zone):
        why.append(NOTE_WORDS["outside_hours"])
    moves = [move for step in steps for move in step.moves]
    if moves:
        begun = next((move for move in reversed(moves) if move.move is AlarmMove.RAISED), moves[0])
        return [
            *why,
            Words(f"曾成立：{begun.explanation}", f"it was raised: {begun.explanation}"),
            Words(f"已解除：{moves[-1].explanation}", f"it is over: {moves[-1].explanation}"),
        ]
    for name, sources in engine.sources((rule.id, subject)).items():
        if not sources:
            why.append(Words(f"没有设备提供 {name}", f"no device is input {name}"))
    considered = [step for step in steps if step.conditions or step.event]
    if not steps:
        said = _what_it_waits_for(rule)
        why.append(Words(f"该时段内没有相关消息（{said}）", f"nothing was said that concerns it ({said})"))
    elif isinstance(rule, SilenceRule) or isinstance(state, SilenceState):
        why.append(Words("设备按时有消息", "its devices were heard in time"))
    elif considered:
        why += _nearest(rule, considered)
    if isinstance(rule, SilenceRule) and not steps:
        why = [one for one in why if "nothing was said" not in one.en]
        for device in own:
            due = engine.silent_at_ms(rule.id, device.id)
            if due is None:
                why.append(Words(f"{device.id}：所经的集中器失联，不单独报警", f"{device.id}: its carrier is silent"))
            else:
                left = max(0, due - until_ms) // 1000
                why.append(Words(f"{device.id}：{left} 秒后才算失联", f"{device.id}: it would be silent in {left} s"))
    return why


def _not_for(rule: RuleDocument, devices: Sequence[DeviceInfo]) -> Words:
    """Why a rule is for none of these devices. Most often it asks for what nobody has set."""
    where = compile_where(rule)
    asked = where.facts if where is not None else ()
    unset = ", ".join(sorted(fact for fact in asked if not any(fact in device.facts for device in devices)))
    if not unset:
        known = ", ".join(f"{fact} {_fact(devices[0].facts.get(fact))}" for fact in sorted(asked))
        asks = f"{rule.where} ({known})"
        return Words(f"规则的适用条件不成立：{asks}", f"the rule is not for these devices: {asks}")
    return Words(
        f"没有设置 {unset}，规则不适用：{rule.where}",
        f"nobody has set {unset}, so the rule is not for these devices: {rule.where}",
    )


def _fact(value: object) -> str:
    return "?" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _what_it_waits_for(rule: RuleDocument) -> str:
    if isinstance(rule, EventRule):
        return ", ".join(rule.events)
    if isinstance(rule, ThresholdRule | ConditionRule):
        return rule.when
    return "silence"


def _nearest(rule: RuleDocument, steps: Sequence[StoryStep]) -> list[Words]:
    """What was missing at the step that came nearest: the newest of those that lacked least."""
    asked = [step for step in steps if step.denied is not None]
    if not asked:
        return [Words("没有触发的事件", "no event that raises it happened")]
    nearest = min(asked, key=lambda step: (len(step.denied or ()), len(step.notes), -step.observed_at_ms))
    why = [NOTE_WORDS.get(note, Words(note, note)) for note in nearest.notes]
    for said in nearest.denied or ():
        unknown = said.removeprefix(UNKNOWN)
        zh, en = ("未知", "not known") if unknown != said else ("不成立", "does not hold")
        why.append(Words(f"{zh}：{unknown}", f"{en}: {unknown}"))
    if not nearest.denied:
        why += _persistence(rule, nearest)
    return why or [Words("没有触发的事件", "no event that raises it happened")]


def _persistence(rule: RuleDocument, step: StoryStep) -> list[Words]:
    """It held, and not for long enough."""
    since_ms = step.after.holding_since_ms
    for_s = rule.for_s if isinstance(rule, ThresholdRule | ConditionRule) else None
    if since_ms is not None and for_s:
        held_s = max(0, step.observed_at_ms - since_ms) // 1000
        return [Words(f"只成立了 {held_s} 秒，需 {for_s:g} 秒", f"it held for {held_s} s of the {for_s:g} s it must")]
    return [
        Words(f"尚不够持续：{one.note}", f"not yet persistent: {one.note}")
        for one in step.after.known
        if one.note and isinstance(rule, ThresholdRule)
    ]
