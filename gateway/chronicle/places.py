"""The places of the community as points: where they are, what they are called, and how it looks there. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from gateway.cases.wording import Words
from gateway.chronicle.cases import in_both
from gateway.chronicle.fleet import cameras_at
from gateway.chronicle.ground import Ground
from gateway.chronicle.roles import place_roles
from gateway.registry.model import Place
from gateway.store.protocol import Point

PLACE: Final = "place"
DAY_MS: Final = 86_400_000
WELL, DARK, OPEN = 0.0, 1.0, 2.0
"""How a place is: all well, a camera of it shows nothing, a case is open there."""


class Places:
    """Every place of one revision of the registry; what never changes within it is worked out once."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._cameras = cameras_at(ground)
        self._cameras_in = _upwards(ground, {place: len(found) for place, found in self._cameras.items()})
        info = ground.directory.community.community
        self._roots = [place.id for place in ground.directory.community.places if place.parent is None]
        self._known: dict[str, tuple[dict[str, str], dict[str, float | str]]] = {
            place.id: self._fixed(place, place_roles(ground.directory)[place.id])
            for place in ground.directory.community.places
        }
        # After the places: one of them may bear the community's own id, and stands for it then.
        self._known[ground.community] = (
            {"community": ground.community, "role": "community", "place": ground.community},
            {
                **self._known.get(ground.community, ({}, {}))[1],
                "cameras": float(sum(self._cameras_in[root] for root in self._roots)),
                **_named(ground.community, Words(info.name.zh, info.name.en)),
            },
        )

    def _fixed(self, place: Place, role: str) -> tuple[dict[str, str], dict[str, float | str]]:
        """Tags and fields of a place that do not change by what happens."""
        stamps = self._ground.stamps(place.id)
        name = self._ground.directory.areas.told_apart(place.id) if role in ("grid", "building") else place.name
        fields: dict[str, float | str] = {
            "cameras": float(self._cameras_in[place.id]),
            **_named(place.id, Words(name.zh, name.en)),
        }
        spot = self._ground.spot(place.id)
        if spot is not None:
            fields |= {"lat": spot.lat, "lon": spot.lon}
        tags = {
            "community": stamps.community,
            "grid": stamps.grid,
            "building": stamps.building,
            "role": role,
            "place": place.id,
        }
        return tags, fields

    def points(
        self, open_cases: Mapping[str, int], dark: Collection[str], now_ms: int, only: Collection[str] | None = None
    ) -> Iterator[Point]:
        """The community and every place of it, at the begin of the day (UTC); with ``only`` only these.

        ``open_cases``: how many at each place itself; ``dark``: cameras. Both are counted with all that lies inside.
        """
        day_ns = now_ms // DAY_MS * DAY_MS * 1_000_000
        cases = _upwards(self._ground, open_cases)
        blind = _upwards(self._ground, self._dark_at(dark))
        whole = self._ground.community
        cases[whole] = sum(open_cases.values())
        blind[whole] = sum(blind[root] for root in self._roots)
        for place, (tags, fixed) in self._known.items():
            if only is None or place in only:
                counts = {"cases": float(cases[place]), "cameras_dark": float(blind[place])}
                counts["state"] = OPEN if cases[place] else DARK if blind[place] else WELL
                yield Point(measurement=PLACE, tags=tags, fields={**fixed, **counts}, at_ns=day_ns)

    def left_behind(self, before: Places, now_ms: int) -> Iterator[Point]:
        """Places that are gone, or elsewhere, since ``before``: under the tags they had, nothing is wrong any more."""
        day_ns = now_ms // DAY_MS * DAY_MS * 1_000_000
        known = {tuple(sorted(tags.items())) for tags, _ in self._known.values()}
        for tags, _ in before._known.values():
            if tuple(sorted(tags.items())) not in known:
                fields = {"cases": 0.0, "cameras": 0.0, "cameras_dark": 0.0, "state": WELL}
                yield Point(measurement=PLACE, tags=tags, fields=fields, at_ns=day_ns)

    def touched(
        self, cases: tuple[Mapping[str, int], Mapping[str, int]], dark: tuple[Collection[str], Collection[str]]
    ) -> set[str]:
        """Whose counts differ: where they were and are different, all they lie in, and the community."""
        found: set[str] = set()
        for before, after in (cases, (self._dark_at(dark[0]), self._dark_at(dark[1]))):
            for place in before.keys() | after.keys():
                if before.get(place, 0) != after.get(place, 0):
                    found |= {self._ground.community, *self._ground.directory.way(place)}
        return found

    def _dark_at(self, dark: Collection[str]) -> dict[str, int]:
        return {place: count for place, found in self._cameras.items() if (count := sum(one in dark for one in found))}


def _upwards(ground: Ground, at: Mapping[str, int]) -> Counter[str]:
    """With all that lies inside."""
    found: Counter[str] = Counter()
    for place, count in at.items():
        for above in ground.directory.way(place):
            found[above] += count
    return found


def _named(id_: str, name: Words) -> dict[str, str]:
    return {**in_both("label", Words(f"{name.zh} ({id_})", f"{name.en} ({id_})")), **in_both("name", name)}
