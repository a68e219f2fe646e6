"""The way of an alarm unit to its receiver: a TCP connection, or datagrams that are read as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from firmware_sim.gear.base import Receiver


class Wire(NamedTuple):
    """One way, open until `close`."""

    reader: asyncio.StreamReader
    write: Callable[[bytes], None]
    close: Callable[[], None]
    here: tuple[str, int]
    """Our own address."""


async def connect(receiver: Receiver) -> Wire:
    """Raises OSError."""
    if not receiver.udp:
        reader, writer = await asyncio.open_connection(receiver.host, receiver.port)
        return Wire(reader, writer.write, writer.close, _here(writer.get_extra_info("sockname")))
    heard = asyncio.StreamReader()

    class Heard(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            heard.feed_data(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Heard, remote_addr=(receiver.host, receiver.port))
    return Wire(heard, transport.sendto, transport.close, _here(transport.get_extra_info("sockname")))


def _here(name: tuple[str, int]) -> tuple[str, int]:
    return name[0], name[1]
