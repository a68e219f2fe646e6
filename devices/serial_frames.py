"""The frames of the field bus: what each says, how long it may be, and what can be wrong with one.

`serial_codec` turns them into bytes and back; `docs/protocol-serial.md` is the specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from devices.observation import Channel

LINK_VERSION = 1
MAX_DEVICE_BYTES = 64
MAX_PAYLOAD_BYTES = 8000
"""The longest MessagePack message a frame carries: an ECG strip of 10 s at 250 Hz fits, at three bytes a sample. There
is no fragmentation, on purpose: a frame under way cannot be overtaken, and at 115,200 baud this much takes 0.7 s, which
is the longest a key press waits for the wire. Longer recordings travel as several strips."""
HEADER_BYTES = 10
CRC_BYTES = 2
MAX_FRAME_BYTES = HEADER_BYTES + 2 + MAX_DEVICE_BYTES + MAX_PAYLOAD_BYTES + CRC_BYTES
READ_LIMIT_BYTES = 2 * MAX_FRAME_BYTES
"""A reader buffers no more than this. Between the two limits a frame is whole, and its sender can be told of it."""
MAX_TEXT_BYTES = 64
UNKNOWN_BOOT = 0
"""The gateway's word for "I do not know you yet" in a PING. No concentrator has this boot id."""


class FrameType(IntEnum):
    """Second byte of a frame. Odd types travel up to the gateway, even types down to the concentrator."""

    HELLO = 0x01
    HELLO_ACK = 0x02
    DATA = 0x03
    ACK = 0x04
    COMMAND_ACK = 0x05
    NAK = 0x06
    PONG = 0x07
    COMMAND = 0x08
    PING = 0x0A


class NakReason(IntEnum):
    """Why the gateway did not take a DATA frame."""

    REFUSED = 1
    """Not written to the journal (disk or journal full): send it again later."""
    FULL = 2
    """Too many frames wait for the disk: send it again later."""
    BAD_VERSION = 3
    """The gateway does not speak this link version: keep it, and report the fault."""
    OVERSIZE = 4
    """Longer than a frame may be: it will never be taken."""
    MALFORMED = 5
    """The CRC is right and the body is not: it will never be taken."""


class CommandStatus(IntEnum):
    """What the concentrator did with a command. What the *device* did comes as its event ``command_result``."""

    HANDED_OVER = 0
    UNKNOWN_DEVICE = 1
    BUSY = 2
    MALFORMED = 3


class Fault(StrEnum):
    """What is wrong with bytes that are not a frame."""

    BAD_COBS = "bad_cobs"
    TRUNCATED = "truncated"
    CRC = "crc"
    BAD_VERSION = "bad_version"
    OVERSIZE = "oversize"
    UNKNOWN_TYPE = "unknown_type"
    MALFORMED = "malformed"


@dataclass(frozen=True, slots=True)
class Header:
    """The fixed start of a frame. It keeps its place in every future version, so that a refusal can be addressed."""

    version: int
    type: int
    boot: int
    seq: int


class FrameError(Exception):
    """Bytes that are not a frame, or a frame that cannot be made. ``header`` is there where the CRC vouches for it."""

    def __init__(self, fault: Fault, detail: str, header: Header | None = None) -> None:
        super().__init__(fault, detail, header)
        self.fault = fault
        self.detail = detail
        self.header = header

    def __str__(self) -> str:
        return f"{self.fault.value}: {self.detail}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """Up: a concentrator introduces itself, at its start and when a PING does not know it."""

    boot: int
    seq: int
    depth: int
    """How many messages the concentrator can keep while the gateway is away."""
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HelloAck:
    """Down: the introduction was heard. ``seq`` is the HELLO's."""

    boot: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Up: one message of a device; ``payload`` is MessagePack of `devices.native.Message`.

    ``seq`` is the link's own number, for acknowledgement only: a resend keeps it. The identity of the message, by which
    it is decided once, is inside the payload.
    """

    boot: int
    seq: int
    channel: Channel
    device: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """Down: the DATA frame ``seq`` is on the gateway's disk."""

    boot: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nak:
    """Down: the DATA frame ``seq`` was not taken."""

    boot: int
    seq: int
    reason: NakReason


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFrame:
    """Down: ``payload`` is MessagePack of `devices.native.Command`. ``seq`` counts commands of the gateway."""

    boot: int
    seq: int
    device: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAck:
    """Up: the COMMAND ``seq`` was handed to the device, or why not."""

    boot: int
    seq: int
    status: CommandStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Down: are you there? A concentrator of another boot id answers HELLO instead of PONG."""

    boot: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """Up: I am. ``seq`` is the PING's."""

    boot: int
    seq: int


Frame = Hello | HelloAck | Data | Ack | Nak | CommandFrame | CommandAck | Ping | Pong
