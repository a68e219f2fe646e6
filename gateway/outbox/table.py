"""The outbox's two tables: the statuses of a row, and the steps that the decider's side and the worker's take alike.

Status of a row: ``pending`` (to be sent, first or again), ``sending`` (leased: an attempt is running, is being asked
about, or waits for a device's result), and for good ``delivered``, ``failed``, ``withdrawn``.

Every function works on the transaction it is given; instants are milliseconds since the epoch.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gateway.cases.effects import Delivery
from gateway.outbox.channel import Report, Result
from gateway.outbox.records import Fate, Told
from gateway.state.tables import outbox, outbox_attempts

PENDING, SENDING, DELIVERED, FAILED, WITHDRAWN = "pending", "sending", "delivered", "failed", "withdrawn"

_c, _a = outbox.c, outbox_attempts.c


def locked(connection: sa.Connection, key: str) -> sa.Row[Any]:
    """The row, which nobody else changes until the transaction ends. Raises NoResultFound."""
    return connection.execute(sa.select(outbox).where(_c.key == key).with_for_update()).one()


def update(connection: sa.Connection, key: str, **values: object) -> None:
    """Set columns of a row."""
    connection.execute(sa.update(outbox).where(_c.key == key).values(**values))


def fate(row: sa.Row[Any]) -> Fate:
    """What became of the row so far."""
    return Fate() if row.outcome is None else Fate.model_validate_json(row.outcome)


def tell(
    connection: sa.Connection, row: sa.Row[Any], delivery: Delivery, detail: str, reference: str | None, now_ms: int
) -> None:
    """Write down what the case of the row has to hear."""
    before = fate(row)
    told = (*before.told, Told(delivery=delivery, detail=detail, reference=reference, at_ms=now_ms))
    after = before.model_copy(update={"told": told})
    update(connection, row.key, outcome=after.model_dump_json(), outcome_seen=False)


def unclear(connection: sa.Connection, key: str) -> int:
    """How many attempts there were of which nobody knows whether they arrived."""
    return connection.execute(sa.select(sa.func.count()).where(_a.key == key, _a.result == Result.UNKNOWN)).scalar_one()


def close(connection: sa.Connection, row: sa.Row[Any], report: Report, now_ms: int) -> None:
    """End the row for good: delivered, or failed."""
    delivered = report.result is Result.DELIVERED
    update(connection, row.key, status=DELIVERED if delivered else FAILED, lease_until_ms=None, ended_at_ms=now_ms)
    delivery = Delivery.DELIVERED if delivered else Delivery.GAVE_UP
    tell(connection, row, delivery, report.detail, report.reference, now_ms)


def withdraw(connection: sa.Connection, row: sa.Row[Any], reason: str, now_ms: int) -> None:
    """End the row for good: it is not said, or not said again."""
    update(connection, row.key, status=WITHDRAWN, lease_until_ms=None, ended_at_ms=now_ms)
    detail = f"{reason}（可能已送达 may have arrived）" if unclear(connection, row.key) else reason
    tell(connection, row, Delivery.WITHDRAWN, detail, None, now_ms)


def confirm(connection: sa.Connection, key: str, report: Report, now_ms: int) -> bool:
    """The other side's answer to a message that was SENT came by another way: a delivery report, a device's result.

    False where the message is over already.
    """
    row = connection.execute(sa.select(outbox).where(_c.key == key).with_for_update()).one_or_none()
    if row is None or row.status not in (PENDING, SENDING):
        return False
    connection.execute(
        sa.update(outbox_attempts)
        .where(_a.key == key, _a.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms, result=report.result, detail=report.detail)
    )
    close(connection, row, report, now_ms)
    return True
