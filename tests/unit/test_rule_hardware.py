"""What the rules remember belongs to the hardware that said it: replaced and retired devices hold nothing any more."""

from __future__ import annotations

from dataclasses import replace

from gateway.rules.forms import KnownDevice
from tests.support.watch_room import WatchRoom, rule

SILENT, SMOKE, BATTERY = rule(use="device-silent"), rule(use="smoke-alarm"), rule(use="low-battery")
SOS = rule(use="sos-pressed")
A = KnownDevice("smoke-a", "smoke", "door-1", None, 3600, hardware="native//smoke-a")
B = KnownDevice("smoke-b", "smoke", "door-1", None, 3600, hardware="native//smoke-b")
KEY = KnownDevice("key", "sos_button", "door-1", "wang", 3600, hardware="native//key")


def room_with(*devices: KnownDevice) -> WatchRoom:
    room = WatchRoom(SILENT, SMOKE, BATTERY, SOS, devices=devices)
    watch(room)
    return room


def watch(room: WatchRoom) -> list[str]:
    """The registry was changed; what ended with it is told by the next tick."""
    room.engine.watch(room.devices, room.now_ms)
    return room.forward(0)


def test_a_new_detector_does_not_inherit_the_smoke_of_the_old_one() -> None:
    room = room_with(A, B)
    room.says("smoke-a", "smoke")
    room.devices["smoke-a"] = replace(A, hardware="native//smoke-7F")
    assert watch(room) == ["cleared smoke-alarm place:door-1"]
    assert room.last.explanation == "the device was replaced"
    assert room.says("smoke-a", "smoke", boot=9, seq=1) == ["raised smoke-alarm place:door-1"]


def test_another_detector_that_sees_smoke_goes_on_holding_the_alarm() -> None:
    room = room_with(A, B)
    room.says("smoke-a", "smoke")
    room.says("smoke-b", "smoke")
    room.devices["smoke-a"] = replace(A, hardware="native//smoke-7F")
    assert watch(room) == []
    assert room.says("smoke-b", "smoke_cleared") == ["cleared smoke-alarm place:door-1"]


def test_silence_of_the_old_one_ends_and_the_new_one_has_its_time() -> None:
    room = room_with(A)
    room.says("smoke-a", battery=80)
    assert room.forward(3600) == ["raised device-silent device:smoke-a"]
    room.devices["smoke-a"] = replace(A, hardware="native//smoke-7F")
    assert watch(room) == ["cleared device-silent device:smoke-a"]
    assert room.forward(3599) == []
    assert room.forward(1) == ["raised device-silent device:smoke-a"]


def test_readings_of_the_old_battery_do_not_count_for_the_new_one() -> None:
    room = room_with(A)
    room.says("smoke-a", battery=10)
    room.devices["smoke-a"] = replace(A, hardware="native//smoke-7F")
    watch(room)
    assert room.says("smoke-a", battery=10) == []
    assert room.says("smoke-a", battery=9) == ["raised low-battery device:smoke-a"]


def test_a_replacement_while_nobody_ran_is_noticed_after_the_start() -> None:
    room = room_with(A)
    room.says("smoke-a", "smoke")
    room.devices["smoke-a"] = replace(A, hardware="native//smoke-7F")
    room.restart()
    assert watch(room) == ["cleared smoke-alarm place:door-1"]


def test_a_press_stays_somebodys_case_also_when_the_key_is_replaced() -> None:
    room = room_with(KEY)
    room.says("key", "press")
    room.devices["key"] = replace(KEY, hardware="native//key-2")
    assert watch(room) == []
    assert room.says("key", "press", boot=9, seq=1) == ["repeated sos-pressed resident:wang"]


def test_a_late_press_of_a_retired_key_is_told_and_its_silence_is_not() -> None:
    """The registry still knows where it hung and whom it served; it is no longer supervised."""
    room = room_with(KEY, A)
    room.engine.watch(["smoke-a"], room.now_ms)
    assert room.says("key", "press", ago_s=60) == ["raised sos-pressed resident:wang"]
    assert room.last.place == "door-1"
    assert room.forward(3600) == ["raised device-silent device:smoke-a"]


def test_what_a_device_holds_can_be_asked_for() -> None:
    room = room_with(A, KEY)
    room.says("smoke-a", "smoke")
    room.says("key", "press")
    (held,) = room.engine.held_by("smoke-a", "still so", room.now_ms + 5)
    assert (held.move, held.rule, held.subject, held.type) == ("raised", "smoke-alarm", "place:door-1", "smoke")
    assert (held.momentary, held.device, held.at_ms, held.explanation) == (
        False,
        "smoke-a",
        room.now_ms + 5,
        "still so",
    )
    (pressed,) = room.engine.held_by("key", "still so", room.now_ms)
    assert pressed.momentary
    room.says("smoke-a", "smoke_cleared")
    assert room.engine.held_by("smoke-a", "still so", room.now_ms) == []
