"""Traffic past a road station: demand over the day, and a queue that obeys the fundamental diagram.

Greenshields (1935): mean speed falls linearly with density, v = vf (1 - k / kj), flow q = k v, so the capacity is
vf kj / 4. Demand above capacity makes a queue; while it lasts the station is on the congested branch.
"""

from __future__ import annotations

import math
import random

from firmware_sim.signals.day import bump, is_weekend, local_hour
from firmware_sim.signals.noise import poisson

EFFECTIVE_LENGTH_KM = 0.0065
"""Vehicle plus detection zone: what turns density into occupancy."""
JAM_DENSITY = 140.0
"""Vehicles per km and lane, standing."""


class Road:
    """One direction of one road at one station."""

    def __init__(self, rng: random.Random, zone: str) -> None:
        self._rng = rng
        self._zone = zone
        self.lanes = rng.choice((1, 2, 2, 3))
        self.free_speed = rng.uniform(46.0, 64.0)
        """km/h"""
        self.capacity = self.free_speed * JAM_DENSITY / 4 * self.lanes
        """Vehicles per hour."""
        self._load = rng.uniform(0.55, 1.04)
        self._queue = 0.0
        self._incident = 0.0
        self._at_ms: int | None = None

    def incident(self, severity: float) -> None:
        """Take away this part of the capacity (0 clears the road)."""
        self._incident = min(0.95, max(0.0, severity))

    def demand(self, now_ms: int) -> float:
        """Vehicles per hour that want to pass."""
        hour = local_hour(now_ms, self._zone)
        night = 0.05 + 0.35 * bump(hour, 13.0, 5.5)
        if is_weekend(now_ms, self._zone):
            rush = 0.35 * bump(hour, 11.0, 2.0) + 0.4 * bump(hour, 17.0, 2.5)
        else:
            rush = 0.65 * bump(hour, 8.0, 0.9) + 0.6 * bump(hour, 18.0, 1.2)
        return self.capacity * self._load * min(1.1, night + rush)

    def measure(self, now_ms: int, period_s: float) -> dict[str, float]:
        """Flow (/h), occupancy (%), mean speed (km/h) over the period that ends now."""
        elapsed_h = 0.0 if self._at_ms is None else max(0, now_ms - self._at_ms) / 3_600_000
        self._at_ms = now_ms
        ceiling = self.capacity * (1.0 - self._incident)
        demand = self.demand(now_ms)
        self._queue = min(2000.0, max(0.0, self._queue + (demand - ceiling) * elapsed_h))
        congested = self._queue > 0 or demand >= ceiling
        expected = ceiling * 0.95 if congested else demand
        count = poisson(self._rng, expected * period_s / 3600)
        flow = min(count * 3600 / period_s, self.capacity * 0.999)
        if flow <= 0:
            return {"flow": 0.0, "occupancy": 0.0, "speed": 0.0}
        root = math.sqrt(1.0 - flow / self.capacity)
        speed = self.free_speed * (1.0 - root if congested else 1.0 + root) / 2
        speed = max(2.0, speed * self._rng.uniform(0.98, 1.02))
        occupancy = min(100.0, flow / speed / self.lanes * EFFECTIVE_LENGTH_KM * 100)
        return {"flow": round(flow), "occupancy": round(occupancy, 1), "speed": round(speed, 1)}
