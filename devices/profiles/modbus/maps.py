"""The maps that come with Anju, by key: one YAML file each, beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from devices.gear.profile_error import ProfileError, nearest
from devices.profiles.modbus.map_reader import load_map
from devices.profiles.modbus.register_map import RegisterMap

MAPS: Mapping[str, RegisterMap] = MappingProxyType(
    {
        path.stem: load_map(path.read_text(encoding="utf-8"), path.stem)
        for path in sorted(Path(__file__).parent.glob("*.yaml"))
    }
)


@lru_cache(maxsize=256)
def map_of(text: str) -> RegisterMap:
    """The map that a device's option names or, where it has several lines, is. Raises ProfileError."""
    if "\n" in text:
        return load_map(text, "map")
    found = MAPS.get(text)
    if found is None:
        raise ProfileError(
            f"no map {text!r}",
            expected=f"one of {', '.join(MAPS)}, or a map of several lines",
            hint=nearest(text, MAPS, "see docs/devices/modbus.md"),
            file="options",
            line=1,
            key="map",
        )
    return found


def kinds() -> tuple[str, ...]:
    """Every kind that a map speaks for."""
    return tuple(sorted({kind for one in MAPS.values() for kind in one.kinds}))


def commands() -> Mapping[str, tuple[str, ...]]:
    """Kind → the commands that some map can carry out."""
    found: dict[str, set[str]] = {}
    for one in MAPS.values():
        for kind, rows in one.kinds.items():
            found.setdefault(kind, set()).update(rows.commands)
    return {kind: tuple(sorted(known)) for kind, known in sorted(found.items()) if known}
