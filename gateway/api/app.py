"""The HTTP application: the API under /api/v1, health for machines, the console for people."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from gateway.api import cases, devices, health, records, stream
from gateway.api.context import Context

DESCRIPTION = """
What devices said, what was decided, who was told, and what people do about it.

All but `/healthz`, `/readyz` and `/metrics` needs a token: `Authorization: Bearer …`. Instants are milliseconds since
the epoch, UTC (`*_ms`). Errors of the case machine (409) carry a stable `code` and a sentence in Chinese and English.
"""


def create_api(context: Context) -> FastAPI:
    """The application over a running gateway."""
    app = FastAPI(title="Anju 安居", version="1", description=DESCRIPTION)
    app.state.context = context
    api = APIRouter(prefix="/api/v1")
    for router in (cases.router, devices.router, records.router, stream.router, health.router):
        api.include_router(router)
    app.include_router(api)
    app.include_router(health.public)
    return app
