"""Rules that are tried out: what they decide is written down and counted, and nobody is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.decider import shadow_rows
from gateway.registry import care
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding


def with_shadow(room: DecidingRoom, shadow: bool) -> None:
    rule = {"use": "smoke-alarm", "shadow": shadow, "do": [{"command": "sound", "kinds": ["siren"]}]}
    siren = {"id": "siren-1", "kind": "siren", "place": "door-1"}
    devices = [one for one in room.document["devices"] if one["id"] != "siren-1"]
    room.document = room.document | {"rules": [rule, {"use": "sos-pressed"}], "devices": [*devices, siren]}
    room.apply(room.document)
    room.run(1)


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, database) as made:
        with_shadow(made, True)
        yield made


def smoke(room: DecidingRoom, event: str = "smoke") -> None:
    room.say("smoke-1", "smoke", event)
    room.run(1)


def test_nobody_is_told_and_all_is_kept(room: DecidingRoom) -> None:
    began_ms = room.clocks.now_ms()
    smoke(room)
    smoke(room)
    smoke(room, "smoke_cleared")
    assert (room.cases(), room.sent()) == ([], [])
    rows = shadow_rows.newest(room.engine)
    assert [row.change.move.value for row in rows] == ["cleared", "repeated", "raised"]
    assert rows[0].change.shadow
    assert [row.id for row in shadow_rows.newest(room.engine, rule="smoke-alarm", limit=1, before=rows[0].id)] == [
        rows[1].id
    ]
    (count,) = shadow_rows.counts(room.engine, began_ms)
    assert (count.rule, count.raised, count.repeated, count.cleared, count.subjects) == ("smoke-alarm", 1, 1, 1, 1)
    assert count.whole
    assert count.last_ms == rows[0].change.at_ms
    assert shadow_rows.counts(room.engine, room.clocks.now_ms() + 1) == []
    assert [(total.move.value, total.count) for total in shadow_rows.totals(room.engine, "smoke-alarm")] == [
        ("cleared", 1),
        ("raised", 1),
        ("repeated", 1),
    ]


def test_only_the_newest_are_kept_and_the_others_counted(room: DecidingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_rows, "KEPT_MOST", 5)
    for _ in range(4):
        smoke(room)
        smoke(room, "smoke_cleared")
    assert len(shadow_rows.newest(room.engine)) == 5
    (count,) = shadow_rows.counts(room.engine, 0)
    assert (count.raised, count.cleared, count.whole) == (2, 3, False)
    assert sum(total.count for total in shadow_rows.totals(room.engine)) == 8


def test_a_restart_repeats_nothing(room: DecidingRoom) -> None:
    smoke(room)
    room.restart()
    room.run(2)
    assert len(shadow_rows.newest(room.engine)) == 1


def test_an_alarm_of_before_ends_when_its_rule_is_only_tried_out(room: DecidingRoom) -> None:
    with_shadow(room, False)
    smoke(room)
    (case,) = room.cases()
    with_shadow(room, True)
    smoke(room, "smoke_cleared")
    (case,) = room.cases()
    assert case.still == ()
    with room.engine.begin() as connection:
        assert connection.execute(sa.select(t.alarms.c.cleared_at_ms)).scalar_one() is not None


def test_work_on_the_device_neither_hides_nor_tells(room: DecidingRoom) -> None:
    with room.engine.begin() as connection:
        now_ms = room.clocks.now_ms()
        care.begin(connection, "smoke-1", "test", seconds=60, actor="operator:wang", reason="test", now_ms=now_ms)
    room.clocks.forward(1)
    smoke(room)
    room.run(120, step_s=10)
    assert (room.cases(), room.sent()) == ([], [])
    assert len(shadow_rows.newest(room.engine)) == 1
