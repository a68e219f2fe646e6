"""One MQTT connection: from connecting to its end, never longer.

Each connection has a paho client of its own, which never reconnects. That is the epoch of an acknowledgement: the next
connection uses the same message ids again, and paho would send an acknowledgement that comes late on whatever
connection it has by then, for another message. Here a late one goes to a client that is dead, and nowhere.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, ParamSpec

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

log = logging.getLogger(__name__)

SESSION_EXPIRY_S = 7 * 86_400
"""So long an MQTT 5 broker keeps what came while the gateway was away."""
KEEPALIVE_S = 15
CONNECT_S = 10.0
"""For TCP, CONNACK and SUBACK together with TLS; a broker that takes longer is not there."""
CLOSE_S = 2.0
MAX_QUEUED_COMMANDS = 1000
NO_MATCHING_SUBSCRIBERS = 0x10
UNSUPPORTED_PROTOCOL = 0x84
SESSION_TAKEN_OVER = 0x8E


class End(StrEnum):
    """Why a connection ended."""

    UNREACHABLE = "unreachable"
    REJECTED = "rejected"
    """The broker said no: wrong password, forbidden subscription."""
    NO_MQTT5 = "no_mqtt5"
    LOST = "lost"
    TAKEN_OVER = "taken_over"
    REFUSED = "refused"
    """Ended by us: a message could not be taken, and the broker is to send it again later."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a connection ended, for the program and in words."""

    kind: End
    why: str


class PublishOutcome(StrEnum):
    """What is known of something published."""

    ACCEPTED = "accepted"
    """The broker has it, and (MQTT 5) somebody subscribes to it. The device's own answer is its ``command_result``."""
    NOBODY_LISTENING = "nobody_listening"
    """The broker knows no subscriber: the device never connected, or listens elsewhere. Nothing was queued."""
    REFUSED = "refused"
    """The broker forbids it, or the topic cannot exist. It will never go out as it is."""
    NOT_SENT = "not_sent"
    """No connection, or too many waiting. It has not gone out and can be tried again."""
    UNKNOWN = "unknown"
    """Sent, and no answer came in time or the connection broke: it may have gone out."""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """The outcome, and why in words."""

    outcome: PublishOutcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where and as whom to connect."""

    host: str
    port: int
    username: str | None
    password: str | None
    client_id: str
    """As people are told."""
    client_key: str = ""
    """Follows the client id at the broker, is shown nowhere, and cannot be guessed: whoever else has a password there
    could otherwise connect under this id, put this connection out, and have the broker drop what waits for it."""
    tls_ca: Path | None
    receive_maximum: int

    @property
    def identifier(self) -> str:
        """The client id as the broker knows it."""
        return f"{self.client_id}-{self.client_key}" if self.client_key else self.client_id


Receive = Callable[["Connection", paho.MQTTMessage], None]
Published = Callable[[PublishResult], None]
_READY: Final = "ready"
_P = ParamSpec("_P")


def _nobody(_result: PublishResult) -> None:
    """Takes the place of one who stopped waiting, so that a late answer is not taken for that of the id's next user."""


class Connection:
    """One connection. ``receive`` is called on its network thread and may block: the broker then waits."""

    def __init__(
        self,
        address: Address,
        filters: tuple[str, ...],
        receive: Receive,
        *,
        protocol: MQTTProtocolVersion,
        more: Callable[[], tuple[str, ...]] = tuple,
        kept: bool = False,
    ) -> None:
        """Without all of ``filters`` there is no connection; those of ``more`` the broker may forbid. ``kept``: be sent
        what the broker keeps (retained) even where the session is resumed."""
        self._retain_handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if kept else SubscribeOptions.RETAIN_SEND_IF_NEW_SUB
        )
        self._first_subscribe = 0
        self.address = address
        self.protocol = protocol
        self.session_present = False
        self._filters = filters
        self._more = more
        self._receive = receive
        self._news: SimpleQueue[Ending | str] = SimpleQueue()
        self._closing = threading.Event()
        self._gone = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[int, Published] = {}
        self._early: dict[int, PublishResult] = {}
        self._client = self._make_client()

    @property
    def closing(self) -> bool:
        """True from the moment the connection is to end or has ended: nothing is acknowledged on it any more."""
        return self._closing.is_set()

    def live(self, on_ready: Callable[[], None]) -> Ending:
        """Connect, subscribe, and return when the connection has ended. ``on_ready`` is called once it receives."""
        address = self.address
        try:
            if self._is_5:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho annotates only part
                properties.SessionExpiryInterval = SESSION_EXPIRY_S
                properties.ReceiveMaximum = address.receive_maximum
                self._client.connect(address.host, address.port, KEEPALIVE_S, clean_start=False, properties=properties)
            else:
                self._client.connect(address.host, address.port, KEEPALIVE_S)
        except (OSError, ssl.SSLError) as error:
            self._closing.set()
            return Ending(End.UNREACHABLE, f"{address.host}:{address.port}: {error}")
        self._client.loop_start()
        try:
            news = self._news.get(timeout=CONNECT_S)
        except Empty:
            news = Ending(End.UNREACHABLE, f"{address.host}:{address.port} accepts but does not answer MQTT")
        if not isinstance(news, Ending):
            on_ready()
            news = self._news.get()
            assert isinstance(news, Ending)
        self._shut()
        return news

    def ack(self, mid: int) -> bool:
        """Acknowledge a message of this connection; False where the connection is over and the broker will resend."""
        if self._closing.is_set():
            return False
        try:
            return self._client.ack(mid, 1) is MQTTErrorCode.MQTT_ERR_SUCCESS
        except (OSError, AttributeError):
            # The network thread closed paho's wake-up socket in this moment: the connection is over.
            return False

    def end(self, ending: Ending) -> None:
        """Have `live` close the connection and return ``ending``. Does not block; what is queued still goes out."""
        self._closing.set()
        self._news.put(ending)

    def listen(self, filters: tuple[str, ...]) -> None:
        """Subscribe to more. Whether the broker allows it shows in the log: what was subscribed at first goes on."""
        self._subscribe(filters)

    def forget_session(self) -> None:
        """Have the broker keep nothing for this client id any more."""
        if self._filters:
            self._client.unsubscribe([*self._filters, *self._more()])

    def publish(
        self, topic: str, payload: bytes, expiry_s: int, published: Published, *, retain: bool = False
    ) -> Callable[[], None]:
        """Publish with QoS 1; ``published`` is called once, on any thread. Returns a function to stop waiting."""
        properties = None
        if self._is_5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho annotates only part
            properties.MessageExpiryInterval = max(1, expiry_s)
        try:
            info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        except ValueError as error:
            published(PublishResult(PublishOutcome.REFUSED, f"{topic!r} cannot be a topic: {error}"))
            return lambda: None
        if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            # The queue is full, or the connection has just gone; this client never reconnects, so it stays unsent.
            published(PublishResult(PublishOutcome.NOT_SENT, paho.error_string(info.rc)))
            return lambda: None
        with self._lock:
            # The answer can be faster than we are here; paho calls back under its own lock, so ours is not held above.
            result = self._early.pop(info.mid, None)
            if result is None and self._gone.is_set():
                result = PublishResult(PublishOutcome.UNKNOWN, "the connection broke before the broker answered")
            if result is None:
                self._waiting[info.mid] = published
        if result is not None:
            published(result)

        def forget() -> None:
            with self._lock:
                if info.mid in self._waiting:
                    self._waiting[info.mid] = _nobody

        return forget

    @property
    def _is_5(self) -> bool:
        return self.protocol is MQTTProtocolVersion.MQTTv5

    def _make_client(self) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self.address.identifier,
            clean_session=None if self._is_5 else False,
            protocol=self.protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_S
        client.max_queued_messages_set(MAX_QUEUED_COMMANDS)
        client.username_pw_set(self.address.username, self.address.password)
        if self.address.tls_ca is not None:
            client.tls_set(ca_certs=str(self.address.tls_ca))
        client.on_connect = self._guarded(self._on_connect)
        client.on_subscribe = self._guarded(self._on_subscribe)
        client.on_message = self._guarded(self._on_message)
        client.on_publish = self._guarded(self._on_publish)
        client.on_disconnect = self._guarded(self._on_disconnect)
        return client

    def _guarded(self, callback: Callable[_P, None]) -> Callable[_P, None]:
        """paho's network thread dies of what a callback raises, and tells nobody: the connection would stay, deaf."""

        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> None:
            try:
                callback(*args, **kwargs)
            except Exception as error:
                log.exception("MQTT %s: a fault in here; connecting anew", self.address.client_id)
                self.end(Ending(End.REFUSED, f"a fault in here: {type(error).__name__}: {error}"))

        return guarded

    # From here on, on paho's network thread.

    def _on_connect(
        self, _client: object, _userdata: object, flags: paho.ConnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            kind = End.NO_MQTT5 if self._is_5 and reason.value == UNSUPPORTED_PROTOCOL else End.REJECTED
            self.end(Ending(kind, f"the broker rejects the connection: {reason}"))
            return
        self.session_present = flags.session_present
        self._first_subscribe = self._subscribe(self._filters)
        more = self._more()
        if more:
            self._subscribe(more)

    def _subscribe(self, filters: tuple[str, ...]) -> int:
        if self._is_5:
            # In MQTT 3.1.1 retained messages come with every subscription.
            options = SubscribeOptions(qos=1, retainHandling=self._retain_handling)
            return self._client.subscribe([(text, options) for text in filters])[1] or 0
        return self._client.subscribe([(text, 1) for text in filters])[1] or 0

    def _on_subscribe(
        self, _client: object, _userdata: object, mid: int, reasons: list[ReasonCode], _properties: object
    ) -> None:
        if mid != self._first_subscribe:
            if any(reason.is_failure for reason in reasons):
                log.warning("MQTT %s: the broker forbids a subscription: %s", self.address.client_id, reasons)
            return
        forbidden = [text for text, reason in zip(self._filters, reasons, strict=False) if reason.is_failure]
        if forbidden:
            self.end(Ending(End.REJECTED, f"the broker forbids subscribing to {', '.join(forbidden)}"))
        else:
            self._news.put(_READY)

    def _on_message(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        if not self._closing.is_set():
            self._receive(self, message)

    def _on_publish(
        self, _client: object, _userdata: object, mid: int, reason: ReasonCode, _properties: object
    ) -> None:
        if reason.is_failure:
            result = PublishResult(PublishOutcome.REFUSED, f"the broker refuses it: {reason}")
        elif reason.value == NO_MATCHING_SUBSCRIBERS:
            result = PublishResult(
                PublishOutcome.NOBODY_LISTENING, "no client subscribes to the device's command topic"
            )
        else:
            result = PublishResult(PublishOutcome.ACCEPTED, "accepted by the broker")
        with self._lock:
            published = self._waiting.pop(mid, None)
            if published is None:
                self._early[mid] = result
        if published is not None:
            published(result)

    def _on_disconnect(
        self,
        _client: object,
        _userdata: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if flags.is_disconnect_packet_from_server and reason.value == SESSION_TAKEN_OVER:
            ending = Ending(End.TAKEN_OVER, f"another client connected as {self.address.client_id!r}")
        elif flags.is_disconnect_packet_from_server:
            ending = Ending(End.LOST, f"the broker ended the connection: {reason}")
        else:
            ending = Ending(End.LOST, "the connection to the broker broke")
        self._gone.set()
        self.end(ending)

    def _shut(self) -> None:
        """Say goodbye if anybody is there, and answer whoever waits for a PUBACK."""
        self._closing.set()
        if not self._gone.is_set():
            self._client.disconnect()
            if not self._gone.wait(CLOSE_S):
                stuck = self._client.socket()
                if isinstance(stuck, socket.socket):
                    try:
                        stuck.shutdown(socket.SHUT_RDWR)
                    except OSError as error:
                        log.debug("closing a stuck connection: %s", error)
                self._gone.wait(CLOSE_S)
        self._gone.set()
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for published in waiting.values():
            published(PublishResult(PublishOutcome.UNKNOWN, "the connection broke before the broker answered"))
