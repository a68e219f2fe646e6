"""Noise with a memory, noise that many share, and counts of rare things."""

from __future__ import annotations

import math
import random
from functools import lru_cache


class Drift:
    """A mean-reverting random walk (Ornstein-Uhlenbeck): slow wandering with a known spread, for any step of time."""

    def __init__(self, rng: random.Random, *, sigma: float, tau_s: float) -> None:
        self._rng = rng
        self._sigma = sigma
        self._tau_s = tau_s
        self._value = rng.gauss(0.0, sigma)
        self._at_ms: int | None = None

    def at(self, now_ms: int) -> float:
        """The deviation now; calls must not go back in time (where they do, the value stays)."""
        if self._at_ms is not None and now_ms > self._at_ms:
            keep = math.exp(-(now_ms - self._at_ms) / 1000 / self._tau_s)
            spread = self._sigma * math.sqrt(1.0 - keep * keep)
            self._value = self._value * keep + self._rng.gauss(0.0, spread)
        if self._at_ms is None or now_ms > self._at_ms:
            self._at_ms = now_ms
        return self._value


@lru_cache(maxsize=16_384)
def _knot(seed: str, index: int) -> float:
    return random.Random(f"{seed}/{index}").gauss(0.0, 1.0)


def wander(seed: str, now_ms: int, period_s: float) -> float:
    """Slow noise of mean 0 and spread 1 that is the same for all who share the seed, asked in any order.

    Chance values every ``period_s``, with a smooth way from each to the next.
    """
    index, rest = divmod(now_ms / 1000 / period_s, 1.0)
    part = rest * rest * (3.0 - 2.0 * rest)
    mixed = _knot(seed, int(index)) * (1.0 - part) + _knot(seed, int(index) + 1) * part
    return mixed / math.sqrt(part * part + (1.0 - part) * (1.0 - part))  # the mean of two varies less than one


def poisson(rng: random.Random, mean: float) -> int:
    """How often something that happens ``mean`` times on average happened this time."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    count, left = 0, math.exp(-mean)
    product = rng.random()
    while product > left:
        count += 1
        product *= rng.random()
    return count
