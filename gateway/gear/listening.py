"""What the bridges share whose units call in: one listener, and no way back to the units."""

from __future__ import annotations

from typing import ClassVar

from gateway.gear.command import CommandResult
from gateway.gear.health import BridgeHealth
from gateway.registry.model import Bridge
from gateway.transports.listener import Listener


class ListeningWay:
    """A running bridge with its listener. Raises OSError where its port cannot be had."""

    speaks: ClassVar[str]
    """The protocol, for people."""

    def __init__(self, bridge: Bridge, listener: Listener) -> None:
        self._bridge = bridge
        self._listener = listener
        listener.start()

    @property
    def port(self) -> int:
        """Where it really listens."""
        return self._listener.port

    def stop(self, *, forget: bool) -> None:
        """End; there is nothing to be forgotten."""
        self._listener.stop()

    def health(self) -> BridgeHealth:
        """How it is at this moment."""
        bridge = self._bridge
        return BridgeHealth(bridge=bridge.id, profile=bridge.profile, trouble="", listener=self._listener.health())

    async def send(self, device: str, command: object, expiry_s: int) -> CommandResult:
        """Units that call in take no commands."""
        return CommandResult("refused", f"alarm units that report by {self.speaks} take no commands")
