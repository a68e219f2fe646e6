"""The worker's side of the outbox in SQL: which rows are due, how each attempt went, and what follows from it.

An attempt is written *before* the call. One that has no end when the row's lease is over was cut off: its fate is
unknown, and the row is handed out to be asked about before it is sent again.

Every function works on the transaction it is given; instants are milliseconds since the epoch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from gateway.cases.effects import DEVICE_CHANNEL, LINE_CHANNEL, OWN_CHANNELS, Delivery, Send
from gateway.outbox import table
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Claim, Depth
from gateway.outbox.table import PENDING, SENDING
from gateway.state.tables import outbox, outbox_attempts

FAR_URGENT_MS, FAR_MS = 90_000, 900_000
"""No pause or lease is ever longer: a later due time means that the wall clock was set back, and it is due now."""

OVERDUE_MS = 60_000
"""What is due for so long is overdue: a sound outbox takes up in a moment what is due."""

_c, _a = outbox.c, outbox_attempts.c


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
        table.tell(connection, row, Delivery.TROUBLE, "通道拥堵，尚未发出 no room on the channel yet", None, now_ms)
    return len(waiting)


def begin(connection: sa.Connection, claim: Claim, now_ms: int) -> Claim | None:
    """Begin a new attempt on a claimed row that was asked about. None where it has been withdrawn meanwhile."""
    row = table.locked(connection, claim.key)
    if row.status != SENDING or row.attempts != claim.attempts:
        return None
    reason = table.fate(row).withdraw
    if reason is not None:
        table.withdraw(connection, row, reason, now_ms)
        return None
    _begin(connection, row, now_ms)
    return replace(claim, attempts=claim.attempts + 1, unclear=table.unclear(connection, claim.key), ask_first=False)


def wait_on(connection: sa.Connection, key: str, detail: str, until_ms: int, now_ms: int) -> None:
    """The other side still works on what it was SENT: it is not sent again; its case tries another way meanwhile."""
    row = table.locked(connection, key)
    if row.status != SENDING:
        return
    reason = table.fate(row).withdraw
    if reason is not None:
        table.withdraw(connection, row, reason, now_ms)
        return
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.attempt == row.attempts)
        .values(result=Result.SENT, detail=detail, ended_at_ms=None)
    )
    table.update(connection, key, lease_until_ms=until_ms)
    if not table.fate(row).told:
        table.tell(connection, row, Delivery.TROUBLE, detail, None, now_ms)


def did_not_arrive(connection: sa.Connection, key: str, detail: str) -> None:
    """The other side says that it never got ``key``: its earlier attempts are not unclear any more."""
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.result == Result.UNKNOWN)
        .values(result=Result.RETRY, detail=detail)
    )


def conclude(connection: sa.Connection, key: str, report: Report, now_ms: int) -> None:
    """End a row for good without a new attempt: the other side was asked, or it is given up."""
    row = table.locked(connection, key)
    if row.status not in (PENDING, SENDING):
        return
    if report.result is Result.DELIVERED:
        connection.execute(
            sa.update(outbox_attempts)
            .where(_a.key == key, _a.attempt == row.attempts, _a.result == Result.UNKNOWN)
            .values(result=Result.DELIVERED, detail=report.detail)
        )
    table.close(connection, row, report, now_ms)


def finish(
    connection: sa.Connection, key: str, attempt: int, report: Report, now_ms: int, *, again_ms: int | None
) -> None:
    """Record how an attempt went, and what follows: done, given up, or again at ``again_ms``.

    After SENT, ``again_ms`` is until when the answer is waited for. May be repeated after a doubtful commit.
    """
    row = table.locked(connection, key)
    ended = None if report.result is Result.SENT else now_ms
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.attempt == attempt, _a.ended_at_ms.is_(None))
        .values(result=report.result, detail=report.detail, ended_at_ms=ended)
    )
    if row.status not in (PENDING, SENDING):
        return
    if report.result is Result.DELIVERED:
        table.close(connection, row, report, now_ms)
    elif row.attempts != attempt or row.status != SENDING:
        return  # a newer attempt decides
    elif report.result is Result.SENT and again_ms is not None:
        table.update(connection, key, lease_until_ms=again_ms)
    elif report.result is Result.REFUSED or again_ms is None:
        table.close(connection, row, report, now_ms)
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
    reason = table.fate(row).withdraw
    if reason is not None:
        table.withdraw(connection, row, reason, now_ms)
        return None
    unclear = table.unclear(connection, row.key)
    if not unclear:
        _begin(connection, row, now_ms)
    elif row.channel == DEVICE_CHANNEL and not table.fate(row).told:
        # It went out, and the device has not answered in time: that is worth knowing long before it is given up.
        table.tell(
            connection, row, Delivery.TROUBLE, "设备未在期限内回复 no answer of the device in time", None, now_ms
        )
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
    table.update(connection, row.key, attempts=row.attempts + 1)
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


def _again(connection: sa.Connection, row: sa.Row[Any], report: Report, now_ms: int, again_ms: int) -> None:
    fate = table.fate(row)
    if fate.withdraw is not None:
        table.withdraw(connection, row, fate.withdraw, now_ms)
        return
    table.update(connection, row.key, status=PENDING, next_attempt_ms=again_ms, lease_until_ms=None)
    if not fate.told:
        table.tell(connection, row, Delivery.TROUBLE, report.detail, None, now_ms)
