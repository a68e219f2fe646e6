"""Presses, and what comes back: the acknowledgements, the lamp, and the relative's messenger."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.broker_roundtrip import BrokerDidNotAnswer
from bench.report import Latencies
from bench.system import BrokerAddress
from bench.town import COMMUNITY, button, relative
from devices.native import Message, command_topic, decode_command, encode, topic
from devices.observation import Channel
from gateway.clock import SystemClock

CONNECT_WITHIN_S = 10.0


@dataclass
class Press:
    """Instants of one press on the performance counter, as they become known."""

    pressed: float
    acknowledged: float | None = None
    """The broker's PUBACK."""
    lamp: float | None = None
    """The gateway's command reached the device: the press is on disk and a case is open."""
    told: float | None = None
    """The first notification reached the relative's messenger."""

    @property
    def complete(self) -> bool:
        return None not in (self.acknowledged, self.lamp, self.told)


@dataclass
class Presses:
    """The presses of one phase."""

    of: dict[int, Press] = field(default_factory=dict)

    def latencies(self, what: str) -> Latencies:
        """``what`` is a field of `Press`."""
        presses = list(self.of.values())
        ends = [(press.pressed, getattr(press, what)) for press in presses]
        seconds = [end - pressed for pressed, end in ends if end is not None]
        return Latencies(seconds, len(presses) - len(seconds))


class Buttons:
    """All buttons on one connection, and all relatives behind one HTTP server.

    One connection, so that a press is one packet to write and one to read here; the gateway cannot tell.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._presses: dict[int, Press] = {}
        self._unacknowledged: dict[int, int] = {}
        self._early: dict[int, float] = {}
        self._numbers: dict[str, int] = {}
        self.arrivals: list[tuple[float, int]] = []
        """When the messenger was called, and for whose relative."""
        self._clock = SystemClock()
        self._boot, self._seq = secrets.randbits(40), count(1)
        self._messenger = _Messengers(("127.0.0.1", 0), _handler(self._told))
        self.messenger_port: int = self._messenger.server_address[1]
        threading.Thread(target=self._messenger.serve_forever, name="messenger", daemon=True).start()
        self._client: paho.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
        self._messenger.shutdown()
        self._messenger.server_close()

    def connect(self, broker: BrokerAddress) -> None:
        """Raises BrokerDidNotAnswer, OSError."""
        ready = threading.Event()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"bench-{secrets.token_hex(4)}",
            protocol=MQTTProtocolVersion.MQTTv311,
        )
        client.username_pw_set(broker.username, broker.password)
        client.max_inflight_messages_set(1000)
        client.on_socket_open = _without_delay
        client.on_connect = lambda *_: client.subscribe(command_topic(COMMUNITY, "+"), 1) and None
        client.on_subscribe = lambda *_: ready.set()
        client.on_publish = self._acknowledged
        client.on_message = self._commanded
        client.connect(broker.host, broker.port)
        client.loop_start()
        self._client = client
        if not ready.wait(CONNECT_WITHIN_S):
            raise BrokerDidNotAnswer(f"{broker.host}:{broker.port} grants no subscription to commands")

    def press(
        self,
        numbers: Iterable[int],
        every_s: float = 0.0,
        within_s: float = 60.0,
        *,
        key: Callable[[int], str] = button,
        wait: bool = True,
    ) -> Presses:
        """Press these buttons, one each ``every_s``; returns when all is back or ``within_s`` after the last press.

        ``key`` names the device of a number; without ``wait`` it returns at once.
        """
        made = Presses()
        due = time.perf_counter()
        for number in numbers:
            time.sleep(max(0.0, due - time.perf_counter()))
            due += every_s
            made.of[number] = self._press(number, key(number))
        if wait:
            self.wait(made, within_s)
        return made

    def wait(self, made: Presses, within_s: float) -> None:
        """Until all is back, or ``within_s``."""
        with self._changed:
            self._changed.wait_for(lambda: all(press.complete for press in made.of.values()), within_s)

    def _press(self, number: int, device: str) -> Press:
        press = Press(time.perf_counter())
        with self._changed:
            self._presses[number] = press
            self._numbers[device] = number
        message_id = self._say(device, event="press")
        with self._changed:
            self._unacknowledged[message_id] = number
            acknowledged = self._early.pop(message_id, None)
            if acknowledged is not None:
                self._settle_acknowledged(message_id, acknowledged)
        return press

    def _say(self, device: str, *, event: str, data: dict[str, str | bool | float] | None = None) -> int:
        """Never with the lock: paho calls us back while it holds its own."""
        assert self._client is not None
        message = Message(
            v=1, boot=self._boot, seq=next(self._seq), t=self._clock.now_ms(), event=event, data=data or {}
        )
        return self._client.publish(topic(COMMUNITY, device, Channel.EVENT), encode(message, "json"), qos=1).mid

    # what comes back, on other threads

    def _acknowledged(self, _client: paho.Client, _data: Any, message_id: int, *_: object) -> None:
        now = time.perf_counter()
        with self._changed:
            if message_id in self._unacknowledged:
                self._settle_acknowledged(message_id, now)
            elif len(self._early) < 10_000:
                self._early[message_id] = now

    def _settle_acknowledged(self, message_id: int, at: float) -> None:
        self._presses[self._unacknowledged.pop(message_id)].acknowledged = at
        self._changed.notify_all()

    def _commanded(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        now = time.perf_counter()
        device = message.topic.split("/")[3]
        command = decode_command(bytes(message.payload), "json")
        with self._changed:
            press = self._presses.get(self._numbers.get(device, -1))
            if press is not None and press.lamp is None and command.args.get("lamp") == "green":
                press.lamp = now
            self._changed.notify_all()
        # As a real device: without this answer the gateway would send the command again.
        self._say(device, event="command_result", data={"id": command.id, "ok": True})

    def _told(self, who: str) -> None:
        now = time.perf_counter()
        number = int(who.removeprefix(relative(0)[:-4]))
        with self._changed:
            self.arrivals.append((now, number))
            press = self._presses.get(number)
            if press is not None and press.told is None:
                press.told = now
            self._changed.notify_all()


class _Messengers(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """All who are told at once get through; Python's own 5 would refuse some."""


def _without_delay(_client: paho.Client, _data: Any, connection: Any) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _handler(told: Any) -> type[BaseHTTPRequestHandler]:
    class Messenger(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told(self.path.split("?")[0].rpartition("/")[2])
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the report says it all."""

    return Messenger
