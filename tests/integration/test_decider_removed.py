"""A home taken out of the registry while its case burns: help still learns where to go, and then it is forgotten."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.world.app import World
from firmware_sim.world.server import serving
from gateway.cases.effects import Purpose, Send
from gateway.outbox.channel import Attempt, Result
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.settings import Secrets
from tests.support.deciding import DecidingRoom, deciding
from tests.support.homes import community
from tests.support.house import open_house


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path) as room:
        yield room


def without_home(document: dict[str, Any]) -> dict[str, Any]:
    """Home, resident and daughter moved away, and their devices with them."""
    less = copy.deepcopy(document)
    less["places"] = [one for one in less["places"] if one["id"] != "door-1"]
    less["devices"] = [one for one in less["devices"] if one["place"] != "door-1"]
    less["residents"], less["people"] = [], [one for one in less["people"] if one["id"] != "daughter-1"]
    return less


def the_call(room: DecidingRoom) -> Send:
    (call,) = [one for one in room.sent() if one.purpose is Purpose.EMERGENCY_CALL]
    return call


async def test_the_centre_gets_the_whole_card_of_a_home_removed_meanwhile(room: DecidingRoom, tmp_path: Path) -> None:
    room.press()
    room.cycle()
    room.apply(without_home(room.document))
    room.run(5)
    call = the_call(room)
    assert call.data["source"] == "一键呼救按钮"
    assert call.data["meet_at"] == "东侧路口" and call.data["position"] is not None
    assert call.data["address"] == {"zh": "试验院3号楼501室", "en": "Test Yard, Building 3, 501室"}
    world = World()
    async with serving(world.app) as port:
        line = DrillLine(f"http://127.0.0.1:{port}", None, Secrets(tmp_path))
        now_ms = room.clocks.now_ms()
        attempt = Attempt(case="c", number=1, repeat=False, at_ms=now_ms, deadline_ms=now_ms + 60_000)
        assert (await line.send(call, attempt)).result is Result.DELIVERED
    (placed,) = world.centre.calls.values()
    card = placed.card
    assert (card["patient"]["name"], card["patient"]["allergies"]) == ("【演练】李秀兰1", ["青霉素"])
    assert [one["relation"] for one in card["phones"]] == ["本人", "女儿"] and card["access"] == "【演练】门禁 0000"


def test_people_still_read_who_and_where(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    room.apply(without_home(room.document))
    room.run(700)  # everybody is reminded
    late = [one for one in room.sent() if one.purpose is Purpose.REMINDER]
    assert late
    for one in late:
        assert "李秀兰1" in one.title
        assert "地点：试验院3号楼501室" in one.body and "请先给本人打电话：000-5001" in one.body


def test_what_the_registry_still_knows_it_knows_better(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    corrected = copy.deepcopy(room.document)
    corrected["residents"][0]["allergies"] = []
    corrected["places"][-1]["name"] = "502室"
    room.apply(corrected)
    room.run(5)
    call = the_call(room)
    assert call.data["patient"]["allergies"] == [] and "502室" in call.data["address"]["zh"]  # type: ignore[index,call-overload]


def test_once_the_case_is_over_it_forgets_whom_it_was_about(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    room.apply(without_home(room.document))
    (case,) = room.cases()
    assert case.scene is not None and "青霉素" in case.model_dump_json()
    room.act(case, "cancel", reason="moved away")
    (over,) = room.cases()
    assert not over.open and over.scene is None
    assert not any(word in over.model_dump_json() for word in ("青霉素", "000-5001", "李秀兰1"))


async def test_programs_are_told_the_words_and_not_what_the_case_keeps(tmp_path: Path) -> None:
    async with open_house(tmp_path, community(1)) as house:
        await house.press("sos-1")
        case = await house.case_of("sos-1")
        assert case["scene"] is None
        for path in (f"/api/v1/cases/{case['id']}", f"/api/v1/cases/{case['id']}/export"):
            found = await house.get(path)
            assert found["case"]["scene"] is None
