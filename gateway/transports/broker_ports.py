"""Which TCP ports are free, and who has one that is not."""

from __future__ import annotations

import contextlib
import errno
import logging
import random
import socket

import psutil

log = logging.getLogger(__name__)

_OURS = range(10_000, 15_000)
"""Below what any system gives away by itself, unless it was told to."""


def port_problem(host: str, port: int) -> str | None:
    """Why a broker could not listen there now, and what to do; None where it could."""
    try:
        with _socket_for(host) as attempt:
            # As servers do: connections of an earlier listener that are still winding down are no obstacle.
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            attempt.bind((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            return f"cannot listen on {host}:{port} (broker.host, broker.port): {error}"
        return (
            f"port {port} on {host} is taken by {who_listens(port)}: stop that program (for a Mosquitto that Debian "
            "started: `sudo systemctl disable --now mosquitto`), or set broker.port to another port, or set "
            "broker.managed: false to use the broker that is there"
        )
    return None


def free_port(host: str) -> int:
    """A port nobody listens on, for a program that is started in a moment.

    It is none of those that the system gives to connections and to who asks for any: such a one can be another's before
    the program listens on it.
    """
    for port in random.sample(_OURS, 50):
        with _socket_for(host) as attempt, contextlib.suppress(OSError):
            attempt.bind((host, port))
            return port
    with _socket_for(host) as attempt:
        attempt.bind((host, 0))
        return int(attempt.getsockname()[1])


def who_listens(port: int) -> str:
    """Name and number of the process that listens on ``port``, as far as we may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            local = connection.laddr
            if connection.status == psutil.CONN_LISTEN and local and local.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except (psutil.AccessDenied, psutil.NoSuchProcess):
        log.debug("not allowed to see who listens on port %d", port)
    return "another program"


def _socket_for(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
