"""Rules over events, as a guard would tell them: who pressed, who cancelled, when the smoke was over."""

from __future__ import annotations

from gateway.alarms import AlarmMove, Severity
from tests.support.watch_room import START, WatchRoom, rule

SOS = rule(use="sos-pressed")
SMOKE = rule(use="smoke-alarm")


def test_a_press_is_told_at_once_and_says_everything_about_itself() -> None:
    room = WatchRoom(SOS)
    assert room.says("key", "press", ago_s=3, battery=88) == ["raised sos-pressed resident:wang"]
    alarm = room.last
    assert (alarm.type, alarm.severity, alarm.ladder) == ("personal_emergency", Severity.EMERGENCY, "life-safety")
    assert (alarm.device, alarm.place, alarm.resident) == ("key", "door-1", "wang")
    assert (alarm.at_ms, alarm.observed_at_ms) == (START, START - 3000)
    assert alarm.momentary
    assert alarm.explanation == "按下 pressed (press)"
    (evidence,) = alarm.evidence
    assert (evidence.message_id, evidence.event, evidence.metrics) == ("key:1:1", "press", {"battery": 88.0})


def test_a_second_press_is_a_second_cry_for_help() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    room.forward(20)
    assert room.says("key", "long_press") == ["repeated sos-pressed resident:wang"]
    assert room.says("cord", "press") == ["repeated sos-pressed resident:wang"], "the cord in the same home"


def test_the_same_message_twice_is_one_press() -> None:
    room = WatchRoom(SOS)
    assert len(room.says("key", "press", seq=7)) == 1
    assert room.says("key", "press", seq=7) == []
    room.engine.end_momentary("sos-pressed", "resident:wang")
    assert room.says("key", "press", seq=7) == [], "not even after its case is over"
    assert room.engine.skipped["sos-pressed", "duplicate"] == 2


def test_it_was_a_mistake_and_then_it_was_not() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    assert room.says("key", "cancel") == ["cancelled sos-pressed resident:wang"]
    assert room.says("key", "press") == ["raised sos-pressed resident:wang"]


def test_the_resident_may_cancel_at_another_device_of_the_home() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    assert room.says("cord", "cancel") == ["cancelled sos-pressed resident:wang"]


def test_in_a_courtyard_nobody_cancels_the_other_ones_press() -> None:
    room = WatchRoom(SOS)
    assert room.says("yard-key", "press") == ["raised sos-pressed place:yard"], "no resident: the place"
    assert room.says("yard-key-2", "cancel") == []
    assert room.says("yard-key-2", "press") == ["repeated sos-pressed place:yard"]
    assert room.says("yard-key-2", "cancel") == [], "the first one still stands"
    assert room.says("yard-key", "cancel") == ["cancelled sos-pressed place:yard"]


def test_a_cancel_with_nothing_to_cancel_changes_nothing() -> None:
    room = WatchRoom(SOS)
    assert room.says("key", "cancel") == []
    assert room.engine.skipped["sos-pressed", "nothing_to_end"] == 1
    assert room.says("key", "press") == ["raised sos-pressed resident:wang"]


def test_a_cancel_that_was_overtaken_by_a_newer_press_does_not_silence_it() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press", seq=1)
    room.says("key", "press", seq=3)
    assert room.says("key", "cancel", seq=2) == []
    assert room.engine.skipped["sos-pressed", "overtaken"] == 1


def test_a_press_heard_after_its_own_cancel_is_still_seen() -> None:
    room = WatchRoom(SOS)
    room.says("key", "cancel", seq=2)
    assert room.says("key", "press", seq=1) == [
        "raised sos-pressed resident:wang",
        "cancelled sos-pressed resident:wang",
    ]


def test_no_clock_can_cancel_a_press() -> None:
    """The key lost its time: by its clock the press lies before yesterday's cancel, but it was sent after it."""
    room = WatchRoom(SOS)
    room.says("key", "press", seq=1)
    room.says("key", "cancel", seq=2)
    assert room.says("key", "press", seq=3, ago_s=86_400) == ["raised sos-pressed resident:wang"]
    room.says("key", "cancel", seq=4)
    assert room.says("key", "press", seq=1, boot=2, ago_s=86_400) == ["raised sos-pressed resident:wang"]


def test_after_its_case_a_new_press_is_a_new_alarm() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    room.engine.end_momentary("sos-pressed", "resident:wang")
    assert room.says("key", "press") == ["raised sos-pressed resident:wang"]


def test_smoke_is_over_when_the_last_detector_says_so() -> None:
    room = WatchRoom(SMOKE)
    assert room.says("smoke-a", "smoke") == ["raised smoke-alarm place:door-1"]
    assert not room.last.momentary
    assert room.says("smoke-b", "smoke") == ["repeated smoke-alarm place:door-1"]
    assert room.says("smoke-a", "smoke_cleared") == []
    assert room.says("smoke-b", "smoke_cleared") == ["cleared smoke-alarm place:door-1"]
    assert room.last.explanation == "烟雾消除 smoke cleared (smoke_cleared)"


def test_a_closed_case_does_not_end_a_condition() -> None:
    room = WatchRoom(SMOKE)
    room.says("smoke-a", "smoke")
    room.engine.end_momentary("smoke-alarm", "place:door-1")
    assert room.says("smoke-a", "smoke") == ["repeated smoke-alarm place:door-1"]


def test_an_alarm_from_a_device_nobody_registered_is_about_the_device() -> None:
    room = WatchRoom(SOS)
    observation_of = room.devices.pop("key")
    room.devices["ghost"] = observation_of
    assert room.says("ghost", "press") == ["raised sos-pressed resident:wang"]
    del room.engine
    room.restart()
    room.engine = type(room.engine)(room.rules, lambda _: None, {})
    assert room.says("ghost", "press") == ["raised sos-pressed device:ghost"]


def test_other_kinds_and_other_events_are_none_of_its_business() -> None:
    room = WatchRoom(SOS)
    assert room.says("key", "low_battery") == []
    assert room.says("smoke-a", "smoke") == []


def test_moves_are_named() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    assert room.last.move is AlarmMove.RAISED
