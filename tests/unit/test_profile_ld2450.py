"""Hi-Link's presence radar: sign and magnitude, no checksum, people that it loses."""

from __future__ import annotations

import struct

import pytest

from devices.gear.memory import Memory, observe
from devices.gear.messages import GearDevice
from devices.profiles.ld2450 import LD2450, Ld2450, decode
from tests.support.gear import START_MS, Book
from tests.support.lines import LineBench

RADAR = GearDevice(id="radar-1", kind="presence", address="1")

# Hi-Link, "LD2450 Serial port communication protocol", 2.3, example: one target at -782 mm, 1713 mm, -16 cm/s.
ONE = bytes.fromhex("AAFF03000E03B186100040010000000000000000000000000000000055CC")
NOBODY = bytes.fromhex("AAFF0300") + bytes(24) + bytes.fromhex("55CC")


def signed(value: int) -> int:
    return abs(value) | (0x8000 if value >= 0 else 0)


def frame(*targets: tuple[int, int, int]) -> bytes:
    places = [*targets, *([None] * (3 - len(targets)))]
    body = b"".join(
        bytes(8) if one is None else struct.pack("<4H", signed(one[0]), signed(one[1]), signed(one[2]), 360)
        for one in places
    )
    return b"\xaa\xff\x03\x00" + body + b"\x55\xcc"


def bench(**options: str) -> LineBench:
    return LineBench(Ld2450(options), Book([RADAR]))


def seconds(line: LineBench, count: float, data: bytes, *, piece: int | None = None) -> None:
    """Ten frames a second."""
    for _ in range(round(count * 10)):
        line.feed(data, after_ms=100, piece=piece)


def test_the_makers_example() -> None:
    assert len(ONE) == 30
    (target,) = decode(ONE) or ()
    assert (target.x, target.y, target.speed) == (-0.782, 1.713, -0.16)
    assert target.distance == pytest.approx(1.883, abs=0.001)


def test_the_sign_bit_is_set_for_positive_numbers() -> None:
    (target,) = decode(frame((500, 2000, 30))) or ()
    assert (target.x, target.y, target.speed) == (0.5, 2.0, 0.3)
    assert decode(NOBODY) == ()


@pytest.mark.parametrize(
    "target", [(0, 9000, 0), (9000, 1000, 0), (0, 1000, 2000), (0, -500, 0)], ids=["far", "aside", "fast", "behind"]
)
def test_what_the_radar_cannot_see_is_a_damaged_frame(target: tuple[int, int, int]) -> None:
    line = bench()
    assert decode(frame(target)) is None
    line.feed(frame(target))
    assert line.gear.bad == 1 and [fault.reason for fault in line.faults] == ["malformed"]


@pytest.mark.parametrize("piece", [None, 1, 7, 30, 31])
def test_somebody_comes_moves_and_goes(piece: int | None) -> None:
    line = bench(hold_s="5", every_s="10")
    seconds(line, 3, NOBODY, piece=piece)
    seconds(line, 15, ONE, piece=piece)
    seconds(line, 20, NOBODY, piece=piece)
    assert line.gear.bad == 0
    memory = Memory()
    events = [
        observation.event
        for said in line.said
        for observation in observe(
            said, memory, received_at_ms=START_MS, retained=False, redelivered=False
        ).observations
        if observation.event
    ]
    assert events == ["entered", "left"]
    assert {1.0, 0.0} == set(line.metrics("occupied"))
    assert line.metrics("nearest")[0] == 1.88
    assert line.metrics("target1_x")[0] == -0.782


def test_who_sits_still_is_still_there() -> None:
    line = bench(hold_s="30")
    seconds(line, 2, ONE)
    seconds(line, 25, NOBODY)
    assert set(line.metrics("occupied")[1:]) == {1.0}
    seconds(line, 6, NOBODY)
    assert line.metrics("occupied")[-1] == 0.0
    left_ms = line.now_ms
    assert left_ms < 34_000


def test_a_ghost_of_two_frames_is_nobody() -> None:
    line = bench()
    seconds(line, 2, NOBODY)
    seconds(line, 0.2, ONE)
    seconds(line, 12, NOBODY)
    assert set(line.metrics("occupied")) == {0.0}


def test_a_second_person_is_told_at_once_and_positions_every_ten_seconds() -> None:
    line = bench()
    seconds(line, 12, ONE)
    before = len(line.said)
    assert before == 2
    seconds(line, 1, frame((0, 1000, 0), (2000, 3000, -50)))
    assert len(line.said) == before + 1
    assert line.said[-1].metrics["targets"] == 2
    assert line.said[-1].metrics["target2_speed"] == -0.5
    assert line.said[-1].metrics["nearest"] == 1.0


@pytest.mark.parametrize(
    "noise", [b"\x00", b"\xaa\xff\x03\x00", ONE[:17], b"\x55\xcc" * 9, ONE[:-1]], ids=lambda one: one.hex()[:12]
)
def test_back_in_step_after_noise(noise: bytes) -> None:
    line = bench()
    line.feed(noise + ONE + ONE)
    assert line.gear.good >= 1
    good = line.gear.good
    line.feed(ONE)
    assert line.gear.good == good + 1
    assert line.gear.bad >= 1


def test_a_dead_radar_sees_nobody_and_does_not_say_that_nobody_is_there() -> None:
    line = bench(every_s="5", hold_s="10")
    seconds(line, 3, ONE)
    said = len(line.said)
    line.wait(60_000)
    assert len(line.said) <= said + 1, "one report may fall into the five seconds before it counts as dead"
    seconds(line, 1, NOBODY)
    assert line.metrics("occupied")[-1] == 0


def test_a_radar_nobody_registered_is_announced() -> None:
    line = LineBench(Ld2450({}), Book([]))
    seconds(line, 3, ONE)
    assert line.announced == ["1"] and line.said == []


def test_wrong_options_are_named() -> None:
    assert LD2450.stream is not None and LD2450.spec_only
    for options in ({"hold_s": "-1"}, {"every_s": "often"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            LD2450.stream(options)
