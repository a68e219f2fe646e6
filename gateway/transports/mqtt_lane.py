"""One way in over MQTT: connects, reconnects, bounds what is handed in and not yet answered, acknowledges afterwards.

The native protocol has two of them, urgent and routine; every bridge of off-the-shelf gear has one of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTProtocolVersion

from gateway.clock import Clock
from gateway.journal.entry import Done, Outcome
from gateway.transports.backoff import Backoff
from gateway.transports.mqtt_connection import Address, Connection, End, Ending, PublishOutcome, PublishResult
from gateway.transports.mqtt_window import Window

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as the broker delivered it."""

    topic: str
    payload: bytes
    retained: bool = False
    """The broker had kept it, and sends it because we have just subscribed."""
    redelivered: bool = False
    """The broker sent it before and has no acknowledgement (DUP), and it was handed in before, or may have been by an
    earlier process. What was lost on its way to us comes with DUP, too, and is heard for the first time."""
    may_have_waited: bool = False
    """The broker may have kept it while nobody was connected."""


Offer = Callable[[Delivery, Done], None]
"""``offer(delivery, done)``: ``done`` is called once, on any thread. Must not raise."""
Filters = Callable[[MQTTProtocolVersion], tuple[str, ...]]
Ignore = Callable[[str], bool]

STEADY_S = 30.0
"""A connection that lived so long was a good one: the next back-off starts from the beginning."""
BACKLOG_S = 60.0
"""What comes so soon after a session was resumed may have waited for it."""
CUT_OFF_MEANS_TAKEOVER = 2
MAX_HANDED_IN = 4096
"""Messages of which is remembered that they were handed in."""
_BACKOFF = {
    End.UNREACHABLE: Backoff(0.25, 5.0),
    End.LOST: Backoff(0.25, 5.0),
    End.REJECTED: Backoff(1.0, 30.0),
    End.REFUSED: Backoff(0.5, 10.0),
    # Two gateways with one name would otherwise throw each other out many times a second.
    End.TAKEN_OVER: Backoff(4.0, 60.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneHealth:
    """What one lane's connection has been doing. Counters are since the start of the process."""

    name: str
    """``urgent``, ``routine``, or a bridge's id."""
    client_id: str
    connected: bool
    since_ms: int
    """Connected since, or down since."""
    why: str
    """Why the connection last ended; stays after a reconnect. Empty while it never did."""
    protocol: str
    last_message_ms: int | None
    unanswered: int
    """Handed in, and the journal has not answered yet."""
    oldest_unanswered_s: float
    reconnects: int
    takeovers: int
    """How often another client with our client id seems to have thrown us out."""
    received: int
    acks: int
    redeliveries: int
    """Received with the DUP flag: the broker sent it before."""
    refused: int
    """The journal could not take it. With QoS 1 it comes again; with QoS 0 it is lost (`refused_qos0`)."""
    refused_qos0: int
    late_acks: int
    """Stored, but its connection was over by then: the broker sends it again and the journal knows it."""


class MqttLane:
    """Keeps one connection alive, hands every message to ``offer`` and acknowledges it after its durable outcome."""

    def __init__(
        self,
        name: str,
        address: Address,
        filters: Filters,
        offer: Offer,
        clock: Clock,
        *,
        ignore: Ignore = lambda topic: False,
        more: Callable[[], tuple[str, ...]] = tuple,
        kept: bool = False,
    ) -> None:
        """``more``: what to subscribe to beside ``filters``, as far as the broker allows it. ``kept``: whether to be
        sent what the broker keeps (retained) at every connection, not at the first only."""
        self.name = name
        self._address = address
        self._filters = filters
        self._offer = offer
        self._ignore = ignore
        self._more = more
        self._kept = kept
        self._clock = clock
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._window = Window(address.receive_maximum)
        self._stopping = threading.Event()
        self._draining = False
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self._ready: Connection | None = None
        self._counts = threading.Lock()
        self._since_ms = clock.now_ms()
        self._why = ""
        self._last_message_ms: int | None = None
        self._cut_off = 0
        self._after_start = True
        """Whether what comes with DUP may have been handed in by an earlier process."""
        self._handed_in: dict[int, bytes] = {}
        """Message id → a digest of what was handed in under it, the latest last. Also what was acknowledged: the
        acknowledgement may get lost."""
        self._began = 0.0
        self._connects = self._takeovers = self._received = self._acks = self._redeliveries = 0
        self._refused = self._refused_qos0 = self._late_acks = 0

    @property
    def connection(self) -> Connection | None:
        """The connection, where there is one that receives."""
        ready = self._ready
        return None if ready is None or ready.closing else ready

    @property
    def health(self) -> LaneHealth:
        """How it is at this moment, from any thread."""
        unanswered, oldest_s = self._window.unanswered()
        with self._counts:
            return LaneHealth(
                name=self.name,
                client_id=self._address.client_id,
                connected=self.connection is not None,
                since_ms=self._since_ms,
                why=self._why,
                protocol="5" if self._protocol is MQTTProtocolVersion.MQTTv5 else "3.1.1",
                last_message_ms=self._last_message_ms,
                unanswered=unanswered,
                oldest_unanswered_s=oldest_s,
                reconnects=max(0, self._connects - 1),
                takeovers=self._takeovers,
                received=self._received,
                acks=self._acks,
                redeliveries=self._redeliveries,
                refused=self._refused,
                refused_qos0=self._refused_qos0,
                late_acks=self._late_acks,
            )

    def start(self) -> None:
        """Begin to connect, in a thread of its own; returns at once."""
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self.name}", daemon=True)
        self._thread.start()

    def listen(self, filters: tuple[str, ...]) -> None:
        """Subscribe to more from now on; what ``more`` gives at the next connection must hold these, too."""
        connection = self._connection  # the first messages of a session come before it counts as connected
        if connection is not None:
            connection.listen(filters)

    async def publish(
        self, topic: str, payload: bytes, expiry_s: int, *, timeout_s: float = 10.0, retain: bool = False
    ) -> PublishResult:
        """Publish with QoS 1 and wait for the broker's word. It drops the message after ``expiry_s`` if the receiver
        was away (MQTT 5)."""
        connection = self.connection
        if connection is None:
            return PublishResult(PublishOutcome.NOT_SENT, f"no connection to the broker: {self.health.why}")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[PublishResult] = loop.create_future()

        def settle(result: PublishResult) -> None:
            if not answer.done():
                answer.set_result(result)

        def published(result: PublishResult) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result)

        forget = connection.publish(topic, payload, expiry_s, published, retain=retain)
        try:
            async with asyncio.timeout(timeout_s):  # wait_for swallows a cancellation on Python 3.11
                return await answer
        except TimeoutError:
            return PublishResult(PublishOutcome.UNKNOWN, f"the broker did not answer within {timeout_s:g} s")
        finally:
            forget()

    def stop(self, grace_s: float, *, forget: bool = False) -> None:
        """Take nothing more, give the journal ``grace_s`` to answer what it has, acknowledge that, and disconnect.

        ``forget``: nobody will come back for this session; the broker keeps nothing more for it.
        """
        if self._thread is None:
            return
        self._draining = True
        self._window.wait_empty(grace_s)
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            if forget:
                connection.forget_session()
            connection.end(Ending(End.STOPPED, "stopped"))
        self._thread.join()
        self._thread = None

    def _live(self) -> Ending:
        """One connection from its beginning to its end."""
        try:
            connection = Connection(
                self._address,
                self._filters(self._protocol),
                self._receive,
                protocol=self._protocol,
                more=self._more,
                kept=self._kept,
            )
            self._connection = connection
            if self._stopping.is_set():
                return Ending(End.STOPPED, "stopped")
            return connection.live(partial(self._up, connection))
        except (
            Exception
        ) as error:  # a certificate that is not there, a host that is no name: to be seen, and tried again
            log.exception("MQTT %s: cannot connect", self.name)
            return Ending(
                End.UNREACHABLE, f"{self._address.host}:{self._address.port}: {type(error).__name__}: {error}"
            )

    def _run(self) -> None:
        attempts: Counter[End] = Counter()
        while not self._stopping.is_set():
            self._began = time.monotonic()
            ending = self._live()
            steady = time.monotonic() - self._began >= STEADY_S
            ending = self._suspect_takeover(ending, steady)
            self._down(ending)
            if ending.kind is End.STOPPED:
                return
            if ending.kind is End.NO_MQTT5:
                log.warning("MQTT %s: the broker does not speak MQTT 5; going on with 3.1.1", self.name)
                self._protocol = MQTTProtocolVersion.MQTTv311
                continue
            if steady:
                attempts.clear()
            delay_s = _BACKOFF[ending.kind].delay_s(attempts[ending.kind])
            attempts[ending.kind] += 1
            self._say(ending, delay_s)
            self._stopping.wait(delay_s)

    def _suspect_takeover(self, ending: Ending, steady: bool) -> Ending:
        """MQTT 3.1.1 has no word for a takeover, and Mosquitto 2.0.11 does not say it in MQTT 5 either. What it looks
        like: the broker lets us in and soon cuts us off, again and again, and was there all the time."""
        if ending.kind is not End.LOST or steady:
            self._cut_off = 0
        elif self._ready is not None:
            self._cut_off += 1
        if self._cut_off < CUT_OFF_MEANS_TAKEOVER:
            return ending
        return Ending(
            End.TAKEN_OVER,
            f"the broker cut the connection off {self._cut_off} times soon after it was made: probably another client "
            f"connects as {self._address.client_id!r}",
        )

    def _say(self, ending: Ending, delay_s: float) -> None:
        if ending.kind is End.TAKEN_OVER:
            log.error(
                "MQTT %s: %s. Is a second gateway running for this community? Stop one of them, or give one another "
                "community name. Trying again in %.1f s",
                self.name,
                ending.why,
                delay_s,
            )
        elif ending.kind is End.REFUSED:
            log.error("MQTT %s: %s; the broker will send it again in %.1f s", self.name, ending.why, delay_s)
        else:
            log.warning("MQTT %s: %s; trying again in %.1f s", self.name, ending.why, delay_s)

    def _up(self, connection: Connection) -> None:
        with self._counts:
            self._connects += 1
            self._since_ms = self._clock.now_ms()
            self._ready = connection
        log.info(
            "MQTT %s: connected to %s:%d as %s, %s session",
            self.name,
            self._address.host,
            self._address.port,
            self._address.client_id,
            "resumed the" if connection.session_present else "a new",
        )

    def _down(self, ending: Ending) -> None:
        with self._counts:
            if self._ready is not None:
                self._since_ms = self._clock.now_ms()
            self._ready = None
            self._after_start = self._after_start and self._last_message_ms is None
            self._why = ending.why
            if ending.kind is End.TAKEN_OVER:
                self._takeovers += 1

    def _receive(self, connection: Connection, message: paho.MQTTMessage) -> None:
        """On the network thread of ``connection``; blocks while the window is full."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(topic is not UTF-8)"
        if self._ignore(topic):
            if message.qos:
                connection.ack(message.mid)
            return
        place = self._window.enter(lambda: connection.closing or self._draining)
        if place is None:
            return  # not acknowledged: the broker sends it again on the next connection
        with self._counts:
            self._received += 1
            self._redeliveries += bool(message.dup)
            self._last_message_ms = self._clock.now_ms()
            again = self._note_handed_in(message) and bool(message.dup)
        waited = connection.session_present and time.monotonic() - self._began < BACKLOG_S
        done = partial(self._done, connection, message.mid if message.qos else None, place)
        try:
            self._offer(Delivery(topic, bytes(message.payload), bool(message.retain), again, waited), done)
        except Exception:
            # Whatever it was: the message is not stored, and the network thread must live.
            log.exception("handing in a message from %s failed", topic)
            done(Outcome.REFUSED)

    def _note_handed_in(self, message: paho.MQTTMessage) -> bool:
        """Whether this very message was handed in before, or may have been. Under the lock."""
        if not message.qos:
            return False
        digest = hashlib.blake2b(message.payload, digest_size=16).digest()
        before = self._handed_in.pop(message.mid, None)
        self._handed_in[message.mid] = digest
        if len(self._handed_in) > MAX_HANDED_IN:
            del self._handed_in[next(iter(self._handed_in))]
        return self._after_start or before == digest

    def _done(self, connection: Connection, mid: int | None, place: int, outcome: Outcome) -> None:
        """On the journal's writer thread (or any other). Quick; does not raise."""
        if not self._window.answer(place):
            return
        try:
            self._tell(connection, mid, outcome)
        finally:
            self._window.leave(place)

    def _tell(self, connection: Connection, mid: int | None, outcome: Outcome) -> None:
        """Tell the broker what became of its message."""
        if outcome is Outcome.REFUSED:
            with self._counts:
                self._refused += 1
                self._refused_qos0 += mid is None
            if mid is not None and not connection.closing:
                connection.end(Ending(End.REFUSED, "the journal refused a message"))
        elif mid is not None:
            acknowledged = connection.ack(mid)
            with self._counts:
                self._acks += acknowledged
                self._late_acks += not acknowledged
