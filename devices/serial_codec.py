"""The bytes of the field bus: frames in, bytes out, and back. No port, no clock.

On the wire a frame is ``00 COBS(header body crc) 00``. COBS (Cheshire and Baker, IEEE/ACM ToN 7(2), 1999) removes
every zero from the inside, so a zero byte is always a frame boundary and a receiver is back in step at the next one,
whatever came before. The delimiter in front costs one byte and keeps line noise, or half a frame of a concentrator
that lost power, from swallowing the frame behind it.
"""

from __future__ import annotations

import binascii
import struct
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from cobs import cobs

from devices.observation import Channel
from devices.serial_frames import (
    CRC_BYTES,
    HEADER_BYTES,
    LINK_VERSION,
    MAX_DEVICE_BYTES,
    MAX_FRAME_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_TEXT_BYTES,
    READ_LIMIT_BYTES,
    UNKNOWN_BOOT,
    Ack,
    CommandAck,
    CommandFrame,
    CommandStatus,
    Data,
    Fault,
    Frame,
    FrameError,
    FrameType,
    Header,
    Hello,
    HelloAck,
    Nak,
    NakReason,
    Ping,
    Pong,
)

_HEADER = struct.Struct(">BBII")
_DELIMITER = b"\x00"
_CHANNEL_CODES = {Channel.EVENT: 1, Channel.TELEMETRY: 2, Channel.STATUS: 3}
_CHANNELS = {code: channel for channel, code in _CHANNEL_CODES.items()}


def crc16(data: bytes) -> int:
    """CRC-16/GENIBUS: CCITT's polynomial 1021, start FFFF, not reflected, inverted; ``123456789`` gives D64E.

    The inversion is needed: without it a frame with a zero byte behind its CRC is a good frame again, one byte longer,
    and a single turned bit in the closing delimiter (00 to 01) is read as exactly that.
    """
    return binascii.crc_hqx(data, 0xFFFF) ^ 0xFFFF


def encode(frame: Frame) -> bytes:
    """The bytes of ``frame`` on the wire, with both delimiters.

    Raises FrameError (``oversize``, ``malformed``) for a frame that no reader would take.
    """
    return wrap(pack(frame))


def pack(frame: Frame) -> bytes:
    """Header and body of ``frame``, before CRC and COBS. Raises FrameError like `encode`."""
    try:
        frame_type, body = _body(frame)
        raw = _HEADER.pack(LINK_VERSION, frame_type, frame.boot, frame.seq) + body
    except (struct.error, OverflowError):
        raise FrameError(Fault.MALFORMED, f"{frame}: a number is not 0 to 4294967295") from None
    except UnicodeEncodeError as error:
        raise FrameError(Fault.MALFORMED, f"{frame}: {error}") from None
    if len(raw) + CRC_BYTES > MAX_FRAME_BYTES:
        raise FrameError(Fault.OVERSIZE, f"{len(raw) + CRC_BYTES} bytes; a frame holds {MAX_FRAME_BYTES}")
    return raw


def wrap(raw: bytes) -> bytes:
    """CRC, COBS and delimiters around a packed frame."""
    stuffed: bytes = cobs.encode(raw + crc16(raw).to_bytes(CRC_BYTES, "big"))
    return _DELIMITER + stuffed + _DELIMITER


def decode(stuffed: bytes) -> Frame:
    """The frame in the bytes between two delimiters. Raises FrameError."""
    try:
        raw = cobs.decode(stuffed)
    except cobs.DecodeError as error:
        raise FrameError(Fault.BAD_COBS, f"{len(stuffed)} bytes: {error}") from None
    if len(raw) < HEADER_BYTES + CRC_BYTES:
        raise FrameError(Fault.TRUNCATED, f"{len(raw)} bytes; the shortest frame has {HEADER_BYTES + CRC_BYTES}")
    sent = int.from_bytes(raw[-CRC_BYTES:], "big")
    computed = crc16(raw[:-CRC_BYTES])
    if sent != computed:
        raise FrameError(Fault.CRC, f"{len(raw)} bytes carry CRC {sent:04X}, computed {computed:04X}")
    header = Header(*_HEADER.unpack_from(raw))
    if header.version != LINK_VERSION:
        raise FrameError(Fault.BAD_VERSION, f"version {header.version}; this is version {LINK_VERSION}", header)
    if len(raw) > MAX_FRAME_BYTES:
        raise FrameError(Fault.OVERSIZE, f"{len(raw)} bytes; a frame holds {MAX_FRAME_BYTES}", header)
    parse = _PARSERS.get(header.type)
    if parse is None:
        raise FrameError(Fault.UNKNOWN_TYPE, f"type 0x{header.type:02X}", header)
    try:
        return parse(header, raw[HEADER_BYTES:-CRC_BYTES])
    except ValueError as error:  # UnicodeDecodeError is one too
        raise FrameError(Fault.MALFORMED, f"{FrameType(header.type).name}: {error}", header) from None


class FrameReader:
    """Cuts a stream of bytes into frames, whatever else is in it. Holds at most `READ_LIMIT_BYTES`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipping = False
        self.good = 0
        self.bad: Counter[Fault] = Counter()

    def feed(self, data: bytes) -> list[Frame | FrameError]:
        """The frames that ``data`` completes, and an error for each thing between delimiters that is none."""
        found: list[Frame | FrameError] = []
        pieces = data.split(_DELIMITER)
        for piece in pieces[:-1]:
            self._take(piece, found)
            if self._buffer:
                self._finish(found)
            self._skipping = False
        self._take(pieces[-1], found)
        return found

    def _take(self, piece: bytes, found: list[Frame | FrameError]) -> None:
        if self._skipping:
            return
        if len(self._buffer) + len(piece) > READ_LIMIT_BYTES:
            self._buffer.clear()
            self._skipping = True
            self._note(FrameError(Fault.OVERSIZE, f"more than {READ_LIMIT_BYTES} bytes without a delimiter"), found)
            return
        self._buffer += piece

    def _finish(self, found: list[Frame | FrameError]) -> None:
        stuffed = bytes(self._buffer)
        self._buffer.clear()
        try:
            found.append(decode(stuffed))
            self.good += 1
        except FrameError as error:
            self._note(error, found)

    def _note(self, error: FrameError, found: list[Frame | FrameError]) -> None:
        self.bad[error.fault] += 1
        found.append(error)


def _text(text: str, what: str, limit: int) -> bytes:
    raw = text.encode()
    if not 1 <= len(raw) <= limit:
        raise FrameError(Fault.MALFORMED, f"{what} {text[:80]!r} has {len(raw)} bytes, expected 1 to {limit}")
    return bytes((len(raw),)) + raw


def _payload(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise FrameError(
            Fault.OVERSIZE, f"a message of {len(payload)} bytes; at most {MAX_PAYLOAD_BYTES}: send shorter strips"
        )
    return payload


def _body(frame: Frame) -> tuple[FrameType, bytes]:
    match frame:
        case Hello():
            return FrameType.HELLO, frame.depth.to_bytes(4, "big") + _text(frame.firmware, "firmware", MAX_TEXT_BYTES)
        case HelloAck():
            return FrameType.HELLO_ACK, b""
        case Data():
            code = bytes((_CHANNEL_CODES[frame.channel],))
            return FrameType.DATA, code + _text(frame.device, "device", MAX_DEVICE_BYTES) + _payload(frame.payload)
        case Ack():
            return FrameType.ACK, b""
        case Nak():
            return FrameType.NAK, bytes((frame.reason,))
        case CommandFrame():
            return FrameType.COMMAND, _text(frame.device, "device", MAX_DEVICE_BYTES) + _payload(frame.payload)
        case CommandAck():
            return FrameType.COMMAND_ACK, bytes((frame.status,))
        case Ping():
            return FrameType.PING, b""
        case Pong():
            return FrameType.PONG, b""


def _split_text(body: bytes, what: str, limit: int) -> tuple[str, bytes]:
    length = body[0] if body else 0
    if not 1 <= length <= limit or len(body) < 1 + length:
        raise ValueError(f"{what} of {length} bytes in a body of {len(body)}, expected 1 to {limit}")
    return body[1 : 1 + length].decode(), body[1 + length :]


def _parse_hello(header: Header, body: bytes) -> Frame:
    if header.boot == UNKNOWN_BOOT:
        raise ValueError("boot 0 is no concentrator's")
    if len(body) < 5:
        raise ValueError(f"a body of {len(body)} bytes, expected at least 5")
    firmware, rest = _split_text(body[4:], "firmware", MAX_TEXT_BYTES)
    _empty(rest)
    return Hello(boot=header.boot, seq=header.seq, depth=int.from_bytes(body[:4], "big"), firmware=firmware)


def _parse_data(header: Header, body: bytes) -> Frame:
    if header.boot == UNKNOWN_BOOT:
        raise ValueError("boot 0 is no concentrator's")
    channel = _CHANNELS.get(body[0]) if body else None
    if channel is None:
        raise ValueError(f"channel {body[:1].hex() or 'missing'}, expected 01 event, 02 telemetry or 03 status")
    device, payload = _split_text(body[1:], "device", MAX_DEVICE_BYTES)
    return Data(boot=header.boot, seq=header.seq, channel=channel, device=device, payload=_parse_payload(payload))


def _parse_command(header: Header, body: bytes) -> Frame:
    device, payload = _split_text(body, "device", MAX_DEVICE_BYTES)
    return CommandFrame(boot=header.boot, seq=header.seq, device=device, payload=_parse_payload(payload))


def _parse_payload(payload: bytes) -> bytes:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes, expected at most {MAX_PAYLOAD_BYTES}")
    return payload


def _parse_nak(header: Header, body: bytes) -> Frame:
    return Nak(boot=header.boot, seq=header.seq, reason=NakReason(_one_byte(body)))


def _parse_command_ack(header: Header, body: bytes) -> Frame:
    return CommandAck(boot=header.boot, seq=header.seq, status=CommandStatus(_one_byte(body)))


_Bare = TypeVar("_Bare", HelloAck, Ack, Ping, Pong)


def _bare(kind: type[_Bare]) -> Callable[[Header, bytes], Frame]:
    def parse(header: Header, body: bytes) -> Frame:
        _empty(body)
        return kind(boot=header.boot, seq=header.seq)

    return parse


def _empty(rest: bytes) -> None:
    if rest:
        raise ValueError(f"{len(rest)} bytes too many")


def _one_byte(body: bytes) -> int:
    if len(body) != 1:
        raise ValueError(f"a body of {len(body)} bytes, expected 1")
    return body[0]


_PARSERS: dict[int, Callable[[Header, bytes], Frame]] = {
    FrameType.HELLO: _parse_hello,
    FrameType.HELLO_ACK: _bare(HelloAck),
    FrameType.DATA: _parse_data,
    FrameType.ACK: _bare(Ack),
    FrameType.COMMAND_ACK: _parse_command_ack,
    FrameType.NAK: _parse_nak,
    FrameType.PONG: _bare(Pong),
    FrameType.COMMAND: _parse_command,
    FrameType.PING: _bare(Ping),
}
