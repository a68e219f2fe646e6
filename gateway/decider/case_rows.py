"""Cases, alarms, timers and timeline as rows. Every function works inside the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.alarms import AlarmChange, Severity
from gateway.cases import chain
from gateway.cases.effects import (
    Effect,
    EndMomentaryAlarms,
    Purpose,
    Send,
    SetTimer,
    StopTimer,
    TimerName,
    WithdrawUnsent,
    Write,
)
from gateway.cases.linking import merged_into
from gateway.cases.model import Case, Stage
from gateway.cases.policy import Ladder
from gateway.outbox import rows as outbox_rows
from gateway.state import tables as t
from gateway.state.db import insert, insert_for

JOIN_WITHIN_MS = 10 * 60_000
"""Alarms of one home within so long join one case, so that nobody is called twice for one thing."""


class Conflict(Exception):
    """Somebody else changed the case in between; the step is to be taken again on the new one."""


def machines_trouble(error: Exception) -> bool:
    """Whether the machine or the database failed, and not what was to be decided: then it is decided later."""
    if isinstance(error, sa.exc.DBAPIError):
        return not isinstance(error, sa.exc.IntegrityError | sa.exc.DataError | sa.exc.ProgrammingError)
    return isinstance(error, Conflict | sa.exc.TimeoutError | MemoryError | OSError)


@dataclass(frozen=True, slots=True)
class DueTimer:
    """A timer whose time has come; ``generation`` is the version of the case that set it."""

    case_id: str
    name: TimerName
    generation: int


@cache
def remember_statement(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Saves what rules remember; to be executed with many rows at once."""
    statement = insert_for(dialect, t.rule_states)
    return statement.on_conflict_do_update(index_elements=["rule", "subject"], set_={"body": statement.excluded.body})


def next_number(connection: sa.Connection, now_ms: int, timezone: str) -> str:
    """The next case number of the year: ``2026-000042``."""
    year = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).year
    key = f"case-number:{year}"
    statement = (
        insert(connection, t.meta)
        .values(key=key, value="1")
        .on_conflict_do_update(
            index_elements=["key"], set_={"value": sa.cast(sa.cast(t.meta.c.value, sa.Integer) + 1, sa.Text)}
        )
        .returning(t.meta.c.value)
    )
    return f"{year}-{int(connection.execute(statement).scalar_one()):06d}"


def load(connection: sa.Connection, case_id: str) -> Case | None:
    """A case by its id, or by the number that people say."""
    named = sa.or_(t.cases.c.id == case_id, t.cases.c.number == case_id)
    body = connection.execute(sa.select(t.cases.c.body).where(named)).scalar_one_or_none()
    return None if body is None else Case.model_validate_json(body)


def load_current(connection: sa.Connection, case_id: str) -> Case | None:
    """A case, or the one it became part of (并案): who was told of the one answers of the other."""
    case = load(connection, case_id)
    while case is not None and case.stage is Stage.MERGED and (link := merged_into(case)) is not None:
        case = load(connection, link.case)  # never in a circle: what is merged takes nothing in any more
    return case


def save(connection: sa.Connection, case: Case, effects: Iterable[Effect], *, previous: int, now_ms: int) -> bool:
    """Write the case and carry out its effects; ``previous`` is the version it was before (0 for a new case).

    Returns whether something was put into the outbox. Raises Conflict.
    """
    listed = list(effects)
    lines = [effect for effect in listed if isinstance(effect, Write)]
    values = {
        "number": case.number,
        "stage": case.stage.value,
        "open": case.open,
        "severity": case.severity.value,
        "place": case.place,
        "resident": case.resident,
        "opened_at_ms": case.times["raised"],
        "version": case.version,
        "body": case.model_dump_json(),
    }
    if previous == 0:
        end = _End(chain.origin(case.id, case.number, 0), 0)
        values |= _write(connection, case.id, lines, now_ms, end)
        connection.execute(sa.insert(t.cases).values(id=case.id, **values))
    else:
        if lines:
            values |= _write(connection, case.id, lines, now_ms, _end_of(connection, case.id))
        done = connection.execute(
            sa.update(t.cases).where(t.cases.c.id == case.id, t.cases.c.version == previous).values(**values)
        )
        if done.rowcount != 1:
            raise Conflict(f"case {case.id} is no longer at version {previous}")
    return _carry_out(connection, case, listed, now_ms)


def append(connection: sa.Connection, case_id: str, lines: Iterable[Write], now_ms: int) -> None:
    """Write lines into the timeline of a case that does not move by them. Raises KeyError for an unknown case."""
    values = _write(connection, case_id, list(lines), now_ms, _end_of(connection, case_id))
    connection.execute(sa.update(t.cases).where(t.cases.c.id == case_id).values(**values))


def _carry_out(connection: sa.Connection, case: Case, effects: list[Effect], now_ms: int) -> bool:
    said = False
    # What is taken back is what was there before this step, never what this step says.
    for effect in sorted(effects, key=lambda effect: not isinstance(effect, WithdrawUnsent)):
        match effect:
            case Write():
                pass  # written with the case, which keeps the head of its timeline
            case Send():
                said = outbox_rows.enqueue(connection, case.id, effect, now_ms) or said
            case SetTimer():
                _set_timer(connection, case, effect)
            case StopTimer():
                connection.execute(
                    sa.delete(t.timers).where(t.timers.c.case_id == case.id, t.timers.c.name == effect.name.value)
                )
            case WithdrawUnsent():
                kept = set(Purpose) - set(effect.only) if effect.only else outbox_rows.OWN_PURPOSES
                outbox_rows.withdraw_unsent(
                    connection, case.id, effect.reason, now_ms, keep_purposes=kept, keys=effect.keys, rungs=effect.rungs
                )
            case EndMomentaryAlarms():
                for rule, subject in momentary_alarms(connection, case):
                    close_alarm(connection, rule, subject, now_ms, case_id=case.id)
    return said


def _set_timer(connection: sa.Connection, case: Case, timer: SetTimer) -> None:
    values = {"due_at_ms": timer.due_at_ms, "generation": case.version}
    connection.execute(
        insert(connection, t.timers)
        .values(case_id=case.id, name=timer.name.value, **values)
        .on_conflict_do_update(index_elements=["case_id", "name"], set_=values)
    )


@dataclass(frozen=True, slots=True)
class _End:
    """Where a timeline ends."""

    head: str
    lines: int


def _end_of(connection: sa.Connection, case_id: str) -> _End:
    """Raises KeyError. Whoever else wants to write a line of this case waits until the transaction ends."""
    c = t.cases.c
    query = sa.select(c.timeline_head, c.timeline_lines).where(c.id == case_id).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise KeyError(case_id)
    return _End(row.timeline_head, row.timeline_lines)


def _write(connection: sa.Connection, case_id: str, lines: list[Write], now_ms: int, end: _End) -> dict[str, str | int]:
    """Write lines behind ``end``; returns where the timeline ends now, for the row of the case."""
    head, rows = end.head, []
    for seq, line in enumerate(lines, end.lines + 1):
        data = chain.canonical(_with_heads(connection, line.data))
        head = chain.link(head, case_id, seq, now_ms, line.actor, line.what, line.reason, json.loads(data))
        facts = {"at_ms": now_ms, "actor": line.actor, "what": line.what, "reason": line.reason, "data": data}
        rows.append({"case_id": case_id, "seq": seq, **facts, "hash": head})
    if rows:
        connection.execute(sa.insert(t.timeline), rows)
    return {"timeline_head": head, "timeline_lines": end.lines + len(rows)}


def _with_heads(connection: sa.Connection, data: dict[str, object]) -> dict[str, object]:
    """Where a line names another case (merged, split, taken up again), it is bound to that one's timeline as well."""
    other = data.get("case") or data.get("into")
    if not isinstance(other, str):
        return data
    query = sa.select(t.cases.c.timeline_head).where(t.cases.c.number == other)
    head = connection.execute(query).scalar_one_or_none()
    return data if head is None else {**data, "case_head": head}


def due_timers(connection: sa.Connection, now_ms: int, limit: int) -> list[DueTimer]:
    """Timers that are due, the longest overdue first."""
    query = (
        sa.select(t.timers.c.case_id, t.timers.c.name, t.timers.c.generation)
        .where(t.timers.c.due_at_ms <= now_ms)
        .order_by(t.timers.c.due_at_ms)
        .limit(limit)
    )
    return [DueTimer(row.case_id, TimerName(row.name), row.generation) for row in connection.execute(query)]


def claim_timer(connection: sa.Connection, timer: DueTimer) -> bool:
    """Take a due timer out; False when it has been set anew or taken meanwhile."""
    done = connection.execute(
        sa.delete(t.timers).where(
            t.timers.c.case_id == timer.case_id,
            t.timers.c.name == timer.name.value,
            t.timers.c.generation == timer.generation,
        )
    )
    return done.rowcount == 1


def postpone_timer(connection: sa.Connection, timer: DueTimer, due_at_ms: int) -> None:
    """Try a timer again later whose step failed."""
    connection.execute(
        sa.update(t.timers)
        .where(t.timers.c.case_id == timer.case_id, t.timers.c.name == timer.name.value)
        .values(due_at_ms=due_at_ms)
    )


def timed_cases(connection: sa.Connection) -> list[str]:
    """Every case that has a timer."""
    return list(connection.execute(sa.select(t.timers.c.case_id).distinct()).scalars())


def next_timer_ms(connection: sa.Connection) -> int | None:
    """When the next timer is due."""
    due: int | None = connection.execute(sa.select(sa.func.min(t.timers.c.due_at_ms))).scalar_one()
    return due


def momentary_alarms(connection: sa.Connection, case: Case) -> list[tuple[str, str]]:
    """The alarms of a case that end with it, (rule, subject)."""
    found = {(ref.rule, ref.subject): None for ref in case.alarms if ref.momentary}
    if case.storm is not None:  # not all of its alarms stand in it
        mine = sa.and_(t.alarms.c.case_id == case.id, t.alarms.c.cleared_at_ms.is_(None))
        for body in connection.execute(sa.select(t.alarms.c.body).where(mine)).scalars():
            change = AlarmChange.model_validate_json(body)
            if change.momentary:
                found[change.rule, change.subject] = None
    return list(found)


def joinable(connection: sa.Connection, change: AlarmChange, ladder: Ladder, now_ms: int) -> Case | None:
    """The open case of the same home that this alarm, whose ladder is ``ladder``, belongs to, if there is one."""
    if change.place is None:
        return None
    query = (
        sa.select(t.cases.c.body)
        .where(t.cases.c.open.is_(True), t.cases.c.place == change.place)
        .where(t.cases.c.opened_at_ms >= now_ms - JOIN_WITHIN_MS)
        .order_by(t.cases.c.opened_at_ms.desc())
    )
    for body in connection.execute(query).scalars():
        case = Case.model_validate_json(body)
        if case.drill:
            continue  # what is real opens its own case
        if case.storm is not None or case.suspended is not None or not case.alarms:
            continue  # nobody would be told of what joins a storm, or work that waits; a report is another thing
        if ladder.call_index is not None and case.ladder.call_index is None:
            continue  # that one would never call the line: opened by a person, or for what could not be decided
        same_person = case.resident == change.resident or None in (case.resident, change.resident)
        # Beside an emergency, what else is wrong with the same person is part of it.
        beside = change.resident is not None and change.severity in (Severity.EMERGENCY, Severity.URGENT)
        same_work = case.ladder.id == change.ladder or (case.ladder.life_safety and (ladder.life_safety or beside))
        if same_person and same_work and case.at_work:
            return case
    return None


def asked_aloud(connection: sa.Connection) -> list[Case]:
    """The open cases in which the resident was asked by voice whether all is well, and has not answered."""
    asked = t.cases.c.body.contains('"voice":"asked"', autoescape=True)
    bodies = connection.execute(sa.select(t.cases.c.body).where(t.cases.c.open.is_(True), asked)).scalars()
    return [Case.model_validate_json(body) for body in bodies]


def open_alarm_case(connection: sa.Connection, rule: str, subject: str) -> str | None:
    """The case of the open alarm with this key."""
    return connection.execute(
        sa.select(t.alarms.c.case_id).where(
            t.alarms.c.rule == rule, t.alarms.c.subject == subject, t.alarms.c.cleared_at_ms.is_(None)
        )
    ).scalar_one_or_none()


def insert_alarm(connection: sa.Connection, change: AlarmChange, case_id: str) -> None:
    """An alarm is raised, and belongs to this case. Raises IntegrityError where it is open already."""
    connection.execute(
        sa.insert(t.alarms).values(
            rule=change.rule,
            rule_version=change.rule_version,
            subject=change.subject,
            type=change.type,
            severity=change.severity.value,
            observed_at_ms=change.observed_at_ms,
            raised_at_ms=change.at_ms,
            repeats=0,
            case_id=case_id,
            device=change.device,
            place=change.place,
            resident=change.resident,
            body=change.model_dump_json(),
        )
    )


def repeat_alarm(connection: sa.Connection, rule: str, subject: str) -> None:
    """Count that the open alarm with this key came again."""
    connection.execute(
        sa.update(t.alarms)
        .where(t.alarms.c.rule == rule, t.alarms.c.subject == subject, t.alarms.c.cleared_at_ms.is_(None))
        .values(repeats=t.alarms.c.repeats + 1)
    )


def close_alarm(connection: sa.Connection, rule: str, subject: str, now_ms: int, *, case_id: str | None = None) -> None:
    """End the open alarm with this key; with ``case_id`` only where it belongs to that case, not to a newer one."""
    mine = sa.true() if case_id is None else t.alarms.c.case_id == case_id
    connection.execute(
        sa.update(t.alarms)
        .where(t.alarms.c.rule == rule, t.alarms.c.subject == subject, t.alarms.c.cleared_at_ms.is_(None), mine)
        .values(cleared_at_ms=now_ms)
    )
