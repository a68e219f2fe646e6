"""Rules over silence: supervised devices, restarts of the gateway, clocks that jump, rules and devices that go."""

from __future__ import annotations

from gateway.rules.forms import KnownDevice
from tests.support.watch_room import HOME, START, WatchRoom, rule

SILENT = rule(use="device-silent")
SPO2_LOW = rule(use="spo2-limit")
SOS = rule(use="sos-pressed")
KEY = (KnownDevice("key", "sos_button", "door-1", "wang", 3600),)
PAIR = (*KEY, KnownDevice("monitor", "vitals_monitor", "door-1", "wang", 900))
GONE, BACK = "raised device-silent device:key", "cleared device-silent device:key"


def room_with(*devices: KnownDevice) -> WatchRoom:
    room = WatchRoom(SILENT, devices=devices or KEY)
    room.engine.watch(room.devices, room.now_ms)
    return room


def test_a_device_that_is_not_heard_in_time_is_told_once() -> None:
    room = room_with()
    room.says("key", battery=80)
    assert room.forward(3599) == []
    assert room.forward(1) == [GONE]
    assert room.last.explanation == "not heard for 3600 s; it must be heard every 3600 s"
    assert [evidence.message_id for evidence in room.last.evidence] == ["key:1:1"]
    assert room.last.resident == "wang"
    assert room.forward(86_400) == []
    assert room.says("key", battery=80) == [BACK]
    assert room.last.explanation == "heard again after 90000 s"
    assert room.forward(3600) == [GONE]


def test_one_that_was_never_heard_since_it_was_registered_is_told_too() -> None:
    room = room_with()
    assert room.forward(3600) == [GONE]
    assert room.last.explanation == "never heard in 3600 s; it must be heard every 3600 s"
    assert room.last.evidence == ()
    assert room.says("key", "press") == [BACK]


def test_any_word_counts_but_a_last_will_does_not() -> None:
    room = room_with()
    room.says("key", battery=80)
    room.forward(3000)
    assert room.says("key", "offline") == [], "the broker says so, and it may be back in a second"
    assert room.forward(600) == [GONE], "its deadline stays"
    assert room.says("key", "offline") == []
    assert room.says("key", "online") == [BACK]


def test_each_device_has_its_own_deadline() -> None:
    room = room_with(*PAIR)
    room.says("monitor", spo2=97)
    room.forward(600)
    room.says("key", battery=80)
    assert room.forward(300) == ["raised device-silent device:monitor"]
    assert room.forward(3299) == []
    assert room.forward(1) == [GONE]


def test_after_a_start_nobody_is_silent_for_a_while() -> None:
    room = room_with()
    room.says("key", battery=80)
    room.forward(3590)
    room.restart()
    room.engine.watch(room.devices, room.now_ms)
    room.engine.started(room.now_ms)
    assert room.forward(119) == []


def test_the_time_in_which_the_gateway_did_not_listen_is_nobodys_silence() -> None:
    room = room_with(*PAIR)
    room.says("key", battery=80)
    room.forward(600)
    room.says("monitor", spo2=97)
    room.now_ms += 7_200_000  # the gateway is off for two hours
    for _ in range(2):  # and is restarted twice in a row
        room.restart()
        room.engine.watch(room.devices, room.now_ms)
        room.engine.started(room.now_ms)
        room._note([])
    assert room.forward(899) == []
    assert room.forward(1) == ["raised device-silent device:monitor"]
    assert room.forward(2099) == []
    assert room.forward(1) == [GONE], "an hour of silence while somebody listened: 600 s before, 3000 s after"


def test_a_restart_forgets_neither_a_deadline_nor_a_silence() -> None:
    room = room_with(*PAIR)
    room.says("key", battery=80)
    assert room.forward(1800) == ["raised device-silent device:monitor"]
    room.restart()
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(1800) == [GONE]
    room.restart()
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(7200) == []
    assert room.says("key", battery=80) == [BACK]


def test_what_waits_to_be_read_is_not_silence() -> None:
    room = room_with()
    room.says("key", battery=80)
    room.now_ms += 3_700_000
    assert room.engine.tick(room.now_ms, read_until_ms=room.now_ms - 200_000) == []
    assert len(room.engine.tick(room.now_ms)) == 1


def test_a_clock_that_is_set_back_puts_no_silence_off() -> None:
    room = room_with()
    room.now_ms += 5 * 365 * 86_400_000  # the box starts in the wrong year
    room.engine.tick(room.now_ms)
    room.says("key", battery=80)
    room.forward(1000)
    room.engine.tick(room.now_ms)
    room.now_ms = START
    room.engine.tick(room.now_ms)
    assert room.forward(2599) == []
    assert room.forward(1) == [GONE]


def test_a_device_that_is_taken_out_of_the_registry_ends_its_alarm() -> None:
    room = room_with(*PAIR)
    room.forward(3600)
    room.engine.watch(["monitor"], room.now_ms)
    assert room.forward(0) == [BACK]
    assert room.last.explanation == "the device is no longer registered here"
    room.restart()
    assert room.says("key", battery=80) == []


def test_a_device_that_now_serves_somebody_else_ends_its_alarm_there() -> None:
    room = WatchRoom(SPO2_LOW)
    room.engine.watch(room.devices, room.now_ms)
    room.says("monitor", spo2=80)
    room.says("monitor", spo2=80)
    room.devices["monitor"] = KnownDevice("monitor", "vitals_monitor", "door-2", "li", 900)
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(0) == ["cleared spo2-limit resident:wang"]
    room.says("monitor", spo2=80)
    assert room.says("monitor", spo2=80) == ["raised spo2-limit resident:li"]


def test_a_press_outlives_the_registration_of_its_device() -> None:
    room = WatchRoom(SOS)
    room.says("key", "press")
    del room.devices["key"]
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(0) == [], "its case ends it, and nothing else"


def test_a_rule_that_is_gone_ends_its_alarms_also_when_it_went_while_the_gateway_was_off() -> None:
    for while_running in (True, False):
        room = WatchRoom(SPO2_LOW, SOS)
        room.says("monitor", spo2=80)
        room.says("monitor", spo2=80)
        if while_running:
            room.engine.replace([SOS], room.now_ms)
        else:
            room.restart(SOS)
        assert room.forward(1) == ["cleared spo2-limit resident:wang"]
        assert room.last.type == "vitals_abnormal"
        assert room.saved["spo2-limit", "resident:wang"] == "{}"


def test_a_rule_with_another_text_and_the_same_condition_goes_on_counting() -> None:
    room = WatchRoom(SPO2_LOW)
    room.says("monitor", spo2=88)
    room.engine.replace([rule(use="spo2-limit", version=2, en="another name")], room.now_ms)
    assert room.says("monitor", spo2=88) == ["raised spo2-limit resident:wang"]
    assert room.last.rule_version == 2


def test_a_changed_condition_counts_anew_and_lets_nobody_go_unwatched() -> None:
    stricter = rule(use="spo2-limit", version=2, when="spo2 < 93", clear="spo2 >= 95")
    room = WatchRoom(SPO2_LOW)
    room.says("monitor", spo2=88)
    room.engine.replace([stricter], room.now_ms)
    assert room.says("monitor", spo2=92) == []
    assert room.says("monitor", spo2=92) == ["raised spo2-limit resident:wang"]
    room.restart(SPO2_LOW)
    assert room.says("monitor", spo2=93) == [], "raised under the old condition, ends under the new one"
    assert room.says("monitor", spo2=93) == ["cleared spo2-limit resident:wang"]


def test_a_disabled_rule_does_nothing() -> None:
    room = WatchRoom(rule(use="sos-pressed", enabled=False))
    assert room.says("key", "press") == []


def test_a_new_device_gets_its_commissioning_deadline() -> None:
    room = WatchRoom(SILENT, devices=HOME)
    room.engine.watch(["monitor"], room.now_ms)
    room.forward(600)
    room.engine.watch(["monitor", "key"], room.now_ms)
    assert room.forward(300) == ["raised device-silent device:monitor"]
    assert room.forward(3300) == [GONE]
