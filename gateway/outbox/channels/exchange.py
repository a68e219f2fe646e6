"""One HTTP exchange, and what its failure means: was nothing sent, or may it have arrived?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from gateway.outbox.channel import Report, Result

ANSWER_MAX_BYTES = 65_536

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_IMPOSSIBLE = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL)
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    body: bytes
    location: str = ""

    @property
    def document(self) -> dict[str, Any]:
        """The JSON object in the body; empty where there is none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def http_client(timeout_s: float, *, trust_env: bool = True) -> httpx.AsyncClient:
    """No redirects, and a new connection for every message: an idle one that broke would look like an answer lost."""
    return httpx.AsyncClient(
        timeout=timeout_s,
        follow_redirects=False,
        trust_env=trust_env,
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def header_text(text: str) -> str:
    """``text`` as a header can hold it: what is not printable ASCII is percent-encoded."""
    return quote(text, safe="!#$&'()*+,/:;=?@[]~^|<> ")


async def exchange(
    client: httpx.AsyncClient, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str]
) -> Answer | Report:
    """The other side's answer, or a report that says why there is none."""
    try:
        async with client.stream(method, url, content=content, headers=headers) as response:
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > ANSWER_MAX_BYTES:
                    break
            return Answer(response.status_code, body[:ANSWER_MAX_BYTES], response.headers.get("Location", ""))
    except _NOT_SENT as error:
        return Report(result=Result.RETRY, detail=f"连接失败 cannot connect: {error or type(error).__name__}")
    except _IMPOSSIBLE as error:
        return Report(result=Result.REFUSED, detail=f"地址无效 the URL cannot be used: {error}")
    except (httpx.HTTPError, httpx.StreamError) as error:
        return Report(result=Result.UNKNOWN, detail=f"连接中断，无答复 no answer: {error or type(error).__name__}")


def status_report(answer: Answer, detail: str) -> Report:
    """What a status says where the protocol has no words of its own: 2xx, later, never."""
    if 200 <= answer.status < 300:
        return Report(result=Result.DELIVERED, detail=detail)
    if answer.status >= 500 or answer.status in _LATER:
        return Report(result=Result.RETRY, detail=detail)
    return Report(result=Result.REFUSED, detail=detail)
