"""So many alarms of one rule that people are told once of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.cases.effects import Purpose, Send
from gateway.cases.model import Case
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding

HOMES = 12
LIMIT, WITHIN_S = 4, 100


def begin(room: DecidingRoom, **more: Any) -> DecidingRoom:
    rule = {
        "id": "flat-leak",
        "version": 1,
        "zh": "漏水",
        "en": "Water leak",
        "form": "event",
        "kinds": ["leak"],
        "events": ["leak"],
        "clear_events": ["leak_cleared"],
        "subject": "place",
        "raises": {"type": "water_leak", "severity": "urgent", "ladder": "urgent"},
        "storm": {"count": LIMIT, "within_s": WITHIN_S},
    } | more
    places = [
        {"id": f"flat-{n}", "level": "户", "name": f"{n}室", "parent": "b-1" if n % 2 else "b-2"} for n in range(HOMES)
    ]
    duty = {"role": "control_room", "place": "b-2", "people": ["desk-2"]}
    desk = {
        "id": "desk-2",
        "name": "二号值班",
        "phone": "000-2",
        "contacts": [{"channel": "messenger", "to": "desk-2"}],
    }
    (roster,) = room.document["rosters"]
    room.document = room.document | {
        "rules": [rule, {"use": "smoke-alarm", "storm": {"count": 2, "within_s": WITHIN_S}}],
        "places": [
            *room.document["places"],
            {"id": "b-2", "level": "楼", "name": {"zh": "4号楼", "en": "Building 4"}, "parent": "yuan"},
            *places,
        ],
        "people": [*room.document["people"], desk],
        "rosters": [roster | {"duties": [*roster["duties"], duty]}],
        "devices": [
            *room.document["devices"],
            *({"id": f"leak-{n}", "kind": "leak", "place": f"flat-{n}"} for n in range(HOMES)),
            *({"id": f"valve-{n}", "kind": "valve", "place": f"flat-{n}"} for n in range(HOMES)),
            *({"id": f"smoke-x{n}", "kind": "smoke", "place": f"flat-{n}"} for n in range(HOMES)),
        ],
    }
    room.apply(room.document)
    room.run(1)
    return room


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, database) as made:
        yield begin(made)


def leak(room: DecidingRoom, *numbers: int, event: str = "leak") -> None:
    for number in numbers:
        room.say(f"leak-{number}", "leak", event)
        room.run(1)


def storms(room: DecidingRoom) -> list[Case]:
    return [case for case in room.cases() if case.type == "alarm_storm"]


def alarms_told(room: DecidingRoom, person: str = "desk") -> list[Send]:
    return [send for send in room.sent() if send.purpose is Purpose.ALARM and send.person == person]


def open_alarms(room: DecidingRoom, case: Case) -> int:
    mine = sa.and_(t.alarms.c.case_id == case.id, t.alarms.c.cleared_at_ms.is_(None))
    with room.engine.begin() as connection:
        return connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()


def test_up_to_the_limit_each_has_a_case_and_beyond_it_all_have_one(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT))
    assert len(room.cases()) == LIMIT
    assert storms(room) == []
    leak(room, *range(LIMIT, HOMES))
    (case,) = storms(room)
    assert len(room.cases()) == LIMIT + 1
    assert case.storm is not None
    assert case.storm.count == HOMES
    assert case.place == "yuan", "the place of all of them"
    assert case.ladder.id == "urgent"
    assert room.timeline(case).count("storm_joined") == HOMES - LIMIT
    told = alarms_told(room)
    assert len(told) == LIMIT // 2 + 1, "the control room of the other building has its own; once of the storm"
    message = told[-1]
    assert message.title == "报警风暴：试验院"
    assert f"100 秒内已有 {LIMIT + 1} 条“漏水”报警，合并通知，不再逐条通知" in message.body
    assert f"{LIMIT + 1} alarms of “Water leak” within 100 s" in message.body
    assert case.explanation.startswith("100 秒内已有 5 条")


def test_who_stands_for_the_place_of_one_that_joins_is_told_once_as_well(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT))
    before = len(alarms_told(room, "desk-2"))
    leak(room, *range(LIMIT, HOMES))
    others = alarms_told(room, "desk-2")[before:]
    assert len(others) == 1
    assert "其中：漏水：试验院4号楼4室" in others[0].body


def test_when_the_rate_has_fallen_the_next_one_has_its_own_case(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT + 2))
    room.run(WITHIN_S + 50, step_s=10)
    leak(room, LIMIT + 2)
    (case,) = storms(room)
    assert case.storm is not None
    assert case.storm.count == LIMIT + 3, "the rate has been below the limit for too short a time"
    room.run(WITHIN_S, step_s=10)
    leak(room, LIMIT + 3)
    assert len(room.cases()) == LIMIT + 2
    assert case.storm.count == LIMIT + 3


def test_a_storm_that_comes_back_tells_people_again(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT + 1))
    leak(room, *range(LIMIT + 1), event="leak_cleared")
    room.run(3 * WITHIN_S, step_s=10)
    before = len(alarms_told(room))
    leak(room, *range(HOMES))
    (case,) = storms(room)
    assert room.timeline(case).count("storm_again") == 1
    assert [send.title for send in alarms_told(room)[before:]].count("报警风暴：试验院") == 1


def test_alarms_clear_in_the_storm_and_it_may_be_closed_then(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT + 3))
    (case,) = storms(room)
    assert open_alarms(room, case) == 1 + 3
    assert case.still == ("water_leak",)
    leak(room, *range(LIMIT + 3), event="leak_cleared")
    (case,) = storms(room)
    assert open_alarms(room, case) == 1, "that of the storm itself ends with its case"
    assert case.still == ()
    for action in ("acknowledge", "resolve", "close"):
        room.act(case, action)
    assert open_alarms(room, case) == 0


def test_what_still_holds_when_the_storm_is_closed_has_its_own_case_when_it_is_raised_again(
    room: DecidingRoom,
) -> None:
    leak(room, *range(LIMIT + 2))
    (case,) = storms(room)
    for action in ("acknowledge", "resolve"):
        room.act(case, action)
    room.act(case, "close", "plumber is there")
    room.run(3 * WITHIN_S, step_s=10)
    leak(room, LIMIT + 1)
    cases = room.cases()
    assert len(cases) == LIMIT + 2
    assert [ref.subject for ref in cases[-1].alarms] == [f"place:flat-{LIMIT + 1}"]


def test_a_restart_in_the_middle_changes_nothing(room: DecidingRoom) -> None:
    leak(room, *range(LIMIT + 1))
    room.restart()
    leak(room, LIMIT + 1)
    (case,) = storms(room)
    assert case.storm is not None
    assert case.storm.count == LIMIT + 2


def test_fire_never_joins_a_storm(room: DecidingRoom) -> None:
    for number in range(HOMES):
        room.say(f"smoke-x{number}", "smoke", "smoke")
        room.run(1)
    assert storms(room) == []
    assert len(room.cases()) == HOMES


def test_what_an_alarm_of_a_storm_does_by_itself_is_done(database: sa.Engine, tmp_path: Path) -> None:
    with deciding(tmp_path, database) as room:
        begin(room, do=[{"command": "close", "kinds": ["valve"]}])
        leak(room, *range(HOMES))
        shut = [send.to for send in room.sent() if send.purpose is Purpose.ACTION]
        assert sorted(shut) == sorted(f"valve-{n}" for n in range(HOMES))


def test_a_great_storm_is_counted_and_all_of_it_ends(room: DecidingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cases.storm.LINES_MOST", 3)
    leak(room, *range(HOMES))
    (case,) = storms(room)
    assert room.timeline(case).count("storm_joined") == 3
    assert room.timeline(case).count("storm_counted") == 1
    assert len(case.alarms) == 1 + 3
    assert open_alarms(room, case) == 1 + HOMES - LIMIT
    leak(room, *range(HOMES - 1), event="leak_cleared")
    (case,) = storms(room)
    assert case.still == ("alarm_storm",), "the last one was only counted, and still holds"
    leak(room, HOMES - 1, event="leak_cleared")
    (case,) = storms(room)
    assert case.still == ()
    assert open_alarms(room, case) == 1
