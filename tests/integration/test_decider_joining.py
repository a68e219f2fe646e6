"""Which case an alarm joins: never one in which somebody would be forgotten, or the line never called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devices.observation import Lane
from gateway.cases.effects import Purpose
from gateway.decider import undecidable
from gateway.decider.decision import Decision
from tests.support.deciding import DecidingRoom, deciding

RUNGS = (
    {"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]},
    {"id": "family", "after_s": 30, "notify": [{"family": True}]},
    {"id": "line", "after_s": 60, "call": "120"},
)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, rungs=RUNGS) as made:
        yield made


@pytest.mark.parametrize("before_s", [5, 40])
def test_a_press_beside_smoke_of_nobody_in_particular_tells_her_family_and_names_her(
    room: DecidingRoom, before_s: int
) -> None:
    for device in room.document["devices"]:
        if device["id"] == "smoke-1":
            del device["resident"]
    room.apply(room.document)
    room.restart()
    room.say("smoke-1", "smoke", "smoke")
    room.run(before_s)
    room.press()
    room.run(120)
    [case] = room.cases()
    assert case.resident == "r-1"
    sent = room.sent()
    assert [send.person for send in sent if send.purpose is Purpose.ALARM].count("daughter-1") == 1
    [call] = [send for send in sent if send.purpose is Purpose.EMERGENCY_CALL and send.to == "120"]
    assert call.data["patient"]["name"] == "李秀兰1"  # type: ignore[index]


def test_a_press_does_not_join_what_could_not_be_decided_and_calls_no_line(room: DecidingRoom) -> None:
    room.press()
    entry = room.journal.entries[Lane.URGENT].pop()

    def tell(decision: Decision) -> set[str]:
        undecidable.tell(decision, entry.observation)
        return set()

    room.decider._tx.commit(tell)
    room.run(20)
    room.press()
    room.run(120)
    undecided, pressed = room.cases()
    assert [ref.rule for ref in undecided.alarms] == ["undecidable"]
    assert pressed.emergency.state.called and not undecided.emergency.state.called
