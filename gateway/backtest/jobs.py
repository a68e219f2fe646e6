"""Back-tests as jobs of a running gateway: each in a process of its own, one at a time, a short queue, a few results.

Used from the event loop alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from gateway.backtest.model import Note, Progress, Result
from gateway.backtest.order import Order
from gateway.clock import Clock

log = logging.getLogger(__name__)

WORKER = ("-m", "gateway.backtest.worker")
QUEUE_LENGTH = 5
KEPT = 10
"""So many that are over are remembered, with their results."""
LIMIT_S = 1800.0
END_S = 3.0
LINE_BYTES = 16 * 2**20
"""The longest line that is read from the worker: its result."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class QueueFull(Exception):
    """There are enough waiting."""


@dataclass
class Job:
    """One back-test."""

    id: str
    actor: str
    order: Order
    created_ms: int
    state: State = "waiting"
    progress: Progress = field(default_factory=Progress)
    result: Result | None = None
    error: Note | None = None
    ended_ms: int | None = None
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ("done", "failed", "cancelled")


class Backtests:
    """The jobs of one gateway."""

    def __init__(self, clock: Clock, *, limit_s: float = LIMIT_S) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._jobs: dict[str, Job] = {}
        self._waiting: deque[Job] = deque()
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def add(self, order: Order, actor: str) -> Job:
        """Queue a back-test. Raises QueueFull."""
        if self._closed or len(self._waiting) >= QUEUE_LENGTH:
            raise QueueFull
        self._count += 1
        job = Job(id=f"bt-{self._count}", actor=actor, order=order, created_ms=self._clock.now_ms())
        self._jobs[job.id] = job
        self._waiting.append(job)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="backtests")
        return job

    def all(self) -> list[Job]:
        """Those that wait, run and are over, the newest first."""
        return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> Job | None:
        """A job by its id; None for one that never was, or is forgotten."""
        return self._jobs.get(job_id)

    def cancel(self, job: Job) -> None:
        """End a job that waits or runs; one that is over is forgotten."""
        if job.over:
            del self._jobs[job.id]
            return
        if job in self._waiting:
            self._waiting.remove(job)
        self._end(job, "cancelled")
        if job.process is not None and job.process.stdin is not None:
            job.process.stdin.close()

    async def close(self) -> None:
        """End everything: the gateway goes down."""
        self._closed = True
        for job in self.all():
            if not job.over:
                self.cancel(job)
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while self._waiting:
            job = self._waiting.popleft()
            job.state = "running"
            try:
                async with asyncio.timeout(self._limit_s):
                    await self._run(job)
            except TimeoutError:
                minutes = round(self._limit_s / 60)
                self._fail(job, f"超过 {minutes} 分钟", f"it took more than {minutes} minutes: take a shorter time")
            except Exception as error:
                log.exception("back-test %s", job.id)
                self._fail(job, "回测进程无法运行", f"the process of the back-test cannot run: {error}")
            finally:
                await _stopped(job)
            if not job.over:
                self._fail(job, "回测进程意外结束", "the process of the back-test ended by itself; the log says more")

    async def _run(self, job: Job) -> None:
        process = job.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *WORKER,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        assert process.stdin is not None and process.stdout is not None
        if job.over:  # cancelled while it was started
            return
        process.stdin.write(job.order.model_dump_json().encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        async for line in process.stdout:
            if job.over:
                return
            self._hear(job, json.loads(line))

    def _hear(self, job: Job, said: dict[str, object]) -> None:
        if "progress" in said:
            job.progress = Progress.model_validate(said["progress"])
        elif "result" in said:
            job.result = Result.model_validate(said["result"])
            job.progress = job.progress.model_copy(update={"stage": "done", "share": 1.0})
            self._end(job, "done")
        elif "error" in said:
            job.error = Note.model_validate(said["error"])
            self._end(job, "failed")

    def _fail(self, job: Job, zh: str, en: str) -> None:
        job.error = Note(code="failed", zh=zh, en=en)
        self._end(job, "failed")

    def _end(self, job: Job, state: State) -> None:
        job.state, job.ended_ms = state, self._clock.now_ms()
        over = [one for one in self._jobs.values() if one.over]
        for old in over[: max(0, len(over) - KEPT)]:
            del self._jobs[old.id]


async def _stopped(job: Job) -> None:
    """The process has ended: by itself as its input is closed, else by force."""
    process = job.process
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
