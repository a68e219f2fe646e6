"""What holds for every request and answer: no large bodies, nothing kept in a cache."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problem import ApiProblem, explain
from gateway.record.files import PHOTO_MOST
from gateway.registry.csvfile import BYTES_MOST

MAX_BODY_BYTES = 65_536
"""The longest decision with its reason has a fraction of it."""
MAX_PUSH_BYTES = 1_048_576
"""Cameras push a picture with their alarm."""
IMPORT = "/api/v1/devices/import"
"""Where tables of devices are read, up to `csvfile.BYTES_MOST`, by somebody who was asked for a token first."""


ATTACHMENT = "/attachments"
"""A photo, or a voice note, of somebody who was asked for a token first; and what a form puts around it."""
MAX_ATTACHMENT_BYTES = PHOTO_MOST + 65_536


def _too_large(limit: int) -> ApiProblem:
    return ApiProblem(413, "too_large", "请求过大", f"a request here has at most {limit} bytes")


def _limit(path: str) -> int:
    if path == IMPORT:
        return BYTES_MOST
    if path.endswith(ATTACHMENT):
        return MAX_ATTACHMENT_BYTES
    return MAX_PUSH_BYTES if path.startswith("/push/") else MAX_BODY_BYTES


class Door:
    """Refuses bodies that are too large before they fill the memory, with or without a token; answers are not to be
    kept by browsers and proxies, for they are about people. Plain ASGI, so that streams flow through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = left = _limit(scope["path"])

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large(limit)
            return message

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.setdefault("Cache-Control", "no-store")
                answer.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            await explain(_too_large(limit))(scope, receive, with_headers)
            return
        await self._app(scope, counted, with_headers)
