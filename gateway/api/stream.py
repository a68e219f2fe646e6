"""Server-sent events: what changes, as it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from gateway.api import reads
from gateway.api.auth import Reader, still_valid
from gateway.api.context import Context, Gateway
from gateway.api.problem import described
from gateway.api.views import case_summary
from gateway.feed import News

router = APIRouter(tags=["stream"])

RETRY_MS = 2000
CHECK_TOKEN_S = 5.0
"""A token that is revoked ends its streams within so long."""


@router.get("/events", response_class=EventSourceResponse, responses=described(400, 401, 403, 422, 503, of_stream=True))
async def events(context: Gateway, caller: Reader) -> AsyncIterator[ServerSentEvent]:
    """What changes, as it changes. Events:

    ``hello`` comes first, also after a reconnection: read everything anew · ``case`` carries the case as in
    ``GET /cases`` · ``device`` an id whose state changed · ``lagged`` this client was too slow and missed something:
    read everything anew.
    """
    loop = asyncio.get_running_loop()
    stopping = asyncio.create_task(context.stopping.wait())
    getting: asyncio.Task[News] | None = None
    try:
        async with context.feed.watch() as queue:
            yield ServerSentEvent(event="hello", data={"now_ms": context.clock.now_ms()}, retry=RETRY_MS)
            check_at = loop.time() + CHECK_TOKEN_S
            while not stopping.done():
                if loop.time() >= check_at:
                    if not await asyncio.to_thread(still_valid, context.engine, caller):
                        return
                    check_at = loop.time() + CHECK_TOKEN_S
                getting = getting or asyncio.create_task(queue.get())
                await asyncio.wait(
                    {getting, stopping}, timeout=max(0.0, check_at - loop.time()), return_when=asyncio.FIRST_COMPLETED
                )
                if getting.done():
                    event = await _event(context, getting.result())
                    getting = None
                    if event is not None:
                        yield event
    finally:
        stopping.cancel()
        if getting is not None:
            getting.cancel()


async def _event(context: Context, news: News) -> ServerSentEvent | None:
    if news.kind != "case":
        return ServerSentEvent(event=news.kind, data={"id": news.id})
    case = await asyncio.to_thread(reads.case, context.engine, news.id)
    if case is None:
        return None
    return ServerSentEvent(event="case", id=f"{case.id}@{case.version}", data=case_summary(context, case))
