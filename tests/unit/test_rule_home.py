"""What rules about homes and armed places ask of the language: seen long enough after the door, disarmed in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.rules.forms import KnownDevice
from tests.support.watch_room import WatchRoom, rule

DOOR = KnownDevice("door", "contact", "home", "li", 86_400, facts={"device.role": "front_door"})
HALL = KnownDevice("hall", "motion", "home", "li", 86_400)
ARMED = {"place.armed": True}


def seen_inside(when: str) -> WatchRoom:
    inputs = {
        "sign": {"kinds": ["motion"], "events": ["motion"]},
        "door": {"kinds": ["contact"], "events": ["opened", "closed"]},
    }
    asked = rule(use="inactivity", id="asked", inputs=inputs, when=when, examples=[], say=None)
    room = WatchRoom(asked, devices=[DOOR, HALL])
    room.engine.watch(room.devices, room.now_ms)
    return room


def test_who_is_seen_while_the_door_falls_shut_is_not_inside() -> None:
    room = seen_inside("after(sign, door, 2 * minutes)")
    room.says("door", "closed")
    room.forward(100)
    assert room.says("hall", "motion") == []
    room.forward(30)
    assert room.says("hall", "motion") == ["raised asked resident:li"]


def test_where_the_door_was_never_heard_of_any_sign_comes_after_it() -> None:
    assert seen_inside("after(sign, door, 2 * minutes)").says("hall", "motion") == ["raised asked resident:li"]


def armed_home(**changes: Any) -> WatchRoom:
    devices = [replace(DOOR, facts={**DOOR.facts, **ARMED}), replace(HALL, facts=ARMED)]
    room = WatchRoom(rule(use="intrusion-armed", **changes), devices=devices)
    room.engine.watch(room.devices, room.now_ms)
    return room


@pytest.mark.parametrize(
    "changes", [{}, {"when": "seen(inside, 2 * minutes) and after(inside, door)", "examples": []}], ids=["", "by where"]
)
def test_who_comes_home_and_disarms_in_time_is_no_intruder(changes: dict[str, object]) -> None:
    room = armed_home(**changes)
    room.says("door", "closed")
    room.forward(5)
    room.says("hall", "motion")
    room.forward(40)
    room.devices |= {"door": DOOR, "hall": HALL}
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(3600) == []


def test_who_comes_in_and_does_not_disarm_is_one() -> None:
    room = armed_home()
    room.says("door", "closed")
    room.forward(5)
    room.says("hall", "motion")
    assert room.forward(59) == []
    assert room.forward(1) == ["raised intrusion-armed place:home"]
