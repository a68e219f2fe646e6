"""One bridge of gear over MQTT: a connection of its own, so that its flood delays nobody, and a profile behind it."""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace

from devices.gear.messages import AddressBook, Incoming, Publication
from devices.native import Command
from devices.observation import Refusal
from devices.profiles import PROFILES
from gateway.clock import Clock
from gateway.gear.command import CommandResult, expired
from gateway.gear.intake import GearIntake
from gateway.journal.entry import Done
from gateway.registry.model import Bridge
from gateway.transports.mqtt import Delivery
from gateway.transports.mqtt_connection import Address, PublishOutcome, PublishResult
from gateway.transports.mqtt_lane import LaneHealth, MqttLane

log = logging.getLogger(__name__)

MAX_LISTENED = 5000
"""Topic filters that discovery may add."""
ASK_EXPIRY_S = 60
GRACE_S = 2.0


def session_of(bridge: Bridge) -> str:
    """The name of a bridge's session at the broker. A session remembers its subscriptions, so another format or topic
    is another session. With other options it stays the same, and nothing that is said meanwhile is lost."""
    base = bridge.base or PROFILES[bridge.profile].base
    mark = zlib.crc32(f"{bridge.profile} {base}".encode()) & 0xFFFFFF
    return f"{bridge.id}-{mark:06x}"


class MqttBridge:
    """Implements what `gateway.gear.bridges` needs of a way in."""

    def __init__(
        self, bridge: Bridge, address: Address, intake: GearIntake, book: Callable[[], AddressBook], clock: Clock
    ) -> None:
        """Raises ValueError for an option the profile cannot use."""
        profile = PROFILES[bridge.profile]
        assert profile.message is not None
        self.bridge = bridge
        self._gear = profile.message(bridge.base or profile.base, bridge.options)
        self._intake = intake
        self._book = book
        self._clock = clock
        self._lock = threading.Lock()
        """A profile belongs to one thread at a time."""
        self._listened: dict[str, None] = {}
        self._lane = MqttLane(
            bridge.id,
            replace(address, client_id=f"{address.client_id}-{session_of(bridge)}"),
            lambda _protocol: self._gear.filters(),
            self._offer,
            clock,
            ignore=_is_ours,
            more=lambda: tuple(self._listened),
            kept=True,  # descriptions are kept by the broker, and this process must have them
        )

    @property
    def health(self) -> LaneHealth:
        """How its connection is."""
        return self._lane.health

    def start(self) -> None:
        """Connect, and stay connected until `stop`."""
        self._lane.start()

    def stop(self, *, forget: bool) -> None:
        """Blocks for up to `GRACE_S`. ``forget``: nobody will come back for its session."""
        self._lane.stop(GRACE_S, forget=forget)

    def _offer(self, delivery: Delivery, done: Done) -> None:
        incoming = Incoming(
            source=delivery.topic,
            payload=delivery.payload,
            received_at_ms=self._clock.now_ms(),
            retained=delivery.retained,
            redelivered=delivery.redelivered,
            may_have_waited=delivery.may_have_waited,
        )
        with self._lock:
            reading = self._intake.offer(
                self.bridge.id, self.bridge.profile, self._gear.receive, incoming, self._book(), done, queue=True
            )
        self._listen(reading.listen)
        for publication in reading.publish:
            self._ask(publication)

    def _listen(self, filters: tuple[str, ...]) -> None:
        fresh = tuple(text for text in filters if text not in self._listened and not _is_ours(text))
        if not fresh:
            return
        if len(self._listened) + len(fresh) > MAX_LISTENED:
            log.error("bridge %s: more than %d topics were announced; no more are heard", self.bridge.id, MAX_LISTENED)
            return
        self._listened |= dict.fromkeys(fresh)
        self._lane.listen(fresh)

    def _ask(self, publication: Publication) -> None:
        """The profile itself has something to say; it asks again where nobody answers."""
        connection = self._lane.connection
        if connection is None or _is_ours(publication.topic):
            return

        def published(result: PublishResult) -> None:
            if result.outcome is not PublishOutcome.ACCEPTED:
                log.warning("bridge %s: %s: %s", self.bridge.id, publication.topic, result.detail)

        connection.publish(publication.topic, publication.payload, ASK_EXPIRY_S, published, retain=publication.retain)

    async def send(self, device: str, command: Command, expiry_s: int) -> CommandResult:
        """Have ``device`` obey. The answer comes as its event ``command_result``, where the gear can answer."""
        found = next((one for one in self._book().all() if one.id == device), None)
        now_ms = self._clock.now_ms()
        if found is None or expired(command, now_ms):
            return CommandResult("refused", f"{device} is not a device of bridge {self.bridge.id}, or it is too late")
        try:
            with self._lock:
                order = self._gear.order(found, command, now_ms)
        except Refusal as refusal:
            return CommandResult("refused", str(refusal))
        if order.confirm is not None:
            self._intake.expect(found, command.id, order.confirm, now_ms)
        for publication in order.publications:
            result = await self._lane.publish(
                publication.topic, publication.payload, expiry_s, retain=publication.retain
            )
            if result.outcome is not PublishOutcome.ACCEPTED:
                if result.outcome is not PublishOutcome.UNKNOWN:  # a valve turned by hand must not pass for obedience
                    self._intake.withdraw(found, command.id)
                return CommandResult(result.outcome.value, result.detail)
        if order.confirm is None:
            return CommandResult("done", "sent; gear of this kind never answers")
        return CommandResult("accepted", "accepted by the broker; the gear's own report will confirm it")


def _is_ours(topic: str) -> bool:
    """Anju's own topics are nobody else's to report on."""
    return topic == "anju" or topic.startswith("anju/")
