"""What the announcer has still to say, by how much it hurries: what happened, how a device is now, descriptions, the
rest. Pure: time is passed in."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

STATE_EVERY_S = 10.0
"""Routine news of one device are published so often; what happened is published at once."""
MAX_MOMENTS = 1000
"""Kept while there is no connection; the oldest go first: they are in the states."""


@dataclass(frozen=True, slots=True)
class Say:
    """A message that is ready."""

    topic: str
    payload: bytes
    retain: bool


@dataclass(frozen=True, slots=True)
class SayState:
    """The state of a device is to be published, as it is by then."""

    device: str


@dataclass(slots=True)
class Outgoing:
    """The pile."""

    _moments: deque[Say] = field(default_factory=lambda: deque(maxlen=MAX_MOMENTS))
    _urgent: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _kept: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    """Topic → payload of messages that the broker is to keep; an empty one takes it back."""
    _routine: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _said_s: dict[str, float] = field(default_factory=dict)
    """Device → when its state was published last."""

    def happened(self, topic: str, payload: bytes) -> None:
        """Say this once, in its turn."""
        self._moments.append(Say(topic, payload, False))

    def keep(self, topic: str, payload: bytes) -> None:
        """Have the broker keep this; what waits under the topic is out of date."""
        self._kept[topic] = payload
        self._kept.move_to_end(topic)

    def state(self, device: str, *, urgent: bool) -> None:
        """How ``device`` is has changed."""
        if urgent:
            self._routine.pop(device, None)
            self._urgent[device] = None
        elif device not in self._urgent:
            self._routine.setdefault(device)

    def forget(self, device: str) -> None:
        """``device`` is announced no more."""
        for pile in (self._urgent, self._routine, self._said_s):
            pile.pop(device, None)

    def next(self, now_s: float) -> Say | SayState | None:
        """What is to be said now; None where nothing is due."""
        if self._moments:
            return self._moments.popleft()
        if self._urgent:
            return self._of(self._urgent.popitem(last=False)[0], now_s)
        if self._kept:
            topic, payload = self._kept.popitem(last=False)
            return Say(topic, payload, True)
        for device in self._routine:
            if now_s - self._said_s.get(device, -STATE_EVERY_S) >= STATE_EVERY_S:
                del self._routine[device]
                return self._of(device, now_s)
        return None

    def due_in_s(self, now_s: float) -> float | None:
        """How long until something is due that is not yet; None where nothing waits for its time."""
        times = [self._said_s.get(device, -STATE_EVERY_S) + STATE_EVERY_S for device in self._routine]
        return max(0.0, min(times) - now_s) if times else None

    def _of(self, device: str, now_s: float) -> SayState:
        self._said_s[device] = now_s
        return SayState(device)
