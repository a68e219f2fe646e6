"""A device whose clock is slow is not late: its alarms are as good as any, and the line is called for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cases.effects import Purpose
from gateway.cases.model import Case
from tests.support.deciding import DecidingRoom, deciding
from tests.support.homes import RUNGS

HOUR_S = 3600
RUNGS_TO_THE_LINE = [RUNGS[0], {**RUNGS[1], "after_s": 30}, {**RUNGS[2], "after_s": 30}]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, rungs=RUNGS_TO_THE_LINE) as opened:
        yield opened


def say(room: DecidingRoom, event: str | None = None, *, behind_s: float) -> None:
    battery = {"metrics": {"battery": 80.0}} if event is None else {}
    observed_at_ms = room.clocks.now_ms() - int(behind_s * 1000)
    room.say("sos-1", "sos_button", event, observed_at_ms=observed_at_ms, **battery)


def of_the_key(room: DecidingRoom) -> Case:
    [case] = [case for case in room.cases() if case.device == "sos-1"]
    return case


def called(room: DecidingRoom) -> bool:
    return any(send.purpose is Purpose.EMERGENCY_CALL for send in room.sent())


def test_a_clock_that_was_an_hour_slow_before_is_slow_now(room: DecidingRoom) -> None:
    say(room, behind_s=HOUR_S)
    room.run(300, step_s=30)
    say(room, "press", behind_s=HOUR_S + 2)
    room.run(1)
    say(room, "press", behind_s=HOUR_S + 2)
    room.run(1)
    case = of_the_key(room)
    assert "60 min slow" in case.explanation
    assert "60" not in next(send.title + send.body for send in room.sent() if send.purpose is Purpose.ALARM), "not late"
    assert "window_ended" not in room.timeline(case), "a key that bounces is one press, whatever its clock says"
    room.run(60)
    assert called(room)


@pytest.mark.parametrize(
    ("before_s", "apart_s"),
    [
        (0, 300),  # its clock was right: it was an hour under way
        (HOUR_S, 5),  # of a backlog, which comes at once
        (2 * HOUR_S, 300),
    ],
)
def test_what_was_really_under_way_is_late(room: DecidingRoom, before_s: int, apart_s: int) -> None:
    say(room, behind_s=before_s)
    room.run(apart_s, step_s=5)
    say(room, "press", behind_s=HOUR_S)
    room.run(70)
    case = of_the_key(room)
    assert "line_not_armed" in room.timeline(case)
    assert not called(room)
