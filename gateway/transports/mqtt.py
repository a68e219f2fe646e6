"""MQTT: devices come in over two connections, one per lane; commands go out.

A message is acknowledged to the broker only after its `Outcome` is durable. One that is refused is not acknowledged;
the connection is closed and opened again after a pause, because that is what makes a broker send it again.

What is subscribed, and by whom:

* the urgent connection: ``anju/v1/<community>/+/event``, nothing else;
* the routine connection: telemetry and status, and what stands under ``anju/v1/<community>`` and is no topic of ours,
  so that a device with a wrong topic is seen in quarantine instead of vanishing. Filters of one connection do not
  overlap, so nothing comes twice.

At our own Mosquitto the access list already rejects a wrong last level, so the routine connection leaves out exactly
that level, and the broker can say (MQTT 5) that nobody listens to a command. At any other broker it takes everything,
and sets the copies of events and commands aside.
"""

from __future__ import annotations

from dataclasses import dataclass

from paho.mqtt.enums import MQTTProtocolVersion

from devices.native import command_topic
from devices.observation import Lane
from gateway.clock import Clock
from gateway.settings import BrokerSettings
from gateway.state.leadership import ALONE, own_name
from gateway.transports.mqtt_connection import Address, PublishOutcome, PublishResult
from gateway.transports.mqtt_lane import Delivery, LaneHealth, MqttLane, Offer

__all__ = ["Delivery", "LaneHealth", "MqttHealth", "MqttTransport", "Offer", "PublishOutcome", "PublishResult"]

FALLING_BEHIND_S = 1.0


@dataclass(frozen=True, slots=True)
class MqttHealth:
    """How both connections are."""

    urgent: LaneHealth
    routine: LaneHealth


def gateway_address(
    settings: BrokerSettings, password: str | None, community: str, name: str, gateway: str = ALONE, key: str = ""
) -> Address:
    """Where and as whom the gateway connects for one way in; ``name`` tells its client ids apart, ``gateway`` those of
    several gateways. ``key`` keeps them to itself; it must stay the same, since the broker keeps messages by client id.
    """
    return Address(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=password if settings.username is not None else None,
        client_id=f"anju-{community}-{own_name(name, gateway)}",
        client_key=key,
        tls_ca=settings.tls_ca,
        receive_maximum=settings.receive_maximum,
    )


class MqttTransport:
    """The gateway's side of the broker.

    ``offer`` is called on network threads, one per lane, and may block: then this lane waits, and the other does not.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        password: str | None,
        community: str,
        offer: Offer,
        clock: Clock,
        gateway: str = ALONE,
        key: str = "",
    ) -> None:
        self._community = community

        def address(lane: Lane) -> Address:
            return gateway_address(settings, password, community, lane.value, gateway, key)

        base = f"anju/v1/{community}"
        self._urgent = MqttLane(
            Lane.URGENT.value, address(Lane.URGENT), lambda _protocol: (f"{base}/+/event",), offer, clock
        )

        def routine_filters(protocol: MQTTProtocolVersion) -> tuple[str, ...]:
            if settings.managed and protocol is MQTTProtocolVersion.MQTTv5:
                return (f"{base}/+/telemetry", f"{base}/+/status", base, f"{base}/+", f"{base}/+/+/+/#")
            return (f"{base}/#",)

        self._routine = MqttLane(
            Lane.ROUTINE.value, address(Lane.ROUTINE), routine_filters, offer, clock, ignore=self._is_copy
        )

    @property
    def health(self) -> MqttHealth:
        """How both connections are at this moment, from any thread."""
        return MqttHealth(self._urgent.health, self._routine.health)

    @property
    def reading(self) -> bool:
        """Are messages flowing out of the broker? While not, they are safe only as far as the broker is."""
        return all(
            lane.connected and lane.oldest_unanswered_s < FALLING_BEHIND_S
            for lane in (self.health.urgent, self.health.routine)
        )

    def start(self) -> None:
        """Begin to connect; returns at once. Whether and since when it is connected, `health` says."""
        self._urgent.start()
        self._routine.start()

    def stop(self, grace_s: float = 2.0) -> None:
        """Disconnect after what was handed in is answered, or after ``grace_s`` per lane. Blocks."""
        self._routine.stop(grace_s)
        self._urgent.stop(grace_s)

    async def publish_command(
        self, device: str, payload: bytes, expiry_s: int, *, timeout_s: float = 10.0
    ) -> PublishResult:
        """Publish a command with QoS 1. The broker drops it after ``expiry_s`` if the device was away (MQTT 5)."""
        return await self._urgent.publish(
            command_topic(self._community, device), payload, expiry_s, timeout_s=timeout_s
        )

    def _is_copy(self, topic: str) -> bool:
        """What the routine connection gets only because it listens to everything: others are responsible for it."""
        levels = topic.split("/")
        return len(levels) == 5 and bool(levels[3]) and levels[4] in ("event", "command")
