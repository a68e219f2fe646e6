"""The tasks of one gateway: each ends in its turn when the gateway stops, and one that ends by itself ends the gateway.

No `asyncio.TaskGroup`: it would cancel all of them at once, and what speaks has to end before what it writes into.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any


class PartEnded(Exception):
    """A part of the gateway ended without an error although nobody had told it to: a bug."""


class Parts:
    """Starts tasks; ``stack`` ends them, the one that was started last first. Used in one event loop."""

    def __init__(self, stack: contextlib.AsyncExitStack) -> None:
        self._stack = stack
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None], name: str, *, stop: Callable[[], None] | None = None) -> None:
        """Run ``work`` beside the others. ``stop`` tells it to end, and it is then waited for, however long that takes;
        without one it is cancelled. The error it ended by comes out of the stack."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.append(task)
        self._stack.push_async_callback(_end, task, stop or task.cancel)

    async def until(self, stopping: asyncio.Event) -> None:
        """Wait until ``stopping`` is set or a part ends. Raises the error it ended by, or PartEnded: none is hidden."""
        told = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({told, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
        for task in self._tasks:
            if task in done:
                if not task.cancelled():
                    task.result()
                raise PartEnded(f"{task.get_name()} ended by itself; please report it")


async def _end(task: asyncio.Task[None], stop: Callable[[], object]) -> None:
    stop()
    with contextlib.suppress(asyncio.CancelledError):
        await task
