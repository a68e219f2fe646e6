"""The sequence numbers of what is reported by DC-09: durable, and the same however often a message is tried."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from gateway.clock import Millis
from gateway.outbox.table import PENDING, SENDING
from gateway.state import tables as t
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import dc09_messages as m

KEPT_MS = 7 * 86_400_000
HIGHEST = 9999


class Dc09Book:
    """From any thread; every call is a transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def sequence(self, account: str, key: str, now_ms: Millis) -> int:
        """The number of the message ``key``, 1 to 9999: the one it had, else the account's next."""
        with writing(self._engine) as connection:
            known = connection.execute(sa.select(m.c.sequence).where(m.c.key == key)).scalar_one_or_none()
            if known is not None:
                return int(known)
            number = self._next(connection, account)
            connection.execute(sa.delete(m).where(m.c.at_ms < now_ms - KEPT_MS))
            connection.execute(sa.insert(m).values(key=key, account=account, sequence=number, at_ms=now_ms))
            return number

    def next(self, account: str) -> int:
        """A number for a link test, which is nobody's message."""
        with writing(self._engine) as connection:
            return self._next(connection, account)

    def waiting(self, keys: Sequence[str]) -> bool:
        """Whether one of these messages is still to go out: what comes after it waits."""
        if not keys:
            return False
        query = sa.select(sa.exists().where(t.outbox.c.key.in_(keys), t.outbox.c.status.in_((PENDING, SENDING))))
        with reading(self._engine) as connection:
            return bool(connection.execute(query).scalar_one())

    @staticmethod
    def _next(connection: sa.Connection, account: str) -> int:
        value = sa.cast(t.meta.c.value, sa.Integer) % HIGHEST + 1
        statement = (
            insert(connection, t.meta)
            .values(key=f"dc09-sequence:{account}", value="1")
            .on_conflict_do_update(index_elements=["key"], set_={"value": sa.cast(value, sa.Text)})
            .returning(t.meta.c.value)
        )
        return int(connection.execute(statement).scalar_one())
