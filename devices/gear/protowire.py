"""The wire format of Protocol Buffers, as far as a fixed schema needs it: bounded reading, and writing.

https://protobuf.dev/programming-guides/encoding/. Sparkplug is the only schema here, of four small messages; a library
with a compiler, a C extension and its own rules of compatibility would be the larger part (decision 0017).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_64_BITS = (1 << 64) - 1


class WireError(ValueError):
    """The bytes are not in this format. Says where."""


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Every field of a message: its number, its wire type, and its value, an unsigned number or bytes.

    Raises WireError. Takes time and space in proportion to ``data``.
    """
    at, end = 0, len(data)
    while at < end:
        start = at
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError(f"byte {start}: a field without a number")
        value: int | bytes
        if kind == VARINT:
            value, at = _varint(data, at)
        elif kind == FIXED64:
            value, at = int.from_bytes(data[at : at + 8], "little"), at + 8
        elif kind == FIXED32:
            value, at = int.from_bytes(data[at : at + 4], "little"), at + 4
        elif kind == BYTES:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise WireError(f"byte {start}: wire type {kind}, which no message has any more")
        if at > end:
            raise WireError(f"byte {start}: field {number} is cut off")
        yield number, kind, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(_MAX_VARINT_BYTES):
        if at >= len(data):
            raise WireError(f"byte {at}: it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value & _64_BITS, at
    raise WireError(f"byte {at}: a number of more than {_MAX_VARINT_BYTES} bytes")


def as_float(raw: int) -> float:
    """The 32 bits of a float."""
    value: float = struct.unpack("<f", raw.to_bytes(4, "little"))[0]
    return value


def as_double(raw: int) -> float:
    """The 64 bits of a double."""
    value: float = struct.unpack("<d", raw.to_bytes(8, "little"))[0]
    return value


def varint_field(number: int, value: int) -> bytes:
    """A whole number, 0 or more."""
    return _written(number << 3 | VARINT) + _written(value)


def bytes_field(number: int, value: bytes) -> bytes:
    """Bytes, a text in UTF-8, or a message."""
    return _written(number << 3 | BYTES) + _written(len(value)) + value


def double_field(number: int, value: float) -> bytes:
    """A field with a number of eight bytes."""
    return _written(number << 3 | FIXED64) + struct.pack("<d", value)


def float_field(number: int, value: float) -> bytes:
    """A field with a number of four bytes."""
    return _written(number << 3 | FIXED32) + struct.pack("<f", value)


def _written(value: int) -> bytes:
    said = bytearray()
    while value > 0x7F:
        said.append(value & 0x7F | 0x80)
        value >>= 7
    said.append(value)
    return bytes(said)
