"""Who must be heard by when: the deadlines of the rules over silence, and what stands behind a silent carrier."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping
from zoneinfo import ZoneInfo

import msgspec

from gateway.rules.document import SilenceRule
from gateway.rules.forms import DeviceInfo, Devices, subject_of
from gateway.rules.ledger import Ledger
from gateway.rules.schedule import in_force, next_boundary_ms, when_covered_ms
from gateway.rules.silence import interval_ms
from gateway.rules.states import Track

_CARRIERS_DEEP = 8
"""A carrier may have a carrier; a circle ends here."""


class Supervision:
    """Deadlines by device and rule. Lazy: when one is due, the device may have been heard and gets its real one."""

    def __init__(self, ledger: Ledger, devices: Devices, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._devices = devices
        self._zone = zone
        self._deadlines: list[tuple[int, str, str]] = []
        """Heap of (due, device, rule)."""
        self._rules: Mapping[str, SilenceRule] = {}
        self._by_kind: Mapping[str, list[SilenceRule]] = {}
        self._applies: Callable[[SilenceRule, DeviceInfo], bool] = lambda _rule, _device: True
        self._carried: dict[str, list[str]] = {}
        self.grace_from_ms: int | None = None
        self.watched: frozenset[str] | None = None
        """Who is supervised; None for everybody, until it is said."""

    def work_by(
        self,
        rules: Mapping[str, SilenceRule],
        by_kind: Mapping[str, list[SilenceRule]],
        applies: Callable[[SilenceRule, DeviceInfo], bool],
    ) -> None:
        """Work by these rules from now on; `schedule` must follow."""
        self._rules, self._by_kind, self._applies = rules, by_kind, applies

    def rules_of(self, device: DeviceInfo) -> list[SilenceRule]:
        """The rules that watch over a device's silence."""
        return [rule for rule in self._by_kind.get(device.kind, ()) if self._applies(rule, device)]

    def schedule(self) -> None:
        """Work the deadlines out afresh: O(devices), and only when rules, registry or clock were changed."""
        entries = []
        self._carried = {}
        for device_id, track in self._ledger.tracks.items():
            device = self._devices(device_id)
            if device is None:
                continue
            if device.via is not None:
                self._carried.setdefault(device.via, []).append(device_id)
            for rule in self.rules_of(device):
                if not self.is_silent(rule, device):
                    entries.append((self.due_ms(rule, device, track), device_id, rule.id))
        heapq.heapify(entries)
        self._deadlines = entries

    def expect(self, device_id: str, rule: str, due_ms: int) -> None:
        """The device must be heard by then."""
        heapq.heappush(self._deadlines, (due_ms, device_id, rule))

    def soonest_ms(self) -> int | None:
        """Nobody is silent before this; nobody may be silent then either. Costs nothing."""
        return self._deadlines[0][0] if self._deadlines else None

    def next_ms(self) -> int | None:
        """When somebody may be silent."""
        while self._deadlines:
            due, device_id, rule_id = self._deadlines[0]
            real = self.real_deadline(rule_id, device_id)
            if real is None:
                heapq.heappop(self._deadlines)
            elif real <= due:
                return due
            else:
                heapq.heapreplace(self._deadlines, (real, device_id, rule_id))
        return None

    def overdue(self, horizon_ms: int, limit: int | None) -> Iterator[tuple[str, SilenceRule]]:
        """Who is silent by now, in an order that does not depend on the heap's past."""
        found: list[tuple[int, str, str]] = []
        while self._deadlines and self._deadlines[0][0] <= horizon_ms and (limit is None or len(found) < limit):
            _, device_id, rule_id = heapq.heappop(self._deadlines)
            due = self.real_deadline(rule_id, device_id)
            if due is not None and due > horizon_ms:
                heapq.heappush(self._deadlines, (due, device_id, rule_id))
            elif due is not None:
                found.append((due, device_id, rule_id))
        for _, device_id, rule_id in sorted(found):
            again = self.real_deadline(rule_id, device_id)  # its carrier may have been found silent just now
            if again is not None and again <= horizon_ms:
                yield device_id, self._rules[rule_id]
            elif again is not None:
                heapq.heappush(self._deadlines, (again, device_id, rule_id))

    def is_silent(self, rule: SilenceRule, device: DeviceInfo) -> bool:
        """Whether the rule holds the device for silent already."""
        state = self._ledger.states.get((rule.id, subject_of(rule, device)))
        return state is not None and device.id in state.holders

    def due_ms(self, rule: SilenceRule, device: DeviceInfo, track: Track) -> int:
        """When the device is silent, by itself."""
        span_ms = interval_ms(rule, device)
        if rule.hours is None:
            due = track.counted_from_ms + span_ms
        else:
            due = when_covered_ms(rule.hours, track.counted_from_ms, span_ms, self._zone)
        if self.grace_from_ms is not None:
            due = max(due, self.grace_from_ms + rule.startup_grace_s * 1000)
        for _ in range(400):  # a rule that never watches is never due: a year of days, and then it is looked at again
            if in_force(rule.hours, rule.days, due, self._zone):
                break
            due = next_boundary_ms(rule.hours, rule.days, due, self._zone) or due
        return due

    def real_deadline(self, rule_id: str, device_id: str) -> int | None:
        """When this device is silent by this rule; None where it is not supervised, is silent already, or stands
        behind a carrier that is silent."""
        rule, device, track = self._rules.get(rule_id), self._devices(device_id), self._ledger.tracks.get(device_id)
        if rule is None or device is None or track is None or self.is_silent(rule, device):
            return None
        if self.watched is not None and device_id not in self.watched:
            return None
        due = self.due_ms(rule, device, track)
        state = self._ledger.states.get((rule_id, subject_of(rule, device)))
        if state is not None and state.ended_ms:
            due = max(due, state.ended_ms + rule.rest_s * 1000)
        return self._behind(rule, device, due) if device.via is not None else due

    def _behind(self, silence: SilenceRule, device: DeviceInfo, due_ms: int) -> int | None:
        """The deadline of a device behind a carrier: not before the carrier has had its own chance to be heard.

        A rule that is only tried out tells nobody of the carrier, and keeps no other rule from telling.
        """
        carrier, seen = device.via, 0
        while carrier is not None and seen < _CARRIERS_DEEP:
            above, track = self._devices(carrier), self._ledger.tracks.get(carrier)
            if above is None or track is None:
                break
            rules = [rule for rule in self.rules_of(above) if silence.shadow or not rule.shadow]
            if any(self.is_silent(rule, above) for rule in rules):
                return None
            if rules and track.heard_at_ms < due_ms:
                due_ms = max(due_ms, min(self.due_ms(rule, above, track) for rule in rules) + 1)
            carrier, seen = above.via, seen + 1
        return due_ms

    def carrier_is_back(self, carrier: str, now_ms: int) -> None:
        """What stands behind it may be heard again only from now on."""
        behind, done = [carrier], {carrier}
        while behind:
            for device_id in self._carried.get(behind.pop(), ()):
                if device_id in done:
                    continue
                done.add(device_id)
                behind.append(device_id)
                track, device = self._ledger.tracks.get(device_id), self._devices(device_id)
                if track is None or device is None:
                    continue
                track = msgspec.structs.replace(track, counted_from_ms=max(track.counted_from_ms, now_ms))
                self._ledger.put_track(device_id, track)
                for rule in self.rules_of(device):
                    if not self.is_silent(rule, device):
                        self.expect(device_id, rule.id, self.due_ms(rule, device, track))

    def carries(self, device_id: str) -> bool:
        """Whether other devices come in through this one."""
        return device_id in self._carried

    def shift(self, by_ms: int, now_ms: int) -> None:
        """Count every device's silence from ``by_ms`` later (or earlier), but not from the future."""
        if by_ms == 0:
            return
        for device_id, track in list(self._ledger.tracks.items()):
            self._ledger.put_track(
                device_id,
                msgspec.structs.replace(
                    track,
                    counted_from_ms=min(track.counted_from_ms + by_ms, now_ms),
                    heard_at_ms=min(track.heard_at_ms, now_ms),
                    newest_ms=min(track.newest_ms, now_ms),
                ),
            )
