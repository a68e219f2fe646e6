"""What every profile on a serial line must bear: any bytes, in any pieces, for ever, from bad cables to attackers."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.gear.messages import GearDevice, Reading
from devices.gear.profile import Profile
from devices.gear.stream import FAULT_EVERY_MS, Faults, TextLines
from devices.observation import Refusal
from devices.profiles import PROFILES
from tests.support.gear import START_MS, Book
from tests.support.lines import LineBench

STREAMS = [profile for profile in PROFILES.values() if profile.stream is not None]
EACH = pytest.mark.parametrize("profile", STREAMS, ids=[profile.key for profile in STREAMS])
GROWN_MOST = 400_000
"""Bytes that one gear's object may hold, whatever came."""
SEEDS = [
    bytes.fromhex("01E0849392BCE3FFFF"),
    bytes((0x84, 0x40, 0x08, 72, 97)),
    bytes.fromhex("AAFF03000E03B186100040010000000000000000000000000000000055CC"),
    b"$GPRMC,225446,A,4916.45,N,12311.12,W,000.5,054.7,191194,020.3,E*68\r\n",
    b'{"unit":"kmph","speed":"48.2"}\r\n',
    bytes.fromhex("512200000000A518"),
    bytes.fromhex("02060C0306AE"),
    bytes.fromhex("020602037BCE"),
]
"""Pieces of every format: what is nearly right is harder than noise."""

pieces = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from(SEEDS),
        st.tuples(st.sampled_from(SEEDS), st.integers(0, 29), st.integers(0, 255)).map(
            lambda spoilt: spoilt[0][: spoilt[1]] + bytes((spoilt[2],)) + spoilt[0][spoilt[1] + 1 :]
        ),
        st.sampled_from(SEEDS).map(lambda seed: seed * 40),
    ),
    max_size=30,
)


def device(profile: Profile) -> GearDevice:
    return GearDevice(id="d", kind=profile.kinds[0], address="1")


@EACH
@given(data=pieces, pauses=st.lists(st.sampled_from((0, 1, 40, 900, 20_000)), max_size=30), known=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_bytes_in_any_pieces_make_it_raise_hang_or_grow(
    profile: Profile, data: list[bytes], pauses: list[int], known: bool
) -> None:
    assert profile.stream is not None
    gear = profile.stream({})
    line = LineBench(gear, Book([device(profile)] if known else []))
    for number, piece in enumerate(data):
        line.feed(piece, after_ms=pauses[number] if number < len(pauses) else 50)
    line.wait(5_000)
    assert held(gear) < GROWN_MOST
    assert all(said.device.id == "d" for said in line.said)
    assert len(line.faults) <= 8 + (line.now_ms // FAULT_EVERY_MS) * 8


@EACH
def test_a_babbling_line_does_not_make_it_grow_or_flood_the_quarantine(profile: Profile) -> None:
    assert profile.stream is not None
    gear = profile.stream({})
    gear.opened(0)
    book = Book([device(profile)])
    faults = said = 0
    for number in range(300):
        noise = SEEDS[number % len(SEEDS)] * 50 + bytes((number % 256,)) * 2000
        reading: Reading = gear.feed(noise, number * 20, START_MS, book)  # never asked what is due
        faults += len(reading.faults)
        said += len(reading.said)
    assert held(gear) < GROWN_MOST
    assert faults <= 8
    assert said <= 200


@EACH
@given(data=st.lists(st.sampled_from(SEEDS), max_size=20), cuts=st.lists(st.integers(1, 40), max_size=60))
@settings(max_examples=40, deadline=None)
def test_how_the_bytes_are_cut_makes_no_difference(profile: Profile, data: list[bytes], cuts: list[int]) -> None:
    assert profile.stream is not None
    whole, cut = profile.stream({}), profile.stream({})
    book = Book([device(profile)])
    wire = b"".join(data)
    whole.opened(0)
    cut.opened(0)
    whole.feed(wire, 10, START_MS, book)
    rest = wire
    for length in [*cuts, len(wire) + 1]:
        cut.feed(rest[:length], 10, START_MS, book)
        rest = rest[length:]
    assert whole.good == cut.good
    assert bool(whole.bad) == bool(cut.bad)


@EACH
def test_opened_again_it_starts_over(profile: Profile) -> None:
    assert profile.stream is not None
    gear = profile.stream({})
    line = LineBench(gear, Book([device(profile)]))
    line.feed(b"".join(SEEDS) * 3 + SEEDS[0][:4])
    gear.opened(line.now_ms)
    assert gear.good == gear.bad == 0
    line.wait(1_000)


def test_faults_are_told_first_at_once_then_by_the_minute_with_their_number() -> None:
    faults = Faults()
    for _ in range(5):
        faults.note(Refusal("malformed", field="frame", expected="x", hint="got y"))
    (first,) = faults.due(1000)
    assert "5 times" in first.hint
    for _ in range(500):
        faults.note(Refusal("malformed", field="frame", expected="x", hint="got y"))
        assert faults.due(2000) == ()
    (second,) = faults.due(1000 + FAULT_EVERY_MS)
    assert "500 times" in second.hint


def test_of_many_sorts_of_faults_a_bounded_number_is_kept() -> None:
    faults = Faults()
    for number in range(10_000):
        faults.note(Refusal("malformed", field=f"slave {number}", expected="x", hint="y"))
        if number % 7 == 0:
            faults.due(number)
    assert held(faults) < GROWN_MOST


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(deadline=None)
def test_lines_are_cut_the_same_however_they_come(data: list[bytes]) -> None:
    wire = b"".join(data)
    whole, _ = TextLines(40).feed(wire)
    lines = TextLines(40)
    assert [line for piece in data for line in lines.feed(piece)[0]] == whole
    assert all(0 < len(line) <= 40 and b"\n" not in line and b"\r" not in line for line in whole)


def held(thing: object) -> int:
    """Bytes that an object holds, roughly, and all that hangs on it."""
    seen: set[int] = set()
    size = 0
    waiting: list[Any] = [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        size += sys.getsizeof(one)
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        waiting += vars(one).values() if hasattr(one, "__dict__") else []
        waiting += [getattr(one, name) for name in getattr(type(one), "__slots__", ()) if hasattr(one, name)]
    return size
