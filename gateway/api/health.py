"""Is it alive, is it ready, how is each part, and the figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.api.auth import Reader
from gateway.api.context import Gateway
from gateway.health import Part

public = APIRouter(tags=["health"])
router = APIRouter(tags=["health"])


@public.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@public.get("/readyz")
def readyz(context: Gateway) -> JSONResponse:
    """200 when alarms can be taken in and decided; 503 with the names of the parts that cannot."""
    failed = [part.name for part in context.health() if part.critical and part.state == "failed"]
    return JSONResponse({"ready": not failed, "failed": failed}, status_code=503 if failed else 200)


@public.get("/metrics")
def metrics(context: Gateway) -> Response:
    """Figures in Prometheus' text format; no personal data."""
    return Response(generate_latest(context.metrics), media_type=CONTENT_TYPE_LATEST)


@router.get("/health")
def health(context: Gateway, _: Reader) -> list[Part]:
    """Each part of the gateway, in words."""
    return context.health()
