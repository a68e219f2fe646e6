"""The HTTP side of simulated gear that can only push: one message after the other, again until it was taken.

A camera keeps a few messages while nobody answers, and forgets the oldest; so does this one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from firmware_sim.gear.base import Door, GearPart, Link, SimGear

log = logging.getLogger(__name__)

KEPT = 200
RETRY_S = 0.5
TIMEOUT_S = 10.0
IDLE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Push:
    """One message on its way to the door."""

    path: str
    """Below the door."""
    body: bytes
    content_type: str


class HttpGear(SimGear):
    """Gear with one door to push to. Subclasses `push`."""

    def __init__(
        self, link: Link, parts: Sequence[GearPart] = (), *, base: str = "", seed: int = 0, clock: Callable[[], int]
    ) -> None:
        super().__init__(link, parts, base=base, seed=seed, clock=clock)
        if not isinstance(link, Door):
            raise ValueError(f"{self.profile}: pushes over HTTP; expected a door, got {type(link).__name__}")
        self.door = link
        self.answers: deque[int] = deque(maxlen=KEPT)
        """The status codes that came back, oldest first."""
        self._out: deque[Push] = deque(maxlen=KEPT)
        self._wake = asyncio.Event()
        self._acted = asyncio.Event()

    # --- for subclasses -----------------------------------------------------------------------------------------

    def next_due_ms(self, now_ms: int) -> int | None:
        """When `tick` has something to do; None for never."""
        return None

    def tick(self, now_ms: int) -> None:
        """Do what has become due."""

    def push(self, body: bytes, content_type: str, *, path: str = "") -> None:
        """Put one message on the pile."""
        self._out.append(Push(path, body, content_type))
        self._wake.set()
        self._acted.set()  # what is due may have changed

    # --- the way to the door --------------------------------------------------------------------------------------

    async def run(self) -> None:
        client = httpx.AsyncClient(headers=dict(self.door.headers), timeout=TIMEOUT_S, trust_env=False)
        async with client, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._speak(client))
            tasks.create_task(self._live())

    async def _speak(self, client: httpx.AsyncClient) -> None:
        while True:
            while self._out:
                said = self._out[0]
                taken = await self._deliver(client, said)
                if not taken:
                    await asyncio.sleep(RETRY_S)
                elif self._out and self._out[0] is said:  # it may have been pushed out meanwhile
                    self._out.popleft()
            self._wake.clear()
            await self._wake.wait()

    async def _deliver(self, client: httpx.AsyncClient, said: Push) -> bool:
        """Whether it need not be said again: taken, or refused for good."""
        url = f"{self.door.url.rstrip('/')}/{said.path}".rstrip("/")
        try:
            answer = await client.post(url, content=said.body, headers={"Content-Type": said.content_type})
        except httpx.HTTPError as error:
            log.debug("%s: %s", self.profile, error)
            return False
        self.answers.append(answer.status_code)
        return answer.status_code < 500

    async def _live(self) -> None:
        while True:
            now_ms = self.clock()
            due_ms = self.next_due_ms(now_ms)
            if due_ms is not None and due_ms <= now_ms:
                self.tick(now_ms)
                continue
            self._acted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IDLE_S if due_ms is None else (due_ms - now_ms) / 1000):
                    await self._acted.wait()
