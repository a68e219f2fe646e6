"""A command to gear: what its transport says of it, in the words of the outbox's device channel."""

from __future__ import annotations

from dataclasses import dataclass

from devices.native import Command
from gateway.clock import Millis


@dataclass(frozen=True, slots=True)
class CommandResult:
    """``outcome`` is one of `gateway.outbox.channels.device_command.OUTCOMES`."""

    outcome: str
    detail: str


def expired(command: Command, now_ms: Millis) -> bool:
    """Whether it is too late for ``command``: a valve must not close an hour after somebody asked."""
    return command.expires is not None and command.expires <= now_ms
