"""The console: pages for the people who watch, mounted over the API's application."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.answers.pace import Paces
from gateway.api.auth import COOKIE, find_caller
from gateway.web import (
    acting,
    adopting,
    answer_page,
    answers_page,
    away_pages,
    board,
    boards_page,
    case_page,
    device_life,
    device_pages,
    drills_page,
    duty_page,
    figures_page,
    fleet_pages,
    ladder_page,
    my_away,
    my_pages,
    ordering,
    record_pages,
    reporting,
    rule_backtest,
    rule_pages,
    session,
    where_page,
    why_page,
)
from gateway.web.render import STATIC, page

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

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


def _explain_pages(app: FastAPI) -> None:
    """Errors in words: a page for people, a sentence for a form; for the API as it has them."""
    api_error, api_invalid = app.exception_handlers[HTTPException], app.exception_handlers[RequestValidationError]

    async def explain(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if _is_api(request):
            return await _answer(api_error, request, error)
        zh, _, en = str(error.detail).partition(" · ")
        if request.headers.get("HX-Request"):
            return page(request, "not_done.html", status=error.status_code, zh=zh, en=en)
        if request.url.path.startswith(("/a/", "/me")):
            return page(request, "person_note.html", status=error.status_code, title="不能显示", zh=zh, en=en)
        token = request.cookies.get(COOKIE)
        caller = find_caller(request.app.state.context.engine, token) if token is not None else None
        if caller is None:
            return session.ask_to_log_in(request, error)
        return page(
            request, "error.html", status=error.status_code, caller=caller, code=error.status_code, zh=zh, en=en
        )

    async def explain_invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if _is_api(request):
            return await _answer(api_invalid, request, error)
        said = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())
        return await explain(request, HTTPException(422, f"填写有误 · what was sent does not fit: {said}"))

    app.add_exception_handler(HTTPException, explain)
    app.add_exception_handler(RequestValidationError, explain_invalid)
    app.add_exception_handler(session.LoginNeeded, session.ask_to_log_in)
    app.add_exception_handler(my_pages.PersonNeeded, my_pages.ask_who)


def _is_api(request: Request) -> bool:
    """Whether a program asks, and not a page or a person."""
    wants_page = request.headers.get("HX-Request") or "text/html" in request.headers.get("accept", "")
    return request.url.path.startswith("/api/") or not wants_page


async def _answer(handler: Callable[[Request, Any], Any], request: Request, error: Exception) -> Response:
    answer = handler(request, error)
    done: Response = await answer if inspect.isawaitable(answer) else answer
    return done


def add_console(app: FastAPI) -> None:
    """Put the console's pages, files and headers on the API's application."""
    app.state.login_failures = session.Failures()
    app.state.paces = Paces()
    # What stands under /devices by a name of its own comes before the devices, which stand there by their ids.
    about_devices = (adopting, fleet_pages, device_life, ordering, device_pages)
    for room in (
        answer_page,
        my_pages,
        my_away,
        answers_page,
        session,
        board,
        acting,
        why_page,
        drills_page,
        away_pages,
        ladder_page,
        reporting,
        case_page,
        duty_page,
        record_pages,
        where_page,
        figures_page,
        boards_page,
        *about_devices,
        rule_backtest,
        rule_pages,
    ):
        app.include_router(room.router)
    app.mount("/static", Files(directory=STATIC), name="static")
    _explain_pages(app)
    app.add_middleware(Headers)
