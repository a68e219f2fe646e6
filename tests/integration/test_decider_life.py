"""Devices that are adopted, replaced and retired while the decider runs: what they held ends, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.registry import desk
from gateway.registry.model import Device
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path) as made:
        made.run(1)
        yield made


def do(room: DecidingRoom, plan: desk.Plan) -> None:
    desk.carry_out(room.engine, plan, "operator:wang", room.clocks.now_ms())
    room.run(2)


def open_alarms(room: DecidingRoom) -> set[str]:
    with room.engine.begin() as connection:
        query = sa.select(t.alarms.c.subject).where(t.alarms.c.cleared_at_ms.is_(None))
        return set(connection.execute(query).scalars())


def test_an_adopted_device_is_listened_to_at_once_and_supervised(room: DecidingRoom) -> None:
    do(room, desk.add(Device(id="smoke-9", kind="smoke", place="door-1")))
    room.say("smoke-9", "smoke", "smoke")
    room.run(1)
    assert open_alarms(room) == {"place:door-1"}
    assert room.decider.view is not None
    assert "smoke-9" in room.decider.view.directory.devices


def test_smoke_of_a_retired_detector_ends_and_its_case_says_why(room: DecidingRoom) -> None:
    room.say("smoke-1", "smoke", "smoke")
    room.run(1)
    do(room, desk.retire("smoke-1", "broken"))
    assert open_alarms(room) == set()
    (case,) = room.cases()
    assert case.open, "a condition that ended leaves a case that is somebody's work"
    assert "alarm_cleared" in room.timeline(case)
    with room.engine.begin() as connection:
        reasons = connection.execute(sa.select(t.timeline.c.reason).where(t.timeline.c.what == "alarm_cleared"))
        assert list(reasons.scalars()) == ["the device is no longer registered here"]


def test_a_retired_device_is_never_silent_also_after_a_restart(room: DecidingRoom) -> None:
    do(room, desk.retire("sos-1", "moved out"))
    room.restart()
    room.run(8000, step_s=100)
    assert "device:sos-1" not in open_alarms(room)
    assert "device:smoke-1" in open_alarms(room)


def test_other_hardware_ends_the_silence_of_the_old_one(room: DecidingRoom) -> None:
    room.run(8000, step_s=100)
    assert "device:sos-1" in open_alarms(room)
    do(room, desk.replace("sos-1", address="sos-7F"))
    assert "device:sos-1" not in open_alarms(room)
    room.say("sos-1", "sos_button", "press", message_id="sos-7F:1:1")
    room.run(1)
    assert "resident:r-1" in open_alarms(room)


def test_a_press_of_before_the_retirement_that_is_read_after_it_is_told_with_its_place(room: DecidingRoom) -> None:
    desk.carry_out(room.engine, desk.retire("sos-1", "x"), "operator:wang", room.clocks.now_ms())
    room.press()
    room.run(2)
    (case,) = room.cases()
    assert (case.place, case.resident) == ("door-1", "r-1")


def test_a_rule_that_cannot_be_used_at_a_start_is_left_out_and_the_others_rule(room: DecidingRoom) -> None:
    with room.engine.begin() as connection:
        of = (t.registry.c.section == "rules") & (t.registry.c.id == "low-battery")
        body = connection.execute(sa.select(t.registry.c.body).where(of)).scalar_one()
        changed = body.replace("battery <=", "batter <=")
        assert changed != body
        connection.execute(sa.update(t.registry).where(of).values(body=changed))
    room.restart()
    room.press()
    room.run(2)
    assert len(room.cases()) == 1
    (said,) = room.decider.health.left_out
    assert "rule low-battery: when: " in said and "did you mean battery" in said
