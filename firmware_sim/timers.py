"""Timers of a simulated device: by name, in simulated life, which may run faster than the clock."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

At = Callable[[int], None]
"""What a timer does; the argument is the clock's time, ms."""
NEVER_MS = 2**62


@dataclass(slots=True)
class _Timer:
    due_ms: int
    interval_s: float | None
    """None for a timer that fires once."""
    action: At


class Timers:
    """``rate``: how much faster life runs than the clock."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        self._rng = rng
        self._rate = rate
        self._timers: dict[str, _Timer] = {}

    def every(self, name: str, interval_s: float, action: At, since_ms: int) -> None:
        """About every ``interval_s`` of life, the first time at random within it."""
        due = since_ms + round(self._rng.uniform(0.02, 1.0) * interval_s / self._rate * 1000)
        self._timers[name] = _Timer(due, interval_s, action)

    def once(self, name: str, after_s: float, action: At, since_ms: int) -> None:
        """Once, ``after_s`` of life after ``since_ms``. A timer of the same name is replaced."""
        self.at(name, since_ms + max(0, round(after_s / self._rate * 1000)), action)

    def at(self, name: str, due_ms: int, action: At) -> None:
        """Once, at an instant of the clock."""
        self._timers[name] = _Timer(due_ms, None, action)

    def stop(self, name: str) -> None:
        """Forget one; nothing where there is none of this name."""
        self._timers.pop(name, None)

    def clear(self) -> None:
        """Forget all."""
        self._timers.clear()

    @property
    def next_due_ms(self) -> int:
        """`NEVER_MS` where none runs."""
        return min((timer.due_ms for timer in self._timers.values()), default=NEVER_MS)

    def tick(self, now_ms: int) -> None:
        """Do what is due. After a pause a timer fires once, not as often as it was missed."""
        due = sorted((timer.due_ms, name) for name, timer in self._timers.items() if timer.due_ms <= now_ms)
        for _, name in due:
            timer = self._timers.get(name)
            if timer is None or timer.due_ms > now_ms:
                continue  # another timer of this round stopped or restarted it
            if timer.interval_s is None:
                del self._timers[name]
            else:
                spread = self._rng.uniform(0.97, 1.03)
                timer.due_ms = now_ms + max(1, round(timer.interval_s * spread / self._rate * 1000))
            timer.action(now_ms)
