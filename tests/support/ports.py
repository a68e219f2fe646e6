"""Loopback ports for the servers of tests, such that no other test process gets the same one.

A port found by binding to 0 is anybody's again before the server listens on it: another test's, or that of any
connection somebody opens meanwhile. So a process takes a whole block of ports below those that the system gives away,
and holds it by listening on the block's first port: that ends with the process, however it ends, and tells workers of
one run from each other as well as from those of another run on this machine.
"""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

HOST = "127.0.0.1"
BLOCK = 250
"""Ports in a block. A test process takes some dozens at a time, and comes back to one after all the others."""
FIRST = 15_000
_GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """A loopback TCP port that nobody listens on, and that no other test process is given."""
    ports = _ports()
    for port in itertools.islice(ports, BLOCK):
        if _bindable(port):
            return port
    raise AssertionError("no port of this process's block is free")


@cache
def _ports() -> Iterator[int]:
    """The ports of our block, round and round."""
    for first in blocks(*_system_range()):
        holder = socket.socket()
        try:
            holder.bind((HOST, first))  # without SO_REUSEADDR: one holder at a time
            holder.listen(1)
        except OSError:
            holder.close()
            continue
        _held.append(holder)
        return itertools.cycle(range(first + 1, first + BLOCK))
    raise AssertionError("every block of ports for tests is taken")


_held: list[socket.socket] = []
"""Closed when the process ends."""


def _system_range() -> tuple[int, int]:
    """The ports the system gives to connections and to those who ask for any."""
    if _GIVEN_AWAY.exists():
        low, high = map(int, _GIVEN_AWAY.read_text(encoding="ascii").split())
        return low, high
    return 49_152, 65_535


def blocks(low: int, high: int) -> list[int]:
    """Where blocks begin that have no port from ``low`` to ``high``; below it, or above where there is no room below.

    Everywhere where there is no room at all: their holders and the look at each port remain.
    """
    below = range(FIRST, min(low, 65_536) - BLOCK + 1, BLOCK)
    above = range(max(high + 1, FIRST), 65_536 - BLOCK + 1, BLOCK)
    found = list(below) or list(above) or list(range(FIRST, 65_536 - BLOCK + 1, BLOCK))
    # Runs that start together need not all ask for the first.
    start = os.getpid() % len(found)
    return found[start:] + found[:start]


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
