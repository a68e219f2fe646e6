"""Rules over measurements: persistence, hysteresis, probes that are off, late and disordered readings."""

from __future__ import annotations

import pytest

from tests.support.watch_room import START, WatchRoom, rule

SPO2_LOW = rule(use="spo2-limit")
JAM = rule(use="traffic-congestion")
GLUCOSE = rule(use="glucose-low")
PRESSURE = rule(use="pressure-limit")
WANG = "spo2-limit resident:wang"


def read(room: WatchRoom, *values: float, every_s: float = 5) -> list[str]:
    told: list[str] = []
    for value in values:
        told += room.says("monitor", spo2=value, pulse=70)
        room.forward(every_s)
    return told


def test_two_of_three_readings_raise_and_the_sentence_says_which() -> None:
    room = WatchRoom(SPO2_LOW)
    assert read(room, 88, 97) == []
    assert read(room, 89) == [f"raised {WANG}"]
    assert room.last.explanation == "spo2 89 < 90 in 2 of 3 readings (88, 97, 89)"
    assert [evidence.metrics for evidence in room.last.evidence] == [{"spo2": 88.0}, {"spo2": 97.0}, {"spo2": 89.0}]
    assert not room.last.momentary


def test_one_low_reading_in_three_is_a_moved_finger() -> None:
    room = WatchRoom(SPO2_LOW)
    assert read(room, 88, 97, 97, 88, 97, 97, 97, 88) == []


def test_it_clears_with_a_gap_and_does_not_flap() -> None:
    room = WatchRoom(SPO2_LOW)
    assert read(room, 88, 88) == [f"raised {WANG}"]
    assert read(room, 91, 90, 91, 91, 92, 91, 91) == [], "between 90 and 92 nothing changes"
    assert read(room, 93) == []
    assert read(room, 94) == [f"cleared {WANG}"]
    assert room.last.explanation == "spo2 94 >= 92 in 2 of 2 readings (93, 94)"
    assert read(room, 89) == [], "counting starts anew"
    assert read(room, 89) == [f"raised {WANG}"]


def test_while_it_is_raised_it_is_not_raised_again() -> None:
    room = WatchRoom(SPO2_LOW)
    assert read(room, *[80] * 50) == [f"raised {WANG}"]


def test_a_probe_that_is_off_says_nothing() -> None:
    room = WatchRoom(SPO2_LOW)
    for _ in range(20):
        assert room.says("monitor", spo2=0, pulse=72) == []
        assert room.says("monitor", spo2=0, pulse=0) == []
        assert room.says("monitor", spo2=84, pulse=70, probe_off=1) == []
    assert room.engine.skipped["spo2-limit", "ignored"] == 60


def test_but_nobody_being_watched_for_half_an_hour_is_told() -> None:
    room = WatchRoom(rule(use="probe-off"))
    told: list[str] = []
    for _ in range(31):
        told += room.says("monitor", spo2=0, pulse=72)
        room.forward(60)
    assert told == ["raised probe-off device:monitor"]
    assert room.last.explanation == "spo2 is there and spo2 0 == 0 for 1800 s in 31 readings"
    assert room.says("monitor", spo2=96, pulse=72, probe_off=0) == ["cleared probe-off device:monitor"]


def test_a_spot_measurement_does_not_wait_for_another() -> None:
    room = WatchRoom(GLUCOSE)
    assert room.says("monitor", "measurement", glucose=2.9) == ["raised glucose-low resident:wang"]
    assert room.last.explanation == "glucose 2.9 < limit(glucose_critical, 3) 3"
    room.forward(900)
    assert room.says("monitor", "measurement", glucose=3.5) == []
    assert room.says("monitor", "measurement", glucose=4.1) == ["cleared glucose-low resident:wang"]


def test_yesterdays_blood_pressure_does_not_confirm_todays() -> None:
    room = WatchRoom(PRESSURE)
    assert room.says("monitor", systolic=190, diastolic=90) == []
    room.forward(30 * 3600)
    assert room.says("monitor", systolic=185, diastolic=90) == []
    room.forward(300)
    assert room.says("monitor", systolic=150, diastolic=125) == ["raised pressure-limit resident:wang"]
    assert room.last.explanation == (
        "diastolic 125 > 120 in 2 of 2 readings (systolic 185 diastolic 90, systolic 150 diastolic 125)"
    )


def test_a_reading_without_the_metric_neither_counts_nor_breaks() -> None:
    room = WatchRoom(SPO2_LOW)
    room.says("monitor", spo2=88)
    for _ in range(5):
        room.says("monitor", pulse=70, battery=50)
    assert room.says("monitor", spo2=88) == [f"raised {WANG}"]


def test_two_monitors_are_not_mixed_and_both_must_recover() -> None:
    room = WatchRoom(SPO2_LOW)
    assert room.says("monitor", spo2=88) == []
    assert room.says("monitor-2", spo2=88) == [], "one low reading each"
    assert room.says("monitor", spo2=88) == [f"raised {WANG}"]
    assert room.says("monitor-2", spo2=88) == [f"repeated {WANG}"]
    for device, expected in (("monitor", []), ("monitor-2", [f"cleared {WANG}"])):
        assert room.says(device, spo2=96) == []
        assert room.says(device, spo2=96) == expected


def test_a_late_reading_takes_the_place_where_it_happened() -> None:
    room = WatchRoom(SPO2_LOW)
    room.says("monitor", spo2=88, seq=10)
    room.forward(5)
    room.says("monitor", spo2=97, seq=12)
    assert room.says("monitor", spo2=89, seq=11, ago_s=3) == [f"raised {WANG}"]
    assert room.last.explanation == "spo2 89 < 90 in 2 of 3 readings (88, 89, 97)"


def test_a_late_reading_that_newer_ones_outweigh_is_not_considered() -> None:
    room = WatchRoom(SPO2_LOW)
    for seq, value in ((10, 88), (11, 97), (12, 97)):
        room.says("monitor", spo2=value, seq=seq)
        room.forward(5)
    assert room.says("monitor", spo2=80, seq=3, ago_s=300) == []
    assert room.engine.skipped["spo2-limit", "overtaken"] == 1


def test_a_backlog_after_an_outage_raises_and_says_when_it_happened() -> None:
    room = WatchRoom(SPO2_LOW)
    assert room.says("monitor", spo2=84, ago_s=7200) == []
    assert room.says("monitor", spo2=85, ago_s=7140) == [f"raised {WANG}"]
    assert room.last.observed_at_ms == START - 7_140_000
    assert room.last.at_ms == START


def test_what_happened_before_the_last_change_says_nothing_any_more() -> None:
    room = WatchRoom(SPO2_LOW)
    for seq, value in ((10, 88), (11, 88), (12, 95), (13, 95)):
        room.says("monitor", spo2=value, seq=seq)
        room.forward(5)
    assert [change.move for change in room.changes] == ["raised", "cleared"]
    for seq in (3, 4, 5):
        assert room.says("monitor", spo2=80, seq=seq, ago_s=300) == []


def test_a_monitor_whose_clock_was_set_back_is_still_heard() -> None:
    room = WatchRoom(SPO2_LOW, JAM)
    room.says("monitor", spo2=97, ago_s=-240)
    room.says("monitor", spo2=88, ago_s=3600)
    assert room.says("monitor", spo2=88, ago_s=3595) == [f"raised {WANG}"]
    room.says("monitor", spo2=95, boot=2, seq=1, ago_s=9000)
    assert room.says("monitor", spo2=95, boot=2, seq=2, ago_s=8995) == [f"cleared {WANG}"], "restarted, clock unset"


def drive(room: WatchRoom, *speeds: float, every_s: float = 60, flow: float = 900) -> list[str]:
    told: list[str] = []
    for speed in speeds:
        told += room.says("road", speed=speed, flow=flow, occupancy=40)
        room.forward(every_s)
    return told


def test_congestion_must_last_in_every_reading() -> None:
    room = WatchRoom(JAM)
    assert drive(room, 15, 12, 18, 10, 19) == []
    assert drive(room, 14) == ["raised traffic-congestion device:road"]
    assert room.last.explanation == (
        "speed 14 <= 20 and flow 900 >= 300 and occupancy 40 >= 25 "
        "and not (workday and (7 <= hour < 9 or 17 <= hour < 19) and flow >= 600) "
        "(workday true, hour 22, flow 900) for 300 s in 6 readings"
    )
    assert [evidence.metrics["speed"] for evidence in room.last.evidence] == [15, 12, 18, 10, 19, 14]
    assert drive(room, 40, 40, 40, 40, 40) == []
    assert drive(room, 40) == ["cleared traffic-congestion device:road"], "clearing must last as long"


def test_one_free_reading_breaks_the_span() -> None:
    room = WatchRoom(JAM)
    assert drive(room, 15, 12, 18, 21, 10, 19, 14, 12) == []


def test_an_empty_road_is_not_congested() -> None:
    room = WatchRoom(JAM)
    told: list[str] = []
    for _ in range(30):
        told += room.says("road", speed=0, flow=0, occupancy=0)
        room.forward(60)
    assert told == []


def test_a_gap_longer_than_the_supervision_interval_breaks_the_span() -> None:
    room = WatchRoom(JAM)
    assert drive(room, 15, every_s=301) == []
    assert drive(room, 15, every_s=299) == [], "nobody knows what was in between"
    assert drive(room, 15) == [], "299 s"
    assert drive(room, 15) == ["raised traffic-congestion device:road"]


def test_a_late_reading_is_not_considered_for_a_span_but_it_is_mentioned() -> None:
    room = WatchRoom(JAM)
    drive(room, 15, 12, 18)
    assert room.says("road", speed=60, flow=900, occupancy=10, seq=0, ago_s=400) == []
    told = drive(room, 10, 19, 14)
    assert told == ["raised traffic-congestion device:road"]
    assert room.last.explanation.endswith("; 1 late reading not considered")


def test_dividing_by_zero_says_nothing_and_is_counted() -> None:
    shock = rule(
        id="shock", version=1, zh="休克指数", en="shock index", form="threshold", kinds=["vitals_monitor"],
        when="pulse / spo2 > 2", raises={"type": "medical", "severity": "emergency", "ladder": "x"},
    )  # fmt: skip
    room = WatchRoom(shock)
    assert room.says("monitor", pulse=60, spo2=0) == []
    assert room.engine.skipped["shock", "division_by_zero"] == 1
    assert room.says("monitor", pulse=160, spo2=70) == ["raised shock device:monitor"]


@pytest.mark.parametrize("restart_after", range(6))
def test_counting_goes_on_after_a_restart(restart_after: int) -> None:
    room = WatchRoom(SPO2_LOW)
    told: list[str] = []
    for step, value in enumerate((97, 88, 97, 88, 95, 95)):
        told += read(room, value)
        if step == restart_after:
            room.restart()
    assert told == [f"raised {WANG}", f"cleared {WANG}"]
