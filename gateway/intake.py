"""From the bytes of any transport to the journal. Nothing that comes in is dropped without a record.

A message becomes an observation in its lane, or it goes to the quarantine with its explanation. A message with faults
beside its observation does both, and is acknowledged with the observation.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from devices.native import DeviceRef, Encoding, decode, parse_topic
from devices.observation import Channel, Observation, Refusal
from gateway.clock import Clock, Millis
from gateway.journal.entry import Done, Outcome, Quarantined

log = logging.getLogger(__name__)


class JournalSink(Protocol):
    """The side of the journal that the intake writes to."""

    @property
    def keep_ms(self) -> int: ...
    def submit(self, observation: Observation, done: Done) -> None: ...
    def quarantine(self, item: Quarantined, done: Done) -> None: ...


DeviceLookup = Callable[[str], DeviceRef | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportStats:
    """What became of the messages of one transport since the start of the process."""

    transport: str
    """``mqtt`` or ``serial:<line>``."""
    offered: int
    outcomes: Mapping[Outcome, int]
    """Of messages. What is offered and not yet here is under way."""
    faults: Mapping[str, int]
    """By reason: of refused messages, and of parts left out of accepted ones."""


class Intake:
    """Takes raw messages from any thread; never raises for what is in them.

    ``done`` is called once per message, when its fate is on disk (see `Journal.submit`).
    """

    def __init__(self, journal: JournalSink, clock: Clock, community: str, devices: DeviceLookup) -> None:
        self._journal = journal
        self._clock = clock
        self._community = community
        self._devices = devices
        self._lock = threading.Lock()
        self._offered: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, Outcome]] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()

    def offer_mqtt(self, topic: str, payload: bytes, retained: bool, done: Done) -> None:
        """A message from the broker. ``retained``: the broker sent it because it had kept it."""
        now = self._clock.now_ms()
        try:
            device, channel = parse_topic(topic, self._community)
        except Refusal as refusal:
            self._refuse("mqtt", topic, payload, refusal, now, self._counted("mqtt", done))
            return
        self._offer("mqtt", topic, device, channel, payload, "json", now, done, retained=retained)

    def offer_serial(self, line: str, device: str, channel: Channel, payload: bytes, done: Done) -> None:
        """A message from a field-bus line, already out of its frame."""
        source = f"{line}/{device}/{channel.value}"
        self._offer(
            f"serial:{line}", source, device, channel, payload, "msgpack", self._clock.now_ms(), done, retained=False
        )

    def stats(self) -> tuple[TransportStats, ...]:
        with self._lock:
            return tuple(
                TransportStats(
                    transport=transport,
                    offered=offered,
                    outcomes={outcome: self._outcomes[transport, outcome] for outcome in Outcome},
                    faults={reason: count for (of, reason), count in self._faults.items() if of == transport},
                )
                for transport, offered in sorted(self._offered.items())
            )

    def _offer(
        self,
        transport: str,
        source: str,
        device_id: str,
        channel: Channel,
        payload: bytes,
        encoding: Encoding,
        now: Millis,
        done: Done,
        *,
        retained: bool,
    ) -> None:
        counted = self._counted(transport, done)
        try:
            device = self._devices(device_id)
            if device is None:
                raise Refusal(
                    "unknown_device",
                    field="device",
                    expected="a device of the registry",
                    hint="add it to the community's file and apply it, or correct the id set in the device",
                    device=device_id,
                )
            decoded = decode(device, channel, payload, received_at_ms=now, encoding=encoding)
            if retained and channel is Channel.EVENT:
                self._check_age(decoded.observation)
        except Refusal as refusal:
            self._refuse(transport, source, payload, refusal, now, counted)
            return
        except Exception as error:
            # Whatever it is: not acknowledged it would come again for ever, and hold up everybody's presses.
            log.exception("a message from %s broke the decoder; it is kept in quarantine", source)
            defect = Refusal(
                "undecodable",
                field="payload",
                expected="a decoder that can judge every message",
                hint=f"{type(error).__name__}: {error}; report this as a defect",
                device=device_id,
            )
            self._refuse(transport, source, payload, defect, now, counted)
            return
        for fault in decoded.faults:
            self._refuse(transport, source, payload, fault, now, _nobody_waits)
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

    def _refuse(self, transport: str, source: str, payload: bytes, refusal: Refusal, now: Millis, done: Done) -> None:
        with self._lock:
            self._faults[transport, refusal.reason] += 1
        self._journal.quarantine(
            Quarantined(
                received_at_ms=now,
                transport=transport,
                source=source,
                device=refusal.device,
                reason=refusal.reason,
                field=refusal.field,
                expected=refusal.expected,
                hint=refusal.hint,
                payload=payload[:4096],
            ),
            done,
        )

    def _counted(self, transport: str, done: Done) -> Done:
        with self._lock:
            self._offered[transport] += 1

        def count(outcome: Outcome) -> None:
            with self._lock:
                self._outcomes[transport, outcome] += 1
            done(outcome)

        return count


def _nobody_waits(outcome: Outcome) -> None:
    """The message is acknowledged with its observation; a record that is not kept is counted by the journal."""
