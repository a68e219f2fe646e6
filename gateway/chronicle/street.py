"""What readings from the street mean: how a road flows by its class, how soon a bin is full and when it was emptied.

Readings in, points out, written beside the readings themselves. What needs the reading before is left out of a point
where there is none (after a start, after a gap, told late), and is never guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from devices.observation import Observation
from devices.telemetry import Stamps
from devices.traffic import DEFAULT_CLASS, Level, RoadClass, level, road_class
from gateway.registry.directory import CommunityDirectory
from gateway.store.points import name_fault
from gateway.store.protocol import Point

ROAD: Final = "road"
BIN: Final = "bin"
_MEASUREMENTS: Final = {"traffic_counter": ROAD, "waste_bin": BIN}

FULL_AT: Final = 85.0
"""%; where the rule ``bin-full`` raises."""
COLLECTED_FALL: Final = 30.0
"""A fall of the level by so much between two readings is no settling of the waste: somebody emptied the bin."""
RATE_LEAST_MS: Final = 6 * 3_600_000
"""How fast a bin fills is not said from less: people come down in the morning and after supper."""
AHEAD_MAX_H: Final = 7 * 24.0
"""A week ahead is the farthest that is said: this, and whatever is later."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class OnStreet:
    """What the registry knows of a counter or a bin."""

    name: str
    """Its own, of no other counter or bin."""
    grid_name: str
    stamps: Stamps
    supervision_s: int
    """A longer gap between two readings is one in which nothing is known."""
    road_class: RoadClass = DEFAULT_CLASS


class _Before(NamedTuple):
    """A device's newest reading, and since when a bin has been filling."""

    at_ms: int
    fill: float = 0.0
    since_ms: int = 0
    since_fill: float = 0.0
    rate: float | None = None
    """% a ms, from the emptying before to the last one."""


Fields = dict[str, float | str]


class Street:
    """Remembers of each device the reading before. ``known`` says what the registry knows of it, None for nothing."""

    def __init__(self, known: Callable[[str], OnStreet | None]) -> None:
        self._known = known
        self._before: dict[str, _Before] = {}
        self._fresh: dict[str, _Before] = {}
        """As it is after the readings that were heard last."""

    def heard(self, observations: Sequence[Observation]) -> list[Point]:
        """The points that readings make, in their order: one for a road or a bin, none for anything else.

        Nothing is remembered until `keep`: heard again, the same readings make the same points.
        """
        self._fresh = {}
        return [point for one in observations if (point := self._point(one)) is not None]

    def keep(self) -> None:
        """The points are stored: what was heard last counts from now on."""
        self._before |= self._fresh
        self._fresh = {}

    def _point(self, observation: Observation) -> Point | None:
        measurement = _MEASUREMENTS.get(observation.kind)
        if measurement is None or (about := self._known(observation.device)) is None:
            return None
        before = self._fresh.get(observation.device) or self._before.get(observation.device)
        late = before is not None and observation.observed_at_ms <= before.at_ms
        reckon = _road if measurement == ROAD else _bin
        fields, after = reckon(observation, None if late else before, about)
        if not fields:
            return None
        if not late:
            self._fresh[observation.device] = after
        elif measurement == BIN:
            fields.pop("full_in_h", None)
        tags = {
            "device": observation.device,
            "name": about.name,
            "community": about.stamps.community,
            "grid": about.stamps.grid,
            "grid_name": about.grid_name,
            "building": about.stamps.building,
            "place": about.stamps.place,
            **({"road_class": about.road_class} if measurement == ROAD else {}),
        }
        return Point(measurement=measurement, tags=tags, fields=fields, at_ns=observation.observed_at_ms * 1_000_000)


@lru_cache(maxsize=2)
def on_streets(directory: CommunityDirectory) -> Mapping[str, OnStreet]:
    """What the registry knows of each counter and bin; made at the first question about a revision of it."""
    devices = [device for device in directory.devices.values() if device.kind in _MEASUREMENTS]
    names = {device.id: directory.device_name(device.id, "zh") for device in devices}
    names = {device: device if name_fault(name) else name for device, name in names.items()}
    shared = {name for name, times in Counter(names.values()).items() if times > 1}
    found: dict[str, OnStreet] = {}
    for device in devices:
        name, stamps = names[device.id], directory.areas.of_device(device.id)
        grid = directory.areas.told_apart(stamps.grid).zh if stamps.grid else ""
        found[device.id] = OnStreet(
            name=f"{name} ({device.id})" if name in shared else name,
            grid_name=stamps.grid if grid and name_fault(grid) else grid,
            stamps=stamps,
            supervision_s=directory.supervision_s(device.id),
            road_class=road_class(device.attributes.get("road_class")),
        )
    return found


def _road(observation: Observation, before: _Before | None, about: OnStreet) -> tuple[Fields, _Before]:
    metrics, at_ms = observation.metrics, observation.observed_at_ms
    speed, flow, occupancy = (metrics.get(key) for key in ("speed", "flow", "occupancy"))
    after = _Before(at_ms)
    if (flows := level(about.road_class, speed, flow, occupancy)) is None:
        return {}, after
    fields: Fields = {"level": float(flows)}
    fields |= {key: metrics[key] for key in ("speed", "flow", "occupancy") if key in metrics}
    if speed is not None and flow is not None and speed > 0:
        fields["density"] = flow / speed
    if (since_s := _since_s(before, at_ms, about)) is not None:
        fields["lasted_s"] = since_s  # a counter tells of the time since it told before
        fields["congested_s"] = since_s if flows >= Level.MODERATE else 0.0
    return fields, after


def _bin(observation: Observation, before: _Before | None, about: OnStreet) -> tuple[Fields, _Before]:
    fill, at_ms = observation.metrics.get("fill"), observation.observed_at_ms
    if fill is None:
        return {}, _Before(at_ms)
    fields: Fields = {"fill": fill}
    after = _Before(at_ms, fill, at_ms, fill)
    if before is not None:
        collected = before.fill - fill >= COLLECTED_FALL
        fields["collected"] = float(collected)
        if (since_s := _since_s(before, at_ms, about)) is not None:
            fields["full_s"] = since_s if before.fill >= FULL_AT else 0.0  # it was as it said, until it says otherwise
        after = after._replace(rate=_rate(before)) if collected else before._replace(at_ms=at_ms, fill=fill)
    if (hours := _full_in_h(after)) is not None:
        fields["full_in_h"] = hours
    return fields, after


def _since_s(before: _Before | None, at_ms: int, about: OnStreet) -> float | None:
    """How long it is since the reading before; None where the stretch between them is not known."""
    if before is None or at_ms - before.at_ms > about.supervision_s * 1000:
        return None
    return (at_ms - before.at_ms) / 1000


def _full_in_h(now: _Before) -> float | None:
    """In how many hours the bin will be full, as it has filled since it was emptied, or before it was; None where
    neither is known."""
    if now.fill >= FULL_AT:
        return 0.0
    rate = _rate(now)
    if rate is None:
        return None
    return min(AHEAD_MAX_H, round((FULL_AT - now.fill) / rate / _HOUR_MS, 2)) if rate > 0 else AHEAD_MAX_H


def _rate(now: _Before) -> float | None:
    lived_ms = now.at_ms - now.since_ms
    return (now.fill - now.since_fill) / lived_ms if lived_ms >= RATE_LEAST_MS else now.rate
