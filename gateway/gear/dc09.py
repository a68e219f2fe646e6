"""The bridge of alarm units: who they are by the registry, their keys, and the way of what they say to the journal."""

from __future__ import annotations

import logging
from collections.abc import Callable

from devices.dc09 import Frame, read_key
from devices.gear.messages import AddressBook, Announced, Incoming, Reading
from devices.observation import Refusal
from devices.profiles.dc09 import Dc09
from gateway.clock import Clock, Millis
from gateway.gear.intake import GearIntake, Receive
from gateway.gear.listening import ListeningWay
from gateway.journal.entry import Done
from gateway.registry.model import Bridge
from gateway.settings import Dc09Settings, Secrets
from gateway.transports.dc09 import Dc09Listener

log = logging.getLogger(__name__)


class Dc09Way(ListeningWay):
    """A running bridge of profile ``dc09``. Raises OSError where its port cannot be had."""

    speaks = "DC-09"

    def __init__(
        self,
        bridge: Bridge,
        settings: Dc09Settings,
        secrets: Secrets,
        intake: GearIntake,
        book: Callable[[], AddressBook],
        clock: Clock,
    ) -> None:
        self._secrets = secrets
        self._intake = intake
        self._book = book
        self._gear = Dc09(bridge.base, bridge.options)
        self._complained: set[str] = set()
        super().__init__(bridge, Dc09Listener(settings.host, settings.port, self._take, self._key, clock))

    def _key(self, account: str) -> bytes | None:
        """The account's own key, else the bridge's; None where there is none, or none that can be used."""
        own = (device.options.get("key") for device in self._book().at(account))
        name = next((name for name in own if name), None) or self._bridge.options.get("key")
        if not name:
            return None
        try:
            key = read_key(self._secrets.get(name))
        except (KeyError, ValueError) as error:
            if name not in self._complained:
                self._complained.add(name)
                log.error("bridge %s: account %s: secret %s: %s", self._bridge.id, account, name, error.args[0])
            return None
        self._complained.discard(name)
        return key

    def _take(
        self,
        frame: Frame | None,
        payload: bytes,
        identity: str,
        received_at_ms: Millis,
        refusal: Refusal | None,
        done: Done,
    ) -> None:
        incoming = Incoming(source=identity, payload=payload, received_at_ms=received_at_ms)
        receive: Receive = self._gear.receive
        if refusal is not None:
            receive = _unreadable(refusal, frame)
        self._intake.offer(self._bridge.id, self._bridge.profile, receive, incoming, self._book(), done)


def _unreadable(refusal: Refusal, frame: Frame | None) -> Receive:
    def receive(_: Incoming, book: AddressBook) -> Reading:
        if frame is not None and frame.account and not book.at(frame.account):
            return Reading(announced=(Announced(address=frame.account, kind="concentrator", heard=True),))
        raise refusal

    return receive
