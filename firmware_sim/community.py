"""The part of a community's YAML that the simulator needs: its id, its time zone, its devices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devices.kinds import KINDS
from firmware_sim.yamlfile import FileError, Loc, line_of, read, read_text


@dataclass(frozen=True, slots=True)
class SimulatedPlace:
    """Where and whose one device is."""

    id: str
    kind: str
    place: str
    resident: str | None = None


@dataclass(frozen=True, slots=True)
class SimulatedCommunity:
    id: str
    timezone: str
    devices: tuple[SimulatedPlace, ...]


def load_community(path: Path) -> SimulatedCommunity:
    """Read a community file and what it includes (names, or patterns such as ``homes/*.yaml``).

    Raises FileError naming file, line and key.
    """
    heads: list[tuple[str, str]] = []
    devices: dict[str, SimulatedPlace] = {}
    _read(path, heads, devices, [])
    if not heads:
        raise FileError(f"{path}:1: community.id: missing; expected the community's id")
    return SimulatedCommunity(heads[0][0], heads[0][1], tuple(devices.values()))


def _read(path: Path, heads: list[tuple[str, str]], devices: dict[str, SimulatedPlace], trail: list[Path]) -> None:
    if path.resolve() in trail:
        raise FileError(f"{path}:1: include: the file includes itself, by way of {trail[-1]}")
    document, lines = read(read_text(path), str(path))
    if not isinstance(document, dict):
        raise FileError(f"{path}:1: document: expected a mapping with community and devices")
    head = document.get("community")
    if isinstance(head, dict) and isinstance(head.get("id"), str):
        heads.append((head["id"], str(head.get("timezone", "Asia/Shanghai"))))
    listed = document.get("devices") or []
    if not isinstance(listed, list):
        raise FileError(f"{path}:{line_of(('devices',), lines)}: devices: expected a list")
    for index, entry in enumerate(listed):
        device = _device(entry, f"{path}", ("devices", index), lines)
        if device.id in devices:
            line = line_of(("devices", index), lines)
            raise FileError(f"{path}:{line}: devices[{index}].id: {device.id} is given twice")
        devices[device.id] = device
    included = document.get("include") or []
    if not isinstance(included, list):
        raise FileError(f"{path}:{line_of(('include',), lines)}: include: expected a list of files")
    for index, pattern in enumerate(included):
        files = sorted(path.parent.glob(str(pattern)))
        if not files:
            line = line_of(("include", index), lines)
            raise FileError(f"{path}:{line}: include[{index}]: no file is called {pattern} beside {path.name}")
        for file in files:
            _read(file, heads, devices, [*trail, path.resolve()])


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
    return SimulatedPlace(entry["id"], entry["kind"], entry["place"], resident)


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
