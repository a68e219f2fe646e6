"""Which part of which message went out under which reference of which SIM: so that a delivery report finds it.

In the state database, because a report may come a day and a restart later.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import sqlalchemy as sa

from gateway.outbox.modem.reports import Fate, fate
from gateway.state.db import insert, reading, writing
from gateway.state.human_tables import sms_parts

KEPT_MS = 3 * 86_400_000
"""References come round after 256; no centre tries longer than three days for our messages."""
_REFERENCES = 256
_SAME_DIGITS = 8
"""A report may name the recipient with or without the country's code."""

_T = TypeVar("_T")
_c = sms_parts.c


class SmsLedger:
    """The table `sms_parts`. Its transactions run in a thread of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sms-ledger")
        self._reference = secrets.randbelow(_REFERENCES)
        """Anywhere: after a restart a telephone may still hold half of a message that was cut off, and would put the
        first long one that comes under the same reference together with it."""

    def close(self) -> None:
        """Wait until what was begun is committed, and end the thread."""
        self._thread.shutdown(wait=True)

    def next_reference(self) -> int:
        """For the parts of the next long message."""
        self._reference = (self._reference + 1) % _REFERENCES
        return self._reference

    async def sent(self, key: str, sim: str, number: str, references: Sequence[int], now_ms: int) -> None:
        """The centre has every part of ``key``."""

        def work() -> None:
            with writing(self._engine) as connection:
                connection.execute(sa.delete(sms_parts).where(_c.key == key))
                connection.execute(sa.delete(sms_parts).where(_c.sent_at_ms < now_ms - KEPT_MS))
                for part, reference in enumerate(references, 1):
                    connection.execute(
                        insert(connection, sms_parts).values(
                            key=key, part=part, sim=sim, reference=reference, number=number, sent_at_ms=now_ms
                        )
                    )

        await self._do(work)

    async def reported(
        self, sim: str, reference: int, recipient: str, status: int, now_ms: int
    ) -> tuple[str, Fate] | None:
        """Take a report in; the message it belongs to and how that stands as a whole. None where it is of none."""

        def work() -> tuple[str, Fate] | None:
            with writing(self._engine) as connection:
                rows = connection.execute(
                    sa.select(sms_parts)
                    .where(_c.sim == sim, _c.reference == reference, _c.sent_at_ms > now_ms - KEPT_MS)
                    .order_by(_c.sent_at_ms.desc())
                ).all()
                row = next((one for one in rows if _digits(one.number) == _digits(recipient)), None)
                if row is None:
                    return None
                if row.status is None or fate(row.status) is Fate.TRYING:
                    connection.execute(
                        sa.update(sms_parts)
                        .where(_c.key == row.key, _c.part == row.part)
                        .values(status=status, reported_at_ms=now_ms)
                    )
                return str(row.key), _whole(connection, row.key)

        return await self._do(work)

    async def stands(self, key: str) -> Fate | None:
        """How a message stands that was sent; None for one that is not known to have been."""

        def work() -> Fate | None:
            with reading(self._engine) as connection:
                known = connection.execute(sa.select(sa.func.count()).where(_c.key == key)).scalar_one()
                return _whole(connection, key) if known else None

        return await self._do(work)

    async def _do(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _whole(connection: sa.Connection, key: str) -> Fate:
    """One part that failed is a message that failed; delivered is it with its last part."""
    statuses = connection.execute(sa.select(_c.status).where(_c.key == key)).scalars().all()
    fates = [Fate.TRYING if status is None else fate(status) for status in statuses]
    if Fate.FAILED in fates:
        return Fate.FAILED
    return Fate.TRYING if Fate.TRYING in fates else Fate.DELIVERED


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())[-_SAME_DIGITS:]
