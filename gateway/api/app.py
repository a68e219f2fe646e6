"""The HTTP application: the API under /api/v1, health for machines. The console for people is put on top of it."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Depends, FastAPI
from starlette.routing import BaseRoute

from gateway.api import (
    adoption,
    answering,
    away,
    backtests,
    caring,
    cases,
    commands,
    describing,
    devices,
    drills,
    explaining,
    figures,
    health,
    ladders,
    outlooks,
    outside,
    push,
    record,
    records,
    registering,
    rosters,
    rules,
    stream,
    where,
    working,
)
from gateway.api.auth import cookie_scheme
from gateway.api.context import Context
from gateway.api.door import Door
from gateway.api.problem import add_explanations, described

DESCRIPTION = """
What devices said, what was decided, who was told, and what people do about it.

All but `/healthz`, `/readyz`, `/metrics` and `/push` (which has keys of its own) needs a token:
`Authorization: Bearer …`. Instants are milliseconds since the epoch, UTC (`*_ms`).
Every error has the shape `Problem`: a stable `code`, and a sentence in Chinese and English.
Lists are read page by page: `before` is the last one you have.
"""


def create_api(context: Context) -> FastAPI:
    """The application over a running gateway."""
    # No /docs: FastAPI's page would run scripts from elsewhere beside the console and its cookie.
    app = FastAPI(
        title="Anju 安居", version="1", description=DESCRIPTION, docs_url=None, redoc_url=None, routes=list(_routes())
    )
    app.state.context = context
    app.state.batteries = outlooks.BatteryBook()
    add_explanations(app)
    app.add_middleware(Door)
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """All endpoints. The applications of a process share them: to find out what each takes and gives is most of the
    work of making one, and what is an application's own they find in its state."""
    api = APIRouter(dependencies=[Depends(cookie_scheme)], responses=described(400, 401, 403, 422, 503))
    about_devices = (devices, registering, describing, away, adoption, caring, outlooks, commands)
    for room in (
        record,
        where,
        figures,
        outside,
        cases,
        ladders,
        drills,
        working,
        answering,
        rosters,
        *about_devices,
        rules,
        records,
        explaining,
        backtests,
        stream,
        health,
    ):
        api.include_router(room.router)
    everything = APIRouter()
    # With its prefix here, not at the router itself: to check paths without one, FastAPI makes all endpoints twice.
    everything.include_router(api, prefix="/api/v1")
    everything.include_router(health.public)
    everything.include_router(push.router)
    return tuple(everything.routes)
