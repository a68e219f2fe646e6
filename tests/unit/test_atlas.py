"""A pole's number, a door and coordinates find each other: the community of Tuanjiehu, and against brute force."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.where import NotFound, where
from gateway.registry.atlas import Atlas, atlas_of, coordinates, plain
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Point, distance_m, wgs84, wgs84_to_gcj02
from gateway.registry.load import load_community
from gateway.registry.model import Community, CommunityInfo, Device, Place
from gateway.registry.nearest import NearestIndex
from gateway.registry.values import Position

TUANJIEHU = Path(__file__).parents[2] / "examples/tuanjiehu/community.yaml"
NOW = 1_790_000_000_000
points = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))
close = st.builds(Point, st.floats(39.91, 39.94), st.floats(116.45, 116.48))


@pytest.fixture(scope="module")
def town() -> CommunityDirectory:
    return CommunityDirectory(load_community(TUANJIEHU))


@given(st.lists(points, min_size=1, max_size=40), points, st.integers(1, 5))
def test_the_nearest_are_those_that_brute_force_finds(all_: list[Point], at: Point, count: int) -> None:
    index = NearestIndex([(f"p{number:03}", point) for number, point in enumerate(all_)])
    found = [distance_m(at, all_[int(key[1:])]) for key in index.nearest(at, count)]
    expected = sorted(distance_m(at, point) for point in all_)[:count]
    assert found == pytest.approx(expected, rel=1e-6, abs=0.3)  # a metre is 1e-14 of the squared chord


@settings(max_examples=60, deadline=None)
@given(at=close)
def test_the_nearest_pole_of_1769(town: CommunityDirectory, at: Point) -> None:
    poles = [place for place in town.community.places if place.level == "杆" and place.position is not None]
    assert len(poles) == 1769
    expected = sorted(distance_m(at, wgs84(place.position)) for place in poles if place.position is not None)
    atlas = atlas_of(town)
    assert [one.distance_m for one in atlas.nearest_of("杆", at, 3)] == pytest.approx(expected[:3], abs=1e-6)
    by_level = {near.place.level: near.distance_m for near in atlas.nearest(at)}
    assert by_level["杆"] == pytest.approx(expected[0], abs=1e-6)
    assert set(by_level) == {"杆", "楼", "街道"}, "levels that have coordinates, by their own names"


def test_a_poles_number_is_enough(town: CommunityDirectory) -> None:
    for said in ("0272", "272", "0272号杆", "272号杆", "pole-0272", "Pole 0272", "0272 号杆"):
        found = where(town, said, None, NOW)
        assert found.place is not None and found.place.id == "pole-0272", said
        assert found.position is not None and found.position.of == "pole-0272"
        assert next(camera.id for camera in found.cameras if camera.sees) == "cam-0272"
        assert found.way[0].level == "网格" and not found.way[0].in_address
        staff = next(duty for duty in found.on_duty if duty.role == "grid_staff")
        assert staff.people and staff.zh == "网格员"


def test_coordinates_find_the_pole_and_each_datum_is_taken_as_what_it_is(town: CommunityDirectory) -> None:
    pole = town.place("pole-0272")
    assert pole is not None and pole.position is not None
    spot = wgs84(pole.position)
    on_map = wgs84_to_gcj02(spot)
    for at, datum in ((spot, "WGS-84"), (on_map, "GCJ-02")):
        for said in (f"{at.lat:.6f},{at.lon:.6f}", f"{at.lon:.6f}，{at.lat:.6f}"):
            found = where(town, said, "WGS-84" if datum == "WGS-84" else "GCJ-02", NOW)
            assert found.place is not None and found.place.id == "pole-0272", (said, datum)
            assert found.position is not None and found.position.of is None
            assert found.position.wgs84.lat == pytest.approx(spot.lat, abs=2e-6)
            assert found.position.gcj02.lon == pytest.approx(on_map.lon, abs=2e-6)
    wrong = where(town, f"{on_map.lat:.6f},{on_map.lon:.6f}", "WGS-84", NOW)
    assert wrong.place is not None and wrong.place.id != "pole-0272", "half a kilometre away: a datum is never guessed"
    with pytest.raises(NotFound, match="datum"):
        where(town, "39.93,116.46", None, NOW)
    with pytest.raises(NotFound, match="outside"):
        where(town, "31.2,121.5", "WGS-84", NOW)


def test_a_door_by_its_address(town: CommunityDirectory) -> None:
    several = where(town, "3号楼2单元501", None, NOW)
    assert several.place is None and len(several.others) == 6, "each community has one"
    assert all(other.zh.endswith("3号楼2单元501") and "13号楼" not in other.zh for other in several.others)
    one = where(town, "一二条社区3号楼2单元501", None, NOW)
    assert one.place is not None and one.place.id == "tjh-yet-b03-u2-501"
    assert one.position is not None and one.position.of == "tjh-yet-b03", "the building's, and it says so"
    assert one.meet_at and "门禁" in one.access
    assert where(town, "Yiertiao Community, Building 3, Unit 2, 501", None, NOW).place == one.place
    assert {near.level for near in one.nearest} == {"杆", "楼", "街道"}
    resident = town.community.residents[0]
    home = where(town, resident.name, None, NOW)
    found = [home.place.id] if home.place else [other.id for other in home.others]
    assert resident.home in found
    with pytest.raises(NotFound, match="nothing"):
        where(town, "月亮路1号", None, NOW)


def test_it_is_fast(town: CommunityDirectory) -> None:
    """Ten thousand places: once made, a question takes milliseconds. Generous, for a busy machine."""
    atlas = Atlas(town)
    atlas.find("0272")
    atlas.nearest(Point(39.93, 116.46))
    began = time.process_time()
    for number in range(50):
        atlas.nearest(Point(39.92 + number / 5000, 116.46))
    assert (time.process_time() - began) / 50 < 0.02
    began = time.process_time()
    for number in range(20):
        assert len(atlas.find(f"{number + 100:04d}")) == 1
    assert (time.process_time() - began) / 20 < 0.2


def yard(**of_camera: str | float) -> Atlas:
    """Two poles 20 m apart on a meridian, a camera on the southern one."""
    south, north = Point(40.0, 116.0), Point(40.00018, 116.0)
    places = tuple(
        Place(id=id_, level="杆", name=id_, parent="yuan", position=Position(lat=at.lat, lon=at.lon, datum="WGS-84"))  # type: ignore[arg-type]
        for id_, at in (("south", south), ("north", north))
    )
    root = Place(id="yuan", level="院", name="院")  # type: ignore[arg-type]
    camera = Device(id="cam", kind="camera", place="south", attributes=of_camera)
    info = CommunityInfo(id="yard", name="院")  # type: ignore[arg-type]
    return Atlas(CommunityDirectory(Community(anju=1, community=info, places=(root, *places), devices=(camera,))))


@pytest.mark.parametrize(
    ("of_camera", "sees"),
    [
        ({}, True),
        ({"sees_m": 10.0}, False),
        ({"sees_m": 10.0, "sees": "other north"}, True),
        ({"bearing": 0.0}, True),
        ({"bearing": 44.0}, True),
        ({"bearing": 46.0}, False),
        ({"bearing": 330.0, "angle": 70.0}, True),
        ({"bearing": 330.0, "angle": 50.0}, False),
        ({"bearing": 180.0}, False),
    ],
)
def test_what_a_camera_sees(of_camera: dict[str, str | float], sees: bool) -> None:
    atlas = yard(**of_camera)
    spot = atlas.spot("north")
    assert spot is not None
    (camera,) = atlas.cameras(spot[0], "north")
    assert (camera.sees, camera.distance_m) == (sees, pytest.approx(20, abs=0.1))
    own = atlas.spot("south")
    assert own is not None and atlas.cameras(own[0], "south")[0].sees


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("39.93,116.46", Point(39.93, 116.46)),
        (" 39.93， 116.46 ", Point(39.93, 116.46)),
        ("116.46 39.93", Point(39.93, 116.46)),
        ("-33.8;151.2", Point(-33.8, 151.2)),
        ("0272", None),
        ("3 2", None),
        ("200,300", None),
        ("3号楼", None),
    ],
)
def test_what_coordinates_are(said: str, at: Point | None) -> None:
    assert coordinates(said) == at


def test_numbers_are_whole_and_width_does_not_matter() -> None:
    assert plain("０２７２ 号杆") == plain("272号杆") == "#272#号杆"
    assert plain("3号楼") not in plain("13号楼")


@given(st.text(max_size=40))
def test_whatever_is_typed_is_answered(said: str) -> None:
    atlas = yard()
    assert all(place.id for place in atlas.find(said))
    coordinates(said)
