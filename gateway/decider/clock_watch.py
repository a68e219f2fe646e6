"""Notices that the wall clock was set, by a clock that nobody can set.

Timers are kept in wall-clock time, because they must outlive a restart. A step of the clock (NTP after a long time
without network, a hand at the keyboard) must neither fire a ladder nor put it off.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.clock import Clock

STEP_MS = 1000
"""Less is drift, and followed silently."""
_LOOK_MS = 50
"""Both clocks must be read within so long of each other; else nothing can be said this time."""


class ClockWatch:
    """``steady_ms``: milliseconds since some instant, with the time the machine slept."""

    def __init__(self, clock: Clock, steady_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._steady_ms = steady_ms
        self._offset_ms: int | None = None
        self._stepped_ms = 0

    def stepped_ms(self) -> int:
        """By how much the clock was set since `settled` was last called; 0 when it was not."""
        before = self._steady_ms()
        wall = self._clock.now_ms()
        if self._steady_ms() - before <= _LOOK_MS:
            offset = wall - before
            step = 0 if self._offset_ms is None else offset - self._offset_ms
            self._offset_ms = offset
            if abs(step) >= STEP_MS:
                self._stepped_ms += step
        return self._stepped_ms

    def settled(self) -> None:
        """What was due has been moved, and that is committed."""
        self._stepped_ms = 0
