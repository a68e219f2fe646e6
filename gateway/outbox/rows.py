"""The outbox in SQL: what has to be said, how each attempt went, and what the case has not been told yet.

`enqueue`, `withdraw_unsent`, `unseen_outcomes`, `mark_seen` and `confirm_command` are called by the decider within its
own transactions; the rest belongs to the worker. Every function works on the transaction it is given.

Status of a row: ``pending`` (to be sent, first or again), ``sending`` (leased: an attempt is running, is being asked
about, or waits for a device's result), and for good ``delivered``, ``failed``, ``withdrawn``.

An attempt is written *before* the call. One that has no end when the row's lease is over was cut off: its fate is
unknown, and the row is handed out to be asked about before it is sent again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, OWN_CHANNELS, Delivery, Purpose, Send
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Claim, Depth, Fate, Outcome, Told, Withdrawal
from gateway.state.tables import outbox, outbox_attempts

PENDING, SENDING, DELIVERED, FAILED, WITHDRAWN = "pending", "sending", "delivered", "failed", "withdrawn"

LINE_PURPOSES = (Purpose.EMERGENCY_CALL, Purpose.EMERGENCY_UPDATE, Purpose.EMERGENCY_CANCEL)
"""Once committed, the emergency line is told, never silently hung up."""

OWN_PURPOSES = (*LINE_PURPOSES, Purpose.HAND_OVER)
"""What goes out whatever becomes of the case: outside systems are told how it ended, after how it began."""

KEPT_PURPOSES = (*LINE_PURPOSES, Purpose.RESOLVED)
"""What is said even when its case is over: how it ended."""

FAR_URGENT_MS, FAR_MS = 90_000, 900_000
"""No pause or lease is ever longer: a later due time means that the wall clock was set back, and it is due now."""

OVERDUE_MS = 60_000
"""What is due for so long is overdue: a sound outbox takes up in a moment what is due."""

_c, _a = outbox.c, outbox_attempts.c


# the decider's side


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
            fate = _fate(row).model_copy(update={"withdraw": reason})
            _update(connection, row.key, outcome=fate.model_dump_json())
            in_flight.append(row.key)
        else:
            _withdraw(connection, row, reason, now_ms)
            withdrawn.append(row.key)
    return Withdrawal(withdrawn=tuple(withdrawn), in_flight=tuple(in_flight))


def unseen_outcomes(connection: sa.Connection) -> list[Outcome]:
    """What cases have not been told yet, oldest first. Tell them and `mark_seen` each in the same transaction."""
    found: list[tuple[int, str, Outcome]] = []
    for row in connection.execute(sa.select(outbox).where(_c.outcome_seen == sa.false())).all():
        send = Send.model_validate_json(row.body)
        latest = 0
        for index, told in enumerate(_fate(row).told):
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
    row = _locked(connection, outcome.send.key)
    fate = _fate(row)
    told = tuple(
        item.model_copy(update={"seen": item.seen or index == outcome.index}) for index, item in enumerate(fate.told)
    )
    _update(
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
        return str(row.key) if confirm(connection, row.key, report, now_ms) else None
    return None


def confirm(connection: sa.Connection, key: str, report: Report, now_ms: int) -> bool:
    """The other side's answer to a message that was SENT came by another way: a delivery report, a device's result.

    False where the message is over already.
    """
    row = connection.execute(sa.select(outbox).where(_c.key == key).with_for_update()).one_or_none()
    if row is None or row.status not in (PENDING, SENDING):
        return False
    _end_attempts(connection, key, report, now_ms)
    _close(connection, row, report, now_ms)
    return True


# the worker's side


def expire_leases(connection: sa.Connection, now_ms: int, *, exclude: Collection[str] = ()) -> int:
    """After a start: nobody works on leased rows any more. Rows that wait for a device's result keep waiting.

    One worker serves one database; ``exclude`` are the keys it is working on.
    """
    awaiting = sa.select(_a.key).where(_a.result == Result.SENT, _a.ended_at_ms.is_(None))
    done = connection.execute(
        sa.update(outbox)
        .where(_c.status == SENDING, _c.key.not_in(awaiting), _c.key.not_in(list(exclude)))
        .values(lease_until_ms=now_ms)
    )
    return done.rowcount


def claim_due(
    connection: sa.Connection,
    now_ms: int,
    *,
    lease_s: float,
    limit: int,
    room: Callable[[str, bool], int] | None = None,
    pace: Callable[[str, bool], int] | None = None,
    exclude: Collection[str] = (),
) -> list[Claim]:
    """Lease up to ``limit`` rows that are due: what is real before what is a drill, then the
    emergency line, then urgent ones, then by due time.

    ``room(channel, urgent)`` says how many of a channel can be taken now, ``pace(channel, urgent)`` how many of both
    together. Rows of unknown fate come with ``ask_first``; for the others the attempt is begun in this transaction, so
    that a crash from here on shows.
    """
    due = sa.and_(_due(now_ms), _c.key.not_in(list(exclude)))
    lanes = connection.execute(sa.select(_c.channel, _c.urgent, _c.drill).where(due).distinct()).all()
    claims: list[Claim] = []
    taken: Counter[str] = Counter()
    in_lane: Counter[tuple[str, bool]] = Counter()
    for channel, urgent, drill in sorted(
        lanes, key=lambda lane: (lane[2], lane[0] != LINE_CHANNEL, not lane[1], lane[0])
    ):
        free = min(limit - len(claims), room(channel, urgent) - in_lane[channel, urgent] if room else limit)
        if pace is not None:
            free = min(free, pace(channel, urgent) - taken[channel])
        if free <= 0:
            continue
        for row in connection.execute(
            sa.select(outbox)
            .where(due, _c.channel == channel, _c.urgent == urgent, _c.drill == drill)
            .order_by(_c.next_attempt_ms, _c.created_at_ms, _c.key)
            .limit(free)
            .with_for_update(skip_locked=True)
        ).all():
            claim = _claim(connection, row, now_ms, lease_s)
            if claim is not None:
                claims.append(claim)
                taken[channel] += 1
                in_lane[channel, urgent] += 1
    return claims


def kept_waiting(connection: sa.Connection, before_ms: int, now_ms: int, limit: int) -> int:
    """Urgent messages to people that have waited since ``before_ms`` for room on their channel (it hangs, or everybody
    is told at once): their cases hear of TROUBLE, and try another way. Returns how many."""
    waiting = connection.execute(
        sa.select(outbox)
        .where(_c.status == PENDING, _c.urgent, _c.attempts == 0, _c.created_at_ms <= before_ms, _c.outcome.is_(None))
        .where(_c.channel.not_in(OWN_CHANNELS))
        .order_by(_c.created_at_ms, _c.key)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for row in waiting:
        _tell(connection, row, Delivery.TROUBLE, "通道拥堵，尚未发出 no room on the channel yet", None, now_ms)
    return len(waiting)


def begin(connection: sa.Connection, claim: Claim, now_ms: int) -> Claim | None:
    """Begin a new attempt on a claimed row that was asked about. None where it has been withdrawn meanwhile."""
    row = _locked(connection, claim.key)
    if row.status != SENDING or row.attempts != claim.attempts:
        return None
    reason = _fate(row).withdraw
    if reason is not None:
        _withdraw(connection, row, reason, now_ms)
        return None
    _begin(connection, row, now_ms)
    return replace(claim, attempts=claim.attempts + 1, unclear=_unclear(connection, claim.key), ask_first=False)


def wait_on(connection: sa.Connection, key: str, detail: str, until_ms: int, now_ms: int) -> None:
    """The other side still works on what it was SENT: it is not sent again; its case tries another way meanwhile."""
    row = _locked(connection, key)
    if row.status != SENDING:
        return
    reason = _fate(row).withdraw
    if reason is not None:
        _withdraw(connection, row, reason, now_ms)
        return
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.attempt == row.attempts)
        .values(result=Result.SENT, detail=detail, ended_at_ms=None)
    )
    _update(connection, key, lease_until_ms=until_ms)
    if not _fate(row).told:
        _tell(connection, row, Delivery.TROUBLE, detail, None, now_ms)


def did_not_arrive(connection: sa.Connection, key: str, detail: str) -> None:
    """The other side says that it never got ``key``: its earlier attempts are not unclear any more."""
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.result == Result.UNKNOWN)
        .values(result=Result.RETRY, detail=detail)
    )


def conclude(connection: sa.Connection, key: str, report: Report, now_ms: int) -> None:
    """End a row for good without a new attempt: the other side was asked, or it is given up."""
    row = _locked(connection, key)
    if row.status not in (PENDING, SENDING):
        return
    if report.result is Result.DELIVERED:
        connection.execute(
            sa.update(outbox_attempts)
            .where(_a.key == key, _a.attempt == row.attempts, _a.result == Result.UNKNOWN)
            .values(result=Result.DELIVERED, detail=report.detail)
        )
    _close(connection, row, report, now_ms)


def finish(
    connection: sa.Connection, key: str, attempt: int, report: Report, now_ms: int, *, again_ms: int | None
) -> None:
    """Record how an attempt went, and what follows: done, given up, or again at ``again_ms``.

    After SENT, ``again_ms`` is until when the answer is waited for. May be repeated after a doubtful commit.
    """
    row = _locked(connection, key)
    ended = None if report.result is Result.SENT else now_ms
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.attempt == attempt, _a.ended_at_ms.is_(None))
        .values(result=report.result, detail=report.detail, ended_at_ms=ended)
    )
    if row.status not in (PENDING, SENDING):
        return
    if report.result is Result.DELIVERED:
        _close(connection, row, report, now_ms)
    elif row.attempts != attempt or row.status != SENDING:
        return  # a newer attempt decides
    elif report.result is Result.SENT and again_ms is not None:
        _update(connection, key, lease_until_ms=again_ms)
    elif report.result is Result.REFUSED or again_ms is None:
        _close(connection, row, report, now_ms)
    else:
        _again(connection, row, report, now_ms, again_ms)


def depth(connection: sa.Connection, now_ms: int) -> Depth:
    """How much there is to do, and when there will be more."""
    due = sa.and_(_c.status == PENDING, _c.next_attempt_ms <= now_ms)
    waiting, in_flight, most_overdue, overdue = connection.execute(
        sa.select(
            sa.func.count().filter(_c.status == PENDING),
            sa.func.count().filter(_c.status == SENDING),
            sa.func.min(_c.next_attempt_ms).filter(due),
            sa.func.count().filter(due, _c.next_attempt_ms <= now_ms - OVERDUE_MS),
        ).where(_c.status.in_((PENDING, SENDING)))
    ).one()
    upcoming = sa.case((_c.status == PENDING, _c.next_attempt_ms), else_=_c.lease_until_ms)
    soonest = connection.execute(
        sa.select(sa.func.min(upcoming)).where(_c.status.in_((PENDING, SENDING)), upcoming > now_ms)
    ).scalar_one()
    return Depth(
        waiting=waiting,
        in_flight=in_flight,
        most_overdue_ms=most_overdue,
        next_due_ms=soonest,
        overdue=overdue,
    )


def _due(now_ms: int) -> sa.ColumnElement[bool]:
    due_in_far_future = sa.or_(
        _c.next_attempt_ms > now_ms + FAR_MS, sa.and_(_c.urgent, _c.next_attempt_ms > now_ms + FAR_URGENT_MS)
    )
    return sa.or_(
        sa.and_(_c.status == PENDING, sa.or_(_c.attempts == 0, _c.next_attempt_ms <= now_ms, due_in_far_future)),
        sa.and_(_c.status == SENDING, sa.or_(_c.lease_until_ms <= now_ms, _c.lease_until_ms > now_ms + FAR_MS)),
    )


def _claim(connection: sa.Connection, row: sa.Row[Any], now_ms: int, lease_s: float) -> Claim | None:
    taken = connection.execute(
        sa.update(outbox)
        .where(
            _c.key == row.key,
            _c.status == row.status,
            _c.attempts == row.attempts,
            _c.lease_until_ms.is_not_distinct_from(row.lease_until_ms),
        )
        .values(status=SENDING, lease_until_ms=now_ms + int(lease_s * 1000))
    )
    if taken.rowcount != 1:
        return None
    if row.status == SENDING:
        _cut_off(connection, row.key, now_ms)
    reason = _fate(row).withdraw
    if reason is not None:
        _withdraw(connection, row, reason, now_ms)
        return None
    unclear = _unclear(connection, row.key)
    if not unclear:
        _begin(connection, row, now_ms)
    elif row.channel == DEVICE_CHANNEL and not _fate(row).told:
        # It went out, and the device has not answered in time: that is worth knowing long before it is given up.
        _tell(connection, row, Delivery.TROUBLE, "设备未在期限内回复 no answer of the device in time", None, now_ms)
    return Claim(
        key=row.key,
        case_id=row.case_id,
        send=Send.model_validate_json(row.body),
        created_at_ms=row.created_at_ms,
        attempts=row.attempts if unclear else row.attempts + 1,
        unclear=unclear,
        ask_first=unclear > 0,
    )


def _begin(connection: sa.Connection, row: sa.Row[Any], now_ms: int) -> None:
    _update(connection, row.key, attempts=row.attempts + 1)
    connection.execute(sa.insert(outbox_attempts).values(key=row.key, attempt=row.attempts + 1, started_at_ms=now_ms))


def _cut_off(connection: sa.Connection, key: str, now_ms: int) -> None:
    """Attempts of an expired lease that have no end: nobody knows how they went."""
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.ended_at_ms.is_(None))
        .values(
            ended_at_ms=now_ms,
            detail=sa.case(
                (_a.result == Result.SENT, "期限内无结果 no result in time"),
                else_="发送中断，结果不明 cut off, outcome unknown",
            ),
            result=Result.UNKNOWN,
        )
    )


def _unclear(connection: sa.Connection, key: str) -> int:
    return connection.execute(sa.select(sa.func.count()).where(_a.key == key, _a.result == Result.UNKNOWN)).scalar_one()


def _end_attempts(connection: sa.Connection, key: str, report: Report, now_ms: int) -> None:
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms, result=report.result, detail=report.detail)
    )


def _again(connection: sa.Connection, row: sa.Row[Any], report: Report, now_ms: int, again_ms: int) -> None:
    fate = _fate(row)
    if fate.withdraw is not None:
        _withdraw(connection, row, fate.withdraw, now_ms)
        return
    _update(connection, row.key, status=PENDING, next_attempt_ms=again_ms, lease_until_ms=None)
    if not fate.told:
        _tell(connection, row, Delivery.TROUBLE, report.detail, None, now_ms)


def _close(connection: sa.Connection, row: sa.Row[Any], report: Report, now_ms: int) -> None:
    delivered = report.result is Result.DELIVERED
    _update(connection, row.key, status=DELIVERED if delivered else FAILED, lease_until_ms=None, ended_at_ms=now_ms)
    delivery = Delivery.DELIVERED if delivered else Delivery.GAVE_UP
    _tell(connection, row, delivery, report.detail, report.reference, now_ms)


def _withdraw(connection: sa.Connection, row: sa.Row[Any], reason: str, now_ms: int) -> None:
    _update(connection, row.key, status=WITHDRAWN, lease_until_ms=None, ended_at_ms=now_ms)
    detail = f"{reason}（可能已送达 may have arrived）" if _unclear(connection, row.key) else reason
    _tell(connection, row, Delivery.WITHDRAWN, detail, None, now_ms)


def _tell(
    connection: sa.Connection, row: sa.Row[Any], delivery: Delivery, detail: str, reference: str | None, now_ms: int
) -> None:
    fate = _fate(row)
    told = (*fate.told, Told(delivery=delivery, detail=detail, reference=reference, at_ms=now_ms))
    fate = fate.model_copy(update={"told": told})
    _update(connection, row.key, outcome=fate.model_dump_json(), outcome_seen=False)


def _fate(row: sa.Row[Any]) -> Fate:
    return Fate() if row.outcome is None else Fate.model_validate_json(row.outcome)


def _locked(connection: sa.Connection, key: str) -> sa.Row[Any]:
    return connection.execute(sa.select(outbox).where(_c.key == key).with_for_update()).one()


def _update(connection: sa.Connection, key: str, **values: object) -> None:
    connection.execute(sa.update(outbox).where(_c.key == key).values(**values))
