"""The bridge of social alarm units that report by SCAIP: from the listener to the journal."""

from __future__ import annotations

from collections.abc import Callable

from devices.gear.messages import AddressBook, Announced, Incoming, Reading
from devices.observation import Refusal
from devices.profiles.scaip import Scaip
from devices.scaip import Asked
from gateway.clock import Clock, Millis
from gateway.gear.command import CommandResult
from gateway.gear.health import BridgeHealth
from gateway.gear.intake import GearIntake, Receive
from gateway.journal.entry import Done
from gateway.registry.model import Bridge
from gateway.settings import ScaipSettings
from gateway.transports.scaip import ScaipListener


class ScaipWay:
    """A running bridge of profile ``scaip``. Raises OSError where its port cannot be had."""

    def __init__(
        self,
        bridge: Bridge,
        settings: ScaipSettings,
        intake: GearIntake,
        book: Callable[[], AddressBook],
        clock: Clock,
    ) -> None:
        self._bridge = bridge
        self._intake = intake
        self._book = book
        self._gear = Scaip(bridge.base, bridge.options)
        self._listener = ScaipListener(settings.host, settings.port, self._take, clock)
        self._listener.start()

    @property
    def port(self) -> int:
        """Where it really listens."""
        return self._listener.port

    def stop(self, *, forget: bool) -> None:
        self._listener.stop()

    def health(self) -> BridgeHealth:
        bridge = self._bridge
        return BridgeHealth(bridge=bridge.id, profile=bridge.profile, trouble="", listener=self._listener.health())

    async def send(self, device: str, command: object, expiry_s: int) -> CommandResult:
        return CommandResult("refused", "alarm units that report by SCAIP take no commands")

    def _take(
        self,
        asked: Asked | None,
        payload: bytes,
        identity: str,
        received_at_ms: Millis,
        refusal: Refusal | None,
        done: Done,
    ) -> None:
        incoming = Incoming(source=identity, payload=payload, received_at_ms=received_at_ms)
        receive: Receive = self._gear.receive if refusal is None else _unreadable(refusal)
        self._intake.offer(self._bridge.id, self._bridge.profile, receive, incoming, self._book(), done)


def _unreadable(refusal: Refusal) -> Receive:
    def receive(_: Incoming, book: AddressBook) -> Reading:
        if refusal.device and not book.at(refusal.device):
            return Reading(announced=(Announced(address=refusal.device, kind="concentrator", heard=True),))
        raise refusal

    return receive
