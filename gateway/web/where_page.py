"""在哪里: a pole's number, an address, a name or coordinates, typed by who has somebody on the telephone."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from gateway.api.context import Gateway
from gateway.api.models import NO_NUL
from gateway.api.where import NotFound, Where, where
from gateway.registry.geo import Datum
from gateway.web.render import page
from gateway.web.session import Seen

router = APIRouter(include_in_schema=False)

DIRECTIONS = ("北 N", "东北 NE", "东 E", "东南 SE", "南 S", "西南 SW", "西 W", "西北 NW")


@router.get("/where")
async def where_page(
    request: Request,
    context: Gateway,
    caller: Seen,
    q: Annotated[str, Query(max_length=200, pattern=NO_NUL)] = "",
    datum: Datum = "WGS-84",
) -> HTMLResponse:
    """What is known of a spot; coordinates are taken as ``datum``, which the page shows and lets one change."""
    found: Where | None = None
    trouble: NotFound | None = None
    directory = context.directory()
    if directory is None:
        raise HTTPException(409, "尚未配置社区 · no community has been applied yet")
    if q.strip():
        try:
            found = await asyncio.to_thread(where, directory, q, datum, context.clock.now_ms())
        except NotFound as missing:
            trouble = missing
    return page(request, "where.html", caller=caller, q=q, datum=datum, found=found, trouble=trouble, towards=towards)


def towards(bearing: float) -> str:
    """A bearing in degrees from the north, as people say it."""
    return DIRECTIONS[round(bearing / 45) % 8]
