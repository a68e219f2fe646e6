"""Of every place its grid and its building, which telemetry is grouped by: found in the place tree, by its levels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from devices.telemetry import Stamps
from gateway.registry.model import Device, Levels, Place
from gateway.registry.values import Text


class Area(NamedTuple):
    """Where a place lies, as ids; empty where there is none."""

    grid: str = ""
    building: str = ""


class Areas:
    """The areas of one revision of the registry. Looked up once a place, then remembered: any thread may ask."""

    def __init__(
        self, community: str, levels: Levels, places: Mapping[str, Place], devices: Mapping[str, Device]
    ) -> None:
        self._community = community
        self._levels = levels
        self._places = places
        self._devices = devices
        self._areas: dict[str, Area] = {}
        self._stamps: dict[str, Stamps] = {}
        self._namesakes: dict[str, frozenset[str]] = {}

    def of_place(self, place: str | None) -> Area:
        """The area of a place; empty for one that the registry does not know."""
        if place is None:
            return Area()
        found = self._areas.get(place)
        if found is None:
            found = self._areas[place] = area(self._way(place), self._levels)
        return found

    def of_device(self, device: str) -> Stamps:
        """A device's stamps (`gateway.store.protocol.StampsOf`); of one that is not registered the community alone."""
        found = self._stamps.get(device)
        if found is None:
            found = self._stamps[device] = self._stamped(device)
        return found

    def told_apart(self, place: str) -> Text:
        """The place's own name; with that of the place around it in front where others of its level have the same name:
        every community has a first grid. Its id where it is not known."""
        known = self._places.get(place)
        if known is None:
            return Text(zh=place, en=place)
        around = self._places.get(known.parent or "")
        if around is None or known.name.zh not in self._shared(known.level):
            return known.name
        return Text(zh=f"{around.name.zh}{known.name.zh}", en=f"{around.name.en}, {known.name.en}")

    def _shared(self, level: str) -> frozenset[str]:
        """Names that several places of a level have."""
        found = self._namesakes.get(level)
        if found is None:
            times = Counter(place.name.zh for place in self._places.values() if place.level == level)
            found = self._namesakes[level] = frozenset(name for name, count in times.items() if count > 1)
        return found

    def _stamped(self, device: str) -> Stamps:
        known = self._devices.get(device)
        if known is None:
            return Stamps(self._community)
        where = self.of_place(known.place)
        return Stamps(self._community, where.grid, where.building, known.place, known.resident or "")

    def _way(self, place: str | None) -> list[Place]:
        way: list[Place] = []
        while place is not None and (node := self._places.get(place)) is not None and node not in way:
            way.append(node)
            place = node.parent
        return way


def area(way: Iterable[Place], levels: Levels) -> Area:
    """The grid and the building on the ``way`` from a place out to the root, the place itself included.

    Grid: the nearest place of the level that the community names for it; where it names none, the nearest that is in
    no address (``in_address: false``), else the one just inside the root. Building: the nearest of its level; where
    none is named, or there is none on the way, the largest place inside the grid, or the place itself where nothing
    lies between.
    """
    steps = list(way)
    if not steps:
        return Area()
    if levels.grid is not None:
        grid = next((at for at, node in enumerate(steps) if node.level == levels.grid), None)
    else:
        inside_root = len(steps) - 2 if len(steps) > 1 else None
        grid = next((at for at, node in enumerate(steps) if not node.in_address), inside_root)
    outer = grid if grid is not None else len(steps) - 1
    building = max(outer - 1, 0)
    if levels.building is not None:
        building = next((at for at, node in enumerate(steps) if node.level == levels.building), building)
    return Area("" if grid is None else steps[grid].id, steps[building].id)
