"""The worker's hand at the database: what was learnt from a channel is offered until the database takes it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import sqlalchemy as sa

from gateway.outbox.commits import Commits

logger = logging.getLogger(__name__)

AGAIN_FIRST_S, AGAIN_LAST_S = 0.1, 5.0

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Recorder:
    """Used in one event loop, until `close`."""

    def __init__(self, engine: sa.Engine) -> None:
        self._database = Commits(engine)
        self.unrecorded = 0
        """Results that the database has not taken yet."""
        self.error = ""
        """What is wrong with the database; empty while it answers."""

    async def transact(
        self, work: Callable[Concatenate[sa.Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Do ``work`` in a transaction; returns when it is committed. Raises what it or the commit raises."""
        return await self._database.write(lambda connection: work(connection, *args, **kwargs))

    async def record(
        self, work: Callable[Concatenate[sa.Connection, _P], _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Write what was learnt, again and again until the database takes it."""
        pause_s = AGAIN_FIRST_S
        self.unrecorded += 1
        try:
            while True:
                try:
                    return await self.transact(work, *args, **kwargs)
                except sa.exc.SQLAlchemyError as error:
                    self.complain("a result cannot be recorded yet", error)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, AGAIN_LAST_S)
        finally:
            self.unrecorded -= 1

    async def read(self, work: Callable[[], _T]) -> _T:
        """Do what only reads, behind what is being written. Raises what it raises."""
        return await self._database.run(work)

    def complain(self, what: str, error: Exception) -> None:
        """The database failed; it is logged once for each different error."""
        text = f"{what}: {str(error).splitlines()[0]}"
        if text != self.error:
            logger.error("outbox: %s; trying again", text)
        self.error = text

    def close(self) -> None:
        """Take nothing more. What was handed over is still committed."""
        self._database.close()
