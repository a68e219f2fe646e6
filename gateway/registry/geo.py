"""Coordinates: WGS-84 and GCJ-02 made out of each other, distances and directions. Pure.

GCJ-02 is what maps in mainland China use: WGS-84 moved by some hundred metres. There is no official publication; the
formula is the one that has been public since 2013 (eviltransform, github.com/googollee/eviltransform, whose test points
`tests/unit/test_geo.py` uses). Its inverse is found by iteration, to a millimetre. Where it applies is, as there, a
rectangle around China, not the border: points outside it are the same in both.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from gateway.registry.values import Position

Datum = Literal["WGS-84", "GCJ-02"]

EARTH_M = 6_371_008.8
"""Mean radius of the Earth (IUGG)."""
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271
_AXIS, _ECCENTRICITY2 = 6_378_245.0, 0.006_693_421_622_965_943
"""Krasovsky 1940."""
_CLOSE_ENOUGH = 1e-9
"""Degrees: a tenth of a millimetre."""


class Point(NamedTuple):
    """Degrees north and east, in a datum that the context says."""

    lat: float
    lon: float


def in_china(at: Point) -> bool:
    """Whether the point lies in the rectangle in which GCJ-02 differs from WGS-84."""
    return _WEST <= at.lon <= _EAST and _SOUTH <= at.lat <= _NORTH


def wgs84_to_gcj02(at: Point) -> Point:
    """What a Chinese map calls the point that a satellite receiver calls ``at``."""
    if not in_china(at):
        return at
    moved = _moved_by(at)
    return Point(at.lat + moved.lat, at.lon + moved.lon)


def gcj02_to_wgs84(at: Point) -> Point:
    """The inverse of `wgs84_to_gcj02`, by iteration: exact to a tenth of a millimetre."""
    if not in_china(at):
        return at
    guess = at
    for _ in range(30):  # each round divides the error by some hundred
        moved = _moved_by(guess)
        off = Point(guess.lat + moved.lat - at.lat, guess.lon + moved.lon - at.lon)
        guess = Point(guess.lat - off.lat, guess.lon - off.lon)
        if abs(off.lat) < _CLOSE_ENOUGH and abs(off.lon) < _CLOSE_ENOUGH:
            break
    return guess


def in_datum(position: Position, datum: Datum) -> Position:
    """The same spot in another datum."""
    if position.datum == datum:
        return position
    turn = wgs84_to_gcj02 if datum == "GCJ-02" else gcj02_to_wgs84
    lat, lon = turn(Point(position.lat, position.lon))
    return Position(lat=lat, lon=lon, datum=datum)


def wgs84(position: Position) -> Point:
    """The position as a WGS-84 point, to reckon with."""
    known = in_datum(position, "WGS-84")
    return Point(known.lat, known.lon)


def distance_m(one: Point, other: Point) -> float:
    """Metres between two points of one datum, along the sphere (haversine; within 0.6 % of the ellipsoid)."""
    lat1, lat2 = math.radians(one.lat), math.radians(other.lat)
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(other.lon - one.lon) / 2
    square = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(square)))


def bearing_deg(one: Point, other: Point) -> float:
    """In which direction ``other`` lies from ``one``: degrees from north by east, 0 to 360."""
    lat1, lat2 = math.radians(one.lat), math.radians(other.lat)
    lon = math.radians(other.lon - one.lon)
    east = math.sin(lon) * math.cos(lat2)
    north = math.cos(lat1) * math.sin(lat2) - math.sin(lat1) * math.cos(lat2) * math.cos(lon)
    return math.degrees(math.atan2(east, north)) % 360


def _moved_by(at: Point) -> Point:
    """By how many degrees GCJ-02 moves a WGS-84 point."""
    x, y = at.lon - 105.0, at.lat - 35.0
    root, waves = math.sqrt(abs(x)), 20.0 * math.sin(6 * x * math.pi) + 20.0 * math.sin(2 * x * math.pi)
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (waves + 20.0 * math.sin(y * math.pi) + 40.0 * math.sin(y / 3.0 * math.pi)) * 2 / 3
    north += (160.0 * math.sin(y / 12.0 * math.pi) + 320.0 * math.sin(y / 30.0 * math.pi)) * 2 / 3
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (waves + 20.0 * math.sin(x * math.pi) + 40.0 * math.sin(x / 3.0 * math.pi)) * 2 / 3
    east += (150.0 * math.sin(x / 12.0 * math.pi) + 300.0 * math.sin(x / 30.0 * math.pi)) * 2 / 3
    lat = math.radians(at.lat)
    flat = 1 - _ECCENTRICITY2 * math.sin(lat) ** 2
    per_lat = (_AXIS * (1 - _ECCENTRICITY2)) / (flat * math.sqrt(flat)) * math.pi
    per_lon = _AXIS / math.sqrt(flat) * math.cos(lat) * math.pi
    return Point(north * 180.0 / per_lat, east * 180.0 / per_lon)
