"""Commands to devices: a lamp, a voice, a valve. Delivered means that the device itself answered that it did it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from devices.native import PROTOCOL_VERSION, Command
from gateway.cases.effects import Send
from gateway.outbox.channel import Attempt, Limits, Report, Result
from gateway.outbox.rows import command_id


class Published(Protocol):
    """What a transport says of a command it was given."""

    @property
    def outcome(self) -> str:
        """One of the words of `OUTCOMES`."""
        ...

    @property
    def detail(self) -> str:
        """Why, for the timeline."""
        ...


Publish = Callable[[str, Command, int], Awaitable[Published]]
"""Hands a command for a device to its transport; the last argument is after how many seconds it is worthless."""

OUTCOMES: Mapping[str, Result] = MappingProxyType(
    {
        # MQTT
        "accepted": Result.SENT,
        "nobody_listening": Result.RETRY,
        "refused": Result.REFUSED,
        "not_sent": Result.RETRY,
        "unknown": Result.UNKNOWN,
        # field bus
        "handed_over": Result.SENT,
        "unknown_device": Result.REFUSED,
        "busy": Result.RETRY,
        "malformed": Result.REFUSED,
        "no_answer": Result.UNKNOWN,
        "line_down": Result.RETRY,
        # gear that can obey and cannot answer
        "done": Result.DELIVERED,
    }
)
"""What the transports' own words mean for the outbox."""


class DeviceCommandChannel:
    """Publishes a command and leaves the row waiting for the device's ``command_result`` (`rows.confirm_command`).

    A repeat has the same id, which a device obeys once: resending is free. ``expires`` is the message's deadline.
    """

    def __init__(self, publish: Publish, *, limits: Limits | None = None) -> None:
        self.limits = limits or Limits(timeout_s=15, parallel=32, answer_s=10)
        self._publish = publish

    async def send(self, message: Send, attempt: Attempt) -> Report:
        left_s = (attempt.deadline_ms - attempt.at_ms) // 1000
        if left_s <= 0:
            detail = f"设备未在期限内回复 the command expired before the device answered (attempt {attempt.number})"
            return Report(result=Result.REFUSED, detail=detail)
        command, args = message.data.get("command"), message.data.get("args", {})
        if not isinstance(command, str) or not isinstance(args, dict):
            return Report(result=Result.REFUSED, detail="expected data {command: name, args: {name: value}}")
        result = await self._publish(
            message.to,
            Command(
                v=PROTOCOL_VERSION,
                id=command_id(message.key),
                command=command,
                args={str(name): str(value) for name, value in args.items()},
                expires=attempt.deadline_ms,
            ),
            left_s,
        )
        return Report(result=OUTCOMES.get(result.outcome, Result.UNKNOWN), detail=result.detail)

    async def ask(self, message: Send) -> Report | None:
        return None

    async def close(self) -> None:
        return None
