"""Time comes from here and nowhere else, so that a test or a back-test can own it."""

from __future__ import annotations

import time
from typing import Protocol

Millis = int
"""Milliseconds since the Unix epoch, UTC. Every ``*_ms`` instant in Anju is one of these."""
WRITTEN_MS: Millis = 1_767_225_600_000
"""2026-01-01. A clock before this was never set: small computers without a battery wake up in 1970."""


class Clock(Protocol):
    """The wall clock, injected at the edge."""

    def now_ms(self) -> Millis:
        """Since the epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> Millis:
        return time.time_ns() // 1_000_000


def steady_ms() -> int:
    """Milliseconds since the machine started, sleep included: a clock that nobody can set, and that knows no date."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
