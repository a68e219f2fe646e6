"""HTTP to InfluxDB 1.x, 2.x, 3.x and VictoriaMetrics: what is there, and whose fault an error is.

The transport is influxdb-client's asynchronous API client with ready, gzipped line protocol; its batching is not used
(it drops points in silence). A refused connection is a bare aiohttp error there, not an ApiException.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.rest import ApiException

from gateway.settings import StoreSettings
from gateway.store.influxql import Series, parse
from gateway.store.protocol import StoreUnavailable

TIMEOUT_MS = 20_000

_LINES_AT_FAULT = re.compile(
    r"partial write|unable to parse|parsing failed|field type conflict|max key length|points beyond|"
    r"outside retention|invalid field name|line protocol",
    re.IGNORECASE,
)
_VICTORIA_STARTED = re.compile(rb"^vm_app_start_timestamp\S* (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Server:
    """What answers at the URL."""

    name: str
    major: int
    """InfluxDB's major version; 0 for VictoriaMetrics."""
    started: str = ""
    """Changes when VictoriaMetrics starts anew: it then has lost what was in its memory. Empty for InfluxDB, which
    acknowledges only what is in its write-ahead log."""

    @property
    def victoria(self) -> bool:
        """Whether it is VictoriaMetrics, which speaks InfluxDB's protocol and keeps no text."""
        return self.major == 0


class LinesRefused(Exception):
    """The server will never take some of these lines."""

    def __init__(self, reason: str, *, lines: dict[int, str], dropped: int | None) -> None:
        super().__init__(reason)
        self.lines = lines
        """Reasons by 0-based line number, where the server names them (InfluxDB 3)."""
        self.dropped = dropped
        """How many lines it dropped, where the server says so (InfluxDB 1.x and 2.x)."""


class TooLarge(Exception):
    """The request is larger than the server allows: send less at a time."""


class Refused(StoreUnavailable):
    """The server answers, and not as wanted."""

    def __init__(self, reason: str, *, hint: str, status: int) -> None:
        super().__init__(reason, hint=hint)
        self.status = status
        """The HTTP status."""


class InfluxHttp:
    """One server. Every method raises StoreUnavailable with what is wrong and what to do."""

    def __init__(self, settings: StoreSettings, token: str, *, timeout_ms: int = TIMEOUT_MS) -> None:
        self.settings = settings
        self._timeout_ms = timeout_ms
        self._token = token
        self._api: Any = None  # influxdb-client is untyped; made in the event loop that uses it

    async def detect(self) -> Server:
        """Find out what answers at the URL."""
        _, headers = await self._call("GET", "/ping")
        version = headers.get("X-Influxdb-Version", "").removeprefix("v")
        if not version or version == "1.8.0":  # VictoriaMetrics says nothing, or that it is 1.8.0
            metrics, _ = await self._call("GET", "/metrics")
            found = _VICTORIA_STARTED.search(metrics) if isinstance(metrics, bytes) else None
            if found:
                return Server("VictoriaMetrics", 0, started=found[1].decode())
        if not version[:1].isdigit():
            raise StoreUnavailable(
                f"what answers at {self.settings.url} is neither InfluxDB nor VictoriaMetrics",
                hint="check store.url: it must be the server's own address, such as http://127.0.0.1:8086",
            )
        server = Server(f"InfluxDB {version}", int(version.split(".")[0]))
        if server.major == 1 and ":" in self._token:
            basic = base64.b64encode(self._token.encode()).decode()
            self._client().set_default_header("Authorization", f"Basic {basic}")
        elif server.major >= 3 and self._token:  # the one scheme that all of its endpoints take
            self._client().set_default_header("Authorization", f"Bearer {self._token}")
        return server

    async def write(self, server: Server, body: str) -> None:
        """Hand over lines. Raises LinesRefused, TooLarge, StoreUnavailable."""
        if server.major == 1:
            path, params = "/write", {"db": self.settings.bucket}
        else:
            params = {"org": self.settings.org, "bucket": self.settings.bucket, "precision": "ns"}
            path = "/api/v2/write"
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        await self._call("POST", path, params, headers, gzip.compress(body.encode(), compresslevel=1))

    async def query(self, statements: str, *, epoch: str = "ms", method: str = "GET") -> list[Series]:
        """Run InfluxQL; times come back as integers in ``epoch`` (``ms`` or ``ns``). What changes something is a
        POST."""
        params = {"db": self.settings.bucket, "q": statements, "epoch": epoch}
        answer, _ = await self._call(method, "/query", params, {"Accept": "application/json"})
        series, error = parse(answer)
        if error:
            raise StoreUnavailable(f"InfluxDB: {error}", hint=self._hint(404 if "not found" in error else 400, error))
        return series

    async def call(self, method: str, path: str, params: dict[str, str], body: object = None) -> Any:
        """Any other request; ``body`` goes as JSON. Returns the answer's JSON, or bytes where it is none."""
        headers = {"Accept": "application/json"} | ({"Content-Type": "application/json"} if body is not None else {})
        answer, _ = await self._call(method, path, params, headers, body)  # the client makes JSON of it
        return answer

    async def close(self) -> None:
        """Close the connections; the next call opens them again."""
        api, self._api = self._api, None
        if api is not None:
            await api.close()

    def _client(self) -> Any:
        if self._api is None:
            client = InfluxDBClientAsync(
                self.settings.url, token=self._token, org=self.settings.org, timeout=self._timeout_ms
            )
            self._api = client.api_client
        return self._api

    async def _call(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: object = None,
    ) -> tuple[Any, Mapping[str, str]]:
        """The answer's JSON (or bytes, where it is none) and its headers."""
        try:
            data, _, answer_headers = await self._client().call_api(
                path,
                method,
                query_params=list((params or {}).items()),
                header_params=headers or {},
                body=body,
                response_type="object",
                _return_http_data_only=False,
            )
        except ApiException as error:
            raise self._translate(error, wrote=body is not None) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailable(
                f"no answer from {self.settings.url}: {str(error) or type(error).__name__}",
                hint="check that the server runs and that store.url is right; nothing is lost meanwhile",
            ) from error
        return data, answer_headers

    def _translate(self, error: ApiException, *, wrote: bool) -> Exception:
        status, text = int(error.status or 0), _text(error.body)
        if wrote and status == 413:
            return TooLarge(text)
        if wrote and status in (400, 422) and _LINES_AT_FAULT.search(text):
            dropped = re.search(r"dropped=(\d+)", text)
            return LinesRefused(
                text[:500], lines=_line_numbers(error.body), dropped=int(dropped[1]) if dropped else None
            )
        reason = f"{self.settings.url} answers {status}: {text[:300] or error.reason}"
        return Refused(reason, hint=self._hint(status, text), status=status)

    def _hint(self, status: int, text: str) -> str:
        bucket, secret = self.settings.bucket, self.settings.token_secret
        if status == 401 or "authorization failed" in text:
            return f"the server does not know the token: correct the secret {secret} (1.x: user:password)"
        if status == 403:
            return f"the token of the secret {secret} may not read and write the bucket {bucket}: give it the right"
        if status == 404:
            return (
                f"create the bucket {bucket} by `anju store setup` (1.x: a database; 2.x: of the organization "
                f"{self.settings.org}), or correct store.bucket and store.org"
            )
        if status == 429 or status >= 500:
            return "the server is overloaded or in trouble: look at its log; nothing is lost meanwhile"
        return "look at the server's log; nothing is lost meanwhile, the journal keeps the points"


def _text(body: object) -> str:
    """The message in an error's body, with what InfluxDB 3 says about single lines."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        answer = json.loads(text)
    except ValueError:
        return text
    if isinstance(answer, dict):
        return str(answer.get("error") or answer.get("message") or text)
    return text


def _line_numbers(body: object) -> dict[int, str]:
    """``{"data": [{"line_number": 2, "error_message": …}]}`` of InfluxDB 3."""
    try:
        faults = json.loads(body if isinstance(body, (bytes, str)) else "")["data"]
        return {int(fault["line_number"]) - 1: str(fault["error_message"]) for fault in faults}
    except (ValueError, KeyError, TypeError):
        return {}
