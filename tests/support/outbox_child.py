"""A process that runs an outbox worker and kills itself (SIGKILL) at a given point; used by the crash test.

It imports everything once, then forks for every line of JSON on its standard input::

    {"database": url, "world": url, "die": point or null}

and answers with the exit status of that run: -9 when it was killed, 0 when everything was sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apprise
import sqlalchemy as sa

from gateway.cases.effects import LINE_CHANNEL, Send
from gateway.clock import SystemClock
from gateway.outbox import claims
from gateway.outbox.channel import Attempt, OutboxChannel, Report
from gateway.outbox.channels.apprise_messenger import AppriseMessenger
from gateway.outbox.channels.emergency_line import DrillLine
from gateway.outbox.table import PENDING, SENDING
from gateway.outbox.worker import OutboxWorker
from gateway.settings import Secrets
from gateway.state.db import open_database, reading
from gateway.state.tables import outbox
from tests.support.eventually import eventually_async

POINTS = (
    "in the claim",
    "before sending",
    "after sending",
    "in the finish",
    "after the finish",
    "before asking",
    "after asking",
    "in the begin",
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """A real channel that may not live to tell how it went."""

    def __init__(self, channel: OutboxChannel, point: str | None) -> None:
        self.limits = channel.limits
        self._channel = channel
        self._point = point

    async def send(self, message: Send, attempt: Attempt) -> Report:
        if self._point == "before sending":
            die()
        report = await self._channel.send(message, attempt)
        if self._point == "after sending":
            die()
        return report

    async def ask(self, message: Send) -> Report | None:
        if self._point == "before asking":
            die()
        answer = await self._channel.ask(message)
        if self._point == "after asking":
            die()
        return answer

    async def close(self) -> None:
        await self._channel.close()


def deadly(work: Callable[..., Any]) -> Callable[..., Any]:
    """``work`` as it is, and then death before its transaction is committed."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = work(*args, **kwargs)
        if result != []:  # a claim of nothing is no event
            die()
        return result

    return wrapped


def run(database: str, world: str, point: str | None) -> None:
    engine = open_database(database)
    secrets = Secrets(Path(tempfile.gettempdir()))
    channels = {
        LINE_CHANNEL: Deadly(DrillLine(world, None, secrets), point),
        "wecom": Deadly(AppriseMessenger(world.replace("http", "json", 1) + "/inbox/{to}", secrets), point),
    }
    for name, at in (("claim_due", "in the claim"), ("finish", "in the finish"), ("begin", "in the begin")):
        if point == at:
            setattr(claims, name, deadly(getattr(claims, name)))

    async def until_all_is_said() -> None:
        worker = OutboxWorker(
            engine, channels, SystemClock(), die if point == "after the finish" else lambda: None, jitter=lambda: 1.0
        )
        task = asyncio.create_task(worker.run())
        await eventually_async(lambda: not _left(engine), 25)
        worker.stop()
        await task

    asyncio.run(until_all_is_said())


def _left(engine: sa.Engine) -> int:
    with reading(engine) as connection:
        query = sa.select(sa.func.count()).where(outbox.c.status.in_((PENDING, SENDING)))
        return int(connection.execute(query).scalar_one())


def main() -> None:
    logging.disable(logging.CRITICAL)
    apprise.Apprise().add("json://127.0.0.1")  # reads its hundred plugins once, before the forks
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                run(order["database"], order["world"], order["die"])
                os._exit(0)
            finally:
                traceback.print_exc()
                os._exit(1)  # a fork must never come back into the loop below
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
