"""How the outbox and its channels are doing, for those who look after the gateway."""

from __future__ import annotations

import logging
import math
import time

from gateway.alarms import Frozen
from gateway.clock import Clock
from gateway.outbox.channel import Report, Result

logger = logging.getLogger(__name__)

WARN_EVERY_S = 60.0
"""A channel's failures are logged at most so often, with how many there were; the outbox's rows have each of them."""


class ChannelHealth(Frozen):
    """How a channel has been doing since the start."""

    delivered: int = 0
    failed: int = 0
    """Attempts that did not get through."""
    failing: int = 0
    """Attempts that did not get through since the last one that did."""
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_error: str = ""


class OutboxHealth(Frozen):
    """How the outbox is doing. Ages in seconds."""

    waiting: int
    in_flight: int
    oldest_due_s: float
    """For how long the row that should have gone out first is overdue."""
    overdue: int = 0
    """How many are overdue for a minute and longer."""
    looked_s: float
    """For how long it has not been seen at work: some seconds, unless the database hangs."""
    unrecorded: int
    """Results that the database has not taken yet."""
    database_error: str
    channels: dict[str, ChannelHealth]


class ChannelBook:
    """What became of the attempts, by channel, since the start."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.channels: dict[str, ChannelHealth] = {}
        self._warned: dict[str, tuple[float, int]] = {}
        """By channel: when its trouble was last logged (monotonic seconds), and how much it failed up to then."""

    def note(self, name: str, report: Report) -> None:
        """An attempt over channel ``name`` ended so."""
        health = self.channels.get(name, ChannelHealth())
        if report.result in (Result.DELIVERED, Result.SENT):
            changes: dict[str, object] = {
                "delivered": health.delivered + 1,
                "failing": 0,
                "last_success_ms": self._clock.now_ms(),
            }
        else:
            changes = {
                "failed": health.failed + 1,
                "failing": health.failing + 1,
                "last_failure_ms": self._clock.now_ms(),
                "last_error": report.detail,
            }
            self._warn(name, report, health.failed + 1)
        self.channels[name] = health.model_copy(update=changes)

    def _warn(self, name: str, report: Report, failed: int) -> None:
        at, up_to = self._warned.get(name, (-math.inf, 0))
        now = time.monotonic()
        if now - at < WARN_EVERY_S:
            logger.debug("outbox: %s: %s: %s", name, report.result, report.detail)
            return
        self._warned[name] = (now, failed)
        more = failed - up_to - 1
        since = f"（另有 {more} 次失败 and {more} more since the last line）" if more else ""
        logger.warning("outbox: %s: %s: %s%s", name, report.result, report.detail, since)
