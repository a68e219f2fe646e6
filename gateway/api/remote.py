"""Ask a running gateway over its API, for the command line: every way it can fail is one sentence."""

from __future__ import annotations

from typing import Annotated, Any

import httpx
import typer

from gateway.terminal import fail

WITHIN_S = 20.0
"""Longer than the gateway itself waits for a decision, or for a device."""

UrlOption = Annotated[str, typer.Option(envvar="ANJU_URL", help="The gateway.")]
TokenOption = Annotated[str, typer.Option(envvar="ANJU_TOKEN", help="An operator's token.")]


def ask(method: str, path: str, url: str, token: str, body: object | None = None) -> dict[str, Any]:
    """The JSON object that the gateway answers with; ends the command where it does not, or says no."""
    document: dict[str, Any] = _ask(method, path, url, token, body)
    return document


def ask_list(path: str, url: str, token: str) -> list[dict[str, Any]]:
    """The same for a list of objects."""
    document: list[dict[str, Any]] = _ask("GET", path, url, token, None)
    return document


def _ask(method: str, path: str, url: str, token: str, body: object | None) -> Any:
    if not token.strip().isascii() or not token.strip():
        fail("需要令牌 a token is needed", "give --token or ANJU_TOKEN; `anju token create NAME` makes one")
    try:
        answer = httpx.request(
            method,
            f"{url.rstrip('/')}{path}",
            json=body,
            headers={"Authorization": f"Bearer {token.strip()}"},
            timeout=WITHIN_S,
            trust_env=False,
        )
    except httpx.TimeoutException:
        fail(f"网关没有及时回答 {url} did not answer in time", "look at the case before you try again")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"没有网关 no gateway at {url}", f"{error}; where it listens elsewhere: --url or ANJU_URL")
    try:
        document = answer.json()
        if answer.is_error:
            fail(f"未执行 not done ({document['code']})", f"{document['zh']} {document['en']}")
    except (ValueError, LookupError, TypeError):
        fail(f"{url} is no gateway of this version", f"HTTP {answer.status_code}: {answer.text:.200}")
    return document
