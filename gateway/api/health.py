"""Is it alive, is it ready, how is each part, and the figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.api.models import Alive, Readiness
from gateway.health import DEAD_MAN, Part

public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"])


@public.get("/healthz")
async def healthz() -> Alive:
    """The process answers."""
    return Alive()


@public.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": Readiness, "description": "A part that is needed has failed"}},
)
def readyz(context: Gateway, response: Response) -> Readiness:
    """200 when alarms can be taken in, decided and passed on; 503 with the names of the parts that cannot."""
    parts = context.health()
    failed = [part.name for part in parts if part.critical and part.state == "failed"]
    if failed:
        response.status_code = 503
    heartbeat = next((part.en for part in parts if part.name == DEAD_MAN and part.state != "ok"), None)
    return Readiness(ready=not failed, failed=failed, heartbeat=heartbeat)


@public.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The figures"}},
)
def metrics(context: Gateway) -> Response:
    """Figures in Prometheus' text format; no personal data."""
    return Response(generate_latest(context.metrics), media_type=CONTENT_TYPE_LATEST)


@router.get("/health")
def health(context: Gateway, _: Reader) -> list[Part]:
    """Each part of the gateway, in words."""
    return context.health()
