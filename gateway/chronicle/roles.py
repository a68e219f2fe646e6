"""What each place is on the boards, by the registry's facts and never by the name of its level. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gateway.registry.directory import CommunityDirectory

ROLE_OF_KIND: Final[Mapping[str, str]] = {"traffic_counter": "road", "waste_bin": "point"}
"""What a place is by what stands there."""


@lru_cache(maxsize=2)
def place_roles(directory: CommunityDirectory) -> Mapping[str, str]:
    """The role of every place by its id: ``grid``, ``home``, ``point``, ``pole``, ``road``, ``building``, ``place``.

    A pole has a position of its own and nothing inside it, and is not of the level of buildings; one at which a road is
    counted is a pole all the same.
    """
    community = directory.community
    building_level = community.community.levels.building
    homes = {resident.home for resident in community.residents}
    parents = {place.parent for place in community.places}
    kinds: dict[str, set[str]] = {}
    for device in directory.devices.values():
        if device.kind in ROLE_OF_KIND:
            kinds.setdefault(device.place, set()).add(ROLE_OF_KIND[device.kind])
    found: dict[str, str] = {}
    for place in community.places:
        area, by_kind = directory.areas.of_place(place.id), kinds.get(place.id, set())
        if place.id == area.grid:
            found[place.id] = "grid"
        elif place.id in homes:
            found[place.id] = "home"
        elif building_level is not None and place.level == building_level:
            found[place.id] = "building"
        elif by_kind == {"point"}:
            found[place.id] = "point"
        elif place.position is not None and place.id not in parents:
            found[place.id] = "pole"
        elif len(by_kind) == 1:
            found[place.id] = "road"
        else:
            inside = place.parent is not None  # what everything lies in is no building of its own
            largest = building_level is None and inside and place.id == area.building
            found[place.id] = "building" if largest else "place"
    return found
