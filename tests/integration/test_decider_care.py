"""Devices that are being worked on, in the decider: what is hidden, for how long, and what is told when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from devices.observation import Lane
from gateway.decider import care_rows
from gateway.registry import care, history
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding

RULES = (
    *("sos-pressed", "smoke-alarm", "spo2-critical", "pulse-critical-high"),
    *("tamper", "device-fault", "low-battery", "low-battery-reported"),
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    """Without rules of silence: time passes here, and most devices of the room say nothing."""
    with deciding(tmp_path) as made:
        made.document["rules"] = [{"use": rule} for rule in RULES]
        made.apply(made.document)
        made.run(1)
        yield made


def begin(room: DecidingRoom, device: str, mode: care.Mode = "test", minutes: int = 60) -> None:
    with room.engine.begin() as connection:
        now_ms = room.clocks.now_ms()
        care.begin(
            connection, device, mode, seconds=minutes * 60, actor="operator:wang", reason="yearly test", now_ms=now_ms
        )
    room.clocks.forward(1)


def end(room: DecidingRoom, device: str) -> None:
    with room.engine.begin() as connection:
        assert care.end(connection, device, actor="operator:wang", now_ms=room.clocks.now_ms()) is not None


def life(room: DecidingRoom, device: str) -> list[str]:
    with room.engine.begin() as connection:
        return [line.what for line in reversed(history.read(connection, device, 100))]


def types(room: DecidingRoom) -> list[list[str]]:
    return [[ref.type for ref in case.alarms] for case in room.cases()]


def alarms(room: DecidingRoom) -> set[tuple[str, str]]:
    with room.engine.begin() as connection:
        return {(row.rule, row.subject) for row in connection.execute(sa.select(t.alarms))}


def smoke(room: DecidingRoom, event: str, device: str = "smoke-1", **more: object) -> None:
    room.say(device, "smoke", event, **more)
    room.run(1)


# -- test


def test_a_walk_test_is_written_down_and_tells_nobody(room: DecidingRoom) -> None:
    begin(room, "sos-1")
    room.press()
    room.run(1)
    assert (room.cases(), room.sent()) == ([], [])
    assert life(room, "sos-1") == ["test", "tried", "hidden"]
    room.run(3600, step_s=10)
    assert (room.cases(), room.sent()) == ([], []), "a press holds nothing when the test is over"


def test_a_press_after_the_end_is_a_real_one(room: DecidingRoom) -> None:
    begin(room, "sos-1", minutes=10)
    room.press()
    room.cycle()
    room.clocks.forward(600)
    room.press()
    room.run(1)
    assert types(room) == [["personal_emergency"]]
    with room.engine.begin() as connection:
        (alarm,) = connection.execute(sa.select(t.alarms)).all()
    assert '"move":"raised"' in alarm.body, "for people it begins here"


def test_a_press_after_the_test_was_ended_by_hand_is_a_real_one(room: DecidingRoom) -> None:
    begin(room, "sos-1")
    room.press()
    room.run(1)
    end(room, "sos-1")
    room.press()
    room.run(1)
    assert types(room) == [["personal_emergency"]]
    assert life(room, "sos-1") == ["test", "tried", "hidden", "care_ended"]


def test_other_devices_of_the_home_are_not_tested(room: DecidingRoom) -> None:
    begin(room, "smoke-1")
    room.press()
    room.run(1)
    assert types(room) == [["personal_emergency"]]


def test_smoke_that_is_still_there_when_the_test_ends_is_told(room: DecidingRoom) -> None:
    begin(room, "smoke-1", minutes=10)
    smoke(room, "smoke")
    assert room.cases() == []
    room.run(610, step_s=10)
    assert types(room) == [["smoke"]]
    (case,) = room.cases()
    assert case.explanation == "烟雾报警 smoke (smoke); still so when the work on the device ended"
    assert case.late_ms == 0, "it is there now, and 120 may be called for it"
    smoke(room, "smoke_cleared")
    assert "alarm_cleared" in room.timeline(case)


def test_smoke_that_went_away_during_the_test_is_told_to_nobody(room: DecidingRoom) -> None:
    begin(room, "smoke-1", minutes=10)
    smoke(room, "smoke")
    smoke(room, "smoke_cleared")
    room.run(610, step_s=10)
    assert room.cases() == []
    smoke(room, "smoke")
    assert types(room) == [["smoke"]]


def test_another_detector_that_sees_the_smoke_tells_it_at_once(room: DecidingRoom) -> None:
    more = [*room.document["devices"], {"id": "smoke-1b", "kind": "smoke", "place": "door-1"}]
    room.apply(room.document | {"devices": more})
    room.run(1)
    begin(room, "smoke-1")
    smoke(room, "smoke")
    smoke(room, "smoke", "smoke-1b")
    assert types(room) == [["smoke"]]
    room.run(3600, step_s=10)
    assert len(room.cases()) == 1, "when the test ends, people know already"


def test_what_was_told_before_the_test_is_cleared_in_it_and_taken_back_by_nobody(room: DecidingRoom) -> None:
    smoke(room, "smoke")
    room.press()
    room.run(1)
    begin(room, "smoke-1")
    begin(room, "sos-1")
    smoke(room, "smoke_cleared")
    room.say("sos-1", "sos_button", "cancel")
    room.run(1)
    (case,) = room.cases()
    assert {ref.type: ref.active for ref in case.alarms} == {"smoke": False, "personal_emergency": True}
    assert case.open
    assert not case.cancel_claimed


def test_a_press_from_before_the_test_that_was_long_under_way_is_told(room: DecidingRoom) -> None:
    pressed_ms = room.clocks.now_ms()
    room.clocks.forward(60)
    begin(room, "sos-1")
    room.say("sos-1", "sos_button", "press", observed_at_ms=pressed_ms)
    room.run(1)
    assert types(room) == [["personal_emergency"]]


def test_a_backlog_of_the_test_that_comes_after_it_tells_nobody(room: DecidingRoom) -> None:
    room.say("sos-1", "sos_button", None, metrics={"battery": 90.0})
    room.say("smoke-1", "smoke", None, metrics={"battery": 90.0})
    room.run(1)
    begin(room, "sos-1", minutes=10)
    begin(room, "smoke-1", minutes=10)
    during_ms = room.clocks.now_ms() + 60_000
    room.run(1200, step_s=10)
    room.say("sos-1", "sos_button", "press", observed_at_ms=during_ms)
    smoke(room, "smoke", observed_at_ms=during_ms)
    smoke(room, "smoke_cleared", observed_at_ms=during_ms + 5000)
    room.run(60)
    assert room.cases() == []
    room.press()
    room.run(1)
    assert types(room) == [["personal_emergency"]]


def test_smoke_that_began_in_the_test_is_told_late_where_its_end_does_not_come(room: DecidingRoom) -> None:
    room.say("smoke-1", "smoke", None, metrics={"battery": 90.0})
    room.run(1)
    begin(room, "smoke-1", minutes=10)
    during_ms = room.clocks.now_ms() + 60_000
    room.run(1200, step_s=10)
    smoke(room, "smoke", observed_at_ms=during_ms)
    assert room.cases() == []
    room.run(care_rows.LATE_SETTLE_MS / 1000 + 2)
    assert types(room) == [["smoke"]]


def test_a_restart_in_the_middle_changes_nothing(room: DecidingRoom) -> None:
    begin(room, "smoke-1", minutes=10)
    begin(room, "sos-1", minutes=10)
    smoke(room, "smoke")
    room.press()
    room.run(1)
    room.restart()
    room.run(1)
    room.press()
    room.run(1)
    assert room.cases() == []
    room.restart()
    room.clocks.forward(86_400 * 3)
    room.run(2)
    assert types(room) == [["smoke"]], "it was down for days when the test ended"


def test_a_clock_that_is_set_neither_ends_the_test_nor_makes_it_longer(room: DecidingRoom) -> None:
    begin(room, "sos-1", minutes=10)
    for by_s in (3600, -3600, -3600):
        room.clocks.set_by(by_s)
        room.run(1)
        room.press()
        room.run(1)
        assert room.cases() == []
    room.run(600, step_s=10)
    room.press()
    room.run(1)
    assert types(room) == [["personal_emergency"]]


def test_silence_is_told_when_the_test_is_over_and_the_device_is_still_silent(room: DecidingRoom) -> None:
    room.apply(room.document | {"rules": [*room.document["rules"], {"use": "device-silent"}]})
    room.say("sos-1", "sos_button", None, metrics={"battery": 90.0})
    room.run(1)
    begin(room, "sos-1", minutes=120)
    room.run(7190, step_s=10)
    assert life(room, "sos-1") == ["test", "hidden"]
    assert ("device-silent", "device:smoke-1") in alarms(room), "the others of the home are silent, and it is told"
    assert ("device-silent", "device:sos-1") not in alarms(room)
    room.run(20, step_s=10)
    assert ("device-silent", "device:sos-1") in alarms(room)


def test_what_a_device_chatters_in_a_test_does_not_fill_the_history(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care_rows, "LINES_MOST", 5)
    begin(room, "sos-1")
    for _ in range(20):
        room.press()
        room.run(1)
    assert len(life(room, "sos-1")) == 1 + 5
    assert room.cases() == []


def test_a_message_on_which_the_code_fails_tells_nobody_in_a_test(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(room, "sos-1")
    view = room.decider.view
    assert view is not None

    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(type(view.rules), "observe", fail)
    room.press()
    room.run(1)
    assert [item.reason for item in room.quarantined] == ["undecidable"]
    assert room.cases() == []


# -- maintenance


def test_maintenance_hides_the_device_and_not_the_people(room: DecidingRoom) -> None:
    begin(room, "smoke-1", "maintenance")
    smoke(room, "tamper")
    smoke(room, "fault")
    smoke(room, "low_battery")
    assert room.cases() == []
    smoke(room, "smoke")
    assert types(room) == [["smoke"]]
    begin(room, "sos-1", "maintenance")
    room.press()
    room.run(1)
    assert types(room) == [["smoke", "personal_emergency"]]


def test_a_moment_of_maintenance_is_over_and_a_state_that_still_holds_is_told(room: DecidingRoom) -> None:
    """The cover was put back; the fault is still there, and the device says so by its state."""
    begin(room, "smoke-1", "maintenance", minutes=10)
    smoke(room, "tamper", metrics={"tampered": 1.0})
    smoke(room, "fault", metrics={"faulty": 1.0})
    room.say("smoke-1", "smoke", None, metrics={"tampered": 0.0})
    room.run(610, step_s=10)
    assert types(room) == [["device_fault"]]
    smoke(room, "tamper")
    assert types(room) == [["device_fault", "tamper"]]


def test_a_battery_that_is_still_empty_after_maintenance_is_told(room: DecidingRoom) -> None:
    begin(room, "smoke-1", "maintenance", minutes=10)
    for _ in range(3):
        room.say("smoke-1", "smoke", None, metrics={"battery": 9.0})
        room.run(1)
    assert room.cases() == []
    room.run(610, step_s=10)
    assert types(room) == [["low_battery"]]


def test_smoke_of_a_test_is_told_when_it_becomes_mere_maintenance(room: DecidingRoom) -> None:
    begin(room, "smoke-1", "test")
    smoke(room, "smoke")
    smoke(room, "tamper", metrics={"tampered": 1.0})
    begin(room, "smoke-1", "maintenance", minutes=10)
    room.run(2)
    assert types(room) == [["smoke"]]
    room.run(610, step_s=10)
    assert types(room) == [["smoke"], ["tamper"]]


def test_who_took_the_case_before_maintenance_keeps_it(room: DecidingRoom) -> None:
    smoke(room, "fault")
    (case,) = room.cases()
    room.act(case, "acknowledge")
    begin(room, "smoke-1", "maintenance", minutes=1)
    smoke(room, "fault")
    room.run(70)
    (after,) = room.cases()
    assert after.owner == "operator:night"


# -- rows

WRONG: tuple[tuple[care.Mode, int, str], ...] = (
    ("test", 7201, "x"),
    ("maintenance", 86_401, "x"),
    ("test", 0, "x"),
    ("test", 9, " "),
)


def test_care_has_an_end_a_reason_and_may_be_prolonged(room: DecidingRoom) -> None:
    now_ms = room.clocks.now_ms()
    with room.engine.begin() as connection:
        for mode, seconds, reason in WRONG:
            with pytest.raises(ValueError, match=r"expected 1 s to|say why"):
                care.begin(connection, "sos-1", mode, seconds=seconds, actor="a", reason=reason, now_ms=now_ms)
        first = care.begin(connection, "sos-1", "test", seconds=60, actor="a", reason="x", now_ms=now_ms)
        later = care.begin(connection, "sos-1", "test", seconds=60, actor="b", reason="y", now_ms=now_ms + 30_000)
        assert (first.since_ms, first.until_ms) == (now_ms, now_ms + 60_000)
        assert (later.since_ms, later.until_ms) == (now_ms, now_ms + 90_000)
        assert care.running(connection, now_ms + 89_999) == {"sos-1": later}
        assert care.running(connection, now_ms + 90_000) == {}
        assert care.end(connection, "smoke-1", actor="a", now_ms=now_ms) is None


def test_rows_of_care_go_when_they_mean_nothing_any_more(room: DecidingRoom) -> None:
    begin(room, "sos-1", minutes=10)
    room.run(700, step_s=10)
    room.clocks.forward(care.LATE_MS / 1000)
    begin(room, "smoke-1", minutes=1)
    room.run(70)
    with room.engine.begin() as connection:
        assert list(connection.execute(sa.select(t.device_care.c.device)).scalars()) == ["smoke-1"]


def test_a_lane_with_a_long_backlog_does_not_hold_up_what_is_to_be_told(room: DecidingRoom) -> None:
    begin(room, "smoke-1", minutes=1)
    smoke(room, "smoke")
    room.clocks.forward(70)
    assert care_rows_due(room, read_until_ms=room.clocks.now_ms() - 3_600_000) == []
    room.clocks.forward(30)
    assert care_rows_due(room, read_until_ms=room.clocks.now_ms() - 3_600_000) == ["smoke-1"]


def care_rows_due(room: DecidingRoom, read_until_ms: int) -> list[str]:
    with room.engine.begin() as connection:
        return [one.device for one in care_rows.due(connection, room.clocks.now_ms(), read_until_ms)]


def test_urgent_and_routine_of_one_device_belong_to_one_care(room: DecidingRoom) -> None:
    begin(room, "vitals-1", minutes=10)
    for _ in range(6):  # it must last for 15 s
        room.say("vitals-1", "vitals_monitor", None, lane=Lane.ROUTINE, metrics={"spo2": 80.0, "pulse": 180.0})
        room.run(5)
    assert room.cases() == []
    assert "hidden" in life(room, "vitals-1")
