"""The one record that flows through Anju: an observation of a device at an instant."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Lane(StrEnum):
    """Urgent never waits for routine: each lane has its own connection, queue, journal file and budget."""

    URGENT = "urgent"
    ROUTINE = "routine"


class Channel(StrEnum):
    """What a device's message is about. The last level of its topic, or the record type on a serial line."""

    EVENT = "event"
    TELEMETRY = "telemetry"
    STATUS = "status"

    @property
    def lane(self) -> Lane:
        """Everything that may need a person travels in the urgent lane; measurements and presence do not."""
        return Lane.URGENT if self is Channel.EVENT else Lane.ROUTINE


class Waveform(msgspec.Struct, frozen=True, kw_only=True):
    """A strip of equally spaced samples (an ECG lead, a pleth wave), starting at the observation's time."""

    name: str
    """Which wave: the key of a waveform in the kind's catalogue, such as ``ecg``."""
    lead: str
    """ECG lead (``I``, ``II``, ``V1`` …), or an empty string where there is none."""
    rate_hz: float
    unit: str
    """UCUM, e.g. ``mV``."""
    samples: tuple[float, ...]


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one device said once. Immutable; identical whether live, replayed or back-tested.

    Units are those of the kind's catalogue (`devices.kinds`), never carried per message, so that a value and
    its unit cannot drift apart.
    """

    message_id: str
    """``hardware:boot:seq`` of native devices, ``device:…`` of gear: the same message sent twice has the same id, so
    it is decided once. Ids that differ only in digits behind the last ``:`` are in that order."""
    device: str
    kind: str
    lane: Lane
    observed_at_ms: int
    """Device time in ms since the epoch, UTC; the gateway's receive time where the device's clock is not
    credible (see ``clock_suspect``)."""
    received_at_ms: int
    metrics: dict[str, float] = {}
    event: str | None = None
    data: dict[str, str | float | bool] = {}
    waveform: Waveform | None = None
    clock_suspect: bool = False
    may_have_waited: bool = False
    """Nothing tells when it was said, and a broker may have kept it for any time: ``observed_at_ms`` is the latest
    instant at which it can have happened."""

    @property
    def late_by_ms(self) -> int:
        """How long the message was under way (a backlog after an outage arrives late)."""
        return max(0, self.received_at_ms - self.observed_at_ms)


class Refusal(Exception):
    """A message cannot become an observation. Says which device, which field, what was expected and what to do.

    Raised by decoders and by the intake; the message is kept in quarantine with this explanation.
    """

    def __init__(self, reason: str, *, field: str, expected: str, hint: str, device: str = "") -> None:
        super().__init__(reason, field, expected, hint)
        self.reason = reason
        """A short stable code for counting: ``malformed``, ``oversize``, ``unknown_device``, ``wrong_topic``,
        ``unknown_metric``, ``out_of_range``, ``unknown_event``, ``bad_version`` …"""
        self.field = field
        self.expected = expected
        self.hint = hint
        self.device = device

    def __str__(self) -> str:
        return f"{self.device or 'message'}: {self.field}: {self.reason}; expected {self.expected}; {self.hint}"
