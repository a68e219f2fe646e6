"""An outbox to test with: a clock that is moved by hand, channels that answer what they are told to, databases."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import sqlalchemy as sa

from gateway.cases.effects import Purpose, Send
from gateway.outbox import rows
from gateway.outbox.channel import Attempt, Limits, OutboxChannel, Report, Result
from gateway.outbox.records import Outcome
from gateway.outbox.worker import OutboxWorker
from gateway.state import tables
from gateway.state.db import reading
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.ports import free_port

START_MS = 1_750_000_000_000
DELIVERED = Report(result=Result.DELIVERED, detail="HTTP 200")
BUSY = Report(result=Result.RETRY, detail="HTTP 503")
LOST = Report(result=Result.UNKNOWN, detail="no answer")
NEVER = Report(result=Result.REFUSED, detail="HTTP 404")


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self.ms = now_ms

    def now_ms(self) -> int:
        return self.ms


def make_send(key: str, channel: str = "wecom", *, purpose: Purpose = Purpose.ALARM, **fields: object) -> Send:
    """A message with sensible fields."""
    given: dict[str, object] = {"to": "li", "urgent": True, "title": "呼救", "body": "3 号楼", **fields}
    return Send.model_validate({"key": key, "channel": channel, "purpose": purpose, **given})


class ScriptedChannel:
    """Answers each send with the next line of its script; the last one is repeated. Keeps what it was given."""

    def __init__(
        self, *script: Report | Exception | None, asked: Report | None = None, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits(timeout_s=5, parallel=4)
        self.script = list(script) or [DELIVERED]
        self.asked = asked
        self.sent: list[tuple[Send, Attempt]] = []
        self.questions: list[str] = []
        self.hanging = 0
        self.closed = False

    async def send(self, message: Send, attempt: Attempt) -> Report:
        self.sent.append((message, attempt))
        line = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if line is None:  # hangs
            self.hanging += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.hanging -= 1
        if isinstance(line, Exception):
            raise line
        assert line is not None
        return line

    async def ask(self, message: Send) -> Report | None:
        self.questions.append(message.key)
        return self.asked

    async def close(self) -> None:
        self.closed = True

    @property
    def keys(self) -> list[str]:
        return [message.key for message, _ in self.sent]


class Desk:
    """Stands where the decider does: puts messages in, and hears what became of them, exactly once each."""

    def __init__(self, engine: sa.Engine, clock: HandClock) -> None:
        self.engine = engine
        self.clock = clock

    def say(self, *sends: Send, case: str = "case-1") -> None:
        with self.engine.begin() as connection:
            for send in sends:
                rows.enqueue(connection, case, send, self.clock.now_ms())

    def hear(self) -> list[tuple[str, str]]:
        """(key, delivery) of everything not heard yet."""
        return [(outcome.send.key, outcome.delivery.value) for outcome in self.outcomes()]

    def outcomes(self) -> list[Outcome]:
        with self.engine.begin() as connection:
            found = rows.unseen_outcomes(connection)
            for outcome in found:
                rows.mark_seen(connection, outcome)
        return found

    def status(self, key: str) -> str:
        with reading(self.engine) as connection:
            return str(connection.execute(sa.select(tables.outbox.c.status).where(tables.outbox.c.key == key)).scalar())

    def attempts(self, key: str) -> list[str | None]:
        """The results of the attempts, in order; None for one that has no end yet."""
        table = tables.outbox_attempts
        with reading(self.engine) as connection:
            return list(
                connection.execute(
                    sa.select(table.c.result).where(table.c.key == key).order_by(table.c.attempt)
                ).scalars()
            )


@contextlib.asynccontextmanager
async def working(
    engine: sa.Engine, channels: Mapping[str, OutboxChannel], clock: HandClock, **options: float
) -> AsyncIterator[OutboxWorker]:
    """A running worker whose pauses have no jitter, stopped at the end of the block."""
    worker = OutboxWorker(engine, channels, clock, lambda: None, jitter=lambda: 0.0, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 10 * PATIENCE)


async def forward(
    worker: OutboxWorker, clock: HandClock, seconds: float, until: Callable[[], object], what: str = ""
) -> None:
    """Move the clock and wait until what is due then has happened."""
    clock.ms += int(seconds * 1000)
    worker.wake()
    await eventually_async(until, 5, what)


def postgres_bin() -> Path | None:
    """Where Debian puts the newest PostgreSQL server, or where the PATH finds one."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[str]:
    """A PostgreSQL server of our own on a loopback port; yields its URL. As root it runs as user ``postgres``."""
    binaries = postgres_bin()
    assert binaries is not None
    directory.mkdir(parents=True, exist_ok=True)
    prefix: list[str] = []
    if os.getuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(directory, "postgres")
    data, port = directory / "data", free_port()

    def run(*command: object) -> None:
        subprocess.run(
            [*prefix, *map(str, command)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            cwd=directory,
        )

    run(binaries / "initdb", "-D", data, "-U", "anju", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    control = (binaries / "pg_ctl", "-D", data, "-l", directory / "log", "-w")
    run(*control, "-o", options, "start")
    try:
        yield f"postgresql+psycopg://anju@127.0.0.1:{port}/postgres"
    finally:
        run(*control, "-m", "immediate", "stop")
