"""How the gateway itself is doing, in words that a guard and a technician both understand."""

from __future__ import annotations

from typing import Literal

from gateway.alarms import Frozen

DEAD_MAN = "dead-man"
"""The part that is the heartbeat to outside."""


class Part(Frozen):
    """One part of the gateway. ``critical`` parts make the gateway not ready when they fail."""

    name: str
    state: Literal["ok", "degraded", "failed"]
    critical: bool
    zh: str
    en: str
    """What is wrong and what to do, or what it is when all is well."""
    since_ms: int | None = None
