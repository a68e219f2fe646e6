"""What a bridge of declared gear remembers: by what a message said again is known, and whom a command was for.

* Radio gear sends one transmission several times: the same content again within a moment is a copy, unless the sender
  has said something else in between.
* An answer that names the command alone belongs to the device that was asked.

Neither outlives a restart of the gateway; both are bounded.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

MAX_REMEMBERED = 4096
Sender = tuple[str, str]
"""Address and part."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class Transmission:
    """One radio transmission, of which several copies may come."""

    content: bytes
    """A digest of what it says."""
    last_ms: int
    observed_at_ms: int | None
    identity: str


@dataclass(slots=True)
class Remembered:
    """What one bridge remembers."""

    _transmissions: OrderedDict[Sender, Transmission] = field(default_factory=OrderedDict)
    """Sender → its latest."""
    _asked: OrderedDict[str, str] = field(default_factory=OrderedDict)
    """Command → device."""

    def transmission(
        self,
        sender: Sender,
        content: Mapping[str, object],
        payload: bytes,
        within_ms: float,
        at_ms: int | None,
        now_ms: int,
    ) -> Transmission:
        """The transmission of which ``content`` is a copy, or the first of. ``at_ms`` is the source's own time."""
        digest = hashlib.blake2b(_bytes_of(content, payload), digest_size=12).digest()
        known = self._transmissions.get(sender)
        if known is None or known.content != digest or not 0 <= now_ms - known.last_ms <= within_ms:
            known = Transmission(digest, now_ms, at_ms, f"{now_ms}-{digest.hex()}")
        known.last_ms = now_ms
        _keep(self._transmissions, sender, known)
        return known

    def ask(self, command_id: str, device_id: str) -> None:
        """A command goes out to a device."""
        _keep(self._asked, command_id, device_id)

    def asked(self, command_id: str) -> str | None:
        """The device that a command was for; None where nobody knows."""
        return self._asked.get(command_id)


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
