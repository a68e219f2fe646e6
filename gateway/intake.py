"""From the bytes of the native protocol to the journal. Nothing that comes in is dropped without a record.

A message becomes an observation in its lane, or it goes to the quarantine with its explanation. A message with faults
beside its observation does both, and is acknowledged with the observation. Off-the-shelf gear comes in by
`gateway.gear.intake`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from devices.native import DeviceRef, Encoding, decode, parse_topic
from devices.observation import Channel, Observation, Refusal
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done
from gateway.receipts import JournalSink, Receipts, TransportStats

DeviceLookup = Callable[[str], DeviceRef | None]
"""Who speaks under an id in a topic."""
Stranger = Callable[[str, str, bytes, Millis], None]
"""``stranger(hardware, source, payload, now_ms)``: somebody spoke who is not registered."""


class MqttDelivery(Protocol):
    """A message as the broker delivered it."""

    @property
    def topic(self) -> str:
        """As it was published."""
        ...

    @property
    def payload(self) -> bytes:
        """As it was published."""
        ...

    @property
    def retained(self) -> bool:
        """The broker had kept it."""
        ...


class Intake:
    """Takes raw messages from any thread; never raises for what is in them.

    ``done`` is called once per message, when its fate is on disk (see `Journal.submit`).
    """

    def __init__(
        self,
        journal: JournalSink,
        clock: Clock,
        community: str,
        devices: DeviceLookup,
        *,
        receipts: Receipts | None = None,
        stranger: Stranger = lambda hardware, source, payload, now_ms: None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._community = community
        self._devices = devices
        self._receipts = receipts or Receipts(journal)
        self._stranger = stranger

    def offer_mqtt(self, delivery: MqttDelivery, done: Done) -> None:
        """A message from the broker."""
        now = self._clock.now_ms()
        try:
            device, channel = parse_topic(delivery.topic, self._community)
        except Refusal as refusal:
            counted = self._receipts.counted("mqtt", done)
            self._receipts.refuse("mqtt", delivery.topic, delivery.payload, refusal, now, counted)
            return
        retained = delivery.retained
        self._offer("mqtt", delivery.topic, device, channel, delivery.payload, "json", now, done, retained=retained)

    def offer_serial(self, line: str, device: str, channel: Channel, payload: bytes, done: Done) -> None:
        """A message from a field-bus line, already out of its frame."""
        source = f"{line}/{device}/{channel.value}"
        now = self._clock.now_ms()
        self._offer(f"serial:{line}", source, device, channel, payload, "msgpack", now, done, retained=False)

    def offer_http(self, device: str, channel: Channel, payload: bytes, done: Done) -> None:
        """A message that the device pushed over HTTP; ``device`` is its id in topics."""
        source = f"/push/{device}/{channel.value}"
        self._offer("http", source, device, channel, payload, "json", self._clock.now_ms(), done, retained=False)

    def stats(self) -> tuple[TransportStats, ...]:
        """What became of the messages, by transport."""
        return self._receipts.stats()

    def _offer(
        self,
        transport: str,
        source: str,
        hardware: str,
        channel: Channel,
        payload: bytes,
        encoding: Encoding,
        now: Millis,
        done: Done,
        *,
        retained: bool,
    ) -> None:
        counted = self._receipts.counted(transport, done)
        try:
            device = self._devices(hardware)
            if device is None:
                self._stranger(hardware, source, payload, now)
                raise Refusal(
                    "unknown_device",
                    field="device",
                    expected="a device of the registry",
                    hint="adopt it (`anju devices candidates`), or correct the id set in the device",
                    device=hardware,
                )
            decoded = decode(device, channel, payload, received_at_ms=now, encoding=encoding, hardware=hardware)
            if retained and channel is Channel.EVENT:
                self._check_age(decoded.observation)
        except Refusal as refusal:
            self._receipts.refuse(transport, source, payload, refusal, now, counted)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged, kept and counted
            self._receipts.defect(transport, source, payload, error, now, counted, hardware)
            return
        for fault in decoded.faults:
            self._receipts.refuse(transport, source, payload, fault, now)
        self._journal.submit(decoded.observation, counted)

    def _check_age(self, observation: Observation) -> None:
        """A retained event comes again at every new session, also when the journal has long forgotten it."""
        if observation.late_by_ms >= self._journal.keep_ms or observation.clock_suspect:
            raise Refusal(
                "stale_retained",
                field="topic",
                expected="events published without the retain flag",
                hint="the broker still keeps this old event; clear it there, and correct the firmware",
                device=observation.device,
            )
