"""A change of shift: whoever comes on duty is told and takes over; nobody's case goes home with somebody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from gateway.cases.commands import HumanAction
from gateway.cases.effects import Purpose, Send
from gateway.cases.model import Case
from gateway.outbox import claims as outbox_claims
from gateway.outbox.channel import Report, Result
from gateway.registry import overrides
from gateway.state.db import writing
from gateway.state.human_tables import handovers
from gateway.workdays import instant_ms, local
from tests.support.deciding import START_MS, DecidingRoom, deciding

ZONE = ZoneInfo("Asia/Shanghai")
DUTY = (Purpose.ON_DUTY, Purpose.HANDED_OVER, Purpose.NOT_CONFIRMED)
NIGHT_MS = instant_ms(local(START_MS, ZONE).date(), 18 * 60, ZONE)


def with_shifts(document: dict[str, Any], **roster: Any) -> dict[str, Any]:
    """By day grid has the grid, by night owl; both reachable over two channels."""
    document["people"] += [
        {"id": name, "name": name.title(), "contacts": [{"channel": "messenger", "to": f"{name}-{n}"} for n in (1, 2)]}
        for name in ("owl", "fox")
    ]
    (everyday,) = document["rosters"]
    everyday["duties"] = [duty for duty in everyday["duties"] if duty["role"] != "grid_staff"]
    shifts = [{"hours": "06:00-18:00", "people": ["grid"]}, {"hours": "18:00-06:00", "people": ["owl"]}]
    handover = {"supervisor": "supervisor", "receipt_s": 600}
    duty = {"role": "grid_staff", "place": "yuan", "shifts": shifts}
    document["rosters"].append({"id": "grid", "duties": [duty], "handover": handover} | roster)
    # Hours go by in which no device says anything: of that other tests tell.
    document["rules"] = [rule for rule in document["rules"] if "silent" not in rule["use"]]
    return document


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    with deciding(tmp_path) as room:
        room.apply(with_shifts(room.document))
        to(room, NIGHT_MS - 30 * 60_000)
        yield room


def to(room: DecidingRoom, at_ms: int) -> None:
    room.clocks.forward((at_ms - room.clocks.now_ms()) / 1000)
    room.cycle()


def told(room: DecidingRoom) -> list[Send]:
    return [send for send in room.sent() if send.purpose in DUTY]


def by_person(room: DecidingRoom, case: Case, action: str, person: str) -> Case:
    taken = HumanAction.model_validate({"action": action, "actor": f"person:{person}"})
    future = room.decider.act(case.id, taken)
    room.cycle()
    return future.result(timeout=0)


def test_who_comes_on_duty_is_told_once_from_when_to_when(room: DecidingRoom) -> None:
    assert told(room) == [], "at the first look nobody has come on duty just now"
    to(room, NIGHT_MS - 1)
    assert told(room) == []
    room.run(120)
    (notice,) = told(room)
    assert (notice.person, notice.to, notice.purpose) == ("owl", "owl-1", Purpose.ON_DUTY)
    assert notice.title.startswith("您已开始值班：")
    assert "18:00" in notice.body and "06:00" in notice.body and "You are on duty" in notice.body
    room.restart()
    room.run(60)
    assert len(told(room)) == 1
    to(room, NIGHT_MS + 12 * 3_600_000)
    assert [one.person for one in told(room)] == ["owl", "grid"]


def test_what_changed_while_nobody_looked_is_told_as_it_is_now(room: DecidingRoom) -> None:
    to(room, NIGHT_MS + 20 * 60_000)  # one step, as after an outage
    assert [one.person for one in told(room)] == ["owl"]
    to(room, NIGHT_MS + 24 * 3_600_000 + 60_000)  # a whole day: owl is on duty as before
    assert [one.person for one in told(room)] == ["owl"]


def test_cases_pass_to_whoever_comes_on_duty_and_wait_for_a_receipt(room: DecidingRoom) -> None:
    to(room, NIGHT_MS - 60_000)
    room.press()
    room.cycle()
    (case,) = room.cases()
    by_person(room, case, "acknowledge", "grid")
    by_person(room, case, "dispatch", "grid")
    to(room, NIGHT_MS - 500)
    before = room.cases()[0]
    assert before.owner == "person:grid"
    to(room, NIGHT_MS)
    (after,) = room.cases()
    assert after.owner == "person:owl" and after.stage is before.stage
    assert after.lease_until_ms == NIGHT_MS + after.ladder.lease_s * 1000
    assert "handed_over" in room.timeline(after)
    (notice,) = [one for one in told(room) if one.person == "owl"]
    assert notice.purpose is Purpose.HANDED_OVER and notice.urgent
    assert after.number in notice.body and "10 分钟内确认接班" in notice.body
    assert "owl" in [target.person for target in after.told], "how it ends, the incoming person hears as well"


def test_without_a_receipt_the_supervisor_is_told_once(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    by_person(room, room.cases()[0], "acknowledge", "grid")
    by_person(room, room.cases()[0], "arrive", "grid")  # no lease that could run out meanwhile
    to(room, NIGHT_MS)
    to(room, NIGHT_MS + 599_000)
    assert [one.person for one in told(room)] == ["owl"]
    to(room, NIGHT_MS + 600_000)
    notice = told(room)[-1]
    assert (notice.person, notice.purpose, notice.urgent) == ("chief", Purpose.NOT_CONFIRMED, True)
    assert "Owl未确认接班" in notice.title and room.cases()[0].number in notice.body
    room.restart()
    room.run(900, step_s=60)
    assert len([one for one in told(room) if one.purpose is Purpose.NOT_CONFIRMED]) == 1


def test_with_a_receipt_nobody_else_is_told(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    by_person(room, room.cases()[0], "acknowledge", "grid")
    by_person(room, room.cases()[0], "arrive", "grid")
    to(room, NIGHT_MS)
    room.sql(sa.update(handovers).values(receipt_ms=NIGHT_MS + 5_000, receipt_by="person:owl"))
    to(room, NIGHT_MS + 700_000)
    assert [one.person for one in told(room)] == ["owl"]


def test_where_nobody_comes_on_duty_the_supervisor_is_told_at_once(tmp_path: Path) -> None:
    with deciding(tmp_path) as room:
        day = {"role": "grid_staff", "place": "yuan", "shifts": [{"hours": "06:00-18:00", "people": ["grid"]}]}
        room.apply(with_shifts(room.document, duties=[day]))
        to(room, NIGHT_MS - 30 * 60_000)
        room.press()
        room.cycle()
        by_person(room, room.cases()[0], "acknowledge", "grid")
        by_person(room, room.cases()[0], "arrive", "grid")
        to(room, NIGHT_MS)
        (notice,) = told(room)
        assert notice.person == "chief" and notice.title.startswith("无人接班")
        assert room.cases()[0].owner == "person:grid", "nobody else is there to have it"


def test_an_open_case_that_nobody_has_is_named_to_the_next(room: DecidingRoom) -> None:
    to(room, NIGHT_MS - 20_000)
    room.press()
    room.run(20)
    (case,) = room.cases()
    assert case.owner is None
    (notice,) = [one for one in told(room) if one.person == "owl"]
    assert case.number in notice.body
    assert "duty_passed" in room.timeline(case)
    assert "owl" in [target.person for target in case.told]


def test_an_override_holds_at_once_and_is_told(room: DecidingRoom) -> None:
    directory = room.decider.view.directory if room.decider.view else None
    assert directory is not None
    order = overrides.Order(
        role="grid_staff",
        place="yuan",
        instead_of="grid",
        person="fox",
        begin_ms=room.clocks.now_ms(),
        until_ms=NIGHT_MS,
    )
    with writing(room.engine) as connection:
        made, _ = overrides.make(
            connection, directory, [order], actor="operator:night", reason="ill", now_ms=room.clocks.now_ms()
        )
    room.run(2)
    assert [one.person for one in told(room)] == ["fox"]
    assert "18:00" in told(room)[0].body
    room.apply(room.document | {"community": room.document["community"] | {"call_back": "000-9"}})
    room.run(2)
    assert room.decider.view is not None
    now_ms = room.clocks.now_ms()
    assert room.decider.view.directory.on_duty("grid_staff", "yuan", now_ms) == ("fox",), "files do not touch it"
    with writing(room.engine) as connection:
        overrides.end(connection, made[0].id, actor="operator:night", now_ms=now_ms)
    room.run(2)
    assert room.decider.view.directory.on_duty("grid_staff", "yuan", room.clocks.now_ms()) == ("grid",)
    assert [one.person for one in told(room)] == ["fox", "grid"]


def test_when_the_first_channel_fails_the_next_is_tried(room: DecidingRoom) -> None:
    to(room, NIGHT_MS)
    now_ms = room.clocks.now_ms()
    with room.engine.begin() as connection:
        claims = outbox_claims.claim_due(connection, now_ms, lease_s=60, limit=100, room=lambda channel, urgent: 100)
        for claim in claims:
            begun = outbox_claims.begin(connection, claim, now_ms) or claim
            refused = Report(result=Result.REFUSED, detail="no such number")
            outbox_claims.finish(connection, begun.key, begun.attempts, refused, now_ms, again_ms=None)
    room.cycle()
    assert [one.to for one in told(room)] == ["owl-1", "owl-2"]


def test_what_is_awaited_moves_with_the_clock(room: DecidingRoom) -> None:
    room.press()
    room.cycle()
    by_person(room, room.cases()[0], "acknowledge", "grid")
    by_person(room, room.cases()[0], "arrive", "grid")
    to(room, NIGHT_MS)
    room.clocks.set_by(3600)
    room.run(2)
    assert [one.person for one in told(room)] == ["owl"], "nobody has been late by a clock that was set"
    with room.engine.begin() as connection:
        (row,) = connection.execute(sa.select(handovers)).all()
    assert row.due_ms == NIGHT_MS + 600_000 + 3_600_000
    assert json.loads(row.cases) == [room.cases()[0].id]
