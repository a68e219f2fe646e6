"""A Grafana to talk to over real HTTP: checks each request against the published description, answers from its state.

::

    with StandIn() as grafana:
        …                                   # anju grafana apply --url grafana.url
        assert grafana.violations == []
"""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.grafana import contract
from tests.support.grafana.state import ACCOUNT, ADMIN, STRANGER, Call, Refused, State

ADMIN_TOKEN = "glsa_admin_token"
ADMIN_LOGIN = "admin:of the house"
UNDESCRIBED = frozenset({("GET", "/api/frontend/settings")})
"""What Grafana's own pages and grafana-client ask for, and the description leaves out (pkg/api/frontendsettings.go)."""
PREFIX = "/grafana"
"""It stands behind a path, as behind a reverse proxy."""


class StandIn:
    """One Grafana on a free port."""

    def __init__(self) -> None:
        self.state = State()
        self.violations: list[str] = []
        self.requests: list[tuple[str, str]] = []
        """(operation, path) of every request, in order."""
        self.fail_at: int | None = None
        """The write with this number (from 0) is answered with 500."""
        self._writes = 0
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or each answer waits 40 ms for an acknowledgement
            disable_nagle_algorithm = True

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                headers = dict(self.headers.items())
                status, body = stand_in._answer(self.command, self.path, headers, raw)
                payload = b"" if body is None else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)
                self.wfile.flush()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_one

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{PREFIX}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def writes(self) -> list[str]:
        """The operations that were to change something, in order."""
        return [name for name, _ in self.requests if not name.lower().removeprefix("route").startswith(_READS)]

    def _answer(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = parts.path.removeprefix(PREFIX)
        query = parse_qs(parts.query, keep_blank_values=True)
        with self._lock:
            found = contract.find(method, path)
            if found is None and (method, path) in UNDESCRIBED:
                return 200, {"minRefreshInterval": self.state.min_refresh, "buildInfo": {"version": self.state.version}}
            if found is None:
                self.violations.append(f"{method} {path} is not described")
                return 404, {"message": "Not found"}
            operation, in_path = found
            self.requests.append((operation.name, path))
            body = json.loads(raw) if raw else None
            faults = contract.request_faults(operation, query, headers, body)
            if faults:
                self.violations += faults
                return 400, {"message": "; ".join(faults)}
            if method != "GET":
                self._writes += 1
                if self.fail_at is not None and self._writes > self.fail_at:
                    return 500, {"message": "the database is locked"}
            disabled = any(key.lower() == "x-disable-provenance" for key in headers)
            call = Call(self._role(headers.get("Authorization", "")), in_path, query, not disabled, body)
            try:
                status, answer = self.state.answer(operation.name, call)
            except Refused as refused:
                status, answer = refused.status, {"message": str(refused)}
            self.violations += contract.answer_faults(operation, status, answer)
            return status, answer

    def _role(self, authorization: str) -> str:
        scheme, _, value = authorization.partition(" ")
        if scheme == "Basic":
            return ADMIN if base64.b64decode(value).decode() == ADMIN_LOGIN else STRANGER
        if value == ADMIN_TOKEN:
            return ADMIN
        return ACCOUNT if value in self.state.bearers else STRANGER


_READS = ("get", "search", "list")
