"""Noise with a memory, and counts of rare things."""

from __future__ import annotations

import math
import random


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
