"""What was said to people, once its fate is known, as one point each: by which way, how long it took. Pure."""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from gateway.chronicle.cases import NUMBERED, flag
from gateway.chronicle.ground import Ground
from gateway.store.protocol import Point

MESSAGE: Final = "message"


class Said(NamedTuple):
    """A row of the outbox that is over."""

    key: str
    channel: str
    result: str
    """``delivered``, ``failed``, ``withdrawn``."""
    urgent: bool
    drill: bool
    created_at_ms: int
    ended_at_ms: int
    attempts: int
    number: str
    """Of its case; empty where it belongs to none."""
    body: str = ""
    """Of a command to a device, what it is told; empty for what is said to people."""


def message_point(said: Said, ground: Ground) -> Point:
    """The message, without whom it went to and what it said."""
    return Point(
        measurement=MESSAGE,
        tags={
            "community": ground.community,
            "channel": said.channel,
            "result": said.result,
            "urgent": flag(said.urgent),
            "drill": flag(said.drill),
        },
        fields={
            "took_s": max(0, said.ended_at_ms - said.created_at_ms) / 1000,
            "attempts": float(said.attempts),
            "case": said.number,
        },
        at_ns=said_ns(said),
    )


def said_ns(said: Said) -> int:
    """When it was written; messages of one millisecond are told apart by their keys, wherever it is computed."""
    return said.created_at_ms * 1_000_000 + int.from_bytes(hashlib.sha256(said.key.encode()).digest()[:8]) % NUMBERED
