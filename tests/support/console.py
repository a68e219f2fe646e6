"""People at the console: a browser for those who click, a plain client for those who only look at the HTML."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.api.auth import Role, create_token
from gateway.clock import SystemClock
from gateway.state.db import open_database
from tests.support.eventually import PATIENCE
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>'\"&"
"""A name that is a program to a careless page."""

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--no-proxy-server"),
]


def guarded_yard(homes: int = 6) -> dict[str, Any]:
    """A community where 120 is an hour away, and where one resident has a dangerous name."""
    yard = community(homes, rungs=FAR_LINE, lease_s=600)
    yard["residents"][-1]["name"] = EVIL
    return yard


def make_token(gateway: RunningGateway, name: str, role: Role) -> str:
    """A token of the running gateway, made as `anju token create` does."""
    engine = open_database(f"sqlite:///{gateway.data_dir / 'state.db'}")
    try:
        with engine.begin() as connection:
            return create_token(connection, name, role, SystemClock().now_ms())
    finally:
        engine.dispose()


def visitor(gateway: RunningGateway) -> httpx.Client:
    """A browser without a cookie."""
    return httpx.Client(base_url=gateway.url, timeout=15 * PATIENCE, trust_env=False, headers={"Accept": "text/html"})


@contextlib.contextmanager
def logged_in(gateway: RunningGateway, token: str) -> Iterator[httpx.Client]:
    """A browser that has logged in with the form."""
    with visitor(gateway) as client:
        answer = client.post("/login", data={"token": token, "then": "/"})
        assert answer.status_code == 303, answer.text
        yield client


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=10_000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def guard(
    browser: Browser, gateway: RunningGateway, token: str, width: int = 1366, height: int = 768
) -> Iterator[Page]:
    """A page logged in by the link that `anju serve` prints. Fails on any script error or refused resource."""
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(10_000 * PATIENCE)
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if "Content Security" in said.text else None)
    try:
        page.goto(f"{gateway.url}/#token={token}")
        page.wait_for_selector("#board")
        yield page
        assert troubles == []
    finally:
        context.close()
