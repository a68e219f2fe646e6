"""The words between a profile and the gateway: what came in, what a device said by it, what is to go out.

A profile (`devices.profiles`) knows one maker's format and nothing of journals, brokers or registries. It is given an
`Incoming` and an `AddressBook`, and answers with a `Reading`. Pure: bytes in, records out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from devices.observation import Refusal, Waveform

Scalar = str | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GearDevice:
    """The part of a registered device that a profile needs."""

    id: str
    kind: str
    address: str
    """What the gear calls itself: a friendly name, an IEEE or EUI address, a slave number, a camera's name."""
    part: str = ""
    """Which of several at one address: an input, a relay, a channel. In the registry: ``address#part``."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What a profile must know of this one device; each profile's page lists its own."""


class AddressBook(Protocol):
    """The registered devices of one bridge. Anybody else is a stranger, and is reported as `Announced`."""

    def at(self, address: str) -> Sequence[GearDevice]:
        """Every device with this address, whatever its part; empty for a stranger."""
        ...

    def all(self) -> Iterable[GearDevice]:
        """Every device of the bridge."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One message of foreign gear, as its transport brought it."""

    source: str
    """The MQTT topic, or the HTTP path below the sender's door. Empty where there is none."""
    payload: bytes
    received_at_ms: int
    retained: bool = False
    """The broker had kept it: the state of some time ago, and no news."""
    redelivered: bool = False
    """The broker says that it sent it before (the DUP flag)."""
    may_have_waited: bool = False
    """The broker may have had it for any time, for it was received just after the connection was made."""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """What a device says of a command, where its protocol repeats the command's id."""

    id: str
    ok: bool
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What one device said in one message, in the words of its kind."""

    device: GearDevice
    metrics: Mapping[str, float] = field(default_factory=dict)
    """By the keys of the kind, in its units. A state (`Kind.states`) is 0 or 1; its change becomes an event."""
    events: tuple[str, ...] = ()
    """What happened in this moment and is no state: a press, a self-test. Never what `states` say already."""
    data: Mapping[str, Scalar] = field(default_factory=dict)
    """What belongs to the message and is no measurement: label, clip, firmware, model. At most 16 of 512 characters."""
    waveform: Waveform | None = None
    presence: bool | None = None
    """True: it says (or its bridge does) that it is there; False: that it is gone."""
    observed_at_ms: int | None = None
    """The source's own time; None where it has none."""
    kept: bool = False
    """A bridge repeats what it had kept, as after its own start: as good as `Incoming.retained`."""
    identity: str | None = None
    """The source's own name for this message: the same again is the same message, and is decided once. Without ``:``.
    Digits alone are an order (a counter that grows); anything else is only a name. None where the source has none."""
    answers: tuple[CommandAnswer, ...] = ()
    alive: bool = False
    """Somebody who hears it says that it is well, and has no reading of it: a word of life, written down even where
    nothing is news. A profile says so now and then, not with every message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """Gear that is not registered, or that its bridge has just described: what an adoption starts from."""

    address: str
    kind: str | None = None
    """The kind it most probably is; None where the message does not tell."""
    name: str = ""
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    heard: bool = False
    """True: it spoke itself, and what it said is kept in quarantine. False: it was only described."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Bytes to send: to a topic over MQTT; over a line, ``topic`` is empty."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A command in the gear's own words."""

    publications: tuple[Publication, ...]
    confirm: Mapping[str, float] | None
    """The metrics a later report must show for the command to count as done (``{"open": 0}``); an empty mapping where
    the device answers by the command's id (`CommandAnswer`); None for gear that never answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a profile makes of one message. An empty one: it concerns nobody (a bridge's log line)."""

    said: tuple[Said, ...] = ()
    announced: tuple[Announced, ...] = ()
    faults: tuple[Refusal, ...] = ()
    """Parts that could not be used; each is kept with the message in quarantine."""
    listen: tuple[str, ...] = ()
    """Topic filters to subscribe to from now on (discovery names the topics of states)."""
    publish: tuple[Publication, ...] = ()
    """What the profile itself has to say to its bridge (a request for a birth certificate)."""


def takes_none(device: GearDevice, command: str, why: str) -> Refusal:
    """Gear that is only listened to was given a command; to be raised."""
    return Refusal(
        "unknown_command", field="command", expected="no command", hint=f"{command}: {why}", device=device.id
    )
