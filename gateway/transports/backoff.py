"""How long to wait before trying again: doubling, bounded, with jitter so that many do not come back at once."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """``first_s`` doubles up to ``longest_s``; each wait is a random 50 to 100 % of that."""

    first_s: float
    longest_s: float

    def delay_s(self, attempt: int) -> float:
        """The wait before try number ``attempt`` (0 is the first retry)."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(attempt, 32))
        return full * random.uniform(0.5, 1.0)
