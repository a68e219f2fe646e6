"""The rules over conditions at work: what each is told, and when it has to be looked at again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import msgspec

from devices.observation import Observation
from gateway.rules.compiled import Condition
from gateway.rules.condition import Looked, fresh, hear, look
from gateway.rules.env import Env
from gateway.rules.forms import DeviceInfo, Devices, Step, subject_of
from gateway.rules.homes import Homes, owners_of
from gateway.rules.ledger import Key, Ledger
from gateway.rules.look import Look
from gateway.rules.memory import InputState, PairState, not_after
from gateway.rules.states import ConditionState
from gateway.rules.takers import Takers

SETTLE_MS = 30_000
"""After a message that came late, time alone decides nothing for so long: what follows it may still be under way."""


class Surroundings:
    """One subject of one rule, as `look.Home` asks for it."""

    def __init__(self, situations: Situations, condition: Condition, subject: str, device: DeviceInfo | None) -> None:
        self._situations = situations
        self._condition = condition
        self._subject = subject
        self._device = device

    @property
    def quiet_from_ms(self) -> int:
        grace_from_ms = self._situations.grace_from_ms
        return 0 if grace_from_ms is None else grace_from_ms + self._condition.rule.startup_grace_s * 1000

    def there(self, name: str) -> bool:
        return bool(self._members(name))

    def listening(self, name: str, at_ms: int) -> bool:
        return self._situations.homes.any_heard(self._members(name), at_ms)

    def _members(self, name: str) -> Sequence[str]:
        return self._situations.homes.members(self._condition, name, self._subject, self._device)


class Situations:
    """Condition rules with their wake-ups."""

    def __init__(self, ledger: Ledger, devices: Devices, zone: ZoneInfo) -> None:
        self._ledger = ledger
        self._devices = devices
        self._zone = zone
        self._conditions: dict[str, Condition] = {}
        self._takers = Takers(())
        self._wakes: list[tuple[int, str, str]] = []
        """Heap of (when, rule, subject). Lazy: the state says when it really is."""
        self._wakes_most = 1000
        """Beyond so many, those that are superseded are thrown out."""
        self.homes = Homes(devices, ledger.tracks)
        self._applies: Callable[[Condition, DeviceInfo], bool] = lambda _condition, _device: True
        self.grace_from_ms: int | None = None

    def work_by(self, conditions: Iterable[Condition], applies: Callable[[Condition, DeviceInfo], bool]) -> None:
        """Work by these rules from now on; `settle` must follow."""
        self._conditions = {one.rule.id: one for one in conditions}
        self._applies = applies
        self._takers = Takers(self._conditions.values())
        self.homes.forget_members()

    def concerns(self, kind: str) -> bool:
        """Whether any of the rules looks at devices of this kind."""
        return self._takers.concerns(kind)

    def condition(self, rule: str) -> Condition | None:
        """A rule by its id; None for one that is not at work."""
        return self._conditions.get(rule)

    def settle(self, watched: Iterable[str], now_ms: int) -> None:
        """The registry or the rules changed: who is where now. A rule that waits begins to wait for everybody."""
        known = [device for each in sorted(watched) if (device := self._devices(each)) is not None]
        self.homes.settle(known if self._conditions else ())
        self._forget_strangers(now_ms)
        waiting = [condition for condition in self._conditions.values() if condition.waits]
        by_subject = {condition.rule.subject: condition for condition in waiting}
        owners = {subject: owners_of(condition, known) for subject, condition in by_subject.items()}
        for condition in waiting:
            self._begin_to_wait(condition, owners[condition.rule.subject], now_ms)
        self._wake_afresh()

    def _forget_strangers(self, now_ms: int) -> None:
        """What a device said of its state goes with it: a window that is no longer there is not open."""
        for key, state in list(self._ledger.states.items()):
            condition = self._conditions.get(key[0])
            if condition is None or not isinstance(state, ConditionState):
                continue
            here = self.homes.of(key[1])
            inputs = dict(state.inputs)
            for name, one in state.inputs.items():
                known = condition.inputs.get(name)
                if known is None or known.spec.link is not None or all(device in here for device in one.by_device):
                    continue
                staying = {device: kept for device, kept in one.by_device.items() if device in here}
                inputs[name] = msgspec.structs.replace(one, by_device=staying)
            if inputs != state.inputs:
                wake_ms = max(state.at_ms, now_ms) + 1
                self._ledger.put(key, msgspec.structs.replace(state, inputs=inputs, wake_ms=wake_ms))

    def _begin_to_wait(
        self, condition: Condition, owners: Mapping[str, tuple[DeviceInfo, set[str]]], now_ms: int
    ) -> None:
        """What never happens cannot begin its own waiting."""
        wanted = {
            kind
            for one in condition.inputs.values()
            if one.spec.occurrence and not one.spec.link
            for kind in one.spec.kinds
        }
        for subject, (owner, kinds) in owners.items():
            if kinds.isdisjoint(wanted) or not self._applies(condition, owner):
                continue
            key = (condition.rule.id, subject)
            state = fresh(condition, self._ledger.condition(key, condition.condition))
            missing = [
                name
                for name, one in condition.inputs.items()
                if one.spec.occurrence
                and not state.inputs.get(name, InputState()).base_ms
                and self.homes.members(condition, name, subject, owner)
            ]
            if missing:
                inputs = dict(state.inputs)
                for name in missing:
                    inputs[name] = msgspec.structs.replace(inputs.get(name, InputState()), base_ms=now_ms)
                state = msgspec.structs.replace(state, inputs=inputs, device=owner.id)
                if not 0 < state.wake_ms <= now_ms:
                    home = Surroundings(self, condition, subject, owner)
                    looked = look(
                        condition, state, max(state.at_ms, now_ms), owner, home, self._zone, now_ms, alone=True
                    )
                    # What it would tell is told by the next tick: nobody listens here.
                    state = msgspec.structs.replace(state, wake_ms=now_ms) if looked.changes else looked.state
                self._ledger.put(key, state)

    # what is said

    def heard(
        self, observation: Observation, device: DeviceInfo, now_ms: int
    ) -> Iterator[tuple[Key, ConditionState, Callable[[], Step]]]:
        """The steps that an observation asks for: the key, the state before, and what to do."""
        env = Env(device, observation.observed_at_ms, self._zone, observation)
        for condition, every in self._takers.of(observation, env):
            own, linked = every, None
            if condition.linked:
                own = {name: value for name, value in every.items() if condition.inputs[name].spec.link is None}
                linked = self._by_link(condition, every, device)
            if own and self._applies(condition, device):
                yield self._step(condition, observation, own, device, device, now_ms)
            for about_id, taken in (linked or {}).items():
                about = self._devices(about_id)
                if about is not None and self._applies(condition, about):
                    yield self._step(condition, observation, taken, device, about, now_ms)

    def _by_link(
        self, condition: Condition, every: dict[str, float], device: DeviceInfo
    ) -> dict[str, dict[str, float]]:
        """What devices take whose attribute names this one."""
        taken: dict[str, dict[str, float]] = {}
        for name, value in every.items():
            link = condition.inputs[name].spec.link
            for other in () if link is None else self.homes.naming(link, device.id):
                taken.setdefault(other, {})[name] = value
        return taken

    def _step(
        self,
        condition: Condition,
        observation: Observation,
        taken: dict[str, float],
        device: DeviceInfo,
        about: DeviceInfo,
        now_ms: int,
    ) -> tuple[Key, ConditionState, Callable[[], Step]]:
        subject = subject_of(condition.rule, about)
        key = (condition.rule.id, subject)
        state = self._ledger.condition(key, condition.condition)
        home = Surroundings(self, condition, subject, about)
        return (
            key,
            state,
            lambda: hear(condition, state, observation, taken, device, about, home, self._zone, now_ms),
        )

    def returned(self, device: DeviceInfo, at_ms: int) -> None:
        """A device is back after it was silent: what it did not say in between is nobody's quiet."""
        for condition, names in self._takers.of_kind(device.kind):
            if not condition.waits:
                continue
            key = (condition.rule.id, subject_of(condition.rule, device))
            state = self._ledger.states.get(key)
            if not isinstance(state, ConditionState):
                continue
            inputs = dict(state.inputs)
            for name in names:
                one = inputs.get(name)
                if one is not None and one.base_ms and one.base_ms < at_ms and condition.inputs[name].spec.occurrence:
                    inputs[name] = msgspec.structs.replace(one, base_ms=at_ms)
            if inputs != state.inputs:
                # What could not be told while it was silent is looked at again at once.
                self._put(key, msgspec.structs.replace(state, inputs=inputs, wake_ms=max(state.at_ms, at_ms) + 1))

    # time

    def saved(self, key: Key, state: ConditionState) -> None:
        """A state was put into the ledger: it is looked at again when it says."""
        if state.wake_ms:
            heapq.heappush(self._wakes, (_ready_ms(state), *key))
            if len(self._wakes) > self._wakes_most:
                self._wake_afresh()

    def _wake_afresh(self) -> None:
        """Without what is superseded: who speaks every second for a day must not be kept for every second of it."""
        self._wakes = [
            (_ready_ms(state), *key)
            for key, state in self._ledger.states.items()
            if isinstance(state, ConditionState) and state.wake_ms
        ]
        heapq.heapify(self._wakes)
        self._wakes_most = 4 * len(self._wakes) + 1000

    def _put(self, key: Key, state: ConditionState) -> None:
        self._ledger.put(key, state)
        self.saved(key, state)

    def soonest_ms(self) -> int | None:
        """Nothing has to be looked at before this. Costs nothing."""
        return self._wakes[0][0] if self._wakes else None

    def next_ms(self) -> int | None:
        """When something has to be looked at."""
        while self._wakes:
            at_ms, rule, subject = self._wakes[0]
            state = self._ledger.states.get((rule, subject))
            if isinstance(state, ConditionState) and rule in self._conditions and _ready_ms(state) == at_ms:
                return at_ms
            heapq.heappop(self._wakes)
        return None

    def due(self, horizon_ms: int, now_ms: int) -> tuple[Key, ConditionState, Callable[[], Step]] | None:
        """The next look that time alone asks for; None when there is none until ``horizon_ms``."""
        ready_ms = self.next_ms()
        if ready_ms is None or ready_ms > horizon_ms:
            return None
        _, rule, subject = heapq.heappop(self._wakes)
        key = (rule, subject)
        condition, state = self._conditions[rule], self._ledger.states[key]
        assert isinstance(state, ConditionState)
        at_ms = state.wake_ms
        device = self._about(condition, subject, state)
        if device is None:
            # The rule is for nobody there at present. When it is again, it begins to wait then.
            inputs = {name: msgspec.structs.replace(one, base_ms=0) for name, one in state.inputs.items()}
            return key, state, lambda: Step(msgspec.structs.replace(state, inputs=inputs, wake_ms=0))
        home = Surroundings(self, condition, subject, device)

        def step() -> Step:
            known = fresh(condition, state)
            looked: Looked = look(condition, known, at_ms, device, home, self._zone, now_ms, alone=True)
            return Step(*looked)

        return key, state, step

    def eye(self, key: Key, state: ConditionState, at_ms: int) -> Look | None:
        """A look at a state without any consequence, to explain it."""
        condition = self._conditions.get(key[0])
        if condition is None:
            return None
        device = self._about(condition, key[1], state)
        home = Surroundings(self, condition, key[1], device)
        return Look(condition, state.inputs, state.pairs, home, device, at_ms, self._zone, closely=False)

    def sources(self, key: Key) -> Mapping[str, Sequence[str]]:
        """Of every input of a rule the devices it comes from, about one subject; empty for a rule not at work."""
        condition = self._conditions.get(key[0])
        if condition is None:
            return {}
        device = self._about(condition, key[1], self._ledger.condition(key, condition.condition))
        return {name: self.homes.members(condition, name, key[1], device) for name in condition.inputs}

    def _about(self, condition: Condition, subject: str, state: ConditionState) -> DeviceInfo | None:
        """A device that stands for the subject: the one that spoke last, else any of its own."""
        for device_id in (state.device, *self.homes.of(subject)):
            device = self._devices(device_id)
            if device is None or subject_of(condition.rule, device) != subject:
                continue
            if self._applies(condition, device):  # it may have been disarmed while it waited
                return device
        return None

    def shift(self, by_ms: int, now_ms: int) -> None:
        """Time in which nobody listened is nobody's quiet; and nothing has happened in the future."""
        for key, state in list(self._ledger.states.items()):
            if not isinstance(state, ConditionState):
                continue
            inputs = {
                name: msgspec.structs.replace(
                    not_after(one, now_ms), base_ms=min(one.base_ms + by_ms, now_ms) if one.base_ms else 0
                )
                for name, one in state.inputs.items()
            }
            pairs = {
                name: PairState(
                    first_ms=min(pair.first_ms + by_ms, now_ms) if pair.first_ms else 0,
                    matched_ms=min(pair.matched_ms, now_ms),
                    after_ms=pair.after_ms,
                )
                for name, pair in state.pairs.items()
            }
            moved = msgspec.structs.replace(
                state,
                inputs=inputs,
                pairs=pairs,
                at_ms=min(state.at_ms, now_ms),
                since_ms=min(state.since_ms, now_ms),
                ended_ms=min(state.ended_ms, now_ms),
                wake_ms=now_ms,
            )
            self._put(key, moved)


def _ready_ms(state: ConditionState) -> int:
    """When time alone may decide: at the instant itself, or, while a backlog is coming in, when no more of it comes.

    A device whose clock is slow is late with every word, for ever: whoever speaks all the time puts the decision off by
    its own lateness, and not beyond.
    """
    if not state.wake_ms:
        return 0
    newest = max(state.inputs.values(), key=lambda one: one.received_ms, default=None)
    late_ms = 0 if newest is None else newest.received_ms - newest.at_ms
    if newest is None or late_ms <= SETTLE_MS:
        return state.wake_ms
    return max(state.wake_ms, min(newest.received_ms, state.wake_ms + late_ms) + SETTLE_MS)
