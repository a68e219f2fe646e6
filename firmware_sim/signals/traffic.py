"""Traffic past a road station, lane by lane and class by class, under the relation of flow, speed and density.

The fundamental diagram: on the free branch speed falls a little as flow grows, down to that at capacity; on the
congested branch flow falls in a straight line with density, to nothing where cars stand (Newell 1993, Daganzo 1994:
a jam's wave travels backwards at about 17 km/h). Demand above what the road can carry, or an incident, makes a queue;
out of a queue goes less than the capacity (Hall and Agyemang-Duah 1991), so a jam outlives its cause. Flow is speed
times density in every reading, and occupancy is density times the length of what passes.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from firmware_sim.signals.day import bump, local_date, local_hour
from firmware_sim.signals.noise import Drift, poisson

Class = Literal["car", "bus", "truck", "motorcycle"]
CLASSES: tuple[Class, ...] = get_args(Class)
LENGTH_KM: Mapping[Class, float] = {"car": 0.0065, "bus": 0.0135, "truck": 0.011, "motorcycle": 0.004}
"""Vehicle and detection zone (2 m): what turns density into occupancy."""
_PCU: Mapping[Class, float] = {"car": 1.0, "bus": 2.0, "truck": 2.5, "motorcycle": 0.5}
"""Passenger car units: the room each needs on the road."""

JAM_DENSITY = 140.0
"""Cars per km and lane, standing."""
WAVE_KMH = 17.0
_CAPACITY_SPEED = 0.72
"""Of the free speed."""
_OUT_OF_QUEUE = 0.93
"""Of the capacity."""
_LONGEST_QUEUE = 2000.0

Where = Literal["ahead", "behind"]


@dataclass(frozen=True, slots=True)
class LaneReading:
    """One lane over one period. Flow in vehicles/h, occupancy in %, speed in km/h (None where nothing passed)."""

    flow: float
    occupancy: float
    speed: float | None
    counts: Mapping[Class, int]


@dataclass(frozen=True, slots=True)
class RoadReading:
    """The lanes together, and each; lane 1 is the one at the middle of the road."""

    flow: float
    occupancy: float
    speed: float | None
    counts: Mapping[Class, int]
    lanes: tuple[LaneReading, ...]


@dataclass(frozen=True, slots=True)
class _Lane:
    free_speed: float
    share: float
    """Of the road's vehicles."""

    @property
    def capacity_speed(self) -> float:
        return _CAPACITY_SPEED * self.free_speed

    @property
    def capacity(self) -> float:
        """Cars/h: where the two branches meet."""
        return WAVE_KMH * JAM_DENSITY / (1.0 + WAVE_KMH / self.capacity_speed)


class Road:
    """One direction of one road at one station.

    ``market_days``: last digits of the days of the month on which there is a market (3 and 8: 逢三逢八).
    """

    def __init__(self, rng: random.Random, zone: str, *, market_days: frozenset[int] = frozenset()) -> None:
        self._rng = rng
        self._zone = zone
        self._market_days = market_days
        self.lanes = rng.choice((1, 2, 2, 3))
        self.free_speed = rng.uniform(46.0, 64.0)
        """km/h"""
        self._lanes = _lanes(self.lanes, self.free_speed)
        self.capacity = sum(lane.capacity for lane in self._lanes)
        """Cars per hour."""
        self._load = rng.uniform(0.5, 0.97)
        self._swell = Drift(rng, sigma=0.05, tau_s=900)
        self._stop_and_go = Drift(rng, sigma=0.18, tau_s=180)
        self._queue = 0.0
        self._incident = 0.0
        self._where: Where = "ahead"
        self._market = False
        self._at_ms: int | None = None

    # --- the hand of the simulation ---------------------------------------------------------------------------

    def incident(self, severity: float, *, where: Where = "ahead") -> None:
        """Take away this part of the capacity (0 clears the road).

        ``ahead`` of the station its queue stands on the detectors; ``behind`` it the station sees little traffic that
        runs freely: the pair that incident detection compares.
        """
        self._incident = min(0.95, max(0.0, severity))
        if severity > 0:
            self._where = where

    def market(self, on: bool) -> None:
        """Hold a market today, whatever the calendar says."""
        self._market = on

    # --- measuring --------------------------------------------------------------------------------------------

    def demand(self, now_ms: int) -> float:
        """Vehicles per hour that want to pass."""
        hour, date = local_hour(now_ms, self._zone), local_date(now_ms, self._zone)
        weekday = date.weekday()
        by_day = 0.05 + 0.45 * bump(hour, 13.0, 5.5)
        if weekday >= 5:
            rush = 0.25 * bump(hour, 11.0, 2.0) + 0.3 * bump(hour, 17.0, 2.5)
        else:
            evening = 0.62 if weekday == 4 else 0.56  # Friday
            rush = 0.6 * bump(hour, 8.0, 0.9) + evening * bump(hour, 18.0, 1.2)
        if self._market or date.day % 10 in self._market_days:
            rush += 0.55 * bump(hour, 9.6, 1.4)
        sunday = 0.9 if weekday == 6 else 1.0
        return self.capacity * self._load * sunday * min(1.25, by_day + rush) * (1.0 + self._swell.at(now_ms))

    def read(self, now_ms: int, period_s: float) -> RoadReading:
        """What passed in the period that ends now, by lane and class."""
        elapsed_h = 0.0 if self._at_ms is None else max(0, now_ms - self._at_ms) / 3_600_000
        self._at_ms = now_ms
        shares = _shares(local_hour(now_ms, self._zone))
        room = sum(share * pcu for share, pcu in zip(shares, _PCU.values(), strict=True))
        ceiling = self.capacity / room * (1.0 - self._incident)
        wanted = self.demand(now_ms)
        out = ceiling * _OUT_OF_QUEUE if self._queue > 0 or wanted >= ceiling else ceiling
        self._queue = min(_LONGEST_QUEUE, max(0.0, self._queue + (wanted - out) * elapsed_h))
        queued = self._queue > 0 or wanted >= ceiling
        passing = out if queued else wanted
        jammed = queued and not (self._where == "behind" and self._incident > 0)
        wave = max(0.3, 1.0 + self._stop_and_go.at(now_ms))
        lanes = tuple(self._lane(lane, passing * lane.share, jammed, wave, shares, period_s) for lane in self._lanes)
        return _together(lanes)

    def _lane(
        self, lane: _Lane, expected: float, jammed: bool, wave: float, shares: list[float], period_s: float
    ) -> LaneReading:
        mean = expected * period_s / 3600
        # cars in a queue follow each other more evenly than cars that come by chance
        count = round(self._rng.gauss(mean, 0.5 * mean**0.5)) if jammed else poisson(self._rng, mean)
        count = max(0, min(count, int(lane.capacity * period_s / 3600)))
        kinds = self._rng.choices(CLASSES, shares, k=count)
        counts = {kind: kinds.count(kind) for kind in CLASSES}
        flow = count * 3600 / period_s
        if jammed:
            density = max(8.0, (JAM_DENSITY - min(expected, lane.capacity) / WAVE_KMH) * min(1.15, wave))
        elif count:
            slower = (lane.free_speed - lane.capacity_speed) * min(1.0, expected / lane.capacity) ** 2
            density = flow / ((lane.free_speed - slower) * self._rng.uniform(0.97, 1.03))
        else:
            return LaneReading(0.0, 0.0, None, counts)
        length = sum(LENGTH_KM[kind] * counts[kind] for kind in CLASSES) / count if count else LENGTH_KM["car"]
        density = min(density, 1.0 / length)
        return LaneReading(flow, 100.0 * density * length, flow / density, counts)


def _lanes(number: int, free_speed: float) -> tuple[_Lane, ...]:
    """The outer lane is slower and emptier."""
    weights = [1.0 - 0.08 * lane for lane in range(number)]
    return tuple(
        _Lane(free_speed * (1.0 + 0.05 * ((number - 1) / 2 - lane)), weight / sum(weights))
        for lane, weight in enumerate(weights)
    )


def _shares(hour: float) -> list[float]:
    """Of cars, buses, trucks, motorcycles: buses run by day, trucks may enter the city at night."""
    bus = 0.05 if 5.5 <= hour < 23.0 else 0.005
    truck = 0.03 if 6.0 <= hour < 23.0 else 0.22
    return [1.0 - bus - truck - 0.06, bus, truck, 0.06]


def _together(lanes: tuple[LaneReading, ...]) -> RoadReading:
    counts = {kind: sum(lane.counts[kind] for lane in lanes) for kind in CLASSES}
    flow = sum(lane.flow for lane in lanes)
    occupancy = sum(lane.occupancy for lane in lanes) / len(lanes)
    seen = [lane for lane in lanes if lane.speed is not None]
    if not flow:
        return RoadReading(flow, occupancy, 0.0 if seen else None, counts, lanes)
    density = sum(lane.flow / lane.speed for lane in seen if lane.speed)
    return RoadReading(flow, occupancy, flow / density, counts, lanes)
