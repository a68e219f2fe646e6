"""Writes points into the telemetry store; what it will never take goes to the quarantine, the rest is written."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.journal.entry import Done, Outcome, Quarantined
from gateway.store.protocol import Point, RefusedPoint, Store, StoreUnavailable

log = logging.getLogger(__name__)

POINTS_AT_ONCE = 1_000
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0


class Pauses:
    """Growing pauses after failures, each by chance between half and all of it."""

    def __init__(self) -> None:
        self._failures = 0

    def well(self) -> None:
        """It went: the next failure is a first one."""
        self._failures = 0

    def next_s(self) -> float:
        """How long to wait after one more failure: longer each time, and never quite the same."""
        self._failures += 1
        top = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self._failures - 1, 10))
        return random.uniform(top / 2, top)


class Pen:
    """Used in the event loop."""

    def __init__(self, store: Store, quarantine: Callable[[Quarantined, Done], None], clock: Clock) -> None:
        self.store = store
        self._quarantine = quarantine
        self._clock = clock
        self.written = 0
        self.refused = 0

    async def write(self, points: Sequence[Point]) -> None:
        """Have the store take ``points``. Raises StoreUnavailable: all of them are to be offered again."""
        for start in range(0, len(points), POINTS_AT_ONCE):
            some = points[start : start + POINTS_AT_ONCE]
            if refused := await self.store.write_points(some):
                await self._set_aside(refused)
            self.written += len(some)
            if len(some) < len(points):
                await asyncio.sleep(0)  # what is urgent may be written in between

    async def _set_aside(self, refused: Sequence[RefusedPoint]) -> None:
        """Into the quarantine, durably."""
        loop = asyncio.get_running_loop()
        first = refused[0]
        log.warning("the store refuses %d points; the first: %s: %s", len(refused), first.point, first.reason)
        outcomes: list[asyncio.Future[Outcome]] = []
        for bad in refused:
            outcome: asyncio.Future[Outcome] = loop.create_future()
            outcomes.append(outcome)
            self._quarantine(self._explained(bad), functools.partial(_report, loop, outcome))
        if Outcome.REFUSED in await asyncio.gather(*outcomes):
            raise StoreUnavailable("the quarantine cannot be written", hint="free disk space; see the journal's state")
        self.refused += len(refused)

    def _explained(self, bad: RefusedPoint) -> Quarantined:
        return Quarantined(
            received_at_ms=self._clock.now_ms(),
            transport="store",
            source="chronicle",
            device=bad.point.tags.get("device", ""),
            reason="store_refused",
            field=bad.point.measurement,
            expected="a point that the telemetry store takes",
            hint=bad.reason,
            payload=repr(bad.point).encode("utf-8", "backslashreplace")[:4096],
        )


def _report(loop: asyncio.AbstractEventLoop, outcome: asyncio.Future[Outcome], value: Outcome) -> None:
    """From the journal's thread, or at once."""
    with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
        loop.call_soon_threadsafe(lambda: None if outcome.done() else outcome.set_result(value))
