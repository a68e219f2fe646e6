"""Drills as rows: ordered by hand or by a self-test, carried out by the decider. Every function works inside the
caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import Field

from gateway.alarms import Frozen
from gateway.cases.drill import DrillOrder, Tell
from gateway.cases.drill_report import CaseReport, DrillReport, Line, Sent, report_of_case
from gateway.cases.effects import Send
from gateway.cases.model import Case
from gateway.cases.policy import Recipient
from gateway.decider import case_rows
from gateway.outbox.records import Fate
from gateway.state import tables as t
from gateway.state.db import insert
from gateway.state.human_tables import drill_schedule, drills

State = Literal["ordered", "running", "ending", "ended", "missed"]
UNFINISHED: tuple[State, ...] = ("ordered", "running", "ending")
_c = drills.c


class Subject(Frozen):
    """Where something is drilled. With ``press`` it begins with the next press of the device, else at once."""

    device: str | None = None
    resident: str | None = None
    place: str | None = None
    press: bool = False

    @property
    def name(self) -> str:
        """The id of what the drill is about; empty for nothing in particular."""
        return self.device or self.resident or self.place or ""


class Pressed(Frozen):
    """The press of a key that was the drill; the next one is real."""

    case: str
    message: str
    at_ms: int
    """By the device's clock."""


class Drill(Frozen):
    """One drill, from its order to its report."""

    id: str
    test: str | None = None
    """The self-test of the community that it is; None for one by hand."""
    zh: str
    en: str
    reason: str = ""
    actor: str
    ordered_ms: int
    due_ms: int
    begun_ms: int | None = None
    ends_at_ms: int
    lasts_s: int
    alarm: str
    ladder: str = ""
    """Where it begins at once; a press goes by the rule that raises it."""
    subjects: tuple[Subject, ...] = Field(min_length=1)
    tell: Tell = "staff"
    instead: dict[str, str] = {}
    answered_within_s: int | None = None
    report_to: tuple[Recipient, ...] = ()
    cases: tuple[str, ...] = ()
    pressed: dict[str, Pressed] = {}
    """By device."""
    state: State = "ordered"
    end_asked_by: str | None = None
    ended_ms: int | None = None
    ended_by: str | None = None
    report: DrillReport | None = None

    @property
    def order(self) -> DrillOrder:
        """As its cases know it."""
        return DrillOrder(id=self.id, tell=self.tell, instead=self.instead, ends_at_ms=self.ends_at_ms)

    @property
    def waiting(self) -> list[str]:
        """Keys that are to be pressed and have not been."""
        return [one.device for one in self.subjects if one.press and one.device and one.device not in self.pressed]


def add(connection: sa.Connection, drill: Drill) -> bool:
    """Order a drill. False where it has been ordered: the same key, or the self-test at the same instant."""
    values = {"test": drill.test, "due_ms": drill.due_ms, "state": drill.state, "body": drill.model_dump_json()}
    done = connection.execute(
        insert(connection, drills).values(id=drill.id, **values).on_conflict_do_nothing().returning(_c.id)
    )
    return done.first() is not None


def save(connection: sa.Connection, drill: Drill) -> None:
    """Write down how far the drill has come."""
    values = {"state": drill.state, "body": drill.model_dump_json()}
    connection.execute(sa.update(drills).where(_c.id == drill.id).values(**values))


def load(connection: sa.Connection, id_: str) -> Drill | None:
    """The drill, locked to the end of the transaction; None where there is none of this id."""
    body = connection.execute(sa.select(_c.body).where(_c.id == id_).with_for_update()).scalar_one_or_none()
    return None if body is None else Drill.model_validate_json(body)


def unfinished(connection: sa.Connection, *states: State) -> list[Drill]:
    """Those that are not over, or in these states; the oldest first."""
    query = sa.select(_c.body).where(_c.state.in_(states or UNFINISHED)).order_by(_c.due_ms, _c.id)
    return [Drill.model_validate_json(body) for body in connection.execute(query).scalars()]


def newest(connection: sa.Connection, limit: int, test: str | None = None) -> list[Drill]:
    """The newest first; with ``test`` those of a self-test."""
    query = sa.select(_c.body).order_by(_c.due_ms.desc(), _c.id.desc()).limit(limit)
    if test is not None:
        query = query.where(_c.test == test)
    return [Drill.model_validate_json(body) for body in connection.execute(query).scalars()]


def last_finished(connection: sa.Connection, tests: Iterable[str]) -> list[Drill]:
    """Of each self-test the last one that is over or was missed."""
    found = []
    for test in tests:
        over = sa.and_(_c.test == test, _c.state.in_(("ended", "missed")))
        query = sa.select(_c.body).where(over).order_by(_c.due_ms.desc()).limit(1)
        body = connection.execute(query).scalar_one_or_none()
        if body is not None:
            found.append(Drill.model_validate_json(body))
    return found


def ask_to_end(connection: sa.Connection, id_: str, actor: str) -> Drill | None:
    """Have a drill end now; returns it as it is, None where there is none."""
    drill = load(connection, id_)
    if drill is not None and drill.state in ("ordered", "running") and drill.end_asked_by is None:
        drill = drill.model_copy(update={"end_asked_by": actor})
        save(connection, drill)
    return drill


# the schedule


def looked(connection: sa.Connection) -> dict[str, int]:
    """Up to when each self-test was looked at."""
    return {row.test: row.looked_ms for row in connection.execute(sa.select(drill_schedule)).all()}


def note_looked(connection: sa.Connection, test: str, now_ms: int) -> None:
    """The schedule of this self-test has been looked at up to now."""
    connection.execute(
        insert(connection, drill_schedule)
        .values(test=test, looked_ms=now_ms)
        .on_conflict_do_update(index_elements=["test"], set_={"looked_ms": now_ms})
    )


def forget(connection: sa.Connection, tests: Iterable[str]) -> None:
    """Self-tests that the community has no more: when they come back they begin anew."""
    connection.execute(sa.delete(drill_schedule).where(drill_schedule.c.test.in_(list(tests))))


# what its cases and messages say


def open_cases(connection: sa.Connection) -> list[Case]:
    """Every open case of a drill."""
    mine = sa.and_(t.cases.c.open.is_(True), t.cases.c.body.contains('"drill":true', autoescape=True))
    bodies = connection.execute(sa.select(t.cases.c.body).where(mine)).scalars()
    return [Case.model_validate_json(body) for body in bodies]


def unsettled(connection: sa.Connection, drill: Drill) -> bool:
    """Whether something of the drill is still on its way."""
    mine = sa.and_(t.outbox.c.case_id.in_(drill.cases), t.outbox.c.status.in_(("pending", "sending")))
    waiting: bool = connection.execute(sa.select(sa.exists().where(mine))).scalar_one()
    return waiting


def reports(connection: sa.Connection, drill: Drill) -> list[CaseReport]:
    """What is to be told of each of its cases."""
    found = []
    for case_id in drill.cases:
        case = case_rows.load(connection, case_id)
        if case is not None:
            found.append(report_of_case(case, _lines(connection, case_id), _sent(connection, case_id)))
    return found


def _lines(connection: sa.Connection, case_id: str) -> list[Line]:
    c = t.timeline.c
    query = sa.select(c.at_ms, c.actor, c.what, c.reason, c.data).where(c.case_id == case_id).order_by(c.seq)
    return [Line(row.at_ms, row.actor, row.what, row.reason, json.loads(row.data)) for row in connection.execute(query)]


def _sent(connection: sa.Connection, case_id: str) -> list[Sent]:
    query = sa.select(t.outbox).where(t.outbox.c.case_id == case_id)
    return [one for row in connection.execute(query).all() if (one := _one(row)) is not None]


def _one(row: sa.Row[Any]) -> Sent | None:
    send = Send.model_validate_json(row.body)
    if send.person is None:
        return None
    told = () if row.outcome is None else Fate.model_validate_json(row.outcome).told
    return Sent(
        person=send.person,
        rung=send.rung,
        channel=send.channel,
        purpose=send.purpose,
        status=row.status,
        at_ms=row.created_at_ms,
        ended_ms=told[-1].at_ms if told else None,
        detail=told[-1].detail if told else "",
    )
