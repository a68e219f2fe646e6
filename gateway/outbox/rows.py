"""The decider's side of the outbox in SQL: what has to be said, what is taken back, what cases have not been told yet.

Called by the decider within its own transactions: a message is committed with the decision that it comes from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.cases.effects import DEVICE_CHANNEL, Purpose, Send
from gateway.outbox import table
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Outcome, Withdrawal
from gateway.outbox.table import PENDING, SENDING
from gateway.state.tables import outbox

LINE_PURPOSES = (Purpose.EMERGENCY_CALL, Purpose.EMERGENCY_UPDATE, Purpose.EMERGENCY_CANCEL)
"""Once committed, the emergency line is told, never silently hung up."""

OWN_PURPOSES = (*LINE_PURPOSES, Purpose.HAND_OVER)
"""What goes out whatever becomes of the case: outside systems are told how it ended, after how it began."""

KEPT_PURPOSES = (*LINE_PURPOSES, Purpose.RESOLVED)
"""What is said even when its case is over: how it ended."""

_c = outbox.c


def enqueue(connection: sa.Connection, case_id: str, send: Send, now_ms: int) -> bool:
    """Put ``send`` into the outbox. False where its key is there already: the same thing is never said twice."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    inserted = connection.execute(
        insert(outbox)
        .values(
            key=send.key,
            case_id=case_id,
            channel=send.channel,
            urgent=send.urgent,
            drill=send.drill,
            created_at_ms=now_ms,
            status=PENDING,
            attempts=0,
            next_attempt_ms=now_ms,
            outcome_seen=True,
            body=send.model_dump_json(),
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(_c.key)  # the row count of such an insert is not known on PostgreSQL
    )
    return inserted.first() is not None


def withdraw_unsent(
    connection: sa.Connection,
    case_id: str,
    reason: str,
    now_ms: int,
    *,
    keep_purposes: Collection[Purpose] = KEPT_PURPOSES,
    keys: Collection[str] = (),
    rungs: Collection[str] = (),
) -> Withdrawal:
    """Take back what ``case_id`` has waiting, with ``keys`` only these, with ``rungs`` only what they said, retries
    included. What is being sent now is not sent again afterwards."""
    withdrawn, in_flight = [], []
    for row in connection.execute(
        sa.select(outbox)
        .where(_c.case_id == case_id, _c.status.in_((PENDING, SENDING)))
        .order_by(_c.created_at_ms, _c.key)
        .with_for_update()
    ).all():
        send = Send.model_validate_json(row.body)
        if send.purpose in keep_purposes or (keys and row.key not in keys) or (rungs and send.rung not in rungs):
            continue
        if row.status == SENDING:
            fate = table.fate(row).model_copy(update={"withdraw": reason})
            table.update(connection, row.key, outcome=fate.model_dump_json())
            in_flight.append(row.key)
        else:
            table.withdraw(connection, row, reason, now_ms)
            withdrawn.append(row.key)
    return Withdrawal(withdrawn=tuple(withdrawn), in_flight=tuple(in_flight))


def unseen_outcomes(connection: sa.Connection) -> list[Outcome]:
    """What cases have not been told yet, oldest first. Tell them and `mark_seen` each in the same transaction."""
    found: list[tuple[int, str, Outcome]] = []
    for row in connection.execute(sa.select(outbox).where(_c.outcome_seen == sa.false())).all():
        send = Send.model_validate_json(row.body)
        latest = 0
        for index, told in enumerate(table.fate(row).told):
            latest = max(latest, told.at_ms)  # within a row the order holds even if the wall clock was set back
            if not told.seen:
                outcome = Outcome(
                    case_id=row.case_id,
                    send=send,
                    index=index,
                    delivery=told.delivery,
                    detail=told.detail,
                    reference=told.reference,
                    at_ms=told.at_ms,
                )
                found.append((latest, row.key, outcome))
    return [outcome for *_, outcome in sorted(found, key=lambda item: item[:2])]


def mark_seen(connection: sa.Connection, outcome: Outcome) -> None:
    """The case has been told ``outcome``."""
    row = table.locked(connection, outcome.send.key)
    fate = table.fate(row)
    told = tuple(
        item.model_copy(update={"seen": item.seen or index == outcome.index}) for index, item in enumerate(fate.told)
    )
    table.update(
        connection,
        row.key,
        outcome_seen=all(item.seen for item in told),
        outcome=fate.model_copy(update={"told": told}).model_dump_json(),
    )


def command_id(key: str) -> str:
    """The id a device sees for the command of this key: short, and the same in every repeat."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def confirm_command(connection: sa.Connection, device: str, id: str, ok: bool, error: str, now_ms: int) -> str | None:
    """``device`` answered the command with this ``id``; returns its key, None where no such command is open."""
    for row in connection.execute(
        sa.select(outbox).where(_c.channel == DEVICE_CHANNEL, _c.status.in_((PENDING, SENDING)))
    ).all():
        if command_id(row.key) != id or Send.model_validate_json(row.body).to != device:
            continue
        report = (
            Report(result=Result.DELIVERED, detail="设备已执行 done by the device")
            if ok
            else Report(
                result=Result.REFUSED, detail=f"设备未执行 the device did not do it: {error or 'no reason given'}"
            )
        )
        return str(row.key) if table.confirm(connection, row.key, report, now_ms) else None
    return None
