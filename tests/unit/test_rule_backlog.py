"""A backlog after an outage: time alone decides nothing while what follows may still be under way."""

from __future__ import annotations

from gateway.rules.situations import SETTLE_MS
from tests.support.watch_room import WatchRoom, rule

UNANSWERED = rule(
    id="unanswered",
    version=1,
    zh="无人复测",
    en="Not measured again",
    form="condition",
    subject="resident",
    inputs={
        "low": {"kinds": ["vitals_monitor"], "reading": "spo2 < 90"},
        "fine": {"kinds": ["vitals_monitor"], "reading": "spo2 >= 90"},
    },
    when="without(low, fine, 5 * minutes)",
    raises={"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"},
)
HOUR_S = 3600


def test_what_a_later_message_of_the_backlog_answers_is_not_raised_in_between() -> None:
    room = WatchRoom(UNANSWERED)
    assert room.says("monitor", spo2=88, ago_s=2 * HOUR_S) == []
    assert room.forward(5) == [], "its five minutes were over long ago; but the rest of the backlog is on its way"
    assert room.says("monitor", spo2=96, ago_s=2 * HOUR_S - 60) == []
    assert room.forward(HOUR_S) == []


def test_what_nothing_answers_is_raised_when_the_backlog_has_come_in_and_says_when_it_happened() -> None:
    room = WatchRoom(UNANSWERED)
    low_ms = room.now_ms - 2 * HOUR_S * 1000
    assert room.says("monitor", spo2=88, ago_s=2 * HOUR_S) == []
    assert room.forward(SETTLE_MS / 1000 - 1) == []
    assert room.forward(1) == ["raised unanswered resident:wang"]
    assert room.last.observed_at_ms == low_ms + 300_000


def test_what_comes_in_time_waits_for_nothing() -> None:
    room = WatchRoom(UNANSWERED)
    assert room.says("monitor", spo2=88) == []
    assert room.forward(299) == []
    assert room.forward(1) == ["raised unanswered resident:wang"]


def test_a_clock_set_back_does_not_put_the_decision_off() -> None:
    room = WatchRoom(UNANSWERED)
    assert room.says("monitor", spo2=88, ago_s=60) == []
    room.now_ms -= 86_400_000
    assert room.engine.tick(room.now_ms) == []
    assert room.forward(600) == ["raised unanswered resident:wang"]


def test_it_goes_on_over_a_restart() -> None:
    room = WatchRoom(UNANSWERED)
    room.says("monitor", spo2=88, ago_s=2 * HOUR_S)
    room.restart()
    room.engine.watch(room.devices, room.now_ms)
    assert room.forward(SETTLE_MS / 1000 - 1) == []
    assert room.forward(1) == ["raised unanswered resident:wang"]
