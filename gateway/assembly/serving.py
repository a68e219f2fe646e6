"""The door for people: API and console over HTTP. The last to open, the first to close."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import sqlalchemy as sa
import uvicorn

from gateway.api.app import create_api
from gateway.api.auth import create_token
from gateway.api.context import Context
from gateway.assembly.parts import Parts
from gateway.assembly.problem import NotConfigured
from gateway.clock import Clock
from gateway.settings import ApiSettings
from gateway.state import tables as t
from gateway.transports.broker_ports import who_listens
from gateway.web.console import add_console

STREAMS_END_S = 5
"""Event streams and answers under way have so long to end when the gateway stops."""


def start_serving(api: ApiSettings, context: Context, parts: Parts) -> str:
    """Serve until the stack of ``parts`` unwinds; returns the console's address. Raises NotConfigured."""
    app = create_api(context)
    add_console(app)
    try:
        listener = socket.create_server((api.host, api.port))
    except OSError as error:
        raise NotConfigured(
            f"api.port: {api.host}:{api.port} cannot be used ({error.strerror}; {who_listens(api.port)}): "
            "end that program, or set another api.port"
        ) from error
    config = uvicorn.Config(app, access_log=False, log_level="warning", timeout_graceful_shutdown=STREAMS_END_S)
    server = _Server(config)

    def stop() -> None:
        context.stopping.set()  # event streams end by it: the server waits for them
        server.should_exit = True

    parts.start(server.serve(sockets=[listener]), "api", stop=stop)
    return f"http://{api.host}:{listener.getsockname()[1]}"


def first_token(engine: sa.Engine, clock: Clock) -> str | None:
    """The administrator's token of the very first start; None where there are tokens already."""
    with engine.begin() as connection:
        if connection.execute(sa.select(sa.func.count()).select_from(t.tokens)).scalar_one():
            return None
        return create_token(connection, "admin", "admin", clock.now_ms())


class _Server(uvicorn.Server):
    """Leaves signals to the gateway, which has more to end than its HTTP server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
