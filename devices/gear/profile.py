"""What a profile is: one maker's format, from its name to the object that understands its messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from devices.gear.messages import AddressBook, GearDevice, Incoming, Order, Reading
from devices.native import Command

Carrier = Literal["mqtt", "http", "serial", "modbus", "dc09", "scaip"]
Parity = Literal["N", "E", "O"]
PARITIES: Mapping[str, Parity] = MappingProxyType({"N": "N", "E": "E", "O": "O"})
"""None, even, odd: as it is written in settings → the same, known to be one of them."""


class MessageGear(Protocol):
    """One bridge of a profile that speaks in whole messages (MQTT, HTTP push).

    Belongs to one thread at a time. It may remember what its bridge describes (which values a contact uses for open,
    aliases of a birth certificate), never what devices measured: that is `devices.gear.memory`'s.
    """

    def filters(self) -> tuple[str, ...]:
        """Topic filters to subscribe to, in this order: descriptions before states. Empty for HTTP."""
        ...

    def receive(self, incoming: Incoming, book: AddressBook) -> Reading:
        """What ``incoming`` says. Raises Refusal, and nothing else, where it says nothing that can be used."""
        ...

    def order(self, device: GearDevice, command: Command, now_ms: int) -> Order:
        """``command`` in the gear's own words. Raises Refusal where this device cannot do it."""
        ...


class StreamGear(Protocol):
    """One device (or line of devices) on a serial port: bytes in pieces of any size, and what is to be written.

    Two clocks: ``now_ms`` is steady and drives timers; ``received_at_ms`` is the time of day, for observations.
    """

    @property
    def setting(self) -> SerialSetting:
        """How the port must be opened now. Where it changes (the next variant is tried), the port is opened anew."""
        ...

    @property
    def silent_after_ms(self) -> int:
        """The line counts as silent when nothing readable came for so long."""
        ...

    def opened(self, now_ms: int) -> None:
        """The port was opened (again): forget half a frame, start over."""
        ...

    def feed(self, data: bytes, now_ms: int, received_at_ms: int, book: AddressBook) -> Reading:
        """What ``data`` completes. Never raises for bytes; holds a bounded buffer; damaged frames are `Reading.faults`
        (at most one per call and reason)."""
        ...

    def due(self, now_ms: int, received_at_ms: int, book: AddressBook) -> tuple[bytes, Reading]:
        """What is to be written now (start, keep-alive), and what has become due to be said (an average)."""
        ...

    def next_due_ms(self, now_ms: int) -> int:
        """When `due` wants to be asked again if nothing comes in."""
        ...

    @property
    def good(self) -> int:
        """Frames understood since the port was opened."""
        ...

    @property
    def bad(self) -> int:
        """Frames damaged since the port was opened."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSetting:
    """How a port must be opened for this gear."""

    baud: int
    bytesize: int = 8
    parity: Parity = "N"
    stopbits: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One maker's format. Exactly one of ``message`` and ``stream`` is set, except for Modbus, which is polled."""

    key: str
    """As written in the registry: lower case, with dashes."""
    zh: str
    en: str
    carrier: Carrier
    kinds: tuple[str, ...]
    """The kinds of device it can speak for."""
    commands: Mapping[str, tuple[str, ...]]
    """Kind → the kind's commands that it can carry out."""
    models: tuple[str, ...]
    """Real gear, by maker and model."""
    source: str
    """Where the format is documented."""
    spec_only: bool = False
    """True: made from documents alone; no recording of real gear was to be had."""
    base: str = ""
    """The topic (or its beginning) that a bridge uses where the registry names no other."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What a bridge may be told: option → what it is for."""
    device_options: Mapping[str, str] = field(default_factory=dict)
    """What one of its devices may be told: option → what it is for."""
    serial: SerialSetting | None = None
    message: Callable[[str, Mapping[str, str]], MessageGear] | None = None
    """``message(base, options)`` makes the object of one bridge. Raises ValueError that names the option."""
    stream: Callable[[Mapping[str, str]], StreamGear] | None = None
    """``stream(options)`` makes the object of one line. Raises ValueError that names the option."""
