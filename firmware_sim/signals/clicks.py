"""How an information kiosk is used: sessions by the hour of the day, each of some clicks; some of them search."""

from __future__ import annotations

import random

from firmware_sim.signals.day import bump, is_weekend, local_hour
from firmware_sim.signals.noise import poisson

DISTRICT_CLICKS_A_DAY = 8000
"""What the kiosks of one sub-district counted in all."""
KIOSKS = 36
"""Over so many of them."""
CLICKS_A_SESSION = 6.0
_SEARCHES = 0.3
"""Of the clicks."""
_WIDTH_H = 8.4
"""Of the day's bells together, so that a day's clicks come to the kiosk's share."""


class KioskUse:
    """One kiosk; ``daily`` clicks, drawn around its share of the district's where it is not given."""

    def __init__(self, rng: random.Random, zone: str, *, daily: float | None = None) -> None:
        self._rng = rng
        self._zone = zone
        mean = DISTRICT_CLICKS_A_DAY / KIOSKS
        self.daily = mean * rng.uniform(0.6, 1.4) if daily is None else daily

    def read(self, now_ms: int, period_s: float) -> tuple[int, int]:
        """Clicks and searches of the period that ends now."""
        hour = local_hour(now_ms, self._zone)
        by_hour = (bump(hour, 9.5, 1.6) + 0.7 * bump(hour, 15.5, 1.8) + 0.4 * bump(hour, 19.0, 1.2)) / _WIDTH_H
        weekend = 1.2 if is_weekend(now_ms, self._zone) else 0.92
        sessions = poisson(self._rng, self.daily * weekend * by_hour * period_s / 3600 / CLICKS_A_SESSION)
        clicks = sum(1 + poisson(self._rng, CLICKS_A_SESSION - 1.0) for _ in range(sessions))
        return clicks, sum(self._rng.random() < _SEARCHES for _ in range(clicks))
