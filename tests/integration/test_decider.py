"""The decider over real databases (SQLite, PostgreSQL): whole decisions or none, and the same after any stop."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange
from gateway.cases.commands import Refused
from gateway.cases.model import LineState, Stage
from gateway.decider import case_rows
from gateway.decider import decider as decider_module
from gateway.journal.entry import Entry
from gateway.outbox.channel import Report, Result
from gateway.registry.directory import CommunityDirectory
from gateway.rules.engine import Engine
from gateway.state import tables as t
from gateway.state.db import open_database
from tests.support.decider import DecidersRoom, FakeJournal
from tests.support.eventually import eventually
from tests.support.homes import RUNGS, community
from tests.support.outbox import postgres, postgres_bin

DATABASES = ["sqlite", "postgresql"] if postgres_bin() else ["sqlite"]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory, postgres(Path(directory)) as url:
        yield url


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        opened = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    else:
        opened = open_database(request.getfixturevalue("server"))
        empty(opened)
    yield opened
    opened.dispose()


def empty(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table in t.metadata.sorted_tables:
            connection.execute(sa.delete(table))


@pytest.fixture
def room(engine: sa.Engine, tmp_path: Path) -> Iterator[DecidersRoom]:
    room = DecidersRoom(engine, tmp_path)
    yield room
    room.stop()


def test_a_second_press_repeats_the_alarm_and_opens_nothing(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    room.clock.ms += 5000
    room.says("sos-1", "press")
    (case,) = room.cases()
    assert room.alarms() == [("sos-pressed", "resident:r-1", 1, case.id)]
    assert "alarm_repeated" in room.timeline(case.id)


def test_alarms_of_one_home_join_one_case_and_other_homes_have_their_own(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    room.says("smoke-1", "smoke")
    room.says("vitals-1", glucose=2.4)
    room.says("sos-2", "press")
    first, second = room.cases()
    assert {ref.type for ref in first.alarms} == {"personal_emergency", "smoke", "vitals_critical"}
    assert [ref.type for ref in second.alarms] == ["personal_emergency"]
    assert [case for *_, case in room.alarms()] == [first.id, first.id, first.id, second.id]
    # After ten minutes it is a new thing.
    room.forward(601)
    room.says("vitals-1", "cardiac_pattern")
    assert ("cardiac-pattern", "resident:r-1") in {alarm[:2] for alarm in room.alarms() if alarm[3] != first.id}


class Breaks(OSError):
    """What is said when the machine fails."""


class BreakAt:
    """Makes the n-th writing statement fail, once; ``None`` only counts."""

    def __init__(self, engine: sa.Engine) -> None:
        self.at: int | None = None
        self.count = 0
        self._engine = engine
        sa.event.listen(engine, "before_cursor_execute", self._execute)
        sa.event.listen(engine, "commit", self._commit)

    def _execute(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            self._step()

    def _commit(self, connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("anju_read_only"):
            self._step()

    def _step(self) -> None:
        self.count += 1
        if self.at is not None and self.count == self.at:
            self.at = None
            raise Breaks(f"at statement {self.count}")

    def remove(self) -> None:
        sa.event.remove(self._engine, "before_cursor_execute", self._execute)
        sa.event.remove(self._engine, "commit", self._commit)


def test_a_failure_at_any_statement_leaves_nothing_half_done_and_then_all_is_done_once(
    engine: sa.Engine, tmp_path: Path
) -> None:
    """Every statement of the transaction that opens a case fails once, the commit included."""

    def press(at: int | None) -> tuple[dict[str, list[tuple[object, ...]]], int]:
        empty(engine)
        room = DecidersRoom(engine, tmp_path)
        room.settle()
        blank = room.rows()
        breaks = BreakAt(engine)
        breaks.at = at
        try:
            if at is not None:
                # Stopped at the failure, nothing is to be seen of the press.
                room.says("sos-1", "press", decide=False)
                decider = room.decider
                decider.wake()
                eventually(lambda: decider.health.trouble or breaks.at is None, 30, "the failure")
            else:
                room.says("sos-1", "press")
            if at is not None and not room.cases():
                assert room.rows() == blank
            room.settle()
            return room.rows(), breaks.count
        finally:
            room.stop()
            breaks.remove()

    expected, statements = press(None)
    assert len(expected["cases"]) == 1 and len(expected["outbox"]) == 3 and statements >= 8
    for at in range(1, statements + 1):
        found, _ = press(at)
        assert found == expected, f"failed at statement {at} of {statements}"


Step = Callable[[DecidersRoom], object]
FAILED = Report(result=Result.REFUSED, detail="HTTP 404")

STORY: tuple[Step, ...] = (
    lambda room: room.says("sos-1", "press"),
    lambda room: room.deliver(),
    lambda room: room.forward(1),
    lambda room: room.deliver(FAILED),
    lambda room: room.says("smoke-1", "smoke"),
    lambda room: room.says("vitals-2", glucose=2.4),
    lambda room: room.says("vitals-2", glucose=2.5),
    lambda room: room.forward(5),
    lambda room: room.deliver(),
    lambda room: room.act(room.cases()[0].id, "acknowledge"),
    lambda room: room.says("sos-1", "press"),
    lambda room: room.says("vitals-2", glucose=5.2),
    lambda room: room.says("vitals-2", glucose=5.3),
    lambda room: room.forward(60),
    lambda room: room.act(room.cases()[0].id, "arrive", to="person:grid"),
    lambda room: room.act(room.cases()[0].id, "resolve"),
    lambda room: room.says("smoke-1", "smoke_cleared"),
    lambda room: room.act(room.cases()[0].id, "close"),
    lambda room: room.says("sos-1", "press"),
    lambda room: room.says("sos-1", "cancel"),
    lambda room: room.forward(200),
    lambda room: room.deliver(),
)


def tell(engine: sa.Engine, directory: Path, restart_before: set[int]) -> dict[str, list[tuple[object, ...]]]:
    empty(engine)
    room = DecidersRoom(engine, directory)
    try:
        room.settle()
        for number, step in enumerate(STORY):
            if number in restart_before:
                room.stop()
            room.settle()
            room.clock.ms += 10
            step(room)
        room.settle()
        return room.rows()
    finally:
        room.stop()


def test_a_new_decider_at_any_point_decides_the_same(engine: sa.Engine, tmp_path: Path) -> None:
    """Silence is left out: a start counts it anew, on purpose."""
    expected = tell(engine, tmp_path, set())
    stages = {row[2] for row in expected["cases"]}
    assert stages == {"closed", "opened", "cancelled"} and len(expected["outbox"]) > 15
    every = set(range(1, len(STORY)))
    for points in (every, {number for number in every if number % 2}, {number for number in every if not number % 2}):
        assert tell(engine, tmp_path, points) == expected, f"restarted before steps {sorted(points)}"


@pytest.mark.parametrize(
    "trouble",
    [
        sa.exc.OperationalError("", {}, Exception("disk I/O error")),
        sa.exc.DatabaseError("", {}, Exception("database disk image is malformed")),
        sa.exc.InterfaceError("", {}, Exception("the connection is closed")),
        MemoryError(),
    ],
    ids=lambda trouble: type(trouble).__name__,
)
def test_trouble_of_the_machine_never_sets_a_press_aside(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    room.settle()

    def fail(*_: object, **__: object) -> str:
        raise trouble

    with monkeypatch.context() as patched:
        patched.setattr("gateway.decider.case_rows.next_number", fail)
        room.says("sos-1", "press", decide=False)
        room.decider.wake()
        eventually(lambda: room.decider.health.trouble, 30, "trouble")
    room.settle()
    assert [case.device for case in room.cases()] == ["sos-1"]
    assert room.quarantined == [] and room.decider.health.undecidable == 0


def test_an_action_that_is_refused_changes_nothing(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    (case,) = room.cases()
    before = room.rows()
    with pytest.raises(Refused, match="wrong_stage"):
        room.act(case.id, "verify")
    with pytest.raises(Refused, match="reason_needed"):
        room.act(case.id, "cancel")
    with pytest.raises(KeyError):
        room.act("2026-999999", "acknowledge")
    assert room.rows() == before
    room.act(case.id, "acknowledge", version=case.version)
    with pytest.raises(Refused, match="stale"):
        room.act(case.id, "arrive", version=case.version)
    assert room.timeline(case.id).count("acknowledged") == 1
    assert room.decider.health.trouble is None


def test_a_failure_while_a_person_decides_is_told_to_them_and_deciding_goes_on(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.says("sos-1", "press")
    (case,) = room.cases()
    before = room.rows()
    save = case_rows.save

    def save_and_fail(*given: Any, **more: Any) -> bool:
        save(*given, **more)
        raise Breaks("once it is written")

    # Not at the n-th statement: between two decisions the decider's thread has transactions of its own.
    with monkeypatch.context() as patched:
        patched.setattr("gateway.decider.case_rows.save", save_and_fail)
        with pytest.raises(Breaks):
            room.act(case.id, "acknowledge")
    assert room.rows() == before
    assert room.act(case.id, "acknowledge").stage is Stage.ACKNOWLEDGED


def test_a_helping_of_routine_is_as_large_as_the_machine_is_fast(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: dict[int, None] = {}
    read = room.journal.read

    def noted(lane: Lane, after: int, limit: int) -> list[Entry]:
        if lane is Lane.ROUTINE:
            limits[limit] = None
        return read(lane, after, limit)

    monkeypatch.setattr(room.journal, "read", noted)

    def flood() -> list[int]:
        limits.clear()
        for _ in range(600):
            room.says("vitals-1", decide=False, pulse=71.0)
        room.settle()
        return list(limits)

    monkeypatch.setattr(decider_module, "HELPING_S", 60.0)
    assert flood() == [8, 16, 32, 64, 128, 256]
    monkeypatch.setattr(decider_module, "HELPING_S", 1e-9)
    assert flood() == [256, 8], "what is urgent would wait for each helping"


def test_closed_never_reopens(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    (first,) = room.cases()
    room.act(first.id, "acknowledge")
    room.act(first.id, "resolve")
    room.act(first.id, "close")
    room.says("sos-1", "press")
    closed, opened = room.cases()
    assert (closed.id, closed.stage) == (first.id, Stage.CLOSED)
    assert opened.stage is Stage.OPENED and opened.emergency.state is LineState.ARMED
    assert [case for *_, case in room.alarms()] == [closed.id, opened.id]


def test_an_observation_on_which_the_rules_fail_is_set_aside_and_the_rest_goes_on(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = CommunityDirectory.resident_name

    def broken(self: CommunityDirectory, resident: str | None) -> str:
        if resident == "r-1":
            raise ZeroDivisionError("a defect")
        return real(self, resident)

    monkeypatch.setattr(CommunityDirectory, "resident_name", broken)
    room.settle()
    bad = room.says("sos-1", "press", decide=False)
    room.says("sos-2", "press", decide=False)
    room.settle()
    assert [case.resident for case in room.cases()] == ["r-2"]
    (item,) = room.quarantined
    assert (item.reason, item.device) == ("undecidable", "sos-1") and bad in item.payload.decode()
    assert room.decider.health.undecidable == 2, "the press, and the telling of it, which needs the same name"
    # Nothing of it stays in the rules' memory either: the next press is a first one.
    monkeypatch.undo()
    room.says("sos-1", "press")
    assert ("sos-pressed", "resident:r-1", 0, room.cases()[1].id) in room.alarms()


def test_a_press_on_which_the_rules_fail_is_told_to_people_all_the_same(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Engine.observe

    def broken(self: Engine, observation: Observation, now_ms: int) -> list[AlarmChange]:
        if observation.device == "sos-1":
            raise ZeroDivisionError("a defect")
        return real(self, observation, now_ms)

    monkeypatch.setattr(Engine, "observe", broken)
    room.settle()
    room.says("sos-1", "press")
    room.says("sos-1", "press")
    room.says("sos-1", "low_battery")
    (case,) = room.cases()
    assert (case.type, case.device, case.stage) == ("undecidable", "sos-1", Stage.OPENED)
    assert case.told, "somebody is told, and looks"
    assert all(rung.call is None for rung in case.ladder.rungs), "a machine calls 120 only for what it understands"
    assert [item.reason for item in room.quarantined] == ["undecidable"] * 3


@pytest.mark.parametrize("done", ["resolve", "close"])
def test_a_press_on_which_the_rules_fail_again_is_told_again_once_the_first_is_done(
    room: DecidersRoom, monkeypatch: pytest.MonkeyPatch, done: str
) -> None:
    def broken(self: Engine, observation: Observation, now_ms: int) -> list[AlarmChange]:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(Engine, "observe", broken)
    room.settle()
    room.says("sos-1", "press")
    (first,) = room.cases()
    for action in ("acknowledge", "resolve", *(["close"] if done == "close" else [])):
        room.act(first.id, action)
    room.says("sos-1", "press")
    _, second = room.cases()
    assert (second.type, second.stage) == ("undecidable", Stage.OPENED)
    assert second.told, "somebody is told, and looks"


def test_beside_a_new_database_nothing_that_was_decided_is_told_again(tmp_path: Path) -> None:
    room = DecidersRoom(open_database(f"sqlite:///{tmp_path / 'first.db'}"), tmp_path)
    room.says("sos-1", "press")
    room.stop()
    again = DecidersRoom(open_database(f"sqlite:///{tmp_path / 'second.db'}"), tmp_path)
    again.journal = room.journal
    again.settle()
    assert again.cases() == []
    again.says("sos-2", "press")
    assert [case.device for case in again.cases()] == ["sos-2"]
    again.stop()


def test_a_new_revision_of_the_registry_is_worked_by_at_once(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    document = community(3, rungs=({**RUNGS[0], "notify": [{"role": "supervisor"}]},))
    document["devices"] = [device for device in document["devices"] if device["id"] != "contact-1"]
    room.apply(document)
    room.settle()
    assert room.views_seen == 1
    room.says("sos-3", "press")
    room.says("sos-1", "press")
    old, new = room.cases()
    assert {target.person for target in old.told} == {"desk", "grid"}, "an open case keeps the ladder it began with"
    assert {target.person for target in new.told} == {"chief"}
    assert [repeats for _, subject, repeats, _ in room.alarms() if subject == "resident:r-1"] == [1]


def test_before_a_community_is_applied_alarms_wait(engine: sa.Engine, tmp_path: Path) -> None:
    room = DecidersRoom(engine, tmp_path, homes=0)
    room.says("sos-1", "press", decide=False)
    with pytest.raises(Refused, match="no_community"):
        room.act("2026-000001", "acknowledge")
    room.apply(community(1))
    room.settle()
    assert [case.device for case in room.cases()] == ["sos-1"]
    room.stop()


def test_a_replaced_journal_is_read_from_its_start(room: DecidersRoom) -> None:
    for _ in range(3):
        room.says("sos-1", "press")
    room.stop()
    room.journal = FakeJournal()
    room.says("sos-2", "press", decide=False)
    room.settle()
    assert [case.device for case in room.cases()] == ["sos-1", "sos-2"]
    assert room.journal.cursors == {Lane.URGENT: 1, Lane.ROUTINE: 0}


def test_what_the_journal_holds_twice_is_decided_once(room: DecidersRoom) -> None:
    room.says("sos-1", "press")
    room.says("vitals-1", pulse=30.0)
    room.journal.add(room.journal.entries[Lane.URGENT][0].observation)
    room.journal.add(room.journal.entries[Lane.ROUTINE][0].observation)
    room.settle()
    (case,) = room.cases()
    assert len(case.alarms) == 1 and room.alarms()[0][2] == 0
