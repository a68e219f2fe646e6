"""What gear had kept while nobody heard it, and tells when it is heard again: late, but not lost.

Such a record is not the state as it is: that comes by itself, and often first. So its states do not touch what is
remembered (`devices.gear.memory`); a change in it is told as a moment of its own time. What was heard at the time is
not told again, and where a record says that something began, the next live word that it is not so ends it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from devices.gear.messages import Said
from devices.kinds import KINDS

SAME_MS = 30_000
"""A record of this time and a live message of this time are the same."""
REMEMBERED = 64
"""Live messages of one device whose times are remembered."""


@dataclass(slots=True)
class _Device:
    heard_ms: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    kept: dict[str, bool] = field(default_factory=dict)
    """State → as its last record said."""


class Late:
    """What one bridge remembers of its devices for this. Bounded by their number."""

    def __init__(self) -> None:
        self._devices: dict[str, _Device] = {}

    def live(self, said: Said, at_ms: int | None) -> Said:
        """``said`` as it is now; with the end of what a record had begun, where it is over."""
        device = self._devices.setdefault(said.device.id, _Device())
        if at_ms is not None:
            device.heard_ms.append(at_ms)
        ended = [key for key, was in device.kept.items() if was and said.metrics.get(key) == 0]
        for key in said.metrics:
            device.kept.pop(key, None)
        states = KINDS[said.device.kind].states
        events = [off for key in ended if (off := states[key].off) is not None and off not in said.events]
        return replace(said, events=(*said.events, *events)) if events else said

    def record(self, said: Said, at_ms: int | None, *, delivered: bool = False) -> Said | None:
        """What is to be told of a record that was made at ``at_ms`` (None: nobody knows when); None where nothing is.

        ``delivered``: the gear knows that it was heard at the time.
        """
        device = self._devices.setdefault(said.device.id, _Device())
        states = KINDS[said.device.kind].states
        known = delivered or (at_ms is not None and any(abs(at_ms - heard) <= SAME_MS for heard in device.heard_ms))
        events = [] if known else list(said.events)
        for key, value in said.metrics.items():
            if known or key not in states:
                continue
            is_on = value != 0
            if is_on != device.kept.get(key, False):
                event = states[key].on if is_on else states[key].off
                events += [event] if event is not None and event not in events else []
            device.kept[key] = is_on
        metrics = {key: value for key, value in said.metrics.items() if key not in states}
        if not metrics and not events:
            return None
        data = {**said.data, "kept": True}
        return replace(said, metrics=metrics, events=tuple(events), data=data, observed_at_ms=at_ms)
