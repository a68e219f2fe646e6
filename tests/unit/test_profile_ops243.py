"""OmniPreSense's speed radar: vehicles out of speeds, an empty road apart from a dead radar, the wrong way."""

from __future__ import annotations

import pytest

from devices.gear.messages import GearDevice
from devices.profiles.ops243 import ASK_VERSION, OPS243, SET_UP, Ops243, speeds
from tests.support.gear import Book
from tests.support.lines import LineBench

ROAD = GearDevice(id="road-1", kind="traffic_counter", address="1")
VERSION = b'{"Version":"1.3.1"}\r\n'


def bench(**options: str) -> LineBench:
    return LineBench(Ops243(options), Book([ROAD]))


def vehicle(line: LineBench, *kmh: float, gap_ms: int = 150) -> None:
    for speed in kmh:
        line.feed(b'{"unit":"kmph","speed":"%.1f"}\r\n' % speed, after_ms=gap_ms)


@pytest.mark.parametrize(
    ("line", "unit", "kmh"),
    [
        # OmniPreSense, OPS242 and OPS243-A user manuals: JSON output, the units, time and magnitude before the speed.
        (b'{"speed":0.58,"direction":"inbound","time":105,"tick":135}', "mps", [2.088]),
        (b'{"speed":0.58,"direction":"outbound","time":105,"tick":135}', "mps", [-2.088]),
        (b'{"time":"1.234","unit":"kmph","speed":"-48.2"}', "mps", [-48.2]),
        (b'{"speed":["52.1","18.0"],"magnitude":["80","40"],"unit":"kmph"}', "mps", [52.1, 18.0]),
        (b"137.429, 3.6", "mps", [12.96]),
        (b'"mps",41.0,3.6', "kmph", [12.96]),
        (b"-31.1", "mph", [-50.051]),
        (b'{"Product":"OPS243"}', "mps", []),
        (b'{"speed":"fast"}', "mps", None),
        (b'{"speed":1,"unit":"parsecs"}', "mps", None),
        (b"[1,2]", "mps", None),
        (b"1,2,3,4", "mps", None),
        (b"nan", "mps", None),
        (b'{"speed":1e999}', "mps", None),
        (b"\xff\xfe", "mps", None),
        (b"[" * 5000, "mps", None),
    ],
)
def test_lines(line: bytes, unit: str, kmh: list[float] | None) -> None:
    found = speeds(line, unit)
    assert found == (None if kmh is None else pytest.approx(kmh, abs=0.001))


def test_vehicles_are_counted_once_each_with_their_highest_speed() -> None:
    line = bench()
    line.feed(VERSION)
    vehicle(line, 40, 45, 50, 48)
    line.wait(3000)
    vehicle(line, -30, -32, -31)
    vehicle(line, 60, 62)
    line.wait(60_000)
    (report,) = line.said
    assert report.metrics == {"flow": 180, "speed": pytest.approx((50 + 32 + 62) / 3, abs=0.1)}
    assert report.data == {"top_speed": 62}


def test_leaves_and_walkers_are_no_vehicles() -> None:
    line = bench()
    vehicle(line, 50)
    line.wait(5000)
    vehicle(line, 5, 5, 4, 6)
    line.wait(60_000)
    assert line.said[0].metrics == {"flow": 0}


def test_an_empty_road_is_told_and_a_dead_radar_is_not_one() -> None:
    line = bench()
    for _ in range(8):
        line.feed(VERSION, after_ms=30_000)
    assert line.metrics("flow") == [0] * 4
    line.wait(600_000)
    assert len(line.metrics("flow")) <= 6, "the last answer counts for a hundred seconds"


def test_it_is_set_up_asked_for_and_set_up_again_after_a_silence() -> None:
    line = bench()
    line.feed(VERSION, after_ms=1)
    line.feed(VERSION, after_ms=30_000)
    line.wait(200_000)
    assert line.wrote[:2] == [SET_UP + ASK_VERSION] * 2, "again once it answers: the first may have come too early"
    assert line.wrote[2] == ASK_VERSION
    assert line.wrote[-1] == SET_UP + ASK_VERSION


@pytest.mark.parametrize(("way", "reported"), [("both", 0), ("outbound", 1), ("inbound", 0)])
def test_the_wrong_way_is_said_at_once_and_once(way: str, reported: int) -> None:
    line = bench(way=way)
    vehicle(line, 40, 42, 41, 43)
    assert [said.events for said in line.said] == [("wrong_way",)] * reported


def test_impossible_speeds_and_rubbish_are_faults() -> None:
    line = bench()
    line.feed(b'{"unit":"kmph","speed":"400"}\r\nrubbish\r\n' + b"x" * 3000 + b"\n")
    assert line.gear.bad == 3 and line.gear.good == 0
    assert [fault.reason for fault in line.faults] == ["malformed"]


def test_wrong_options_are_named() -> None:
    assert OPS243.stream is not None and OPS243.spec_only
    for options in ({"way": "up"}, {"unit": "knots"}, {"min_kmh": "0"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            OPS243.stream(options)
