"""Work of all kinds in both databases: one case for a report, limits that outlive a restart, two cases in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.cases.commands import HumanAction, Refused
from gateway.cases.effects import Purpose
from gateway.cases.model import Case, Stage
from gateway.cases.report import Report, Source
from gateway.state import tables as t
from gateway.state.human_tables import reported
from tests.support.deciding import DecidingRoom, deciding


@pytest.fixture
def room(database: sa.Engine, tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path, database) as made:
        yield made


def said(key: str = "k-1", **more: object) -> Report:
    facts = {"key": key, "actor": "operator:hotline", "work": "burst_pipe", "text": "水管爆了", "place": "door-1"}
    return Report.model_validate({**facts, "source": Source.HOTLINE, **more})


def report(room: DecidingRoom, **more: object) -> Case:
    future = room.decider.report(said(**more))  # type: ignore[arg-type]
    room.cycle()
    return future.result(timeout=0)


def act(room: DecidingRoom, case: Case, action: str, actor: str = "operator:night", **more: object) -> Case:
    future = room.decider.act(case.id, HumanAction.model_validate({"action": action, "actor": actor, **more}))
    room.cycle()
    return future.result(timeout=0)


def told(room: DecidingRoom, purpose: Purpose) -> list[str | None]:
    return sorted(str(send.person) for send in room.sent() if send.purpose is purpose)


def test_a_report_opens_one_case_over_a_restart(room: DecidingRoom) -> None:
    case = report(room)
    assert told(room, Purpose.ALARM) == ["desk"]
    room.restart()
    assert report(room).id == case.id
    assert len(room.cases()) == 1
    assert told(room, Purpose.ALARM) == ["desk"]
    with pytest.raises(Refused, match="key_reused"):
        report(room, text="别的事")
    with room.engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(reported)).scalar_one() == 1


def test_a_refused_report_leaves_nothing_behind(room: DecidingRoom) -> None:
    with pytest.raises(Refused, match="no_such_place"):
        report(room, place="mars")
    with pytest.raises(Refused, match="no_such_work"):
        report(room, work="dancing")
    assert room.cases() == []
    assert report(room).number.endswith("000001"), "no number is used up, and the key is free"


def test_limits_are_rows_that_outlive_a_restart_and_fire_once(room: DecidingRoom) -> None:
    case = report(room)
    assert (case.id, "limit") in room.timers()
    room.clocks.forward(9 * 60)
    room.restart()
    room.cycle()
    assert told(room, Purpose.LIMIT_NEAR) == ["desk"]
    room.clocks.forward(120)
    room.restart()
    room.cycle()
    room.cycle()
    assert told(room, Purpose.OVERDUE) == ["chief", "desk"]
    assert [line for line in room.timeline(case) if line.startswith("limit")] == ["limit_near", "limit_over"]


def test_the_auditor_finds_a_lost_limit_and_misses_no_lease(room: DecidingRoom) -> None:
    case = act(room, report(room), "acknowledge", actor="person:desk")
    assert case.lease_until_ms is None and case.limit is not None
    room.decider._desk._audited = float("-inf")
    room.cycle()
    assert "audit_repaired" not in room.timeline(case), "work with a limit has no lease, and needs none"
    before = room.timers()
    room.sql(sa.delete(t.timers).where(t.timers.c.name == "limit"))
    room.decider._desk._audited = float("-inf")
    room.cycle()
    assert room.timers() == before
    assert "audit_repaired" in room.timeline(case)


def test_a_suspended_case_waits_over_a_restart_and_comes_back(room: DecidingRoom) -> None:
    case = act(room, report(room), "dispatch", actor="person:desk")
    until_ms = room.clocks.now_ms() + 3 * 86_400_000
    act(room, case, "suspend", reason="等待配件", until_ms=until_ms)
    room.restart()
    room.clocks.forward(2 * 86_400)
    room.decider._desk._audited = float("-inf")
    room.cycle()
    assert told(room, Purpose.OVERDUE) == []
    assert "audit_repaired" not in room.timeline(case)
    room.clocks.forward(86_400)
    room.cycle()
    now = next(one for one in room.cases() if one.id == case.id)
    assert now.suspended is None and now.limit is not None
    assert now.limit.due_at_ms > until_ms
    assert told(room, Purpose.RESUMED) == ["desk"]


def test_a_clock_step_moves_limits_and_fires_none(room: DecidingRoom) -> None:
    case = report(room)
    assert case.limit is not None
    room.cycle()
    room.clocks.set_by(6 * 3600)
    room.cycle()
    assert told(room, Purpose.OVERDUE) == []
    assert room.timers()[case.id, "limit"] == room.clocks.now_ms() + 8 * 60_000


def test_alarms_of_a_merged_case_move_the_other_one(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    [first] = room.cases()
    room.clocks.forward(20 * 60)
    room.cycle()
    room.say("smoke-1", "smoke", "smoke")
    room.cycle()
    second = next(case for case in room.cases() if case.id != first.id)
    for _ in range(2):  # sent twice
        merged = act(room, second, "merge", into=first.number)
        assert merged.stage is Stage.MERGED
    assert room.timeline(second).count("merged") == 1
    assert not [key for key in room.timers() if key[0] == second.id]
    with room.engine.connect() as connection:
        homes = connection.execute(sa.select(t.alarms.c.case_id).where(t.alarms.c.cleared_at_ms.is_(None))).scalars()
        found = set(homes)
    assert first.id in found and second.id not in found
    room.say("smoke-1", "smoke", "smoke_cleared")
    room.cycle()
    now = next(case for case in room.cases() if case.id == first.id)
    assert [ref.active for ref in now.alarms if ref.rule == "smoke-alarm"] == [False]
    assert "alarm_cleared" in room.timeline(first)
    with pytest.raises(Refused, match="already_merged"):
        third = report(room)
        act(room, second, "merge", into=third.number)


def test_what_is_on_its_way_of_a_merged_case_is_heard_by_the_other(room: DecidingRoom) -> None:
    first, second = report(room), report(room, key="k-2", text="又一个电话：水管爆了")
    act(room, second, "merge", into=first.number)
    with room.engine.connect() as connection:
        rows = connection.execute(sa.select(t.outbox.c.case_id, t.outbox.c.status)).all()
    waiting = [row.case_id for row in rows if row.status in ("pending", "sending")]
    assert set(waiting) == {first.id}, "nobody is told of a case that is no more"


def test_split_and_a_call_back_open_cases_in_the_same_step(room: DecidingRoom) -> None:
    case = report(room)
    for _ in range(2):
        act(room, case, "split", reason="路面也塌了", work="road_damage", key="s-1")
    assert [one.type for one in room.cases()] == ["burst_pipe", "road_damage"]
    act(room, case, "acknowledge", actor="person:desk")
    act(room, case, "resolve", actor="person:desk")
    act(room, case, "verify")
    act(room, case, "close")
    closed = act(room, case, "call_back", reason="还在漏", done=False, way="电话")
    assert closed.stage is Stage.CLOSED
    newest = room.cases()[-1]
    assert (newest.episode, newest.text, newest.links[0].case) == (2, "还在漏", case.id)
    assert told(room, Purpose.ALARM).count("desk") == 3


def test_alarms_of_a_type_of_work_have_its_limits(room: DecidingRoom) -> None:
    room.say("kiosk-1", "kiosk", "call_staff")
    room.say("service-1", "service_button", "drain")
    room.cycle()
    cases = {case.type: case for case in room.cases()}
    assert (cases["staff_call"].source, cases["service_request"].source) == (Source.KIOSK, Source.SERVICE)
    assert cases["staff_call"].work is not None and cases["staff_call"].work.id == "staff_call"
    assert cases["service_request"].limit is not None
    assert (cases["service_request"].id, "limit") in room.timers()
