"""The part of a community's YAML that the simulator needs: its id, its time zone, its bridges and its devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devices.kinds import KINDS
from firmware_sim.setting import Position
from firmware_sim.yamlfile import FileError, Loc, line_of, read, read_text


@dataclass(frozen=True, slots=True)
class SimulatedPlace:
    """Where and whose one device is."""

    id: str
    kind: str
    place: str
    resident: str | None = None
    profile: str = "native"
    bridge: str | None = None
    address: str | None = None
    """``address#part``; of native gear the id in its topics, where that is not ``id``."""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    name: str = ""
    """In all its languages: it says where the device hangs (`firmware_sim.spot`)."""


@dataclass(frozen=True, slots=True)
class SimulatedBridge:
    """One way in of off-the-shelf gear."""

    id: str
    profile: str
    base: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class SimulatedCommunity:
    """What of a community is simulated: its devices, its bridges of gear, and where they are."""

    id: str
    timezone: str
    devices: tuple[SimulatedPlace, ...]
    bridges: tuple[SimulatedBridge, ...] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    """Of the places."""
    positions: Mapping[str, Position] = field(default_factory=dict)
    """Of the places that have one."""

    def around(self, place: str) -> Iterator[str]:
        """The place, and what it lies in, from the nearest outwards."""
        at: str | None = place
        seen: set[str] = set()
        while at is not None and at not in seen:
            seen.add(at)
            yield at
            at = self.parents.get(at)

    def position(self, place: str) -> Position | None:
        """Of the place, else of the nearest around it that has one."""
        return next((self.positions[at] for at in self.around(place) if at in self.positions), None)

    @property
    def native(self) -> tuple[SimulatedPlace, ...]:
        """The devices that speak our own protocol."""
        return tuple(device for device in self.devices if device.profile == "native")


def load_community(path: Path) -> SimulatedCommunity:
    """Read a community file and what it includes (names, or patterns such as ``homes/*.yaml``).

    Raises FileError naming file, line and key.
    """
    found = _Found()
    _read(path, found, [])
    if not found.heads:
        raise FileError(f"{path}:1: community.id: missing; expected the community's id")
    name, zone = found.heads[0]
    return SimulatedCommunity(
        name, zone, tuple(found.devices.values()), tuple(found.bridges.values()), found.parents, found.positions
    )


@dataclass(slots=True)
class _Found:
    heads: list[tuple[str, str]] = field(default_factory=list)
    devices: dict[str, SimulatedPlace] = field(default_factory=dict)
    bridges: dict[str, SimulatedBridge] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)


def _read(path: Path, found: _Found, trail: list[Path]) -> None:
    if path.resolve() in trail:
        raise FileError(f"{path}:1: include: the file includes itself, by way of {trail[-1]}")
    document, lines = read(read_text(path), str(path))
    if not isinstance(document, dict):
        raise FileError(f"{path}:1: document: expected a mapping with community and devices")
    head = document.get("community")
    if isinstance(head, dict) and isinstance(head.get("id"), str):
        found.heads.append((head["id"], str(head.get("timezone", "Asia/Shanghai"))))
    for index, entry in _listed(document, "devices", path, lines):
        device = _device(entry, f"{path}", ("devices", index), lines)
        if device.id in found.devices:
            line = line_of(("devices", index), lines)
            raise FileError(f"{path}:{line}: devices[{index}].id: {device.id} is given twice")
        found.devices[device.id] = device
    for index, entry in _listed(document, "bridges", path, lines):
        bridge = _bridge(entry, f"{path}", ("bridges", index), lines)
        found.bridges[bridge.id] = bridge
    for _, entry in _listed(document, "places", path, lines):
        _note_place(entry, found)
    for index, pattern in _listed(document, "include", path, lines):
        files = sorted(path.parent.glob(str(pattern)))
        if not files:
            line = line_of(("include", index), lines)
            raise FileError(f"{path}:{line}: include[{index}]: no file is called {pattern} beside {path.name}")
        for file in files:
            _read(file, found, [*trail, path.resolve()])


def _listed(
    document: Mapping[str, object], section: str, path: Path, lines: dict[Loc, int]
) -> Iterator[tuple[int, object]]:
    listed = document.get(section) or []
    if not isinstance(listed, list):
        raise FileError(f"{path}:{line_of((section,), lines)}: {section}: expected a list")
    yield from enumerate(listed)


def _note_place(entry: object, found: _Found) -> None:
    """Where a place lies; what is wrong with it the gateway says."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return
    if isinstance(entry.get("parent"), str):
        found.parents[entry["id"]] = entry["parent"]
    where = entry.get("position")
    if (
        isinstance(where, dict)
        and isinstance(where.get("lat"), int | float)
        and isinstance(where.get("lon"), int | float)
    ):
        found.positions[entry["id"]] = (float(where["lat"]), float(where["lon"]))


def _bridge(entry: object, file: str, loc: Loc, lines: dict[Loc, int]) -> SimulatedBridge:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not isinstance(entry.get("profile"), str):
        line = line_of(loc, lines)
        raise FileError(f"{file}:{line}: {loc[0]}[{loc[1]}]: expected a mapping with id and profile")
    return SimulatedBridge(entry["id"], entry["profile"], str(entry.get("base") or ""), _options(entry))


def _options(entry: Mapping[str, object]) -> dict[str, str]:
    options = entry.get("options")
    return {str(key): str(value) for key, value in options.items()} if isinstance(options, dict) else {}


def _device(entry: object, file: str, loc: Loc, lines: dict[Loc, int]) -> SimulatedPlace:
    def fault(key: str, expected: str) -> FileError:
        return FileError(f"{file}:{line_of((*loc, key), lines)}: devices[{loc[1]}].{key}: expected {expected}")

    if not isinstance(entry, dict):
        raise FileError(f"{file}:{line_of(loc, lines)}: devices[{loc[1]}]: expected a mapping with id and kind")
    for key in ("id", "kind", "place"):
        if not isinstance(entry.get(key), str):
            raise fault(key, f"a {key}, as text")
    if entry["kind"] not in KINDS:
        raise fault("kind", f"one of {', '.join(sorted(KINDS))}")
    resident = entry.get("resident")
    if resident is not None and not isinstance(resident, str):
        raise fault("resident", "a resident's id, as text")
    return SimulatedPlace(
        entry["id"],
        entry["kind"],
        entry["place"],
        resident,
        profile=str(entry.get("profile") or "native"),
        bridge=_text(entry, "bridge"),
        address=_text(entry, "address"),
        options=_options(entry),
        name=_wording(entry.get("name")),
    )


def _wording(value: object) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value or "")


def _text(entry: Mapping[str, object], key: str) -> str | None:
    value = entry.get(key)
    return None if value is None else str(value)


def choose(devices: tuple[SimulatedPlace, ...], count: int | None) -> tuple[SimulatedPlace, ...]:
    """The first ``count`` devices, dealt out kind by kind so that every kind is there; in the file's order.

    Stable: the same community and count always give the same devices, and a smaller count is part of a larger one.
    """
    if count is None or count >= len(devices):
        return devices
    by_kind: dict[str, list[SimulatedPlace]] = {}
    for device in devices:
        by_kind.setdefault(device.kind, []).append(device)
    dealt: list[SimulatedPlace] = []
    depth = 0
    while len(dealt) < count:
        dealt += [queue[depth] for queue in by_kind.values() if depth < len(queue)]
        depth += 1
    kept = {device.id for device in dealt[:count]}
    return tuple(device for device in devices if device.id in kept)
