"""Where something is: a pole's number, a door, coordinates, or who lives there; each finds the others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.alarms import Frozen
from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.models import NO_NUL
from gateway.api.problem import ApiProblem, described
from gateway.api.words import role_in_words
from gateway.registry.atlas import Atlas, Near, atlas_of, coordinates, roles
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Datum, Point, in_datum, wgs84
from gateway.registry.model import Place
from gateway.registry.values import Position

router = APIRouter(tags=["where"])
OTHERS = 20


class PlaceFound(Frozen):
    """A place by its address."""

    id: str
    level: str
    zh: str
    en: str
    """The whole address, as the community writes it."""
    in_address: bool
    """False for what organises work and stands on no letter box: a grid."""


class PlaceNear(PlaceFound):
    """A place, and how far off it is."""

    distance_m: float
    bearing_deg: float
    """From the spot that was asked for: 0 is north, 90 east."""


class Spot(Frozen):
    """Coordinates in both datums."""

    wgs84: Position
    gcj02: Position
    of: str | None
    """Whose they are, where the place has none of its own; None for coordinates that were asked for."""


class CameraFound(Frozen):
    """A camera that sees the spot, or is near it."""

    id: str
    zh: str
    gb28181: str | None
    """Its id in the video system (GB/T 28181)."""
    place: str
    distance_m: float | None
    sees: bool
    """False: none sees it, and this is the nearest."""


class OnDuty(Frozen):
    """Who holds a role there at this moment."""

    role: str
    zh: str
    en: str
    people: list[dict[str, str]]
    """Each with ``id``, ``name`` and ``phone``."""


class Where(Frozen):
    """What is known of a spot. Where several places may be meant, only ``others`` is filled."""

    asked: str
    place: PlaceFound | None = None
    """The place that is meant; of coordinates the nearest landmark."""
    position: Spot | None = None
    way: list[PlaceFound] = []
    """All that the place lies in, the smallest first."""
    access: str = ""
    meet_at: str = ""
    lives: list[str] = []
    nearest: list[PlaceNear] = []
    """Of each level the nearest place that has coordinates."""
    cameras: list[CameraFound] = []
    on_duty: list[OnDuty] = []
    others: list[PlaceFound] = []
    """Places that may be meant."""
    more: int = 0
    """How many further ones there are."""


class NotFound(Exception):
    """Nothing of the community is meant. ``zh`` and ``en`` say what to do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.code, self.zh, self.en = code, zh, en


def where(directory: CommunityDirectory, asked: str, datum: Datum | None, at_ms: int) -> Where:
    """Answer; ``at_ms``: the instant for which duty is told. Raises NotFound."""
    atlas = atlas_of(directory)
    at = coordinates(asked)
    if at is not None:
        if datum is None:
            raise NotFound(
                "datum_needed",
                "坐标需要注明坐标系：GPS 为 WGS-84，国内地图为 GCJ-02",
                "coordinates need their datum: WGS-84 of a satellite receiver, GCJ-02 of a Chinese map",
            )
        spot = wgs84(Position(lat=at.lat, lon=at.lon, datum=datum))
        near = atlas.place_at(spot)
        if near is None:
            raise NotFound("outside", "坐标不在本社区", "these coordinates lie outside the community: check the datum")
        return _told(directory, atlas, asked, near.place, spot, None, at_ms)
    found = atlas.find(asked)
    if not found:
        raise NotFound(
            "nothing_found",
            f"没有找到“{asked}”：可输入杆号、地址、住户姓名或坐标",
            f"nothing is called {asked!r}: give a pole's number, an address, a resident's name or coordinates",
        )
    if len(found) > 1:
        others = [_place(directory, place) for place in found[:OTHERS]]
        return Where(asked=asked, others=others, more=max(0, len(found) - OTHERS))
    stands = atlas.spot(found[0].id)
    spot_of = None if stands is None else stands[0]
    return _told(directory, atlas, asked, found[0], spot_of, None if stands is None else stands[1], at_ms)


def _told(
    directory: CommunityDirectory,
    atlas: Atlas,
    asked: str,
    place: Place,
    at: Point | None,
    of: str | None,
    at_ms: int,
) -> Where:
    way = list(atlas.way(place.id))
    return Where(
        asked=asked,
        place=_place(directory, place),
        position=None if at is None else _spot(at, of),
        way=[_place(directory, one) for one in way[1:]],
        access="；".join(one.access for one in reversed(way) if one.access),
        meet_at=next((one.meet_at for one in way if one.meet_at), ""),
        lives=atlas.lives.get(place.id, []),
        nearest=[] if at is None else [_near(directory, one) for one in atlas.nearest(at)],
        cameras=[
            CameraFound(
                id=one.device.id,
                zh=directory.device_name(one.device.id, "zh"),
                gb28181=one.gb28181,
                place=one.device.place,
                distance_m=None if one.distance_m is None else round(one.distance_m, 1),
                sees=one.sees,
            )
            for one in atlas.cameras(at, place.id if of is not None or at is None else None)
        ],
        on_duty=list(_on_duty(directory, place.id, at_ms)),
    )


def _on_duty(directory: CommunityDirectory, place: str, at_ms: int) -> list[OnDuty]:
    found = []
    for role in roles(directory):
        people = [directory.person(person) for person in directory.on_duty(role, place, at_ms)]
        known = [{"id": one.id, "name": one.name, "phone": one.phone} for one in people if one is not None]
        if known:
            zh, en = role_in_words(directory, role)
            found.append(OnDuty(role=role, zh=zh, en=en, people=known))
    return found


def _spot(at: Point, of: str | None) -> Spot:
    satellite = Position(lat=round(at.lat, 7), lon=round(at.lon, 7), datum="WGS-84")
    on_map = in_datum(satellite, "GCJ-02")
    on_map = Position(lat=round(on_map.lat, 7), lon=round(on_map.lon, 7), datum="GCJ-02")
    return Spot(wgs84=satellite, gcj02=on_map, of=of)


def _place(directory: CommunityDirectory, place: Place) -> PlaceFound:
    zh, en = (directory.place_path(place.id, language) for language in ("zh", "en"))
    if not place.in_address:
        zh, en = zh + place.name.zh, f"{en}, {place.name.en}"
    return PlaceFound(id=place.id, level=place.level, zh=zh, en=en, in_address=place.in_address)


def _near(directory: CommunityDirectory, near: Near) -> PlaceNear:
    return PlaceNear(
        **_place(directory, near.place).model_dump(),
        distance_m=round(near.distance_m, 1),
        bearing_deg=round(near.bearing_deg) % 360,
    )


@router.get("/where", responses=described(404, 409))
def get_where(
    context: Gateway,
    _: Reader,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            pattern=NO_NUL,
            examples=["0272", "3号楼2单元501", "39.93,116.46"],
            description="a pole's number, an address or its end, a resident's name, or latitude and longitude",
        ),
    ],
    datum: Annotated[Datum | None, Query(description="of coordinates")] = None,
    at_ms: Annotated[int | None, Query(ge=0, le=2**43, description="for which instant duty is told; now")] = None,
) -> Where:
    """The place, its coordinates in both datums, what it lies in, the cameras that see it, and who is on duty there."""
    directory = context.directory()
    if directory is None:
        raise ApiProblem(409, "no_community", "尚未配置社区", "no community has been applied yet: run `anju apply`")
    try:
        return where(directory, q, datum, context.clock.now_ms() if at_ms is None else at_ms)
    except NotFound as missing:
        raise ApiProblem(404, missing.code, missing.zh, missing.en) from None
