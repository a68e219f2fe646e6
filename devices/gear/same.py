"""By what a message that gear says again is known as the same one, where the format does not number its messages well.

* Radio gear sends one transmission several times: the same content again within a moment is a copy.
* Some gear says its last press again and again, with a counter of presses that starts over at every power cut. The
  counter alone is no name: after a power cut it would make a new press look like an old one. It is one together with
  the moment at which it was first heard to start.

Neither outlives a restart of the gateway; both hold a bounded number of senders.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

MAX_REMEMBERED = 4096
_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


@dataclass(slots=True)
class Transmission:
    """One radio transmission, of which several copies may come."""

    last_ms: int
    observed_at_ms: int | None
    identity: str


@dataclass(slots=True)
class _Count:
    value: float
    since_ms: int
    """When the counter was first heard, or heard to start over."""
    kept: bool
    """Its value was learnt from what a broker had kept: that press is over."""


@dataclass(slots=True)
class Repeats:
    """What one bridge remembers of its senders."""

    _transmissions: OrderedDict[bytes, Transmission] = field(default_factory=OrderedDict)
    _counts: OrderedDict[tuple[str, str], _Count] = field(default_factory=OrderedDict)

    def transmission(
        self,
        address: str,
        content: Mapping[str, object],
        payload: bytes,
        within_ms: float,
        at_ms: int | None,
        now_ms: int,
    ) -> Transmission:
        """The transmission of which ``content`` is a copy, or the first of. ``at_ms`` is the source's own time."""
        key = hashlib.blake2b(f"{address}\n".encode() + _bytes_of(content, payload), digest_size=12).digest()
        known = self._transmissions.get(key)
        if known is None or not 0 <= now_ms - known.last_ms <= within_ms:
            known = Transmission(now_ms, at_ms, f"{now_ms}-{key.hex()}")
        known.last_ms = now_ms
        _keep(self._transmissions, key, known)
        return known

    def counted(self, address: str, part: str, value: float, *, retained: bool, now_ms: int) -> tuple[str, bool]:
        """The name of the press with this count, and whether it is long over."""
        known = self._counts.get((address, part))
        if known is None or value < known.value:
            known = _Count(value, now_ms, retained)
        elif value > known.value:
            known.value, known.kept = value, retained
        _keep(self._counts, (address, part), known)
        return f"{known.since_ms}-{value:.0f}", known.kept


def _keep(table: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > MAX_REMEMBERED:
        table.popitem(last=False)


def _bytes_of(content: Mapping[str, object], payload: bytes) -> bytes:
    """The same bytes for the same content, whatever the order of its keys."""
    try:
        return msgspec.json.encode(content, order="deterministic")
    except (ValueError, OverflowError, RecursionError):  # a number of thousands of digits
        return payload
