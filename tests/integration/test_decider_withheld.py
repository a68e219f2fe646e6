"""Alarms that are consequences of another one: held back while it stands, told when it ends and they still hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.decider import withheld_rows
from gateway.registry import care
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding


def by_power() -> dict[str, Any]:
    return {"types": ["power_lost"], "at": "place"}


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path) -> Iterator[DecidingRoom]:
    """A concentrator with mains in each home; the heating's low temperature is a consequence of no power."""
    with deciding(tmp_path, database) as made:
        rules: list[dict[str, Any]] = [
            {"use": "power-lost"},
            {"use": "smoke-alarm"},
            {"use": "low-battery"},
            {"use": "device-fault", "inhibited_by": by_power()},
            {
                "id": "cold",
                "version": 1,
                "zh": "室温低",
                "en": "cold home",
                "form": "threshold",
                "kinds": ["environment"],
                "when": "temperature < 10",
                "clear": "temperature > 12",
                "subject": "place",
                "raises": {"type": "problem_report", "severity": "urgent", "ladder": "urgent"},
                "say": {"zh": "室温低", "en": "cold"},
                "inhibited_by": by_power(),
            },
        ]
        made.document = made.document | {
            "rules": rules,
            "devices": [
                *made.document["devices"],
                {"id": "hub-1", "kind": "concentrator", "place": "door-1"},
                {"id": "climate-1", "kind": "environment", "place": "door-1"},
                {"id": "climate-1b", "kind": "environment", "place": "door-1"},
            ],
        }
        made.apply(made.document)
        made.run(1)
        yield made


def power(room: DecidingRoom, event: str) -> None:
    room.say("hub-1", "concentrator", event)
    room.run(1)


def climate(room: DecidingRoom, celsius: float, device: str = "climate-1") -> None:
    room.say(device, "environment", None, metrics={"temperature": celsius})
    room.run(1)


def types(room: DecidingRoom) -> list[list[str]]:
    return [[ref.type for ref in case.alarms] for case in room.cases()]


def held_back(room: DecidingRoom) -> list[tuple[str, str]]:
    with room.engine.begin() as connection:
        return [(row.change.rule, row.change.subject) for row in withheld_rows.every(connection)]


def test_a_consequence_is_told_when_its_cause_is_over_and_it_still_holds(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    climate(room, 4)
    assert types(room) == [["power_lost"]]
    assert held_back(room) == [("cold", "place:door-1")]
    (case,) = room.cases()
    assert room.timeline(case).count("alarm_withheld") == 1
    assert case.withheld == 1
    room.run(60)
    power(room, "power_restored")
    assert held_back(room) == []
    assert [ref.type for one in room.cases() for ref in one.alarms] == ["power_lost", "problem_report"]
    late = room.cases()[-1]
    assert "alarm_joined" in room.timeline(late) or "暂缓通知" in late.explanation
    with room.engine.begin() as connection:
        body = connection.execute(sa.select(t.alarms.c.body).where(t.alarms.c.rule == "cold")).scalar_one()
    assert "因“市电断开”暂缓通知 held back since" in body


def test_a_consequence_that_is_over_first_is_told_to_nobody(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    climate(room, 20)
    assert held_back(room) == []
    power(room, "power_restored")
    assert types(room) == [["power_lost"]]


def test_without_its_cause_or_at_another_place_it_is_told_at_once(room: DecidingRoom) -> None:
    climate(room, 5)
    assert types(room) == [["problem_report"]]
    power(room, "power_lost")
    climate(room, 4)
    assert held_back(room) == [], "people know of it already"


def test_fire_is_never_held_back(room: DecidingRoom) -> None:
    power(room, "power_lost")
    room.say("smoke-1", "smoke", "smoke")
    room.run(1)
    assert "smoke" in {ref.type for case in room.cases() for ref in case.alarms}


def test_a_case_that_is_closed_holds_nothing_back(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    (case,) = room.cases()
    for action in ("acknowledge", "resolve"):
        room.act(case, action)
    assert held_back(room), "it is done, and not closed"
    room.act(case, "close", "the electrician comes tomorrow")
    room.run(2)
    assert types(room) == [["power_lost"], ["problem_report"]]


def test_a_restart_in_the_middle_changes_nothing(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    room.restart()
    room.run(2)
    assert held_back(room) == [("cold", "place:door-1")]
    assert types(room) == [["power_lost"]]
    room.say("hub-1", "concentrator", "power_restored")  # decided by the one after it
    room.restart()
    room.run(2)
    assert held_back(room) == []
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_a_crash_between_the_end_of_the_cause_and_the_telling_loses_nothing(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    with room.engine.begin() as connection:  # as after a crash in the middle: ended, and nobody has looked yet
        connection.execute(
            sa.update(t.alarms).where(t.alarms.c.rule == "power-lost").values(cleared_at_ms=room.clocks.now_ms())
        )
    room.restart()
    room.run(1)
    assert held_back(room) == []
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_what_is_held_back_by_nothing_is_found_by_the_auditor(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    power(room, "power_lost")
    climate(room, 5)
    with room.engine.begin() as connection:
        connection.execute(sa.update(t.alarms).values(cleared_at_ms=room.clocks.now_ms()))
    room.run(2)
    assert held_back(room), "no case has moved"
    monkeypatch.setattr("gateway.decider.desk.AUDIT_S", 0.0)
    room.run(1)
    assert held_back(room) == []


def test_a_rule_that_is_gone_holds_nothing_and_one_that_inhibits_no_more_tells(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    rules = [rule for rule in room.document["rules"] if rule.get("id") != "cold"]
    cold = next(rule for rule in room.document["rules"] if rule.get("id") == "cold")
    free = {key: value for key, value in cold.items() if key != "inhibited_by"} | {"version": 2}
    room.apply(room.document | {"rules": [*rules, free]})
    room.run(2)
    assert held_back(room) == []
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_when_the_rule_itself_is_removed_its_alarm_is_told_to_nobody(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    room.apply(room.document | {"rules": [rule for rule in room.document["rules"] if rule.get("id") != "cold"]})
    room.run(2)
    assert held_back(room) == []
    assert types(room) == [["power_lost"]]


def test_when_the_cause_s_rule_is_removed_the_consequence_is_told(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    room.apply(room.document | {"rules": [rule for rule in room.document["rules"] if rule.get("use") != "power-lost"]})
    room.run(2)
    assert held_back(room) == []
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_another_device_of_the_subject_that_holds_it_is_enough(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    climate(room, 5, "climate-1b")
    climate(room, 20)  # the first one is warm again
    assert held_back(room) == [("cold", "place:door-1")]
    power(room, "power_restored")
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_a_moment_that_was_held_back_is_told_with_its_age(room: DecidingRoom) -> None:
    power(room, "power_lost")
    room.say("climate-1", "environment", "fault")
    room.run(120, step_s=10)
    assert held_back(room) == [("device-fault", "device:climate-1")]
    power(room, "power_restored")
    with room.engine.begin() as connection:
        row = connection.execute(sa.select(t.alarms).where(t.alarms.c.rule == "device-fault")).one()
    assert row.raised_at_ms - row.observed_at_ms >= 120_000
    room.say("climate-1", "environment", "fault")
    room.run(1)
    with room.engine.begin() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(t.alarms)).scalar_one() == 2, "told once"


def test_a_device_in_a_test_tells_nobody_when_the_cause_ends(room: DecidingRoom) -> None:
    power(room, "power_lost")
    climate(room, 5)
    with room.engine.begin() as connection:
        now_ms = room.clocks.now_ms()
        care.begin(connection, "climate-1", "test", seconds=600, actor="operator:wang", reason="test", now_ms=now_ms)
    power(room, "power_restored")
    assert types(room) == [["power_lost"]]
    room.run(620, step_s=10)
    assert "problem_report" in {ref.type for case in room.cases() for ref in case.alarms}


def test_many_that_are_held_back_do_not_fill_the_case(room: DecidingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cases.machine.WITHHELD_LINES_MOST", 3)
    power(room, "power_lost")
    for _ in range(6):
        climate(room, 5)
        climate(room, 20)
    (case,) = room.cases()
    assert case.withheld == 6
    assert room.timeline(case).count("alarm_withheld") == 3
    assert room.timeline(case).count("withheld_counted") == 1


@pytest.mark.parametrize("at", ["device", "via", "resident", "place"])
def test_who_holds_back_whom(database: sa.Engine, tmp_path: Path, at: str) -> None:
    """hub-1 carries relay-1, and that carries the thermometer; the resident's button says nothing of the place."""
    with deciding(tmp_path, database) as room:
        room.document = room.document | {
            "rules": [
                {"use": "power-lost"},
                {"use": "tamper", "subject": "resident"},
                {
                    "use": "device-fault",
                    "subject": "device",
                    "inhibited_by": {"types": ["power_lost", "tamper"], "at": at},
                },
            ],
            "devices": [
                *room.document["devices"],
                {"id": "hub-1", "kind": "concentrator", "place": "b-1"},
                {"id": "relay-1", "kind": "concentrator", "place": "b-1", "via": "hub-1"},
                {"id": "climate-1", "kind": "environment", "place": "door-1", "resident": "r-1", "via": "relay-1"},
                {"id": "climate-2", "kind": "environment", "place": "b-1"},
            ],
        }
        room.apply(room.document)
        room.run(1)
        room.say("hub-1", "concentrator", "power_lost")
        room.say("sos-1", "sos_button", "tamper")
        room.say("relay-1", "concentrator", "tamper")
        room.run(1)
        for device in ("climate-1", "climate-2"):
            room.say(device, "environment", "fault")
        room.say("smoke-1", "smoke", "fault")
        room.say("relay-1", "concentrator", "fault")
        room.run(1)
        expected = {
            "device": ["relay-1"],
            "via": ["climate-1", "relay-1"],
            "resident": ["climate-1", "smoke-1"],
            "place": ["climate-1", "climate-2", "relay-1", "smoke-1"],
        }[at]
        found = sorted(subject.removeprefix("device:") for _, subject in held_back(room))
        assert found == expected
        with room.engine.begin() as connection:
            query = sa.select(t.alarms.c.subject).where(t.alarms.c.rule == "device-fault")
            told = sorted(subject.removeprefix("device:") for subject in connection.execute(query).scalars())
        assert sorted(found + told) == ["climate-1", "climate-2", "relay-1", "smoke-1"], "all are somewhere"
