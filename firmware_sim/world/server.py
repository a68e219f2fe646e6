"""A small HTTP server on the loopback interface whose handlers can hang up on their caller."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request

from firmware_sim.world.behaviour import until_hung_up

HOST = "127.0.0.1"
"""Nothing of the simulation may be reachable from outside this machine."""


async def hang_up(request: Request) -> None:
    """Break the caller's connection without an answer, as a process that dies does."""
    assert request.client is not None
    _abort(request.app.state.server, (request.client.host, request.client.port))
    await until_hung_up(request)


def _abort(server: uvicorn.Server, client: tuple[str, int] | None = None) -> None:
    """Abort one caller's connection, or all."""
    for connection in list(server.server_state.connections):
        if client in (None, connection.transport.get_extra_info("peername")):
            connection.transport.abort()


@contextlib.asynccontextmanager
async def serving(
    app: Starlette, *, port: int = 0, path: Path | None = None, port_file: Path | None = None
) -> AsyncIterator[int]:
    """Serve ``app`` on 127.0.0.1 (or on a Unix socket at ``path``) while the block runs; gives the port, 0 for a path.

    ``port_file`` gets the port once connections are accepted. Raises OSError where the port is taken.
    """
    listening = _listen_path(path) if path is not None else _listen(port)
    try:
        config = uvicorn.Config(
            app,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(config)
        app.state.server = server
        task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.005)
        bound = 0 if path is not None else int(listening.getsockname()[1])
        if port_file is not None:
            temporary = port_file.with_suffix(".tmp")
            temporary.write_text(f"{bound}\n", encoding="ascii")
            temporary.replace(port_file)
        try:
            yield bound
        finally:
            server.should_exit = True
            _abort(server)  # nobody waits for an answer that will never come
            await task
    finally:
        listening.close()
        if path is not None:
            with contextlib.suppress(OSError):
                path.unlink()  # noqa: ASYNC240 - one system call at the very end


class _Server(uvicorn.Server):
    """Signals belong to the command that runs us."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # uvicorn's own signature
        yield


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError:
        listening.close()
        raise
    return listening


def _listen_path(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o077)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(mask)
    return listening
