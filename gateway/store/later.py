"""A telemetry store that is opened when it can be: a file that is damaged, or on a disk that is not there, keeps no
gateway from starting, and no alarm waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from dashboards.answer import Answer, Look
from dashboards.query import Query, TagValues
from devices.observation import Observation, Waveform
from gateway.store.protocol import (
    BadPoint,
    Bucket,
    Point,
    Reading,
    RefusedPoint,
    StampsOf,
    Store,
    StoreUnavailable,
    unstamped,
)

log = logging.getLogger(__name__)

TRY_AGAIN_S = 5.0


class LaterStore:
    """A `gateway.store.protocol.Store`: the one that ``open_`` opens, tried again while it cannot be.

    Until then every method raises StoreUnavailable with what is wrong.
    """

    def __init__(self, open_: Callable[[], Store], *, try_again_s: float = TRY_AGAIN_S) -> None:
        """``open_``: blocking, called in a thread. It raises as `gateway.store.open_store` does, or OSError."""
        self._open = open_
        self._try_again_s = try_again_s
        self._store: Store | None = None
        self._error: StoreUnavailable | None = None
        self._tried_s = float("-inf")
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def durability_lag_s(self) -> float:
        return 0.0 if self._store is None else self._store.durability_lag_s

    @property
    def restarts(self) -> int:
        return 0 if self._store is None else self._store.restarts

    async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
        return await (await self._opened()).write(observations, stamps)

    async def write_points(self, points: Sequence[Point]) -> list[RefusedPoint]:
        return await (await self._opened()).write_points(points)

    async def latest(self, device: str) -> dict[str, Reading]:
        return await (await self._opened()).latest(device)

    async def readings(self, device: str, metric: str, start_ms: int, end_ms: int, limit: int) -> list[Reading]:
        return await (await self._opened()).readings(device, metric, start_ms, end_ms, limit)

    async def buckets(self, device: str, metric: str, start_ms: int, end_ms: int, width_s: int) -> list[Bucket]:
        return await (await self._opened()).buckets(device, metric, start_ms, end_ms, width_s)

    async def waveforms(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, Waveform]]:
        return await (await self._opened()).waveforms(device, start_ms, end_ms)

    async def events(self, device: str, start_ms: int, end_ms: int) -> list[tuple[int, str]]:
        return await (await self._opened()).events(device, start_ms, end_ms)

    async def ask(self, query: Query | TagValues, look: Look) -> Answer:
        return await (await self._opened()).ask(query, look)

    async def ping(self) -> str:
        return await (await self._opened()).ping()

    async def count_restarts(self) -> int:
        return await (await self._opened()).count_restarts()

    async def close(self) -> None:
        async with self._opening:  # what is being opened is closed as well
            self._closed = True
            if self._store is not None:
                await self._store.close()

    async def _opened(self) -> Store:
        if self._store is not None:
            return self._store
        async with self._opening:
            if self._store is None:
                await self._try()
            assert self._store is not None
            return self._store

    async def _try(self) -> None:
        if self._closed:
            raise StoreUnavailable("the telemetry store is closed")
        now_s = time.monotonic()
        if self._error is not None and now_s - self._tried_s < self._try_again_s:
            raise StoreUnavailable(str(self._error), hint=self._error.hint)
        self._tried_s = now_s
        try:
            self._store = await asyncio.to_thread(self._open)
        except StoreUnavailable as error:
            found = error
        except OSError as error:
            found = StoreUnavailable(f"telemetry store: {error}", hint="check the disk of the data directory")
        except (KeyError, ValueError) as error:  # no secret, no URL
            found = StoreUnavailable(f"telemetry store: {error.args[0]}", hint="see `anju doctor`; start anew after it")
        else:
            self._error = None
            return
        if self._error is None:
            log.warning("the gateway runs without its telemetry store: %s; %s", found, found.hint)
        self._error = found
        raise found
