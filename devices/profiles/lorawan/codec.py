"""What a codec of a LoRaWAN node is: from the bytes of one uplink to fields by name, and commands to bytes.

A node's bytes mean nothing without its maker's table, so the registry names the codec of each node. The fields are
called as in the maker's own decoder for ChirpStack: what the server decoded and what is decoded here are one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Fields = dict[str, object]

MAX_FRAME = 255
"""Bytes of one uplink: the largest that any region's LoRaWAN carries is 242."""


@dataclass(slots=True)
class Decoded:
    """What the bytes of one uplink say."""

    fields: Fields = field(default_factory=dict)
    history: list[Fields] = field(default_factory=list)
    """What the node had kept while nobody heard it, each with its ``timestamp`` in seconds since the epoch.
    ``delivered`` is true where the node knows that it was heard at the time."""
    problems: list[str] = field(default_factory=list)
    """What could not be read, and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downlink:
    """The bytes of one command."""

    port: int
    data: bytes
    confirm: Mapping[str, float]
    """The metrics by which a later uplink shows that it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """The table of one model, or of several that speak alike."""

    key: str
    """As in the device's option ``codec``: the model, in small letters."""
    model: str
    """As on the label: maker and model."""
    maps: str
    """Which file of maps beside this one gives its fields a meaning."""
    kinds: tuple[str, ...]
    """The kinds of device it can be; the likeliest first."""
    decode: Callable[[int, bytes], Decoded]
    """``decode(port, data)``; never raises."""
    downlinks: Mapping[tuple[str, str], Downlink] = field(default_factory=dict)
    """By part (empty where there is only one) and command."""
