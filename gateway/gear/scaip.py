"""The bridge of social alarm units that report by SCAIP: from the listener to the journal."""

from __future__ import annotations

from collections.abc import Callable

from devices.gear.messages import AddressBook, Announced, Incoming, Reading
from devices.observation import Refusal
from devices.profiles.scaip import Scaip
from devices.scaip import Asked
from gateway.clock import Clock, Millis
from gateway.gear.intake import GearIntake, Receive
from gateway.gear.listening import ListeningWay
from gateway.journal.entry import Done
from gateway.registry.model import Bridge
from gateway.settings import ScaipSettings
from gateway.transports.scaip import ScaipListener


class ScaipWay(ListeningWay):
    """A running bridge of profile ``scaip``. Raises OSError where its port cannot be had."""

    speaks = "SCAIP"

    def __init__(
        self,
        bridge: Bridge,
        settings: ScaipSettings,
        intake: GearIntake,
        book: Callable[[], AddressBook],
        clock: Clock,
    ) -> None:
        self._intake = intake
        self._book = book
        self._gear = Scaip(bridge.base, bridge.options)
        super().__init__(bridge, ScaipListener(settings.host, settings.port, self._take, clock))

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
