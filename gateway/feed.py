"""Who watches is told: a small broadcaster from the gateway's threads to asynchronous streams.

A slow watcher never holds up the gateway: its queue is bounded, and when it is full the watcher is told to look afresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

QUEUE_LENGTH = 256


@dataclass(frozen=True, slots=True)
class News:
    """Something changed: ``id`` names the case or device; ``lagged`` means that news were dropped."""

    kind: Literal["case", "device", "lagged"]
    id: str = ""


class Feed:
    """``publish`` from any thread; ``watch`` from the event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watchers: dict[asyncio.Queue[News], asyncio.AbstractEventLoop] = {}

    def publish(self, *news: News) -> None:
        """Tell every watcher, without waiting for any."""
        with self._lock:
            watchers = list(self._watchers.items())
        for queue, loop in watchers:
            with contextlib.suppress(RuntimeError):  # its loop has ended, and it with it
                loop.call_soon_threadsafe(_offer, queue, news)

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[asyncio.Queue[News]]:
        """A queue of news for as long as the context is open."""
        queue: asyncio.Queue[News] = asyncio.Queue(QUEUE_LENGTH)
        with self._lock:
            self._watchers[queue] = asyncio.get_running_loop()
        try:
            yield queue
        finally:
            with self._lock:
                del self._watchers[queue]

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)


def _offer(queue: asyncio.Queue[News], news: Iterable[News]) -> None:
    for one in news:
        if queue.qsize() < queue.maxsize - 1:
            queue.put_nowait(one)
        elif not queue.full():
            queue.put_nowait(News("lagged"))  # always the last of a full queue
