"""What a channel is: it sends one message once and says plainly how that went."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from gateway.alarms import Frozen
from gateway.cases.model import Send


class Result(StrEnum):
    DELIVERED = "delivered"
    """The other side confirmed it (a 2xx, a device's result, the 120 centre's answer)."""
    RETRY = "retry"
    """It did not go out, and may later: refused connection, 5xx, busy."""
    REFUSED = "refused"
    """It will never go out as it is: bad address, 4xx, no such device."""
    UNKNOWN = "unknown"
    """It may have gone out: the connection broke after sending, no answer came. Asked about before it is resent."""


class Report(Frozen):
    """How one attempt went."""

    result: Result
    detail: str
    """For the timeline: ``HTTP 503``, ``busy``, ``answered by seat 12`` …"""
    reference: str | None = None
    """The other side's own reference, where it gives one."""


class OutboxChannel(Protocol):
    """One way out. Implementations must not raise for what the other side does; they report it."""

    async def send(self, message: Send, *, attempt: int) -> Report:
        """Send ``message``; ``message.key`` goes along as the idempotency key wherever the protocol has room."""
        ...

    async def ask(self, message: Send) -> Report | None:
        """After a crash or UNKNOWN: did this key arrive? None where the other side cannot be asked."""
        ...

    async def close(self) -> None: ...
