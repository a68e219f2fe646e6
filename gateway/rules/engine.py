"""The engine: all rules over all devices. Give it observations and the time; it answers with alarms that moved.

Pure: no clock, no I/O. The same observations and ticks give the same alarms, live, replayed after a crash, or in a
back-test, and also when the engine was made anew from its saved states anywhere in between.

How it is used::

    engine = Engine(rules, devices, states, zone)   # states: what dirty() gave, as last committed
    engine.watch(device_ids, now_ms)                # after every change of the registry
    engine.started(now_ms)                          # once per start of the process: the start-up grace
    changes = engine.observe(observation, now_ms)
    changes = engine.tick(now_ms)                   # when next_deadline_ms() has come
    save(engine.dirty())                            # in the transaction of what the changes led to

An alarm goes RAISED, then any number of REPEATED, then CLEARED or CANCELLED (or, for a momentary one, `end_momentary`
when its case is over); after that it can be raised again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import msgspec

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove, ConditionValue
from gateway.rules.document import RuleDocument
from gateway.rules.endings import Endings
from gateway.rules.env import Env
from gateway.rules.event import step_event
from gateway.rules.forms import DeviceInfo, Devices, KnownDevice, Step, change, subject_of, supervision_s
from gateway.rules.index import RuleIndex
from gateway.rules.ledger import Key, Ledger
from gateway.rules.silence import step_heard, step_silent
from gateway.rules.situations import Situations
from gateway.rules.states import (
    ConditionState,
    EventState,
    SilenceState,
    State,
    Track,
    heard,
    is_straggler,
)
from gateway.rules.succession import Succession
from gateway.rules.supervision import Supervision
from gateway.rules.threshold import idle, step_threshold
from gateway.rules.trace import Trace

log = logging.getLogger(__name__)

__all__ = ["Devices", "Engine", "Key"]

CLOCK_JITTER_MS = 1000
"""A clock that went back by more was set."""
WAIT_MOST_MS = 30_000
"""Conditions wait so long, and no longer, for observations that have been received and not yet read."""
DEFAULT_ZONE = ZoneInfo("Asia/Shanghai")


class Engine:
    """All enabled rules with what they remember."""

    def __init__(
        self,
        rules: Sequence[RuleDocument],
        devices: Devices,
        states: Mapping[Key, str],
        zone: ZoneInfo = DEFAULT_ZONE,
        *,
        trace: Trace | None = None,
    ) -> None:
        """``zone``: of hours, days and the calendar. ``trace``: told of every step, to explain it.

        Raises RuleError for a rule that cannot be compiled, ValueError for a state that cannot be read.
        """
        self._devices = devices
        self._zone = zone
        self._trace = trace
        self._ledger = Ledger(states)
        self._supervision = Supervision(self._ledger, devices, zone)
        self._situations = Situations(self._ledger, devices, zone)
        self._now_ms = 0
        self._endings = Endings(self._ledger)
        self.skipped: Counter[tuple[str, str]] = Counter()
        """What was not considered, by rule and reason (``duplicate``, ``overtaken``, ``ignored``, ``failed`` …)."""
        self.failed: list[str] = []
        """The rules whose code failed on the newest observation or tick: what they would have told is not told."""
        self._index = RuleIndex(rules)
        self._succession = Succession(self._ledger, self._endings, devices, self._index)
        self._work()

    # -- what it is told

    def observe(self, observation: Observation, now_ms: int) -> list[AlarmChange]:
        """What one observation changes. Touches only the rules that its event or its metrics can concern."""
        self._clock(now_ms)
        self.failed = []
        device: DeviceInfo = self._devices(observation.device) or KnownDevice(observation.device, observation.kind)
        before = self._ledger.tracks.get(device.id)
        straggler = is_straggler(before, observation)
        changes: list[AlarmChange] = []
        if observation.event is not None:
            for event_rule in self._index.by_event.get((observation.kind, observation.event), ()):
                if self._index.applies(event_rule, device):
                    key = (event_rule.id, subject_of(event_rule, device))
                    state = self._ledger.event(key)
                    step = partial(step_event, event_rule, state, observation, device, now_ms, self._zone)
                    changes += self._take(key, state, step, observation)
        if observation.metrics or observation.kind in self._index.look_at_events:
            changes += self._thresholds(observation, device, now_ms, straggler)
        if self._situations.concerns(observation.kind):
            # Several devices speak there: a slow clock must not put one's word before what the others said.
            slow_ms = 0 if before is None else before.slow_ms
            placed = observation
            if slow_ms:
                placed = msgspec.structs.replace(observation, observed_at_ms=observation.observed_at_ms + slow_ms)
            for condition_key, condition_state, take in self._situations.heard(placed, device, now_ms):
                changes += self._take(condition_key, condition_state, take, placed)
        if observation.event != "offline":  # a last will is the broker's word, not the device's
            changes += self._heard(observation, device, before, now_ms, straggler)
        return changes

    def _thresholds(
        self, observation: Observation, device: DeviceInfo, now_ms: int, straggler: bool
    ) -> list[AlarmChange]:
        changes: list[AlarmChange] = []
        engaged = self._ledger.engaged(device.id)
        env = Env(device, observation.observed_at_ms, self._zone, observation)
        for threshold in self._index.thresholds(observation):
            if not self._index.applies(threshold.rule, device):
                continue
            if threshold.rule.id not in engaged and self._trace is None and idle(threshold, observation.metrics, env):
                continue
            key = (threshold.rule.id, subject_of(threshold.rule, device))
            state = self._ledger.threshold(key, threshold.condition)
            changes += self._take(
                key,
                state,
                partial(step_threshold, threshold, state, observation, device, now_ms, env, straggler=straggler),
                observation,
            )
        return changes

    def tick(self, now_ms: int, *, read_until_ms: int | None = None, limit: int | None = None) -> list[AlarmChange]:
        """What the passing of time changes: silence, and what conditions wait for. Also tells what ended with a change
        of rules or registry.

        ``read_until_ms``: while observations wait to be read, the time of receipt up to which all have been; a device
        whose word is still waiting is not silent. Without it, everything received until now has been read.

        ``limit``: about so many at once; `next_deadline_ms` stays due while there are more. A whole street that falls
        silent must not keep a press waiting.
        """
        self._clock(now_ms)
        self.failed = []
        changes = self._endings.tell(now_ms, limit)
        horizon_ms = now_ms if read_until_ms is None else min(now_ms, read_until_ms)
        for device_id, rule in self._supervision.overdue(horizon_ms, limit):
            device, track = self._devices(device_id), self._ledger.tracks[device_id]
            assert device is not None  # its deadline has just been worked out
            key = (rule.id, subject_of(rule, device))
            state = self._ledger.silence(key)
            changes += self._take(key, state, partial(step_silent, rule, state, track, device, now_ms))
        looked = 0
        # A flood of telemetry must not keep a valve that did not shut from being told.
        horizon_ms = max(horizon_ms, now_ms - WAIT_MOST_MS)
        while (limit is None or looked < limit) and (due := self._situations.due(horizon_ms, now_ms)) is not None:
            changes += self._take(*due)
            looked += 1
        return changes

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do; None when nothing is supervised."""
        if self._endings:
            return self._now_ms
        found = [at for at in (self._supervision.next_ms(), self._situations.next_ms()) if at is not None]
        return min(found, default=None)

    def is_idle_until(self, now_ms: int) -> bool:
        """Whether `tick` has certainly nothing to do up to ``now_ms``. Much cheaper than `next_deadline_ms`."""
        if self._endings:
            return False
        silent, waking = self._supervision.soonest_ms(), self._situations.soonest_ms()
        return (silent is None or silent > now_ms) and (waking is None or waking > now_ms)

    def dirty(self) -> dict[Key, str]:
        """States changed since the last call, as bodies to save. ``{}`` is a state with nothing to remember."""
        return self._ledger.dirty(self._endings.untold())

    def goes_on(self, before: Engine, now_ms: int) -> None:
        """Made anew from what was saved, while the gateway listens: no start, and no grace of one."""
        newest_ms = max((track.counted_from_ms for track in self._ledger.tracks.values()), default=now_ms)
        self._shift(min(0, now_ms - newest_ms), now_ms)
        self._now_ms = now_ms
        self._supervision.grace_from_ms = self._situations.grace_from_ms = before._supervision.grace_from_ms
        self._supervision.schedule()

    def set_forward(self, by_ms: int, now_ms: int) -> None:
        """The wall clock was set forward by so much: nobody was silent for that.

        The grace of a start is not begun anew: a clock set again and again would keep silences from being told.
        """
        self._shift(by_ms, now_ms)
        self._now_ms = now_ms
        if self._supervision.grace_from_ms is not None:
            self._supervision.grace_from_ms = self._situations.grace_from_ms = self._supervision.grace_from_ms + by_ms
        self._supervision.schedule()

    def started(self, now_ms: int) -> None:
        """The gateway begins to listen: once per start.

        The time since anybody was last heard does not count as a device's silence, and for ``startup_grace_s``
        nobody is silent.
        """
        counted = (track.counted_from_ms for track in self._ledger.tracks.values() if track.heard_at_ms)
        self._shift(now_ms - max(counted, default=now_ms), now_ms)
        self._now_ms = now_ms
        self._supervision.grace_from_ms = self._situations.grace_from_ms = now_ms
        self._supervision.schedule()

    def watch(self, device_ids: Iterable[str], now_ms: int) -> None:
        """These devices are supervised, also if they are never heard; call it after every change of the registry.

        What was remembered of other devices is forgotten; a condition that only a device held which is gone, was
        replaced, or serves somebody else now, ends.
        """
        known = self._supervision.watched = frozenset(device_ids)
        self._index.forget_facts()
        self._succession.watch(known, now_ms)
        self._now_ms = max(self._now_ms, now_ms)
        self._supervision.schedule()
        self._situations.settle(known, self._now_ms)

    def held_by(self, device_id: str, why: str, now_ms: int) -> list[AlarmChange]:
        """The alarms that this device holds, each as if raised now: of some of them nobody may have been told."""
        return [
            change(AlarmMove.RAISED, *key, state.raised, why, device=device_id, now_ms=now_ms, observed_at_ms=now_ms)
            for key, state in sorted(self._ledger.states.items())
            if state.raised is not None and device_id in state.holders
        ]

    def rule(self, rule: str) -> RuleDocument | None:
        """A rule in force."""
        return self._index.rules.get(rule)

    @property
    def rules(self) -> Mapping[str, RuleDocument]:
        """All rules in force."""
        return self._index.rules

    def conditions(
        self, key: Key, state: State, at_ms: int, observation: Observation | None = None
    ) -> tuple[ConditionValue, ...]:
        """Every part of a rule's condition as it stands, to explain a step. Empty where the rule has none."""
        if isinstance(state, ConditionState):
            eye, condition = self._situations.eye(key, state, at_ms), self._situations.condition(key[0])
            return () if eye is None or condition is None else condition.when.parts({}, eye)
        threshold = self._index.by_id.get(key[0])
        if threshold is None or observation is None:
            return ()
        env = Env(self._devices(observation.device), observation.observed_at_ms, self._zone, observation)
        shown = (threshold.when, *((threshold.clear,) if state.raised is not None and threshold.clear else ()))
        return tuple(part for one in shown for part in one.parts(observation.metrics, env))

    def denied(
        self, key: Key, state: State, at_ms: int, observation: Observation | None = None
    ) -> tuple[str, ...] | None:
        """What keeps a rule's condition from being true; empty where it is, None where nothing was asked."""
        if isinstance(state, ConditionState):
            eye, condition = self._situations.eye(key, state, at_ms), self._situations.condition(key[0])
            return None if eye is None or condition is None else condition.when.denied(condition.when.values({}, eye))
        threshold = self._index.by_id.get(key[0])
        if threshold is None or observation is None:
            return None
        env = Env(self._devices(observation.device), observation.observed_at_ms, self._zone, observation)
        return threshold.when.denied(threshold.when.values(observation.metrics, env))

    def state(self, key: Key) -> State | None:
        """What a rule remembers of a subject; None for nothing."""
        return self._ledger.states.get(key)

    def silent_at_ms(self, rule: str, device: str) -> int | None:
        """When a device is silent by a rule over silence, if it is not heard before; None where it cannot be."""
        return self._supervision.real_deadline(rule, device)

    def sources(self, key: Key) -> Mapping[str, Sequence[str]]:
        """Of every input of a condition the devices it comes from, about one subject; empty for other rules."""
        return self._situations.sources(key)

    def applies(self, rule: RuleDocument, device: DeviceInfo) -> bool:
        """Whether a rule is for this device, by its ``where``."""
        return self._index.applies(rule, device)

    def end_momentary(self, rule: str, subject: str, *, rest: bool = True) -> None:
        """The case of a momentary alarm is over: the next event raises it again, after the rule's rest where it has one
        (``rest=False``: at once). Does nothing to conditions."""
        state = self._ledger.states.get((rule, subject))
        if state is None or state.raised is None or not state.raised.momentary:
            return
        document = self._index.rules.get(rule)
        ended_ms = self._now_ms if rest and document is not None and document.rest_s else 0
        if isinstance(state, EventState):
            self._ledger.put((rule, subject), EventState(recent=state.recent, ended_ms=ended_ms))
        elif isinstance(state, ConditionState):
            self._ledger.put(
                (rule, subject), msgspec.structs.replace(state, raised=None, holders=(), ended_ms=ended_ms)
            )

    def replace(self, rules: Sequence[RuleDocument], now_ms: int, device_ids: Iterable[str] | None = None) -> None:
        """Work by other rules from now on; with ``device_ids`` over these devices, as `watch` has it. Raises RuleError,
        and then nothing has changed.

        A rule whose condition is the same goes on counting; where the condition changed, counting starts anew and a
        raised alarm stays raised until the new condition clears it. The alarms of a rule that is gone end.
        """
        self._index = RuleIndex(rules)
        self._now_ms = max(self._now_ms, now_ms)
        self._work()
        watched = self._succession.watched if device_ids is None else device_ids
        if watched is None:
            self._supervision.schedule()
        else:
            self.watch(watched, now_ms)

    def _work(self) -> None:
        index = self._index
        self._supervision.work_by(index.silence, index.silence_by_kind, index.applies)
        self._situations.work_by(index.conditions, index.condition_applies)
        self._succession.adopt(index, self._now_ms)

    def _take(
        self, key: Key, before: State, step: Callable[[], Step], observation: Observation | None = None
    ) -> tuple[AlarmChange, ...]:
        """Take one step of one rule. A rule that fails is counted and logged; the other rules still decide."""
        try:
            state, changes, notes = step()
        except Exception:  # the other rules' alarms must not be lost with this one's
            log.exception("rule %s failed on %s", *key)
            self.skipped[key[0], "failed"] += 1
            self.failed.append(key[0])
            return ()
        for note in notes:
            self.skipped[key[0], note] += 1
        if self._trace is not None:
            self._trace(key, observation, before, state, changes, notes)
        if state is not before:
            self._ledger.put(key, state)
            if isinstance(state, ConditionState):
                self._situations.saved(key, state)
        return (*self._endings.tell_of(key, self._now_ms), *changes) if changes and self._endings else changes

    # -- silence

    def _heard(
        self, observation: Observation, device: DeviceInfo, before: Track | None, now_ms: int, straggler: bool
    ) -> list[AlarmChange]:
        after = heard(before, observation, now_ms, straggler)
        self._ledger.put_track(device.id, after)
        changes: list[AlarmChange] = []
        if before is not None and after.heard_at_ms - before.counted_from_ms > supervision_s(device) * 1000:
            self._situations.returned(device, after.heard_at_ms)
        for rule in self._index.silence_by_kind.get(device.kind, ()):
            key = (rule.id, subject_of(rule, device))
            state = self._ledger.states.get(key)
            if isinstance(state, SilenceState) and device.id in state.holders:
                due = self._supervision.due_ms(rule, device, after)
                if due <= now_ms:
                    continue  # read late from the journal, and it has been silent again for too long since
                changes += self._take(
                    key, state, partial(step_heard, rule, state, before, after, device, now_ms), observation
                )
                self._supervision.expect(device.id, rule.id, due)
                if self._supervision.carries(device.id):
                    self._supervision.carrier_is_back(device.id, after.heard_at_ms)
            elif before is None and self._index.applies(rule, device):
                self._supervision.expect(device.id, rule.id, self._supervision.due_ms(rule, device, after))
        return changes

    def _clock(self, now_ms: int) -> None:
        """A clock that was set back must not put off a silence: everything moves back with it."""
        if now_ms < self._now_ms - CLOCK_JITTER_MS:
            log.warning("the clock was set back by %d s", (self._now_ms - now_ms) // 1000)
            by_ms = now_ms - self._now_ms
            if self._supervision.grace_from_ms is not None:
                self._supervision.grace_from_ms += by_ms
                self._situations.grace_from_ms = self._supervision.grace_from_ms
            self._shift(by_ms, now_ms)
            self._now_ms = now_ms
            self._supervision.schedule()
        elif now_ms > self._now_ms:
            self._now_ms = now_ms

    def _shift(self, by_ms: int, now_ms: int) -> None:
        if by_ms:
            self._supervision.shift(by_ms, now_ms)
            self._situations.shift(by_ms, now_ms)
            for key, state in list(self._ledger.states.items()):
                if state.ended_ms > now_ms:  # a rest counts from now at the latest
                    self._ledger.put(key, msgspec.structs.replace(state, ended_ms=now_ms))
