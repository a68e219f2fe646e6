"""Dragino's payloads: by port and length a fixed layout, big endian, as in a C struct with bit fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devices.profiles.lorawan.codec import MAX_FRAME, Decoded, Fields


@dataclass(frozen=True, slots=True)
class Part:
    """One value: ``size`` bytes from ``at``, of which ``mask`` counts, moved down to its lowest bit."""

    name: str
    at: int
    size: int = 1
    mask: int = 0
    """0 for all of it."""
    divide: float = 1
    signed: bool = False
    words: Mapping[int, str | bool] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """What a payload holds that comes on one of ``ports`` and has this length."""

    ports: tuple[int, ...]
    """Empty for every port that no other layout of the model names."""
    length: int
    parts: tuple[Part, ...]
    when: tuple[int, tuple[int, ...]] | None = None
    """Only where this byte has one of these values: a working mode."""
    repeats: bool = False
    """A log: the layout again and again, each with a ``timestamp``."""


def decode(layouts: Sequence[Layout], port: int, data: bytes) -> Decoded:
    """Every layout that fits. Never raises."""
    out = Decoded()
    named = {number for layout in layouts for number in layout.ports}
    fitting = [
        layout
        for layout in layouts
        if (port in layout.ports or (not layout.ports and port not in named))
        and (len(data) == layout.length or (layout.repeats and len(data) > 0 and len(data) % layout.length == 0))
        and len(data) <= MAX_FRAME
    ]
    if not fitting:
        known = ", ".join(sorted({f"{layout.length} on port {_ports(layout)}" for layout in layouts}))
        out.problems.append(f"{len(data)} bytes on port {port}; this model sends {known}")
    for layout in fitting:
        if layout.repeats:
            for start in range(0, len(data), layout.length):
                out.history.append(_values(layout, data[start : start + layout.length]))
        elif layout.when is None or data[layout.when[0]] in layout.when[1]:
            out.fields |= _values(layout, data)
    return out


def _ports(layout: Layout) -> str:
    return " or ".join(str(port) for port in layout.ports) or "any other"


def _values(layout: Layout, data: bytes) -> Fields:
    fields: Fields = {}
    for part in layout.parts:
        value = int.from_bytes(data[part.at : part.at + part.size], "big", signed=part.signed)
        if part.mask:
            value = (value & part.mask) >> ((part.mask & -part.mask).bit_length() - 1)
        if part.words is not None:
            fields[part.name] = part.words[value]
        else:
            fields[part.name] = value if part.divide == 1 else value / part.divide
    return fields
