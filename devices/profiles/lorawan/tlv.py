"""Milesight's payloads: a row of channels, each with its number, its type, and as many bytes as the model's table says.

Nothing in the bytes says how long a channel is. Behind one that the table does not know nothing can be read: what
stood before it counts, and the rest is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from devices.profiles.lorawan.codec import MAX_FRAME, Decoded, Fields

Words = Mapping[int, str | None]
"""What a number stands for; None for one that says nothing of the field."""


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a channel, little endian."""

    name: str
    """Empty for bytes that are passed over."""
    size: int = 1
    divide: float = 1
    signed: bool = False
    words: Words | None = None
    form: Literal["number", "hex", "version", "dotted"] = "number"
    """``version``: the digits of the bytes in hexadecimal, as 01 10 for 1.10; ``dotted``: in decimal."""


@dataclass(frozen=True, slots=True)
class Row:
    """One channel of a model."""

    items: tuple[Item, ...]
    history: bool = False
    """It was kept by the node; the first item is its ``timestamp``."""
    named_by: str = ""
    """The value of this item becomes part of the names of the row's others: of several alarms in one uplink, none
    may hide another."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.items)


Rows = Mapping[tuple[int, int], Row]
"""Channel number and type → what follows."""


def decode(rows: Rows, data: bytes) -> Decoded:
    """Every channel of ``data``. Never raises."""
    out = Decoded()
    if len(data) > MAX_FRAME:
        out.problems.append(f"{len(data)} bytes; a LoRaWAN payload has at most {MAX_FRAME}")
        return out
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        row = rows.get((head[0], head[1])) if len(head) == 2 else None
        if row is None:
            out.problems.append(
                f"byte {at}: no channel {head.hex()} in this model's table; {len(data) - at} bytes unread"
            )
            break
        body = data[at + 2 : at + 2 + row.size]
        if len(body) < row.size:
            out.problems.append(f"byte {at}: channel {head.hex()} is cut off, {len(body)} of {row.size} bytes")
            break
        fields = _values(row, body, at + 2, out.problems)
        if row.history:
            out.history.append(fields)
        else:
            out.fields |= fields
        at += 2 + row.size
    return out


def _values(row: Row, body: bytes, at: int, problems: list[str]) -> Fields:
    fields: Fields = {}
    start = 0
    for item in row.items:
        raw = body[start : start + item.size]
        start += item.size
        if item.name:
            _put(item, raw, fields, at + start - item.size, problems)
    if row.named_by in fields:
        name = fields.pop(row.named_by)
        fields = {key if key == "timestamp" else f"{key}_{name}": value for key, value in fields.items()}
    return fields


def _put(item: Item, raw: bytes, fields: Fields, at: int, problems: list[str]) -> None:
    if item.form == "hex":
        fields[item.name] = raw.hex()
    elif item.form == "version":
        fields[item.name] = ".".join(f"{byte:x}" for byte in raw)
    elif item.form == "dotted":
        fields[item.name] = ".".join(f"{byte}" for byte in raw)
    else:
        value = int.from_bytes(raw, "little", signed=item.signed)
        if item.words is None:
            fields[item.name] = value if item.divide == 1 else value / item.divide
        elif value not in item.words:
            known = ", ".join(f"{number}" for number in item.words)
            problems.append(f"byte {at}: {item.name} is {value}; expected one of {known}")
        elif (word := item.words[value]) is not None:
            fields[item.name] = word
