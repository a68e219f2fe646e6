"""What becomes of what rules remember when the rules, or the devices they are for, are others than before.

An alarm goes on under whoever still holds it, and ends where nobody does; what ends is told by `gateway.rules.endings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from gateway.rules.document import ConditionRule, EventRule, RuleDocument, SilenceRule, ThresholdRule
from gateway.rules.endings import Endings
from gateway.rules.forms import Devices, subject_of
from gateway.rules.index import RuleIndex
from gateway.rules.ledger import Key, Ledger
from gateway.rules.states import (
    ConditionState,
    EventState,
    SilenceState,
    State,
    ThresholdState,
    Track,
)

_STATE_OF: Mapping[type[RuleDocument], type[State]] = {
    EventRule: EventState,
    ThresholdRule: ThresholdState,
    SilenceRule: SilenceState,
    ConditionRule: ConditionState,
}
_NOBODY: frozenset[str] = frozenset()


class Succession:
    """Carries states over from one set of rules and devices to the next."""

    def __init__(self, ledger: Ledger, endings: Endings, devices: Devices, index: RuleIndex) -> None:
        self._ledger = ledger
        self._endings = endings
        self._devices = devices
        self._index = index
        self.watched: frozenset[str] | None = None
        """The devices there are; None until it is said."""

    def adopt(self, index: RuleIndex, now_ms: int) -> None:
        """These rules rule from now on. States of rules that are gone, or that are of another form now, end here."""
        self._index = index
        for key in list(self._ledger.states):
            state, rule = self._ledger.states[key], index.rules.get(key[0])
            if rule is None or not isinstance(state, _STATE_OF[type(rule)]):
                self._endings.end(key, f"rule {key[0]} is no longer in force")
                continue
            if state.raised is not None and state.raised.shadow != rule.shadow:
                # What was tried out is raised anew, and told; what is only tried out from now on is over.
                why = f"rule {key[0]} is {'only tried out' if rule.shadow else 'in force'} from now on"
                self._endings.end(key, why, None if rule.shadow else _in_force(state, rule))
                if isinstance(state, ConditionState) and not rule.shadow:
                    wake_ms = max(state.at_ms, now_ms) + 1
                    again = {"raised": None, "holders": (), "held": False, "wake_ms": wake_ms}
                    self._ledger.put(key, msgspec.structs.replace(state, **again))
                continue
            self._release_strangers(key, None)

    def watch(self, known: frozenset[str], now_ms: int) -> None:
        """The registry has these devices now. What was remembered of others is forgotten, and what only a device held
        that is gone, was replaced, or serves somebody else now, ends."""
        self.watched = known
        for gone in self._ledger.tracks.keys() - known:
            self._ledger.pop_track(gone)
        replaced = frozenset(device_id for device_id in known if self._follow(device_id, now_ms))
        staying = known - replaced
        for key in list(self._ledger.states):
            self._release_strangers(key, staying, replaced)

    def _follow(self, device_id: str, now_ms: int) -> bool:
        """Keep a track of whoever does the work. True when that is other hardware than before."""
        device, track = self._devices(device_id), self._ledger.tracks.get(device_id)
        hardware = "" if device is None else device.hardware
        if track is not None and track.hardware == hardware:
            return False
        if track is None or track.hardware:
            self._ledger.put_track(device_id, Track(counted_from_ms=now_ms, hardware=hardware))
        else:
            self._ledger.put_track(device_id, msgspec.structs.replace(track, hardware=hardware))
        return track is not None and track.hardware != ""

    def _release_strangers(self, key: Key, known: frozenset[str] | None, replaced: frozenset[str] = _NOBODY) -> None:
        """Let go of the alarm for devices that are gone (where ``known`` is given) or are no longer the rule's."""
        rule, state = self._index.rules.get(key[0]), self._ledger.states[key]
        if isinstance(state, ThresholdState) and known is not None and not known.issuperset(state.windows):
            windows = {device: window for device, window in state.windows.items() if device in known}
            state = msgspec.structs.replace(state, windows=windows)
            self._ledger.put(key, state)
        if rule is None or state.raised is None or state.raised.momentary:
            return
        holders = tuple(holder for holder in state.holders if self._still_holds(rule, key[1], holder, known))
        if not holders and isinstance(rule, ConditionRule):
            # Of a home's or a person's alarm any of their devices can be the one that holds it.
            others = sorted(self.watched or () if known is None else known)
            fit = (one for one in others if (device := self._devices(one)) is not None and device.kind in rule.kinds)
            holders = tuple(one for one in fit if self._still_holds(rule, key[1], one, known))[:1]
        if not holders:
            self._endings.end(key, self._why_gone(key[0], state.holders, known, replaced))
        elif holders != state.holders:
            self._ledger.put(key, msgspec.structs.replace(state, holders=holders))

    def _why_gone(
        self, rule: str, holders: Sequence[str], known: frozenset[str] | None, replaced: frozenset[str]
    ) -> str:
        if replaced & frozenset(holders):
            return "the device was replaced"
        if any(self._devices(one) is not None and (known is None or one in known) for one in holders):
            return f"rule {rule} is no longer for the device, or the device serves somebody else"
        return "the device is no longer registered here"

    def _still_holds(self, rule: RuleDocument, subject: str, holder: str, known: frozenset[str] | None) -> bool:
        device = self._devices(holder)
        if known is not None and holder not in known:
            return False
        if device is None:
            return True
        fits = isinstance(rule, ConditionRule) or device.kind in rule.kinds
        return fits and subject_of(rule, device) == subject and self._index.applies(rule, device)


def _in_force(state: State, rule: RuleDocument) -> State | None:
    """An alarm of a rule that was tried out, as it stands when the rule is put in force. A moment is over; a condition
    is looked at anew."""
    raised = state.raised
    if raised is None or raised.momentary or isinstance(state, ConditionState):
        return None
    told = {"type": rule.raises.type, "severity": rule.raises.severity.value, "ladder": rule.raises.ladder}
    anew = msgspec.structs.replace(raised, shadow=False, version=rule.version, **told)
    return msgspec.structs.replace(state, raised=anew)
