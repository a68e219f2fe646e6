"""How the chronicle is doing, for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["starting", "ok", "catching_up", "unavailable", "standing_by", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChronicleHealth:
    """``standing_by``: another gateway on the same database writes of cases; this one only of itself."""

    state: State
    since_ms: int
    behind: int
    """Cases that changed and are not yet in the store, as far as is known."""
    written: int
    """Points, since the start."""
    refused: int
    """Points of which a part was quarantined, since the start."""
    unreadable: int
    """Records of cases that could not be read, since the start."""
    last_error: str
    what_to_do: str
