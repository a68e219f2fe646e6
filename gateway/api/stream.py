"""Server-sent events: what changes, as it changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from gateway.api import reads
from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.views import case_summary
from gateway.feed import News

router = APIRouter(tags=["stream"])


@router.get("/events", response_class=EventSourceResponse)
async def events(context: Gateway, _: Reader) -> AsyncIterator[ServerSentEvent]:
    """``case`` events carry the case as in ``GET /cases``; ``device`` an id; ``lagged`` means: read anew."""
    stopping = asyncio.create_task(context.stopping.wait())
    news: asyncio.Task[News] | None = None
    try:
        async with context.feed.watch() as queue:
            yield ServerSentEvent(event="hello", data={"now_ms": context.clock.now_ms()})
            while not stopping.done():
                news = asyncio.create_task(queue.get())
                done, _pending = await asyncio.wait({news, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if news not in done:
                    return
                item = news.result()
                if item.kind == "case":
                    case = await asyncio.to_thread(reads.case, context.engine, item.id)
                    if case is not None:
                        summary = await asyncio.to_thread(case_summary, context, case)
                        yield ServerSentEvent(event="case", id=f"{case.id}@{case.version}", data=summary)
                else:
                    yield ServerSentEvent(event=item.kind, data={"id": item.id})
    finally:
        stopping.cancel()
        if news is not None:
            news.cancel()  # a browser that leaves ends this while it waits
