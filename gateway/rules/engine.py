"""The engine: all rules over all devices. Give it observations and the time; it answers with alarms that moved.

Pure: no clock, no I/O. The same observations and ticks give the same alarms, live, replayed after a crash, or in a
back-test, and also when the engine was made anew from its saved states anywhere in between.

How it is used::

    engine = Engine(rules, devices, states)     # states: what dirty() gave, as last committed
    engine.watch(device_ids, now_ms)            # after every change of the registry
    engine.started(now_ms)                      # once per start of the process: the start-up grace
    changes = engine.observe(observation, now_ms)
    changes = engine.tick(now_ms)               # when next_deadline_ms() has come
    save(engine.dirty())                        # in the transaction of what the changes led to

An alarm goes RAISED, then any number of REPEATED, then CLEARED or CANCELLED (or, for a momentary one, `end_momentary`
when its case is over); after that it can be raised again.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import msgspec

from devices.observation import Observation
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.document import EventRule, RuleDocument, SilenceRule, ThresholdRule
from gateway.rules.event import step_event
from gateway.rules.forms import DeviceInfo, KnownDevice, Step, change, subject_of
from gateway.rules.index import RuleIndex
from gateway.rules.silence import interval_ms, step_heard, step_silent
from gateway.rules.states import (
    EMPTY,
    TRACK,
    EventState,
    SilenceState,
    State,
    ThresholdState,
    Track,
    decode,
    encode,
    heard,
    is_empty,
    is_straggler,
)
from gateway.rules.threshold import Threshold, step_threshold

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""(rule, subject); a device's track stands under (``@device``, ``device:<id>``)."""
Devices = Callable[[str], "DeviceInfo | None"]

CLOCK_JITTER_MS = 1000
"""A clock that went back by more was set."""


class Engine:
    """All enabled rules with what they remember."""

    def __init__(self, rules: Sequence[RuleDocument], devices: Devices, states: Mapping[Key, str]) -> None:
        """Raises RuleError for a rule that cannot be compiled, ValueError for a state that cannot be read."""
        self._devices = devices
        self._states: dict[Key, State] = {}
        self._tracks: dict[str, Track] = {}
        self._dirty: set[Key] = set()
        self._deadlines: list[tuple[int, str, str]] = []
        """Heap of (due, device, rule). Lazy: when due, the device may have been heard and gets its real deadline."""
        self._grace_from_ms: int | None = None
        self._watched: frozenset[str] | None = None
        """Who is supervised; None for everybody, until `watch` says."""
        self._now_ms = 0
        self._ended: list[tuple[Key, State, str]] = []
        """What ended outside of an observation, and why; told by the next tick."""
        self.skipped: Counter[tuple[str, str]] = Counter()
        """What was not considered, by rule and reason (``duplicate``, ``overtaken``, ``ignored``, ``failed`` …)."""
        for key, body in states.items():
            self._load(key, body)
        self._index = RuleIndex(rules)
        self._adopt()

    # -- what it is told

    def observe(self, observation: Observation, now_ms: int) -> list[AlarmChange]:
        """What one observation changes. Touches only the rules that its event or its metrics can concern."""
        self._clock(now_ms)
        device: DeviceInfo = self._devices(observation.device) or KnownDevice(observation.device, observation.kind)
        before = self._tracks.get(device.id)
        changes: list[AlarmChange] = []
        if observation.event is not None:
            for event_rule in self._index.by_event.get((observation.kind, observation.event), ()):
                event_key = (event_rule.id, subject_of(event_rule, device))
                event_state = self._event_state(event_key)
                changes += self._take(
                    event_key,
                    event_state,
                    partial(step_event, event_rule, event_state, observation, device, now_ms),
                )
        if observation.metrics:
            straggler = is_straggler(before, observation)
            for threshold in self._index.thresholds(observation):
                key = (threshold.rule.id, subject_of(threshold.rule, device))
                state = self._threshold_state(key, threshold)
                changes += self._take(
                    key,
                    state,
                    partial(step_threshold, threshold, state, observation, device, now_ms, straggler=straggler),
                )
        if observation.event != "offline":  # a last will is the broker's word, not the device's
            changes += self._heard(observation, device, before, now_ms)
        return changes

    def tick(self, now_ms: int, *, read_until_ms: int | None = None, limit: int | None = None) -> list[AlarmChange]:
        """What the passing of time changes: silence. Also tells what ended with a change of rules or registry.

        ``read_until_ms``: while observations wait to be read, the time of receipt up to which all have been; a device
        whose word is still waiting is not silent. Without it, everything received until now has been read.

        ``limit``: about so many at once; `next_deadline_ms` stays due while there are more. A whole street that falls
        silent must not keep a press waiting.
        """
        self._clock(now_ms)
        ended, self._ended = self._ended[:limit], self._ended[len(self._ended[:limit]) :]
        changes = [self._told_ended(*each, now_ms) for each in ended]
        horizon_ms = now_ms if read_until_ms is None else min(now_ms, read_until_ms)
        silent: list[tuple[int, str, str]] = []
        while self._deadlines and self._deadlines[0][0] <= horizon_ms and (limit is None or len(silent) < limit):
            _, device_id, rule_id = heapq.heappop(self._deadlines)
            due = self._real_deadline(rule_id, device_id)
            if due is not None and due > horizon_ms:
                heapq.heappush(self._deadlines, (due, device_id, rule_id))
            elif due is not None:
                silent.append((due, device_id, rule_id))
        for _, device_id, rule_id in sorted(silent):  # the heap's order depends on its past; this one does not
            rule, device, track = self._index.silence[rule_id], self._devices(device_id), self._tracks[device_id]
            assert device is not None  # _real_deadline has seen it
            key = (rule.id, subject_of(rule, device))
            state = self._silence_state(key)
            changes += self._take(key, state, partial(step_silent, rule, state, track, device, now_ms))
        return changes

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do; None when nothing is supervised."""
        if self._ended:
            return self._now_ms
        while self._deadlines:
            due, device_id, rule_id = self._deadlines[0]
            real = self._real_deadline(rule_id, device_id)
            if real is None:
                heapq.heappop(self._deadlines)
            elif real <= due:
                return due
            else:
                heapq.heapreplace(self._deadlines, (real, device_id, rule_id))
        return None

    def dirty(self) -> dict[Key, str]:
        """States changed since the last call, as bodies to save. ``{}`` is a state with nothing to remember."""
        changed = {key: self._body(key) for key in self._dirty}
        self._dirty.clear()
        return changed

    def started(self, now_ms: int) -> None:
        """The gateway begins to listen: once per start, and again after the wall clock was set forward.

        The time since anybody was last heard does not count as a device's silence, and for ``startup_grace_s``
        nobody is silent.
        """
        counted = (track.counted_from_ms for track in self._tracks.values() if track.heard_at_ms)
        self._shift(now_ms - max(counted, default=now_ms), now_ms)
        self._now_ms = now_ms
        self._grace_from_ms = now_ms
        self._schedule()

    def watch(self, device_ids: Iterable[str], now_ms: int) -> None:
        """These devices are supervised, also if they are never heard; call it after every change of the registry.

        What was remembered of other devices is forgotten; a condition that only a device held which is gone, was
        replaced, or serves somebody else now, ends.
        """
        known = self._watched = frozenset(device_ids)
        for gone in self._tracks.keys() - known:
            del self._tracks[gone]
            self._dirty.add(_track_key(gone))
        replaced = frozenset(device_id for device_id in known if self._follow(device_id, now_ms))
        self._now_ms = max(self._now_ms, now_ms)
        for key in list(self._states):
            self._release_strangers(key, known - replaced, replaced)
        self._schedule()

    def _follow(self, device_id: str, now_ms: int) -> bool:
        """Keep a track of whoever does the work. True when that is other hardware than before."""
        device, track = self._devices(device_id), self._tracks.get(device_id)
        hardware = "" if device is None else device.hardware
        if track is not None and track.hardware == hardware:
            return False
        if track is None or track.hardware:
            self._tracks[device_id] = Track(counted_from_ms=now_ms, hardware=hardware)
        else:
            self._tracks[device_id] = msgspec.structs.replace(track, hardware=hardware)
        self._dirty.add(_track_key(device_id))
        return track is not None and track.hardware != ""

    def held_by(self, device_id: str, why: str, now_ms: int) -> list[AlarmChange]:
        """The alarms that this device holds, each as if raised now: of some of them nobody may have been told."""
        return [
            change(AlarmMove.RAISED, *key, state.raised, why, device=device_id, now_ms=now_ms, observed_at_ms=now_ms)
            for key, state in sorted(self._states.items())
            if state.raised is not None and device_id in state.holders
        ]

    def rule(self, rule: str) -> RuleDocument | None:
        """A rule in force."""
        return self._index.rules.get(rule)

    def end_momentary(self, rule: str, subject: str) -> None:
        """The case of a momentary alarm is over: the next event raises it again. Does nothing to conditions."""
        state = self._states.get((rule, subject))
        if isinstance(state, EventState) and state.raised is not None and state.raised.momentary:
            self._put((rule, subject), EventState(recent=state.recent))

    def replace(self, rules: Sequence[RuleDocument], now_ms: int) -> None:
        """Work by other rules from now on. Raises RuleError, and then nothing has changed.

        A rule whose condition is the same goes on counting; where the condition changed, counting starts anew and a
        raised alarm stays raised until the new condition clears it. The alarms of a rule that is gone end.
        """
        self._index = RuleIndex(rules)
        self._now_ms = max(self._now_ms, now_ms)
        self._adopt()
        self._schedule()

    # -- rules

    def _adopt(self) -> None:
        """States of rules that are gone, or that are of another form now, end here."""
        for key in list(self._states):
            state, rule = self._states[key], self._index.rules.get(key[0])
            fits = (
                (isinstance(rule, EventRule) and isinstance(state, EventState))
                or (isinstance(rule, ThresholdRule) and isinstance(state, ThresholdState))
                or (isinstance(rule, SilenceRule) and isinstance(state, SilenceState))
            )
            if not fits:
                self._end(key, f"rule {key[0]} is no longer in force")
            else:
                self._release_strangers(key, None)

    def _release_strangers(
        self, key: Key, known: frozenset[str] | None, replaced: frozenset[str] = frozenset()
    ) -> None:
        """Let go of the alarm for devices that are gone (where ``known`` is given) or are no longer the rule's."""
        rule, state = self._index.rules.get(key[0]), self._states[key]
        if isinstance(state, ThresholdState) and known is not None and not known.issuperset(state.windows):
            windows = {device: window for device, window in state.windows.items() if device in known}
            state = msgspec.structs.replace(state, windows=windows)
            self._put(key, state)
        if rule is None or state.raised is None or state.raised.momentary:
            return
        holders = tuple(holder for holder in state.holders if self._still_holds(rule, key[1], holder, known))
        if not holders:
            gone = "was replaced" if replaced & frozenset(state.holders) else "is no longer registered here"
            self._end(key, f"the device {gone}")
        elif holders != state.holders:
            self._put(key, msgspec.structs.replace(state, holders=holders))

    def _still_holds(self, rule: RuleDocument, subject: str, holder: str, known: frozenset[str] | None) -> bool:
        device = self._devices(holder)
        if known is not None and holder not in known:
            return False
        return device is None or (device.kind in rule.kinds and subject_of(rule, device) == subject)

    def _end(self, key: Key, why: str) -> None:
        state = self._states.pop(key)
        self._dirty.add(key)
        if state.raised is not None:
            self._ended.append((key, state, why))

    @staticmethod
    def _told_ended(key: Key, state: State, why: str, now_ms: int) -> AlarmChange:
        assert state.raised is not None
        holder = state.holders[0] if state.holders else None
        return change(AlarmMove.CLEARED, *key, state.raised, why, device=holder, now_ms=now_ms, observed_at_ms=now_ms)

    # -- states

    def _load(self, key: Key, body: str) -> None:
        try:
            state = decode(body)
        except ValueError as error:
            raise ValueError(
                f"the saved state of rule {key[0]} about {key[1]} cannot be read ({error}); "
                "it was written by another version: run that one, or delete the row"
            ) from error
        if isinstance(state, Track):
            self._tracks[key[1].removeprefix("device:")] = state
        elif state is not None:
            self._states[key] = state

    def _body(self, key: Key) -> str:
        state: State | Track | None
        state = self._tracks.get(key[1].removeprefix("device:")) if key[0] == TRACK else self._states.get(key)
        return EMPTY if state is None else encode(state)

    def _put(self, key: Key, state: State) -> None:
        if is_empty(state):
            self._states.pop(key, None)
        else:
            self._states[key] = state
        self._dirty.add(key)

    def _event_state(self, key: Key) -> EventState:
        state = self._states.get(key)
        return state if isinstance(state, EventState) else EventState()

    def _threshold_state(self, key: Key, threshold: Threshold) -> ThresholdState:
        state = self._states.get(key)
        return state if isinstance(state, ThresholdState) else ThresholdState(condition=threshold.condition)

    def _silence_state(self, key: Key) -> SilenceState:
        state = self._states.get(key)
        return state if isinstance(state, SilenceState) else SilenceState()

    def _take(self, key: Key, before: State, step: Callable[[], Step]) -> tuple[AlarmChange, ...]:
        """Take one step of one rule. A rule that fails is counted and logged; the other rules still decide."""
        try:
            state, changes, notes = step()
        except Exception:  # the other rules' alarms must not be lost with this one's
            log.exception("rule %s failed on %s", *key)
            self.skipped[key[0], "failed"] += 1
            return ()
        for note in notes:
            self.skipped[key[0], note] += 1
        if state is not before:
            self._put(key, state)
        return changes

    # -- silence

    def _heard(
        self, observation: Observation, device: DeviceInfo, before: Track | None, now_ms: int
    ) -> list[AlarmChange]:
        after = heard(before, observation, now_ms)
        self._tracks[device.id] = after
        self._dirty.add(_track_key(device.id))
        changes: list[AlarmChange] = []
        for rule in self._index.silence_by_kind.get(device.kind, ()):
            key = (rule.id, subject_of(rule, device))
            state = self._states.get(key)
            due = self._due_ms(rule, device, after)
            if isinstance(state, SilenceState) and device.id in state.holders:
                if due <= now_ms:
                    continue  # read late from the journal, and it has been silent again for too long since
                changes += self._take(key, state, partial(step_heard, rule, state, before, after, device, now_ms))
                heapq.heappush(self._deadlines, (due, device.id, rule.id))
            elif before is None:
                heapq.heappush(self._deadlines, (due, device.id, rule.id))
        return changes

    def _is_silent(self, rule: SilenceRule, device: DeviceInfo) -> bool:
        state = self._states.get((rule.id, subject_of(rule, device)))
        return state is not None and device.id in state.holders

    def _due_ms(self, rule: SilenceRule, device: DeviceInfo, track: Track) -> int:
        due = track.counted_from_ms + interval_ms(rule, device)
        if self._grace_from_ms is None:
            return due
        return max(due, self._grace_from_ms + rule.startup_grace_s * 1000)

    def _real_deadline(self, rule_id: str, device_id: str) -> int | None:
        """When this device is silent by this rule; None where it is not supervised, or is silent already."""
        rule, device, track = self._index.silence.get(rule_id), self._devices(device_id), self._tracks.get(device_id)
        if rule is None or device is None or track is None or self._is_silent(rule, device):
            return None
        return self._due_ms(rule, device, track) if self._watched is None or device_id in self._watched else None

    def _schedule(self) -> None:
        """Work the deadlines out afresh: O(devices), and only when rules, registry or clock were changed."""
        entries = []
        for device_id, track in self._tracks.items():
            device = self._devices(device_id)
            if device is None:
                continue
            for rule in self._index.silence_by_kind.get(device.kind, ()):
                if not self._is_silent(rule, device):
                    entries.append((self._due_ms(rule, device, track), device_id, rule.id))
        heapq.heapify(entries)
        self._deadlines = entries

    def _clock(self, now_ms: int) -> None:
        """A clock that was set back must not put off a silence: everything moves back with it."""
        if now_ms < self._now_ms - CLOCK_JITTER_MS:
            log.warning("the clock was set back by %d s", (self._now_ms - now_ms) // 1000)
            if self._grace_from_ms is not None:
                self._grace_from_ms += now_ms - self._now_ms
            self._shift(now_ms - self._now_ms, now_ms)
            self._now_ms = now_ms
            self._schedule()
        elif now_ms > self._now_ms:
            self._now_ms = now_ms

    def _shift(self, by_ms: int, now_ms: int) -> None:
        """Count every device's silence from ``by_ms`` later (or earlier), but not from the future."""
        if by_ms == 0:
            return
        for device_id, track in self._tracks.items():
            self._tracks[device_id] = msgspec.structs.replace(
                track,
                counted_from_ms=min(track.counted_from_ms + by_ms, now_ms),
                heard_at_ms=min(track.heard_at_ms, now_ms),
            )
            self._dirty.add(_track_key(device_id))


def _track_key(device_id: str) -> Key:
    return TRACK, f"device:{device_id}"
