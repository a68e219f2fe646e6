"""What readings from the street mean: how a road flows by its class, how soon a bin is full and when it was emptied.

Pure: readings in, points out, as they are written beside the readings themselves. What needs the reading before is left
out of a point where there is none (after a start, after a gap, told late), and is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from devices.observation import Observation
from devices.telemetry import Stamps
from devices.traffic import Level, RoadClass, level
from gateway.store.protocol import Point

ROAD: Final = "road"
BIN: Final = "bin"

FULL_AT: Final = 85.0
"""%; where the rule ``bin-full`` raises."""
COLLECTED_FALL: Final = 30.0
"""A fall of the level by so much between two readings is no settling of the waste: somebody emptied the bin."""
RATE_LEAST_MS: Final = 6 * 3_600_000
"""How fast a bin fills is not said from less: people come down in the morning and after supper."""
AHEAD_MAX_H: Final = 7 * 24.0
"""A week ahead is the farthest that is said."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class OnStreet:
    """What the registry knows of a counter or a bin."""

    name: str
    stamps: Stamps
    supervision_s: int
    """A longer gap between two readings is one in which nothing is known."""
    road_class: RoadClass = "arterial"
    counts_people: bool = False
    """It stands at a door, not at a road."""


@dataclass(slots=True)
class _Before:
    """Of a device's newest reading."""

    at_ms: int
    fill: float = 0.0
    since_ms: int = 0
    """When the bin was emptied, or first heard of."""
    since_fill: float = 0.0


class Street:
    """Remembers of each device the reading before. ``known`` says what the registry knows of it, None for nothing."""

    def __init__(self, known: Callable[[str], OnStreet | None]) -> None:
        self._known = known
        self._before: dict[str, _Before] = {}

    def heard(self, observation: Observation) -> list[Point]:
        """The points that a reading makes: one for a road or a bin, none for anything else."""
        reckon = {"traffic_counter": self._road, "waste_bin": self._bin}.get(observation.kind)
        if reckon is None or (about := self._known(observation.device)) is None:
            return []
        fields = reckon(observation, about)
        if not fields:
            return []
        road = observation.kind == "traffic_counter"
        tags = {
            "device": observation.device,
            "name": about.name,
            "community": about.stamps.community,
            "grid": about.stamps.grid,
            "building": about.stamps.building,
            "place": about.stamps.place,
            **({"road_class": about.road_class} if road else {}),
        }
        at_ns = observation.observed_at_ms * 1_000_000
        return [Point(measurement=ROAD if road else BIN, tags=tags, fields=fields, at_ns=at_ns)]

    def _road(self, observation: Observation, about: OnStreet) -> dict[str, float | str]:
        metrics = observation.metrics
        speed, flow, occupancy = (metrics.get(key) for key in ("speed", "flow", "occupancy"))
        if about.counts_people or (flows := level(about.road_class, speed, flow, occupancy)) is None:
            return {}
        fields: dict[str, float | str] = {"level": float(flows)}
        fields |= {key: metrics[key] for key in ("speed", "flow", "occupancy") if key in metrics}
        if speed is not None and flow is not None and speed > 0:
            fields["density"] = flow / speed
        before = self._before.get(observation.device)
        if (lasted_s := self._lasted_s(before, observation.observed_at_ms, about)) is not None:
            fields["lasted_s"] = lasted_s
            fields["congested_s"] = lasted_s if flows >= Level.MODERATE else 0.0  # a counter tells of the time before
        if before is None or observation.observed_at_ms > before.at_ms:
            self._before[observation.device] = _Before(observation.observed_at_ms)
        return fields

    def _bin(self, observation: Observation, about: OnStreet) -> dict[str, float | str]:
        fill, now_ms = observation.metrics.get("fill"), observation.observed_at_ms
        if fill is None:
            return {}
        fields: dict[str, float | str] = {"fill": fill}
        before = self._before.get(observation.device)
        if before is not None and now_ms <= before.at_ms:
            return fields
        if before is None:
            before = self._before[observation.device] = _Before(now_ms, fill, now_ms, fill)
        else:
            lasted_s = self._lasted_s(before, now_ms, about)
            collected = before.fill - fill >= COLLECTED_FALL
            fields["collected"] = float(collected)
            if lasted_s is not None:
                fields["full_s"] = lasted_s if before.fill >= FULL_AT else 0.0
            if collected:
                before.since_ms, before.since_fill = now_ms, fill
            before.at_ms, before.fill = now_ms, fill
        if (hours := _full_in_h(before)) is not None:
            fields["full_in_h"] = hours
        return fields

    @staticmethod
    def _lasted_s(before: _Before | None, at_ms: int, about: OnStreet) -> float | None:
        """How long it is since the reading before; None where the stretch between them is not known."""
        if before is None or not 0 < at_ms - before.at_ms <= about.supervision_s * 1000:
            return None
        return (at_ms - before.at_ms) / 1000


def _full_in_h(now: _Before) -> float | None:
    """In how many hours the bin will be full, as it has filled since it was emptied; None where that cannot be said."""
    if now.fill >= FULL_AT:
        return 0.0
    lived_ms, risen = now.at_ms - now.since_ms, now.fill - now.since_fill
    if lived_ms < RATE_LEAST_MS or risen <= 0:
        return None
    hours = (FULL_AT - now.fill) / risen * lived_ms / _HOUR_MS
    return hours if hours <= AHEAD_MAX_H else None
