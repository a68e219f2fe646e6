"""The bytes of a simulated Sparkplug B node, written field by field after the schema of the specification."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

INT16, INT64, UINT8, FLOAT, DOUBLE, BOOLEAN, STRING = 2, 4, 5, 9, 10, 11, 12


@dataclass(frozen=True, slots=True)
class Tag:
    """One metric as it is put into a payload."""

    value: bool | int | float | str | None
    datatype: int
    name: str = ""
    """Left out where the alias alone is said."""
    alias: int | None = None
    at_ms: int | None = None
    historical: bool = False


def payload(tags: Sequence[Tag], now_ms: int, seq: int | None) -> bytes:
    """The bytes of one message; ``seq`` None where it has no number of its own (NDEATH)."""
    said = _key(1, 0) + _number(now_ms)
    for tag in tags:
        body = _metric(tag, now_ms)
        said += _key(2, 2) + _number(len(body)) + body
    return said if seq is None else said + _key(3, 0) + _number(seq)


def _metric(tag: Tag, now_ms: int) -> bytes:
    said = b""
    if tag.name:
        name = tag.name.encode()
        said += _key(1, 2) + _number(len(name)) + name
    if tag.alias is not None:
        said += _key(2, 0) + _number(tag.alias)
    said += _key(3, 0) + _number(tag.at_ms if tag.at_ms is not None else now_ms)
    if tag.name:
        said += _key(4, 0) + _number(tag.datatype)
    if tag.historical:
        said += _key(5, 0) + b"\x01"
    return said + _value(tag)


def _value(tag: Tag) -> bytes:
    value, datatype = tag.value, tag.datatype
    if value is None:
        return _key(7, 0) + b"\x01"
    if datatype == STRING:
        text = str(value).encode()
        return _key(15, 2) + _number(len(text)) + text
    assert not isinstance(value, str)
    if datatype == BOOLEAN:
        return _key(14, 0) + (b"\x01" if value else b"\x00")
    if datatype == FLOAT:
        return _key(12, 5) + struct.pack("<f", value)
    if datatype == DOUBLE:
        return _key(13, 1) + struct.pack("<d", value)
    wide = datatype == INT64
    return _key(11 if wide else 10, 0) + _number(int(value) & ((1 << (64 if wide else 32)) - 1))


def _key(field: int, wire_type: int) -> bytes:
    return _number(field * 8 + wire_type)


def _number(value: int) -> bytes:
    groups = []
    while True:
        value, group = divmod(value, 128)
        groups.append(group)
        if value == 0:
            break
    return bytes([group + 128 for group in groups[:-1]] + groups[-1:])


def command(data: bytes) -> tuple[str, int | float | bool | str | None]:
    """Name and value of the one metric of an NCMD or DCMD. Raises ValueError for anything else."""
    metric = next((value for number, value in _split(data) if number == 2), None)
    if not isinstance(metric, bytes):
        raise ValueError("a command without a metric")
    name = ""
    value: int | float | bool | str | None = None
    for number, content in _split(metric):
        if number == 1 and isinstance(content, bytes):
            name = content.decode()
        elif number == 14:
            value = content == 1
        elif number in (10, 11) and isinstance(content, int):
            value = content
        elif number == 13 and isinstance(content, int):
            value = struct.unpack("<d", content.to_bytes(8, "little"))[0]
        elif number == 15 and isinstance(content, bytes):
            value = content.decode()
    return name, value


def _split(data: bytes) -> list[tuple[int, int | bytes]]:
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = _read(data, at)
        field, wire_type = divmod(key, 8)
        if wire_type == 0:
            number, at = _read(data, at)
            found.append((field, number))
            continue
        if wire_type == 2:
            size, at = _read(data, at)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
        else:
            raise ValueError(f"wire type {wire_type}")
        piece = data[at : at + size]
        if len(piece) < size:
            raise ValueError("cut off")
        at += size
        found.append((field, piece if wire_type == 2 else int.from_bytes(piece, "little")))
    return found


def _read(data: bytes, at: int) -> tuple[int, int]:
    value, factor = 0, 1
    for byte in data[at : at + 10]:
        at += 1
        value += (byte % 128) * factor
        factor *= 128
        if byte < 128:
            return value, at
    raise ValueError("a number that does not end")
