"""What the outbox writes, committed together: whoever waits for the database's turn shares it.

Beside a busy decider a turn may take a second. Results of a hundred messages that came in meanwhile are one commit, not
a hundred turns; each stands in a savepoint of its own, and fails alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import sqlalchemy as sa

from gateway.state.db import writing

_T = TypeVar("_T")
MOST = 200
"""Pieces of work in one commit."""


@dataclass(slots=True)
class _Job:
    work: Callable[[sa.Connection], Any]
    answer: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Commits:
    """Runs work on the database in a thread of its own, so that a stalled disk does not stall the loop."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox-db")
        self._jobs: deque[_Job] = deque()
        self._lock = threading.Lock()

    async def write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Run ``work`` in the next transaction; returns when it is committed. Raises what it or the commit raises."""
        loop = asyncio.get_running_loop()
        job = _Job(work, loop.create_future(), loop)
        self._jobs.append(job)
        self._thread.submit(self._commit)
        return cast("_T", await job.answer)

    async def run(self, work: Callable[[], _T]) -> _T:
        """Run something that only reads, behind what is being written."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def close(self) -> None:
        """Take nothing more; does not wait. What was handed over is still committed."""
        self._thread.shutdown(wait=False)

    def _commit(self) -> None:
        """On the thread. Those who came while it waited for its turn are taken along; their own calls find nothing."""
        if not self._jobs:
            return
        jobs: list[_Job] = []
        done: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            with writing(self._engine) as connection:
                while self._jobs and len(jobs) < MOST:
                    jobs.append(self._jobs.popleft())
                done += [self._one(connection, job, alone=len(jobs) == 1) for job in jobs]
        except BaseException as error:  # noqa: BLE001 - whatever it was, nothing of it is committed, and all hear so
            if not jobs:
                jobs.append(self._jobs.popleft())
            done = [(job, None, error) for job in jobs]
        for job, value, failed in done:
            _settle(job, value, failed)

    def _one(self, connection: sa.Connection, job: _Job, *, alone: bool) -> tuple[_Job, Any, BaseException | None]:
        if alone:
            return job, job.work(connection), None
        try:
            with connection.begin_nested():
                return job, job.work(connection), None
        except sa.exc.DBAPIError:
            raise  # the disk is full, the connection gone: the whole transaction is over, and nobody's counts
        except Exception as error:  # noqa: BLE001 - it is handed to whoever asked for it
            return job, None, error


def _settle(job: _Job, value: object, failed: BaseException | None) -> None:
    def tell() -> None:
        if job.answer.done():
            return  # whoever asked has gone
        if failed is not None:
            job.answer.set_exception(failed)
        else:
            job.answer.set_result(value)

    if not job.loop.is_closed():
        job.loop.call_soon_threadsafe(tell)
