"""How often somebody may do something: so often at once, and then at a pace. In memory, bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field


class Pace:
    """``most`` at once by one key, and one more every ``every_s`` seconds."""

    def __init__(
        self, most: int, every_s: float, *, keys_most: int = 10_000, steady: Callable[[], float] = time.monotonic
    ):
        self._most = most
        self._every_s = every_s
        self._keys_most = keys_most
        self._steady = steady
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, key: str) -> bool:
        """Whether it may be done once more now, and count it."""
        now = self._steady()
        left, since = self._left.pop(key, (float(self._most), now))
        left = min(float(self._most), left + (now - since) / self._every_s)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        while len(self._left) > self._keys_most:
            self._left.popitem(last=False)
        return allowed


@dataclass(frozen=True)
class Paces:
    """How often what is done on pages of people."""

    opens: Pace = field(default_factory=lambda: Pace(60, 2.0))
    """By link."""
    taps: Pace = field(default_factory=lambda: Pace(20, 6.0))
    """By link or person."""
    wrong: Pace = field(default_factory=lambda: Pace(30, 2.0))
    """Links that are none, by address."""
    codes: Pace = field(default_factory=lambda: Pace(5, 60.0))
    """Codes asked for, by address and by number."""
    logins: Pace = field(default_factory=lambda: Pace(20, 15.0))
    """Codes tried, by address."""
