"""WGS-84 and GCJ-02, distances and directions, against published points."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.registry.geo import (
    Point,
    bearing_deg,
    distance_m,
    gcj02_to_wgs84,
    in_china,
    in_datum,
    wgs84,
    wgs84_to_gcj02,
)
from gateway.registry.values import Position

# The test points of eviltransform (github.com/googollee/eviltransform, go/transform_test.go).
PUBLISHED = [
    (Point(31.1774276, 121.5272106), Point(31.17530398364597, 121.531541859215)),  # Shanghai
    (Point(22.543847, 113.912316), Point(22.540796131694766, 113.9171764808363)),  # Shenzhen
    (Point(39.911954, 116.377817), Point(39.91334545536069, 116.38404722455657)),  # Beijing
]
inside = st.builds(Point, st.floats(18.0, 53.5), st.floats(73.5, 135.0))
anywhere = st.builds(Point, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(("satellite", "map_"), PUBLISHED)
def test_the_published_points_both_ways(satellite: Point, map_: Point) -> None:
    assert wgs84_to_gcj02(satellite) == pytest.approx(map_, abs=1e-10)
    assert distance_m(gcj02_to_wgs84(map_), satellite) < 0.001


@pytest.mark.parametrize(
    "abroad", [Point(39.7392, -104.9903), Point(51.5, -0.12), Point(-33.86, 151.2), Point(35.68, 139.69)]
)
def test_abroad_both_are_the_same(abroad: Point) -> None:
    assert not in_china(abroad)
    assert wgs84_to_gcj02(abroad) == gcj02_to_wgs84(abroad) == abroad


@given(inside)
def test_there_and_back_is_the_same_spot(spot: Point) -> None:
    moved = wgs84_to_gcj02(spot)
    assert 10 < distance_m(spot, moved) < 2000
    assert distance_m(gcj02_to_wgs84(moved), spot) < 0.001


@given(anywhere)
def test_every_point_of_the_earth_is_answered(spot: Point) -> None:
    if in_china(spot):
        assert distance_m(wgs84_to_gcj02(gcj02_to_wgs84(spot)), spot) < 5 or not in_china(gcj02_to_wgs84(spot))
    else:
        assert wgs84_to_gcj02(spot) == spot


def test_a_position_says_its_datum() -> None:
    on_map = Position(lat=PUBLISHED[2][1].lat, lon=PUBLISHED[2][1].lon, datum="GCJ-02")
    assert in_datum(on_map, "GCJ-02") is on_map
    assert wgs84(on_map) == pytest.approx(PUBLISHED[2][0], abs=1e-8)
    assert in_datum(in_datum(on_map, "WGS-84"), "GCJ-02").lat == pytest.approx(on_map.lat, abs=1e-8)


def test_distance_and_direction() -> None:
    here = Point(39.93, 116.46)
    assert distance_m(here, Point(40.93, 116.46)) == pytest.approx(111_195, abs=1)  # a 360th of 40,030 km
    assert distance_m(Point(0, 179.5), Point(0, -179.5)) == pytest.approx(111_195, abs=1)
    assert distance_m(here, Point(-39.93, 116.46 - 180)) == pytest.approx(20_015_115, abs=10)
    assert distance_m(here, here) == 0
    assert bearing_deg(here, Point(39.94, 116.46)) == pytest.approx(0)
    assert bearing_deg(here, Point(39.93, 116.47)) == pytest.approx(90, abs=0.01)
    assert bearing_deg(here, Point(39.92, 116.46)) == pytest.approx(180)
    assert bearing_deg(here, Point(39.93, 116.45)) == pytest.approx(270, abs=0.01)
