"""How many messages a minute a channel takes: a provider that is asked for more refuses, or closes the account."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 61.0
"""A minute, and what one message may take longer on its way than the next."""


class Pace:
    """Never more than ``per_minute`` within any minute, counted from when each was taken up."""

    def __init__(self, per_minute: int, steady: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._steady = steady
        self._taken: deque[float] = deque()

    def room(self, *, urgent: bool = True) -> int:
        """How many more may go out now. A quarter is kept for urgent ones, which may take all."""
        self._forget()
        kept = 0 if urgent else self.per_minute // 4
        return self.per_minute - kept - len(self._taken)

    def take(self, count: int = 1) -> None:
        """So many were taken up now."""
        self._taken.extend([self._steady()] * count)

    def wait_s(self) -> float:
        """Until there is room for one more; 0 where there is."""
        self._forget()
        if len(self._taken) < self.per_minute:
            return 0.0
        return self._left_s(self._taken[len(self._taken) - self.per_minute])

    def _forget(self) -> None:
        while self._taken and self._left_s(self._taken[0]) <= 0:
            self._taken.popleft()

    def _left_s(self, taken_at: float) -> float:
        """One sum for both questions: rounded differently, they would say "no room" and "no wait" at once."""
        return WINDOW_S - (self._steady() - taken_at)
