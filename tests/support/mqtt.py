"""Both ends of the MQTT transport for its tests: a journal that answers when told, and devices on real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from gateway.clock import SystemClock
from gateway.journal.entry import Done, Outcome
from gateway.settings import BrokerSettings, Secrets
from gateway.transports.broker import ManagedBroker
from gateway.transports.broker_config import ensure_broker_users
from gateway.transports.broker_found import BrokerKind, FoundBroker, find_broker, find_nats
from gateway.transports.mqtt import Delivery, MqttTransport
from tests.support.eventually import PATIENCE, eventually
from tests.support.ports import free_port

COMMUNITY = "yuan"
MOSQUITTO, NATS = BrokerKind.MOSQUITTO, BrokerKind.NATS


@dataclass(frozen=True)
class Offered:
    topic: str
    payload: bytes
    retained: bool
    done: Done
    redelivered: bool = False


@dataclass
class Offers:
    """An ``offer`` that records, and answers with ``answer(message)``; None holds the message unanswered."""

    answer: Callable[[Offered], Outcome | None] = lambda message: Outcome.STORED
    all: list[Offered] = field(default_factory=list)

    def __call__(self, delivery: Delivery, done: Done) -> None:
        message = Offered(delivery.topic, delivery.payload, delivery.retained, done, delivery.redelivered)
        self.all.append(message)
        outcome = self.answer(message)
        if outcome is not None:
            done(outcome)

    @property
    def payloads(self) -> list[str]:
        return [message.payload.decode() for message in self.all]

    def topics(self) -> list[str]:
        return [message.topic for message in self.all]


def hold(_message: Offered) -> None:
    """An answer that does not come yet."""


def find(kind: BrokerKind) -> FoundBroker:
    found = find_broker() if kind is MOSQUITTO else find_nats()
    assert found is not None and found.kind is kind, f"{kind} is needed for these tests"
    return found


class Site:
    """A managed broker with its users, and gateways and devices that connect to it."""

    def __init__(self, directory: Path, kind: BrokerKind = MOSQUITTO, *, receive_maximum: int = 200) -> None:
        self.kind = kind
        self.receive_maximum = receive_maximum
        self.users = ensure_broker_users(Secrets(directory / "secrets"))
        self.broker = ManagedBroker(
            directory,
            "127.0.0.1",
            free_port(),
            self.users,
            receive_maximum=receive_maximum,
            found=find(kind),
        )
        self._close: list[Callable[[], None]] = []

    def __enter__(self) -> Self:
        self.broker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for close in self._close:
            close()
        self.broker.stop()

    def gateway(self, offers: Offers, *, managed: bool = True, wait: bool = True, key: str = "") -> MqttTransport:
        """A connected transport; ``stop(0)`` it as if it had crashed after its last acknowledgement."""
        settings = BrokerSettings(
            managed=managed, port=self.broker.port, receive_maximum=self.receive_maximum, username="gateway"
        )
        transport = MqttTransport(settings, self.users["gateway"], COMMUNITY, offers, SystemClock(), key=key)
        transport.start()
        self._close.append(lambda: transport.stop(0))
        self.broker.reading = lambda: transport.reading
        if wait:
            eventually(lambda: connected(transport), 10, "transport connected")
        return transport

    def device(self, name: str = "sos-1", *, version: int = 4, user: str = "devices", clean: bool = True) -> Device:
        device = Device(name, self.broker.port, user, self.users[user], MQTTProtocolVersion(version), clean)
        self._close.append(device.stop)
        return device


def connected(transport: MqttTransport) -> bool:
    health = transport.health
    return health.urgent.connected and health.routine.connected


class Device:
    """A device on MQTT 3.1.1 (4) or 5, which resends after a reconnect what was not acknowledged, as paho does."""

    def __init__(
        self, name: str, port: int, user: str, password: str, version: MQTTProtocolVersion, clean: bool
    ) -> None:
        self.name = name
        self.received: list[tuple[str, bytes]] = []
        self.acknowledged: dict[int, str] = {}
        self.subscribed: list[bool] = []
        self.disconnected: list[str] = []
        self._up = threading.Event()
        five = version is MQTTProtocolVersion.MQTTv5
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=None if five else clean, protocol=version
        )
        client.reconnect_delay_set(1, 1)
        client.username_pw_set(user, password)
        client.on_connect = lambda *_: self._up.set()
        client.on_disconnect = lambda _c, _u, _f, reason, _p: self.disconnected.append(str(reason))
        client.on_publish = lambda _c, _u, mid, reason, _p: self.acknowledged.update({mid: str(reason)})
        client.on_subscribe = lambda _c, _u, _m, reasons, _p: self.subscribed.append(not reasons[0].is_failure)
        client.on_message = lambda _c, _u, message: self.received.append((message.topic, bytes(message.payload)))
        client.connect("127.0.0.1", port, 60)
        client.loop_start()
        assert self._up.wait(10 * PATIENCE), "device connected"

    def publish(self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False) -> int:
        """Hand over to the client; returns the message id, which turns up in ``acknowledged`` with its reason."""
        info = self._client.publish(topic, payload, qos=qos, retain=retain)
        assert info.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
        return info.mid

    def say(self, channel: str, payload: str | bytes, *, qos: int = 1, retain: bool = False) -> int:
        return self.publish(f"anju/v1/{COMMUNITY}/{self.name}/{channel}", payload, qos=qos, retain=retain)

    def say_acknowledged(self, channel: str, payload: str | bytes) -> str:
        """Say it and wait for the broker's PUBACK; returns its reason."""
        mid = self.say(channel, payload)
        eventually(lambda: mid in self.acknowledged, 10, f"PUBACK for {payload[:40]!r}")
        return self.acknowledged[mid]

    def listen(self, topic: str) -> bool:
        """Subscribe; True if the broker granted it."""
        before = len(self.subscribed)
        self._client.subscribe(topic, 1)
        eventually(lambda: len(self.subscribed) > before, 10, "SUBACK")
        return self.subscribed[-1]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
