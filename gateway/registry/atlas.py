"""Where something is: a pole's number, a door and coordinates find each other. Built once per revision of the registry.

No code knows a level's name. A *landmark* is a place with coordinates of its own and nothing inside it: a lamp pole, a
gate. What organises work (a grid) is whatever lies above and stands on no letter box.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Point, bearing_deg, distance_m, wgs84
from gateway.registry.model import Device, Place
from gateway.registry.nearest import NearestIndex

SEES_M = 60.0
"""How far a camera sees of which nothing else is known, in metres."""
VIEW_DEG = 90.0
"""How wide a camera sees whose bearing is known and whose angle is not."""
FAR_M = 5_000.0
"""Farther from every place than this, coordinates lie outside the community."""
_GB28181 = re.compile(r"\d{20}")
_COORDINATES = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*(?:[,，;；\s])\s*([-+]?\d+(?:\.\d+)?)\s*")
_NUMBER = re.compile(r"\d+")
_NOT_SAID = re.compile(r"[\s,，。.、;；:：#()（）\-_/·]+")


@dataclass(frozen=True, slots=True)
class Near:
    """A place beside a spot."""

    place: Place
    distance_m: float
    bearing_deg: float
    """In which direction it lies, from the spot."""


@dataclass(frozen=True, slots=True)
class Seeing:
    """A camera, and whether it sees a spot."""

    device: Device
    distance_m: float | None
    """None: nobody knows where it stands."""
    sees: bool

    @property
    def gb28181(self) -> str | None:
        """Its id in the video system, where the registry has it as attribute."""
        known = str(self.device.attributes.get("gb28181", ""))
        return known if _GB28181.fullmatch(known) else None


class Atlas:
    """Made by `atlas_of`."""

    def __init__(self, directory: CommunityDirectory) -> None:
        self._directory = directory
        self._places = {place.id: place for place in directory.community.places}
        self._at = {
            place.id: wgs84(place.position) for place in directory.community.places if place.position is not None
        }
        self._parents = {place.parent for place in directory.community.places}
        self._cameras = [one for one in directory.devices.values() if one.kind == "camera"]

    # where places are

    def spot(self, place: str | None) -> tuple[Point, str] | None:
        """WGS-84 coordinates of a place, and of which place they are: itself, or the nearest one around it."""
        for here in self.way(place):
            if here.id in self._at:
                return self._at[here.id], here.id
        return None

    def way(self, place: str | None) -> Iterator[Place]:
        """A place and all that it lies in, the smallest first."""
        seen: set[str] = set()
        here = self._places.get(place or "")
        while here is not None and here.id not in seen:
            yield here
            seen.add(here.id)
            here = self._places.get(here.parent or "")

    def landmark(self, place: str) -> bool:
        """Whether a place is known by its coordinates and nothing lies inside it, as a pole is."""
        return place in self._at and place not in self._parents

    # what is near

    def nearest(self, at: Point) -> list[Near]:
        """Of each level that has coordinates the nearest place; the nearest level first. ``at`` is WGS-84."""
        found = [self._near(at, key) for index in self._by_level.values() for key in index.nearest(at, 1)]
        return sorted(found, key=lambda near: (near.distance_m, near.place.id))

    def nearest_of(self, level: str, at: Point, count: int = 1) -> list[Near]:
        """The ``count`` nearest places of one level."""
        index = self._by_level.get(level)
        return [] if index is None else [self._near(at, key) for key in index.nearest(at, count)]

    def place_at(self, at: Point) -> Near | None:
        """The place that coordinates stand for: the nearest landmark, else the nearest place; None far from all."""
        for index in (self._landmarks, self._all):
            for key in index.nearest(at, 1):
                near = self._near(at, key)
                if near.distance_m <= FAR_M:
                    return near
        return None

    def _near(self, at: Point, key: str) -> Near:
        there = self._at[key]
        return Near(self._places[key], distance_m(at, there), bearing_deg(at, there))

    @cached_property
    def _by_level(self) -> dict[str, NearestIndex]:
        levels: dict[str, list[tuple[str, Point]]] = {}
        for key, at in self._at.items():
            levels.setdefault(self._places[key].level, []).append((key, at))
        return {level: NearestIndex(points) for level, points in levels.items()}

    @cached_property
    def _landmarks(self) -> NearestIndex:
        return NearestIndex([(key, at) for key, at in self._at.items() if key not in self._parents])

    @cached_property
    def _all(self) -> NearestIndex:
        return NearestIndex(list(self._at.items()))

    # cameras

    def cameras(self, at: Point | None, place: str | None) -> list[Seeing]:
        """The cameras that see a spot or a place, the nearest first; where none does, the nearest one.

        A camera sees the place it stands at, the places its attribute ``sees`` names, and what lies within ``sees_m``
        of it in its direction (``bearing``, ``angle``, in degrees).
        """
        looked = [self._seeing(camera, at, place) for camera in self._cameras]
        by_distance = sorted(looked, key=lambda one: (not one.sees, *_far(one), one.device.id))
        seeing = [one for one in by_distance if one.sees]
        return seeing or [one for one in by_distance[:1] if one.distance_m is not None]

    def _seeing(self, camera: Device, at: Point | None, place: str | None) -> Seeing:
        stands = self.spot(camera.place)
        distance = None if at is None or stands is None else distance_m(stands[0], at)
        named = {camera.place, *str(camera.attributes.get("sees", "")).split()}
        if place in named:
            return Seeing(camera, distance, True)
        if at is None or stands is None or distance is None or distance > _number(camera, "sees_m", SEES_M):
            return Seeing(camera, distance, False)
        if "bearing" not in camera.attributes:
            return Seeing(camera, distance, True)
        off = (bearing_deg(stands[0], at) - _number(camera, "bearing", 0.0) + 180) % 360 - 180
        return Seeing(camera, distance, distance < 1 or abs(off) <= _number(camera, "angle", VIEW_DEG) / 2)

    # what people say

    def find(self, said: str) -> list[Place]:
        """The places that people may mean: an id, a pole's number, an address or its end, who lives there.

        Numbers are compared as numbers: ``272`` is pole 0272, and ``3号楼`` is not ``13号楼``. Of a number alone the
        landmarks that have it are meant, else the doors.
        """
        if said.strip() in self._places:
            return [self._places[said.strip()]]
        wanted = plain(said)
        if not wanted:
            return []
        if _NUMBER.fullmatch(wanted.strip("#")) and wanted.count("#") == 2:
            numbered = [key for key, texts in self._texts.items() if wanted in texts.name]
            chosen = [key for key in numbered if self.landmark(key)] or [
                key for key in numbered if self._texts[key].name == wanted
            ]
        else:
            texts = self._texts.items()
            # An address ends with what is meant; what only begins so lies inside it.
            chosen = (
                [key for key, text in texts if wanted == plain(key)]
                or [key for key, text in texts if text.zh.endswith(wanted) or text.en.endswith(wanted)]
                or [key for key, text in texts if any(plain(name) == wanted for name in text.lives)]
                or [key for key, text in texts if all(plain(word) in text.whole for word in said.split())]
            )
        order = sorted(chosen, key=lambda key: (key in self._parents, len(self._texts[key].zh), key))
        return [self._places[key] for key in order]

    @cached_property
    def lives(self) -> dict[str, list[str]]:
        """Names of the residents by their homes."""
        found: dict[str, list[str]] = {}
        for resident in self._directory.community.residents:
            found.setdefault(resident.home, []).append(resident.name)
        return found

    @cached_property
    def _texts(self) -> dict[str, _Texts]:
        found = {}
        for place in self._places.values():
            address = {"zh": "", "en": ""}
            said = [one for one in self.way(place.id) if one.in_address or one.id == place.id]
            for language in address:
                names = [one.name.in_language(language) for one in said]
                address[language] = plain(" ".join(reversed(names)))
            lives = tuple(self.lives.get(place.id, ()))
            own = plain(place.name.zh)
            whole = " ".join((plain(place.id), address["zh"], address["en"], *map(plain, lives)))
            found[place.id] = _Texts(own, address["zh"], address["en"], lives, whole)
        return found


@dataclass(frozen=True, slots=True)
class _Texts:
    """What a place is called, in the form of `plain`."""

    name: str
    zh: str
    en: str
    lives: tuple[str, ...]
    whole: str


def plain(text: str) -> str:
    """Text to be compared: without white space and punctuation, small, and with whole numbers (``#272#``)."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = _NUMBER.sub(lambda found: f"\x00{int(found.group())}\x00", text)
    return _NOT_SAID.sub("", text).replace("\x00", "#")


def coordinates(said: str) -> Point | None:
    """``39.93,116.46`` as latitude and longitude, None where it is something else. What can only be a longitude may
    stand first, as Chinese maps have it."""
    found = _COORDINATES.fullmatch(said)
    if found is None or not ("." in said or "," in said or "，" in said):
        return None
    lat, lon = float(found[1]), float(found[2])
    if abs(lat) > 90 and abs(lon) <= 90:
        lat, lon = lon, lat
    return Point(lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None


def roles(directory: CommunityDirectory) -> list[str]:
    """Every role that anybody ever holds."""
    return sorted({duty.role for roster in directory.community.rosters for duty in roster.duties})


def _number(device: Device, name: str, default: float) -> float:
    value = device.attributes.get(name, default)
    return float(value) if isinstance(value, int | float) else default


def _far(one: Seeing) -> Iterable[float]:
    return (0.0, one.distance_m) if one.distance_m is not None else (1.0, 0.0)


@lru_cache(maxsize=2)
def atlas_of(directory: CommunityDirectory) -> Atlas:
    """The atlas of a directory, made at the first question."""
    return Atlas(directory)
