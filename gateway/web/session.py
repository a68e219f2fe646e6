"""Who sits before the console: the login page, the cookie, and who may do what.

A wrong token is answered late, and later each time; a right one at once, whatever others try: the control room is never
locked out.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api.auth import COOKIE, Caller, find_caller
from gateway.api.context import Gateway
from gateway.web.render import page

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)

COOKIE_LASTS_S = 30 * 86_400
"""A control room's browser that restarts at night must not ask for a token; a token can be revoked at any time."""
DELAY_STEP_S, DELAY_MAX_S = 0.5, 5.0
WAITING_MAX = 32
"""Wrong answers held back at a time; more are refused at once, so that they cost nothing."""
ADDRESSES_MAX = 1000


class LoginNeeded(Exception):
    """No valid token came with a request for a page."""


class Failures:
    """Counts wrong tokens by address, and says how long the next wrong answer is held back."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self.waiting = 0

    def failed(self, address: str) -> float:
        """One more wrong password from there; returns how long to wait, s."""
        count = self._counts.pop(address, 0) + 1
        self._counts[address] = count
        while len(self._counts) > ADDRESSES_MAX:
            self._counts.popitem(last=False)
        return min(DELAY_MAX_S, DELAY_STEP_S * count)

    def succeeded(self, address: str) -> None:
        """Forget what went wrong from there."""
        self._counts.pop(address, None)


def seen(request: Request, context: Gateway) -> Caller:
    """The caller of a page. Raises LoginNeeded; HTTPException 403 for a request from another site's page."""
    token = request.cookies.get(COOKIE)
    caller = find_caller(context.engine, token) if token is not None else None
    if caller is None:
        raise LoginNeeded
    if request.method not in ("GET", "HEAD"):
        own_page_only(request)
    return caller


Seen = Annotated[Caller, Depends(seen)]


def acting(caller: Seen) -> Caller:
    """A caller who may act on cases; 403 for one who may only read."""
    if not may_act(caller):
        raise HTTPException(403, f"只读令牌，不能操作 · the token {caller.name!r} may only read")
    return caller


Acting = Annotated[Caller, Depends(acting)]


def may_act(caller: Caller) -> bool:
    """Whether they may decide about cases and devices."""
    return caller.role in ("operator", "admin")


def ruling(caller: Seen) -> Caller:
    """A caller who may change rules; 403 for one who may not."""
    if not may_rule(caller):
        raise HTTPException(403, f"修改规则需要 admin 令牌 · the token {caller.name!r} may not change rules")
    return caller


Ruling = Annotated[Caller, Depends(ruling)]


def may_rule(caller: Caller) -> bool:
    """Whether they may change rules."""
    return caller.role == "admin"


def ask_to_log_in(request: Request, _: Exception) -> Response:
    """The answer to `LoginNeeded`: the login page in the place of the page, or htmx is told to go there."""
    if request.headers.get("HX-Request"):
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return _login_page(request, here if request.method == "GET" else "/", status=401)


def _login_page(request: Request, then: str, *, status: int = 200, wrong: bool = False) -> HTMLResponse:
    return page(request, "login.html", status=status, then=_local(then), wrong=wrong)


def _local(then: str) -> str:
    """Where to go after the login: a path of this site and nothing else."""
    parts = urlsplit(then)
    safe = then.startswith("/") and not then.startswith("//") and "\\" not in then and not parts.netloc
    return then if safe else "/"


def own_page_only(request: Request) -> None:
    """403 for a form that another site's page sends."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise HTTPException(403, "请求来自其他网站的页面 · this request comes from another site's page")


@router.get("/login")
def login_page(request: Request, then: str = "/") -> HTMLResponse:
    """Where one enters the token; ``then`` is where it goes on."""
    return _login_page(request, then)


@router.post("/login")
async def login(
    request: Request,
    context: Gateway,
    token: Annotated[str, Form(max_length=200)] = "",
    then: Annotated[str, Form(max_length=500)] = "/",
) -> Response:
    """Change a token for the console's cookie."""
    own_page_only(request)
    failures: Failures = request.app.state.login_failures
    address = request.client.host if request.client is not None else "?"
    token = token.strip()
    caller = await asyncio.to_thread(find_caller, context.engine, token)
    if caller is None:
        delay_s = failures.failed(address)
        log.warning("login with a wrong token from %s; answered after %g s", address, delay_s)
        if failures.waiting >= WAITING_MAX:
            raise HTTPException(429, "尝试过多，请稍候 · too many attempts, wait a moment", {"Retry-After": "5"})
        failures.waiting += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            failures.waiting -= 1
        return _login_page(request, then, status=401, wrong=True)
    failures.succeeded(address)
    log.info("login of %s (%s) from %s", caller.name, caller.role, address)
    answer = RedirectResponse(_local(then), status_code=303)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=COOKIE_LASTS_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(request: Request) -> Response:
    """End the session of this browser."""
    own_page_only(request)
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
    return answer


@router.get("/session", status_code=204)
def session(_: Seen) -> None:
    """Whether this browser is logged in: a page that was opened by a link from elsewhere cannot know at first."""
