"""What the master asks a slave, and what became of it. How that looks on the wire is the line's affair."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec


class Query(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request. In an `devices.gear.messages.Order` it stands as JSON."""

    slave: int
    function: int
    address: int
    count: int = 0
    """Registers or bits to read."""
    values: tuple[int, ...] = ()
    """What to write."""


class Failure(StrEnum):
    """Why there is no answer."""

    SILENT = "silent"
    """Nothing came in time."""
    DAMAGED = "damaged"
    """Bytes came, and no answer was in them whose checksum is right."""
    STRANGE = "strange"
    """A good frame came, from another slave or to another question."""


@dataclass(frozen=True, slots=True)
class Words:
    """Registers, or bits as 0 and 1, as many as were asked for."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """The slave repeated what it was to write."""


@dataclass(frozen=True, slots=True)
class Excepted:
    """The slave answered that it will not; ``code`` after Modbus Application Protocol V1.1b3, 7."""

    code: int


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing that could be read came back in time, and how that failed."""

    failure: Failure
    detail: str = ""


Answer = Words | Written | Excepted | NoAnswer

EXCEPTIONS = {
    1: ("illegal function", "the device does not know this function: check the map against its model"),
    2: ("illegal data address", "the device has no such registers: check the map against its model and firmware"),
    3: ("illegal data value", "it refuses the number of registers, or what was to be written: check span and the map"),
    4: ("server device failure", "the device says that it is broken: restart it, or replace it"),
    5: ("acknowledge", "it was accepted and takes long"),
    6: ("server device busy", "the device is busy: poll it less often"),
    8: ("memory parity error", "the device's memory is damaged: replace it"),
    10: ("gateway path unavailable", "the converter before the device is overloaded or wrongly set up"),
    11: ("gateway target failed to respond", "the device behind the converter is silent: check its power and wiring"),
}
"""Code → its name in the standard, and what to do."""
ILLEGAL = frozenset({1, 2, 3})
"""These will be the same the next time."""
ACCEPTED_CODE, BUSY_CODE = 5, 6
