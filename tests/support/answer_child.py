"""A process that takes one answer in and kills itself (SIGKILL) at a given point: ``DATABASE SENDER TEXT REF POINT``.

``kept``: the answer is written down; ``acted``: it was carried out, and nothing has been said yet; ``settled``: at the
end of all. Without a point it lives, and prints what it says.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from gateway.answers import rows
from gateway.answers.desk import AnswerDesk
from gateway.clock import SystemClock
from gateway.decider.decider import Decider
from gateway.decider.view import Views
from gateway.outbox.channel import Heard
from gateway.state.db import open_database
from tests.support.decider import FakeJournal

POINTS = {"kept": "keep", "acted": "settle", "settled": "settle"}


def die(*_: Any, **__: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def deadly(point: str) -> None:
    name = POINTS[point]
    work = getattr(rows, name)

    def wrapped(*args: Any, **more: Any) -> Any:
        result = work(*args, **more) if point != "acted" else None
        die()
        return result

    setattr(rows, name, wrapped)


async def main(database: str, sender: str, text: str, ref: str, point: str) -> None:
    engine, clock = open_database(database), SystemClock()
    views = Views(engine, clock)
    decider = Decider(
        engine,
        FakeJournal(),
        clock,
        views=views,
        quarantine=lambda item: None,
        on_change=lambda changed: None,
        on_said=lambda: None,
        on_view=lambda directory: None,
    )
    decider.start()
    desk = AnswerDesk(engine, decider, clock, lambda: views.directory)
    if point:
        deadly(point)
    heard = Heard(id=ref, channel="sms", sender=sender, text=text, at_ms=clock.now_ms())
    sys.stdout.write(await desk(heard))
    decider.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:6]))
