"""The console: pages for the people who watch, mounted over the API's application."""

from __future__ import annotations

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.web import acting, board, case_page, device_pages, session
from gateway.web.render import STATIC

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with that, browsers send `Origin: null` with forms, and they could not be told from forgeries.
    "Referrer-Policy": "same-origin",
}
_API_DOCUMENTS = ("/docs", "/redoc")
"""FastAPI's own pages bring their scripts from elsewhere: the policy of the console would leave them blank."""


class Files(StaticFiles):
    """Static files that the browser asks for again after an update of the gateway."""

    def file_response(self, *args: object, **more: object) -> Response:
        answer = super().file_response(*args, **more)  # type: ignore[arg-type]  # handed on as they came
        answer.headers["Cache-Control"] = "no-cache"
        return answer


class Headers:
    """Puts the console's headers on every answer; plain ASGI, so that streams flow through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        policy = not scope["path"].startswith(_API_DOCUMENTS)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if policy or name != "Content-Security-Policy":
                        answer.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def add_console(app: FastAPI) -> None:
    """Put the console's pages, files and headers on the API's application."""
    app.state.login_failures = session.Failures()
    for router in (session.router, board.router, acting.router, case_page.router, device_pages.router):
        app.include_router(router)
    app.mount("/static", Files(directory=STATIC), name="static")
    app.add_exception_handler(session.LoginNeeded, session.ask_to_log_in)
    app.add_middleware(Headers)
