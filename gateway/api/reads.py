"""What is read from the state database for the API and the pages. Each function is one short read transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from gateway.alarms import Frozen, Severity
from gateway.cases.model import Case, Stage
from gateway.cases.wording import TIMELINE_WORDS
from gateway.decider.case_rows import load as load_case
from gateway.decider.case_rows import load_current
from gateway.state import tables as t
from gateway.state.db import reading


class TimelineLine(Frozen):
    """One line of a case's timeline."""

    seq: int
    at_ms: int
    actor: str
    what: str
    zh: str
    en: str
    reason: str
    data: dict[str, object]


class AttemptRow(Frozen):
    """One attempt to send a message."""

    attempt: int
    started_at_ms: int
    ended_at_ms: int | None
    result: str | None
    detail: str | None


class OutboxRow(Frozen):
    """One thing that was, or is to be, said."""

    key: str
    case_id: str
    channel: str
    to: str
    person: str | None
    purpose: str
    title: str
    status: str
    attempts: int
    created_at_ms: int
    next_attempt_ms: int
    tries: tuple[AttemptRow, ...] = ()


class AlarmRow(Frozen):
    """An alarm with what it was decided on."""

    id: int
    rule: str
    rule_version: int
    subject: str
    type: str
    severity: str
    observed_at_ms: int
    raised_at_ms: int
    cleared_at_ms: int | None
    repeats: int
    case_id: str
    explanation: str
    evidence: list[dict[str, object]]


class DeviceState(Frozen):
    """What a device's own messages say of its health."""

    last_seen_ms: int
    online: bool
    battery: float | None
    rssi: float | None
    firmware: str | None
    model: str | None
    clock_offset_ms: int | None


def cases(engine: sa.Engine, *, open_only: bool, limit: int, before: str | None = None) -> list[Case]:
    """Cases, the newest first; those that come after the case ``before`` in this order, for the next page."""
    query = sa.select(t.cases.c.body).order_by(t.cases.c.opened_at_ms.desc(), t.cases.c.id.desc()).limit(limit)
    if open_only:
        query = query.where(t.cases.c.open.is_(True))
    if before is not None:
        opened_ms = sa.select(t.cases.c.opened_at_ms).where(t.cases.c.id == before).scalar_subquery()
        # Many cases may open in one millisecond: a page may end between two of them.
        same = sa.and_(t.cases.c.opened_at_ms == opened_ms, t.cases.c.id < before)
        query = query.where(sa.or_(t.cases.c.opened_at_ms < opened_ms, same))
    with reading(engine) as connection:
        return [Case.model_validate_json(body) for body in connection.execute(query).scalars()]


def open_cases(engine: sa.Engine, limit: int) -> tuple[list[Case], int]:
    """Open cases and how many there are: emergencies first, unowned before owned, the oldest first. A flood of lesser
    cases never hides an emergency."""
    c = t.cases.c
    order = sa.case({severity.value: place for place, severity in enumerate(Severity)}, value=c.severity)
    unowned_first = sa.case((c.stage == Stage.OPENED.value, 0), else_=1)
    query = sa.select(c.body).where(c.open.is_(True)).order_by(order, unowned_first, c.opened_at_ms, c.id).limit(limit)
    with reading(engine) as connection:
        found = [Case.model_validate_json(body) for body in connection.execute(query).scalars()]
        total = connection.execute(sa.select(sa.func.count()).where(c.open.is_(True))).scalar_one()
    return found, total


def case(engine: sa.Engine, case_id: str) -> Case | None:
    """A case by its id, or by the number that people say."""
    with reading(engine) as connection:
        return load_case(connection, case_id)


def current_case(engine: sa.Engine, case_id: str) -> Case | None:
    """A case, or the one it became part of."""
    with reading(engine) as connection:
        return load_current(connection, case_id)


def timeline(engine: sa.Engine, case_id: str) -> list[TimelineLine]:
    """The timeline of a case in order."""
    query = sa.select(t.timeline).where(t.timeline.c.case_id == case_id).order_by(t.timeline.c.seq)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    return [
        TimelineLine(
            seq=row.seq,
            at_ms=row.at_ms,
            actor=row.actor,
            what=row.what,
            zh=TIMELINE_WORDS.get(row.what, (row.what, row.what))[0],
            en=TIMELINE_WORDS.get(row.what, (row.what, row.what))[1],
            reason=row.reason,
            data=json.loads(row.data),
        )
        for row in rows
    ]


def alarms(
    engine: sa.Engine, *, open_only: bool, case_id: str | None, limit: int, before: int | None = None
) -> list[AlarmRow]:
    """Alarms, the newest first; those older than the alarm ``before``, for the next page."""
    query = sa.select(t.alarms).order_by(t.alarms.c.id.desc()).limit(limit)
    if open_only:
        query = query.where(t.alarms.c.cleared_at_ms.is_(None))
    if case_id is not None:
        query = query.where(t.alarms.c.case_id == case_id)
    if before is not None:
        query = query.where(t.alarms.c.id < before)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
    found = []
    for row in rows:
        body = json.loads(row.body)
        found.append(
            AlarmRow(
                id=row.id,
                rule=row.rule,
                rule_version=row.rule_version,
                subject=row.subject,
                type=row.type,
                severity=row.severity,
                observed_at_ms=row.observed_at_ms,
                raised_at_ms=row.raised_at_ms,
                cleared_at_ms=row.cleared_at_ms,
                repeats=row.repeats,
                case_id=row.case_id,
                explanation=body["explanation"],
                evidence=body["evidence"],
            )
        )
    return found


def outbox(
    engine: sa.Engine,
    *,
    case_id: str | None,
    status: str | None,
    limit: int,
    channel: str | None = None,
    before: str | None = None,
) -> list[OutboxRow]:
    """What is to be said, and how each attempt went; the newest first. ``before``: what comes after the row of this
    key, for the next page."""
    query = sa.select(t.outbox).order_by(t.outbox.c.created_at_ms.desc(), t.outbox.c.key).limit(limit)
    if case_id is not None:
        query = query.where(t.outbox.c.case_id == case_id)
    if status is not None:
        query = query.where(t.outbox.c.status == status)
    if channel is not None:
        query = query.where(t.outbox.c.channel == channel)
    if before is not None:
        created_ms = sa.select(t.outbox.c.created_at_ms).where(t.outbox.c.key == before).scalar_subquery()
        same = sa.and_(t.outbox.c.created_at_ms == created_ms, t.outbox.c.key > before)
        query = query.where(sa.or_(t.outbox.c.created_at_ms < created_ms, same))
    return _said(engine, query)


def _said(engine: sa.Engine, query: sa.Select[Any]) -> list[OutboxRow]:
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        tries = _attempts(connection, [row.key for row in rows])
    found = []
    for row in rows:
        body = json.loads(row.body)
        found.append(
            OutboxRow(
                key=row.key,
                case_id=row.case_id,
                channel=row.channel,
                to=body["to"],
                person=body.get("person"),
                purpose=body["purpose"],
                title=body.get("title", ""),
                status=row.status,
                attempts=row.attempts,
                created_at_ms=row.created_at_ms,
                next_attempt_ms=row.next_attempt_ms,
                tries=tuple(tries.get(row.key, ())),
            )
        )
    return found


def said(engine: sa.Engine, key: str) -> OutboxRow:
    """What became of the message of this key. Raises LookupError where there is none."""
    (row,) = _said(engine, sa.select(t.outbox).where(t.outbox.c.key == key)) or (None,)
    if row is None:
        raise LookupError(key)
    return row


def was_said(engine: sa.Engine, key: str) -> bool:
    """Whether the outbox has a row of this key."""
    with reading(engine) as connection:
        return connection.execute(sa.select(t.outbox.c.key).where(t.outbox.c.key == key)).one_or_none() is not None


def _attempts(connection: sa.Connection, keys: Sequence[str]) -> dict[str, list[AttemptRow]]:
    found: dict[str, list[AttemptRow]] = {}
    a = t.outbox_attempts.c
    for some in _few(keys):
        for row in connection.execute(sa.select(t.outbox_attempts).where(a.key.in_(some)).order_by(a.attempt)):
            found.setdefault(row.key, []).append(
                AttemptRow(
                    attempt=row.attempt,
                    started_at_ms=row.started_at_ms,
                    ended_at_ms=row.ended_at_ms,
                    result=row.result,
                    detail=row.detail,
                )
            )
    return found


def _few(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Databases limit how many values a query may have."""
    return (keys[start : start + 1000] for start in range(0, len(keys), 1000))


def device_states(engine: sa.Engine, devices: Sequence[str] | None = None) -> dict[str, DeviceState]:
    """Health by device id; all devices where none are named."""
    every = sa.select(t.device_states)
    queries = (
        [every] if devices is None else [every.where(t.device_states.c.device.in_(some)) for some in _few(devices)]
    )
    with reading(engine) as connection:
        return {
            row.device: DeviceState(
                last_seen_ms=row.last_seen_ms,
                online=row.online,
                battery=row.battery,
                rssi=row.rssi,
                firmware=row.firmware,
                model=row.model,
                clock_offset_ms=row.clock_offset_ms,
            )
            for query in queries
            for row in connection.execute(query)
        }
