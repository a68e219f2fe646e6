"""What the registers of one model mean: its rows, and the requests that fetch them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from devices.gear.profile import SerialSetting

WRITES = (5, 6, 16)
"""One coil, one holding register, several holding registers (Modbus Application Protocol V1.1b3, 6.5, 6.6, 6.12)."""
SPAN_MOST = 125
"""Registers in one answer (6.3)."""
BITS_MOST = 2000
"""Coils or inputs in one answer (6.1)."""
PARTS_MOST = 64

ValueType = Literal["bit", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64"]
STRUCTS = {
    "u16": ">H",
    "s16": ">h",
    "u32": ">I",
    "s32": ">i",
    "u64": ">Q",
    "s64": ">q",
    "f32": ">f",
    "f64": ">d",
}
TYPES: tuple[ValueType, ...] = ("bit", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64")
Order = Literal["high", "low"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One value in the registers of a slave."""

    metric: str
    function: int
    address: int
    type: ValueType
    words: Order = "high"
    """Which of several registers comes first."""
    bytes: Order = "high"
    """Which byte of a register comes first: the high one, by the standard."""
    scale: float = 1.0
    offset: float = 0.0
    stride: int = 0
    """From one part's address to the next."""
    none: frozenset[int] = frozenset()
    """Register contents, read without a sign, that mean that there is no value."""
    bit: int | None = None
    """The value is this bit of the register."""
    equals: frozenset[int] = frozenset()
    """The value is 1 where the register holds one of these, else 0."""
    invert: bool = False
    """Of a bit: 0 means 1."""
    increase: Literal["", "count", "per_hour"] = ""
    """A counter: the value is what it grew by since the last reading, or that an hour."""

    @property
    def size(self) -> int:
        """Registers, or bits, that it takes."""
        return 1 if self.type == "bit" else struct.calcsize(STRUCTS[self.type]) // 2

    def at(self, part: int) -> int:
        """Its address in a part, counted from 1."""
        return self.address + self.stride * (part - 1)

    def raw(self, words: Sequence[int], turned: bool = False) -> int | float | None:
        """What the registers hold; None where that means no value. ``turned``: words in the other order."""
        if self.type == "bit":
            return words[0] & 1
        ordered = list(words)
        if (self.words == "low") != turned:
            ordered.reverse()
        if self.bytes == "low":
            ordered = [word >> 8 | (word & 0xFF) << 8 for word in ordered]
        packed = struct.pack(f">{len(ordered)}H", *ordered)
        if int.from_bytes(packed, "big") in self.none:
            return None
        (value,) = struct.unpack(STRUCTS[self.type], packed)
        assert isinstance(value, int | float)
        return value

    def value(self, raw: int | float) -> float:
        """``raw`` in the metric's unit; of a counter: what an increase of so much is worth."""
        if self.equals:
            return float(raw in self.equals)
        if self.bit is not None or self.type == "bit":
            state = int(raw) >> (self.bit or 0) & 1
            return float(state ^ self.invert)
        return raw * self.scale + self.offset

    @property
    def wraps_at(self) -> int:
        """Where a counter of this type starts over."""
        return 1 << 16 * self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a command writes, and what shows that it was done."""

    function: int
    address: int
    values: tuple[int, ...]
    stride: int = 0
    confirm: Mapping[str, float] | None = None

    def at(self, part: int) -> int:
        """The address for a part of the device; parts count from 1."""
        return self.address + self.stride * (part - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRows:
    """What one map says of one kind."""

    rows: tuple[Row, ...]
    commands: Mapping[str, Write] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterMap:
    """One model's map."""

    key: str
    model: str
    zh: str
    source: str
    setting: SerialSetting
    every_ms: int
    span: int
    gap: int
    parts: int
    kinds: Mapping[str, KindRows]


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring registers (or bits), asked for at once."""

    function: int
    address: int
    count: int


def blocks(wanted: Sequence[tuple[int, int, int]], span: int, gap: int) -> tuple[Block, ...]:
    """The fewest requests for ``wanted`` (function, address, size), in the order of functions and addresses.

    What belongs together (one row) is never split: its halves would be of two instants.
    """
    found: list[Block] = []
    for function, address, size in sorted(set(wanted)):
        most = BITS_MOST if function <= 2 else span
        if found and found[-1].function == function and address - found[-1].address - found[-1].count <= gap:
            last = found[-1]
            count = max(last.count, address + size - last.address)
            if count <= most:
                found[-1] = Block(function, last.address, count)
                continue
        found.append(Block(function, address, size))
    return tuple(found)
