"""The decider when things are not as they should be: clocks that step, timers that vanish, a registry that changes."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import sqlalchemy as sa

from gateway.cases import machine
from gateway.cases.effects import Purpose
from gateway.cases.model import Stage
from gateway.cases.turn import Moved
from gateway.checkup import STALLED_S, Checkup, Organs
from gateway.decider import case_rows
from gateway.decider.answering import Answering
from gateway.health import Part
from gateway.rules import engine
from gateway.state import tables as t
from tests.support.deciding import DecidingRoom, deciding
from tests.support.eventually import eventually
from tests.support.homes import RUNGS

SLOW = [
    {**RUNGS[0]},
    {**RUNGS[1], "after_s": 60},
    {**RUNGS[2], "after_s": 60},
]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, rungs=SLOW) as opened:
        yield opened


def calls(room: DecidingRoom) -> int:
    return sum(send.purpose is Purpose.EMERGENCY_CALL for send in room.sent())


def silent(room: DecidingRoom) -> int:
    with room.engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(t.alarms).where(t.alarms.c.type == "device_silent")
        return connection.execute(query).scalar_one()


def told(room: DecidingRoom, person: str) -> int:
    return sum(send.person == person and send.purpose is Purpose.ALARM for send in room.sent())


# --- clocks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_s", [-3600, 3600])
def test_setting_the_clock_neither_fires_nor_postpones_the_ladder(room: DecidingRoom, by_s: int) -> None:
    room.press()
    room.run(50)
    room.clocks.set_by(by_s)
    room.run(9)
    assert told(room, "daughter-1") == 0
    room.run(2)
    assert told(room, "daughter-1") == 1
    assert calls(room) == 0
    room.run(60)
    assert calls(room) == 1
    assert room.timeline(room.cases()[0]).count("clock_stepped") == 1


def test_setting_the_clock_forward_makes_no_device_silent(room: DecidingRoom) -> None:
    room.run(10)
    room.clocks.set_by(7 * 86_400)
    room.run(120)
    assert room.cases() == []


def test_a_clock_that_was_set_back_while_the_gateway_was_off_is_found_by_the_auditor(room: DecidingRoom) -> None:
    room.press()
    room.run(10)
    room.clocks.set_by(-3600)
    room.restart()
    room.run(61)
    assert told(room, "daughter-1") == 1
    assert room.decider.health.repaired == 2, "the ladder's timer and the line's"


# --- the auditor ----------------------------------------------------------------------------------------------------


def test_a_lost_ladder_timer_is_set_again(room: DecidingRoom) -> None:
    room.press()
    room.run(1)
    room.sql(sa.delete(t.timers))
    room.restart()
    room.run(61)
    assert told(room, "daughter-1") == 1
    assert room.decider.health.repaired == 2, "the ladder's timer and the line's"
    assert "audit_repaired" in room.timeline(room.cases()[0])


def test_a_lost_lease_timer_is_set_again(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    room.act(room.cases()[0], "acknowledge")
    room.sql(sa.delete(t.timers))
    room.restart()
    room.cycle()
    assert room.decider.health.repaired == 1
    room.run(610, step_s=10)
    assert room.cases()[0].stage is Stage.OPENED


def test_the_auditor_leaves_healthy_cases_alone(room: DecidingRoom) -> None:
    room.press()
    room.say("kiosk-1", "kiosk", "call_staff")
    room.run(5)
    for _ in range(2):
        room.restart()
        room.run(200, step_s=20)
    assert room.decider.health.repaired == 0


def test_the_auditor_leaves_the_line_its_time_where_steps_before_it_were_passed_over(tmp_path: Path) -> None:
    rungs = [RUNGS[0], {**RUNGS[1], "after_s": 30}, {**RUNGS[2], "after_s": 60}]
    with deciding(tmp_path, rungs=rungs, repeat_s=60) as room:
        room.press()
        room.run(5)
        room.press()  # the family is told at once; the line keeps its time, which is 85 s away now
        room.cycle()
        room.decider._desk._audited = float("-inf")
        room.cycle()
        assert room.decider.health.repaired == 0
        room.run(80)
        assert calls(room) == 0
        room.run(10)
        assert calls(room) == 1


# --- new presses on old cases ---------------------------------------------------------------------------------------


def test_a_press_after_the_case_was_resolved_is_a_new_case(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    first = room.cases()[0]
    room.act(first, "arrive")
    room.act(first, "resolve")
    room.run(120, step_s=20)
    room.press()
    room.cycle()
    assert [case.stage for case in room.cases()] == [Stage.RESOLVED, Stage.OPENED]
    assert told(room, "desk") == 2

    room.act(first, "close")
    room.press()
    room.cycle()
    assert len(room.cases()) == 2, "closing the old case does not end the newer one's alarm"
    assert "alarm_repeated" in room.timeline(room.cases()[1])


def test_numbers_that_come_again_never_look_like_a_repeat_to_the_outside(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    keys = {send.key for send in room.sent()}
    for table in (t.cases, t.alarms, t.timers, t.timeline, t.outbox, t.meta, t.rule_states):
        room.sql(sa.delete(table))  # as after a backup from before the press was restored
    room.sql(sa.update(t.cursors).values(position=0))
    room.restart()
    room.cycle()
    assert room.cases()[0].number == "2026-000001"
    assert keys.isdisjoint(send.key for send in room.sent())


# --- the registry changes -------------------------------------------------------------------------------------------


def test_a_ladder_that_is_gone_loses_no_alarm_and_stops_nothing(room: DecidingRoom) -> None:
    smoke = next(device for device in room.document["devices"] if device["id"] == "smoke-1")
    document = copy.deepcopy(room.document)
    document["devices"].append({**smoke, "id": "smoke-2"})
    room.apply(document)
    room.say("smoke-1", "smoke", "smoke")
    room.cycle()
    room.act(room.cases()[0], "cancel", reason="burnt toast")

    life = next(ladder for ladder in document["ladders"] if ladder["id"] == "life-safety")
    life["id"] = "life"
    for rule in document["rules"]:
        rule["raises"] = {"ladder": "life"}
    room.apply(document)
    room.say("smoke-2", "smoke", "smoke")
    room.cycle()
    assert [case.stage for case in room.cases()] == [Stage.CANCELLED, Stage.OPENED]
    assert room.quarantined == []


def test_a_registry_that_cannot_be_used_leaves_the_one_before_in_force(room: DecidingRoom) -> None:
    room.cycle()
    room.sql(sa.update(t.registry).where(t.registry.c.section == "ladders").values(body='{"id": 1}'))
    room.sql(sa.insert(t.registry_revisions).values(applied_at_ms=0, actor="test", summary=""))
    room.press()
    room.cycle()
    assert len(room.cases()) == 1
    assert room.decider.health.registry is not None
    room.apply({**room.document, "community": {**room.document["community"], "call_back": "000-9"}})
    room.cycle()
    assert room.decider.health.registry is None
    assert room.shown, "the outbox is told of new channels"


def test_a_new_registry_is_shown_also_when_it_came_with_trouble(room: DecidingRoom) -> None:
    room.cycle()
    room.shown.clear()
    room.apply({**room.document, "community": {**room.document["community"], "call_back": "000-9"}})
    room.decider._recover()
    room.cycle()
    assert len(room.shown) == 1


# --- one bad row ----------------------------------------------------------------------------------------------------


def test_one_case_that_cannot_be_read_does_not_stop_the_others_ladders(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    bad = room.cases()[0]
    room.sql(sa.update(t.cases).where(t.cases.c.id == bad.id).values(body="{}", place="elsewhere"))
    room.sql(sa.update(t.alarms).values(cleared_at_ms=1))
    room.sql(sa.delete(t.rule_states))
    room.restart()
    room.press()
    for _ in range(130):
        room.clocks.forward(1)
        room.cycle()
    with room.engine.connect() as connection:
        sent = connection.execute(sa.select(t.outbox.c.channel).where(t.outbox.c.case_id != bad.id)).scalars().all()
    assert "emergency_line" in sent
    assert room.decider.health.undecidable > 0
    assert (bad.id, "ladder") in room.timers(), "it is tried again, not forgotten"


def test_an_alarm_whose_case_is_missing_opens_a_new_one(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    room.sql(sa.delete(t.cases))
    room.sql(sa.delete(t.timers))
    room.press()
    room.cycle()
    assert len(room.cases()) == 1


def test_a_press_does_not_wait_for_a_street_that_falls_silent(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.decider.desk.SILENCE_BATCH", 2)
    room.cycle()
    room.clocks.forward(7 * 86_400)
    room.decider.cycle()
    room.decider.cycle()
    assert 0 < silent(room) < 8, "all eight devices are silent, but not decided in one go"
    room.press()
    room.decider.cycle()
    assert any(case.type == "personal_emergency" for case in room.cases())
    room.cycle()
    assert silent(room) >= 6, "and none of them is forgotten"


# --- the thread -----------------------------------------------------------------------------------------------------


def test_the_thread_survives_a_database_that_fails_while_it_would_rest(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter(range(3))
    real = case_rows.next_timer_ms

    def failing(connection: sa.Connection) -> int | None:
        if next(failures, None) is not None:
            raise sa.exc.OperationalError("select", {}, Exception("disk I/O error"))
        return real(connection)

    monkeypatch.setattr(case_rows, "next_timer_ms", failing)
    room.decider.start()
    try:
        eventually(lambda: next(failures, None) is None and room.decider.health.trouble is None, within_s=15)
        room.press()
        room.decider.wake()
        eventually(lambda: len(room.cases()) == 1, within_s=10)
    finally:
        room.decider.stop()


def test_a_thread_that_hangs_shows(room: DecidingRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(Answering, "decide", lambda self: held.wait())
    room.decider.start()
    try:
        eventually(lambda: room.decider.stalled_s > 0.3, within_s=5)
    finally:
        held.set()
        room.decider.stop()
    assert room.decider.stalled_s == 0


# --- what is shown --------------------------------------------------------------------------------------------------


def test_the_checkup_shows_repairs_and_a_thread_that_hangs(room: DecidingRoom) -> None:
    journal = Mock(health=lambda: (), stats=lambda: Mock(lanes={}))
    other = Mock()

    def decider_part() -> Part:
        organs = Organs(
            journal=journal,
            decider=room.decider,
            outbox=other,
            writer=other,
            intake=other,
            broker=None,
            mqtt=other,
            lines=[],
            bridges=other,
            announcer=other,
            feed=other,
            modems=list,
            trunks=list,
            missing_secrets=lambda: [],
            clock=room.clocks,
        )
        return next(part for part in Checkup(organs).parts() if part.name == "decider")

    room.press()
    room.cycle()
    assert decider_part().state == "ok"
    room.sql(sa.delete(t.timers))
    room.restart()
    room.cycle()
    assert decider_part().state == "degraded"
    assert "lost timers" in decider_part().en
    room.decider.health.beat -= STALLED_S + 1
    assert decider_part().state == "failed"


# --- the rules' code, and the telling ---------------------------------------------------------------------------------


def failing(what: str) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise KeyError(what)

    return fail


def test_a_press_on_which_its_own_rule_fails_is_told_to_people_all_the_same(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.run(1)
    monkeypatch.setattr(engine, "step_event", failing("a defect"))
    room.press()
    room.run(1)
    (case,) = room.cases()
    assert (case.type, case.device, case.stage) == ("undecidable", "sos-1", Stage.OPENED)
    assert room.decider.health.undecidable == 1 and room.quarantined == []


def test_an_alarm_by_time_alone_whose_telling_fails_is_told_in_other_words(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = machine.open_case

    def broken(**parts: Any) -> Moved:
        if parts["change"].type == "device_silent":
            raise KeyError("a defect")
        return real(**parts)

    monkeypatch.setattr(machine, "open_case", broken)
    room.say("contact-1", "contact")
    room.run(30 * 3600, step_s=3600)
    told = [case for case in room.cases() if case.device == "contact-1"]
    assert [case.type for case in told] == ["undecidable"]
    assert "device-silent: not heard for" in told[0].explanation


def test_trouble_again_and_again_keeps_no_silence_from_being_told(room: DecidingRoom) -> None:
    room.apply({**room.document, "rules": [{"use": "device-silent"}]})
    room.say("smoke-1", "smoke")
    room.cycle()
    for _ in range(30):
        room.clocks.forward(3600)
        room.decider._recover()
        room.cycle()
    assert silent(room)


def test_a_rule_that_went_is_over_also_where_the_gateway_crashes_then(
    room: DecidingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.say("smoke-1", "smoke", "smoke")
    room.run(1)
    room.apply({**room.document, "rules": [{"use": "sos-pressed"}]})
    room.press()
    with monkeypatch.context() as crash:
        crash.setattr(room.decider._desk, "silence", failing("the plug is pulled"))
        with pytest.raises(KeyError):
            room.decider.cycle()
    room.restart()
    room.run(1)
    with room.engine.connect() as connection:
        query = sa.select(t.alarms.c.rule).where(t.alarms.c.cleared_at_ms.is_(None))
        assert list(connection.execute(query).scalars()) == ["sos-pressed"]
