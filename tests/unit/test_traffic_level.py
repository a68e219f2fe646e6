"""Level of service: the speeds of each class, empty roads, and rules of congestion that begin at the same speeds."""

from __future__ import annotations

import re

import pytest

from devices.kinds.sign import SIGN
from devices.traffic import BUSY_FLOW, BUSY_OCCUPANCY, FROM_KMH, ROAD_CLASSES, Level, RoadClass, level, road_class
from gateway.rules.library import library


@pytest.mark.parametrize(
    ("of", "speed", "expected"),
    [
        ("expressway", 66, Level.FREE),
        ("expressway", 65, Level.MOSTLY_FREE),
        ("expressway", 50, Level.LIGHT),
        ("expressway", 35, Level.MODERATE),
        ("expressway", 20, Level.SEVERE),
        ("arterial", 40.1, Level.FREE),
        ("arterial", 40, Level.MOSTLY_FREE),
        ("arterial", 30, Level.LIGHT),
        ("arterial", 20, Level.MODERATE),
        ("arterial", 15, Level.SEVERE),
        ("branch", 36, Level.FREE),
        ("branch", 26, Level.MOSTLY_FREE),
        ("branch", 16, Level.LIGHT),
        ("branch", 11, Level.MODERATE),
        ("branch", 10, Level.SEVERE),
    ],
)
def test_a_busy_road_is_judged_by_the_speeds_of_its_class(of: RoadClass, speed: float, expected: Level) -> None:
    assert level(of, speed, 900, 18) is expected


def test_an_empty_road_is_free_however_slow_its_zeros_are() -> None:
    assert level("arterial", 0, 0, 0) is Level.FREE
    assert level("arterial", None, 0, 0) is Level.FREE
    assert level("arterial", 12, 299, 24.9) is Level.FREE


def test_few_vehicles_that_stand_are_congestion() -> None:
    assert level("arterial", 4, 120, 60) is Level.SEVERE


def test_what_is_not_known_is_not_judged() -> None:
    assert level("arterial", None, 900, 20) is None
    assert level("arterial", None, None, None) is None
    assert level("arterial", 25, None, None) is Level.LIGHT


def test_a_road_of_which_nobody_said_it_is_arterial() -> None:
    assert [road_class(given) for given in (None, "", "motorway", 3, "branch")] == ["arterial"] * 4 + ["branch"]


def test_signs_have_a_word_for_each_level() -> None:
    words = SIGN.commands["show"].args["level"]
    assert words == ("none", *(one.name.lower() for one in Level))


@pytest.mark.parametrize("of", ROAD_CLASSES)
def test_the_rules_of_congestion_begin_at_the_same_speeds(of: RoadClass) -> None:
    suffix = "" if of == "arterial" else f"-{of}"
    for rule, at in ((f"traffic-congestion{suffix}", 2), (f"traffic-severe{suffix}", 3)):
        when = str(library()[rule]["when"])
        found = re.search(r"speed <= (\d+) and \(flow >= (\d+) or occupancy >= (\d+)\)", when)
        assert found is not None, when
        assert tuple(map(float, found.groups())) == (FROM_KMH[of][at], BUSY_FLOW[of], BUSY_OCCUPANCY)
