"""A flood of routine telemetry: publishers that go on at their pace whatever comes back (open loop).

Each publisher is a process of its own and writes MQTT 3.1.1 packets by hand, many in one write: what a benchmark sends
must cost as little as possible, for it runs on the cores that are being measured. QoS 1; the broker's acknowledgements
are counted.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import secrets
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized

from bench.system import BrokerAddress
from bench.town import monitor
from devices.native import Message, encode, topic
from devices.observation import Channel
from gateway.clock import SystemClock

UNACKNOWLEDGED_MAX = 60_000
"""Packet ids are 16 bits: with more under way than this a publisher must wait for the broker."""
CHUNK = 200
TICK_S = 0.005
PUBACK_BYTES = 4
START_WITHIN_S = 30.0


class FloodError(Exception):
    """The broker does not let a publisher in, or hangs up on it."""


@dataclass(frozen=True)
class Flood:
    """A flood under way. Counters may be read at any time."""

    _sent: tuple[Synchronized[int], ...]
    _acked: tuple[Synchronized[int], ...]
    _processes: tuple[multiprocessing.process.BaseProcess, ...]

    @property
    def sent(self) -> int:
        return sum(counter.value for counter in self._sent)

    @property
    def acked(self) -> int:
        """Taken by the broker."""
        return sum(counter.value for counter in self._acked)

    def check(self) -> None:
        """Raises FloodError when a publisher has ended by itself."""
        if any(process.exitcode is not None for process in self._processes):
            raise FloodError("a publisher of the flood has ended; see above")


@contextlib.contextmanager
def flood(broker: BrokerAddress, community: str, rate: float, devices: int, *, publishers: int = 2) -> Iterator[Flood]:
    """Publish ``rate`` readings a second in all, from ``devices`` monitors in turn, until the block ends.

    The block begins when every publisher has been answered. Raises FloodError.
    """
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    sent = tuple(context.Value("q", 0) for _ in range(publishers))
    acked = tuple(context.Value("q", 0) for _ in range(publishers))
    processes = tuple(
        context.Process(
            target=publish,
            args=(broker, community, rate / publishers, range(n, devices, publishers), stop, sent[n], acked[n]),
            daemon=True,
        )
        for n in range(publishers)
    )
    under_way = Flood(sent, acked, processes)
    for process in processes:
        process.start()
    try:
        _await_first(under_way)
        yield under_way
    finally:
        stop.set()
        for process in processes:
            process.join(timeout=10)
            if process.exitcode is None:
                process.kill()
                process.join()


def _await_first(under_way: Flood) -> None:
    deadline = time.monotonic() + START_WITHIN_S
    while not all(counter.value for counter in under_way._acked):
        under_way.check()
        if time.monotonic() > deadline:
            raise FloodError(f"the flood did not begin within {START_WITHIN_S:g} s")
        time.sleep(TICK_S)


def publish(
    broker: BrokerAddress,
    community: str,
    rate: float,
    numbers: range,
    stop: threading.Event,
    sent: Synchronized[int],
    acked: Synchronized[int],
) -> None:
    """One publisher; runs until ``stop``."""
    connection = connect(broker)
    reader = threading.Thread(target=_count_acknowledgements, args=(connection, acked), daemon=True)
    reader.start()
    heads = [_string(topic(community, monitor(n), Channel.TELEMETRY)) for n in numbers]
    clock, boot, seq = SystemClock(), secrets.randbits(40), 0
    began = time.monotonic()
    while not stop.is_set():
        due = int((time.monotonic() - began) * rate) - seq
        room = UNACKNOWLEDGED_MAX - (seq - acked.value)
        count = min(due, room, CHUNK)
        if count <= 0:
            if not reader.is_alive():
                raise FloodError("the broker hung up")
            time.sleep(TICK_S)
            continue
        now_ms = clock.now_ms()
        packets = bytearray()
        for _ in range(count):
            seq += 1
            packets += _publish_packet(heads[seq % len(heads)], seq % 65_535 + 1, reading(boot, seq, now_ms))
        connection.sendall(packets)
        sent.value = seq
    connection.sendall(b"\xe0\x00")
    connection.close()


def reading(boot: int, seq: int, now_ms: int) -> bytes:
    """What a healthy monitor says: nothing that would open a case."""
    metrics = {"pulse": 62.0 + seq % 17, "spo2": 96.0 + seq % 3, "respiration": 14.0 + seq % 5, "battery": 80.0}
    return encode(Message(v=1, boot=boot, seq=seq, t=now_ms, metrics=metrics), "json")


def connect(broker: BrokerAddress) -> socket.socket:
    """A connection that may publish. Raises FloodError, OSError."""
    connection = socket.create_connection((broker.host, broker.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    body = (
        _string("MQTT")
        + b"\x04\xc2\x00\x00"  # 3.1.1; user name, password, clean session; no keep-alive
        + _string(f"bench-flood-{secrets.token_hex(4)}")
        + _string(broker.username)
        + _string(broker.password)
    )
    connection.sendall(b"\x10" + _length(len(body)) + body)
    answer = connection.recv(4, socket.MSG_WAITALL)
    if answer != b"\x20\x02\x00\x00":
        raise FloodError(f"the broker refuses the connection: {answer.hex(' ')}")
    return connection


def _count_acknowledgements(connection: socket.socket, acked: Synchronized[int]) -> None:
    received = 0
    with contextlib.suppress(OSError):  # closed by us at the end, or by the broker, which the sender reports
        while data := connection.recv(65_536):
            received += len(data)
            acked.value = received // PUBACK_BYTES


def _publish_packet(head: bytes, packet_id: int, payload: bytes) -> bytes:
    return b"\x32" + _length(len(head) + 2 + len(payload)) + head + struct.pack("!H", packet_id) + payload


def _string(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("!H", len(encoded)) + encoded


def _length(value: int) -> bytes:
    """MQTT's variable byte integer."""
    made = bytearray()
    while True:
        value, digit = divmod(value, 128)
        made.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(made)
