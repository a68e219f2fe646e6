"""How many devices there are in each grid, and of how many something is wrong; which cameras are dark. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.chronicle.ground import Ground
from gateway.registry.model import Device
from gateway.store.protocol import Point

FLEET: Final = "fleet"
FLEET_GRID: Final = "fleet_grid"
EVERY_MS: Final = 300_000
CAMERA: Final = "camera"
COUNTED: Final = ("silent", "battery_low", "signal_weak", "clock_wrong", "tampered", "faulty", "maintenance")
STATE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "battery_low": ("battery_low",),
    "tampered": ("tampered",),
    "faulty": ("faulty",),
}
"""What a device says of itself, by the states of its kind."""
ALARM_OF: Final[Mapping[str, str]] = {
    "battery_low": "low_battery",
    "signal_weak": "signal_weak",
    "clock_wrong": "clock_wrong",
    "tampered": "tamper",
    "faulty": "device_fault",
}
"""What a rule says of it, by the type of the alarm that stands: where the limits are is in the rules alone."""


@dataclass(frozen=True, slots=True)
class FleetSeen:
    """What the state database knows of devices."""

    last_seen_ms: Mapping[str, int]
    states: Mapping[str, Mapping[str, float]]
    """Of each device the states that hold."""
    standing: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Of each device the types of the alarms that stand, also of those that nobody is told of."""
    worked_on: Collection[str] = ()


def fleet_points(seen: FleetSeen, ground: Ground, now_ms: int) -> list[Point]:
    """One point for each kind in each grid, at the begin of these five minutes."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    grids: dict[str, str] = {}
    for device in ground.directory.devices.values():
        grid = ground.stamps(device.place).grid
        grids.setdefault(grid, ground.tag_name(grid))
        counts.setdefault((grid, device.kind), Counter()).update(["devices", *wrong_with(device, seen, ground, now_ms)])
    at_ns = now_ms // EVERY_MS * EVERY_MS * 1_000_000
    return [
        Point(
            measurement=FLEET,
            tags={"community": ground.community, "grid": grid, "grid_name": grids[grid], "kind": kind},
            fields={name: float(found[name]) for name in ("devices", *COUNTED)},
            at_ns=at_ns,
        )
        for (grid, kind), found in sorted(counts.items())
    ]


def grid_points(fleet: Iterable[Point]) -> list[Point]:
    """The points of `fleet_points` summed over the kinds of each grid."""
    found: dict[str, Point] = {}
    for one in fleet:
        known = found.get(one.tags["grid"])
        before = known.fields if known is not None else {}
        found[one.tags["grid"]] = Point(
            measurement=FLEET_GRID,
            tags={key: value for key, value in one.tags.items() if key != "kind"},
            fields={name: float(value) + float(before.get(name, 0.0)) for name, value in one.fields.items()},
            at_ns=one.at_ns,
        )
    return list(found.values())


def wrong_with(device: Device, seen: FleetSeen, ground: Ground, now_ms: int) -> list[str]:
    """What of `COUNTED` is so of a device."""
    states, standing = seen.states.get(device.id, {}), seen.standing.get(device.id, ())
    found = [
        what
        for what in COUNTED
        if any(states.get(state) == 1 for state in STATE_OF.get(what, ())) or ALARM_OF.get(what) in standing
    ]
    if is_silent(device, seen, ground, now_ms):
        found.append("silent")
    if device.id in seen.worked_on:
        found.append("maintenance")
    return found


def is_silent(device: Device, seen: FleetSeen, ground: Ground, now_ms: int) -> bool:
    """Not heard for longer than its supervision interval, or never: as the console has it."""
    last_ms = seen.last_seen_ms.get(device.id)
    return last_ms is None or now_ms - last_ms > ground.directory.supervision_s(device.id) * 1000


def dark_cameras(seen: FleetSeen, ground: Ground, now_ms: int) -> set[str]:
    """The cameras that show nothing: silent, or faulty by their own word."""
    return {
        device.id
        for device in _cameras(ground)
        if is_silent(device, seen, ground, now_ms) or seen.states.get(device.id, {}).get("faulty") == 1
    }


def cameras_at(ground: Ground) -> Mapping[str, list[str]]:
    """The cameras by the places they stand at."""
    found: dict[str, list[str]] = {}
    for device in _cameras(ground):
        found.setdefault(device.place, []).append(device.id)
    return found


def _cameras(ground: Ground) -> Iterable[Device]:
    return (device for device in ground.directory.devices.values() if device.kind == CAMERA)
