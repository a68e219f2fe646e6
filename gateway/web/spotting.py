"""What a typed pole, door, name or coordinate means, shown before a report of it is sent."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.api.where import NotFound, Where, where
from gateway.cases.wording import Words
from gateway.registry.atlas import atlas_of, coordinates
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Datum, distance_m, wgs84
from gateway.registry.values import Position

FAR_M = 150.0
"""A pole that somebody stands next to is nearer to what they report than this."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """What the form means as it is written now."""

    place: Where | None
    pole: Where | None
    wrong: tuple[Words, ...]
    """What is not found, and what does not fit together."""
    chosen: str
    """Of several places that may be meant the one that was chosen; empty where none was."""

    @property
    def anything(self) -> bool:
        """Whether anything was found, or is wrong with what was typed."""
        return bool(self.place or self.pole or self.wrong)

    @property
    def choice_open(self) -> bool:
        """Whether several places may be meant, and none has been chosen."""
        return self.place is not None and self.place.place is None


def spotted(directory: CommunityDirectory, said: str, pole: str, datum: Datum, chosen: str, now_ms: int) -> Spotted:
    """What is meant by ``said`` (coordinates are of ``datum``) and by the number of a pole. ``chosen``: of several
    places the one that was picked; it counts only while ``said`` may still mean it."""
    meant = {one.id for one in atlas_of(directory).find(said)} if chosen else set()
    picked = chosen if chosen in meant else ""
    wrong: list[Words] = []

    def look(asked: str) -> Where | None:
        if not asked.strip():
            return None
        try:
            return where(directory, asked.strip(), datum, now_ms)
        except NotFound as missing:
            wrong.append(Words(missing.zh, missing.en))
            return None

    place, by_pole = look(picked or said), look(pole)
    if place is not None and by_pole is not None and place.position is not None and by_pole.position is not None:
        apart_m = distance_m(wgs84(place.position.wgs84), wgs84(by_pole.position.wgs84))
        if apart_m > FAR_M:
            wrong.append(
                Words(
                    f"地点与杆号相距 {_far(apart_m)}，请核对",
                    f"place and pole are {_far(apart_m)} apart: look again",
                )
            )
    return Spotted(place, by_pole, tuple(wrong), picked)


def _far(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"


def position_of(said: str, datum: Datum) -> Position | None:
    """The coordinates that are written; None for words."""
    at = coordinates(said)
    return None if at is None else Position(lat=at.lat, lon=at.lon, datum=datum)
