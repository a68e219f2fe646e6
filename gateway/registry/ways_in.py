"""By which way every device comes in: its id in the native topics, or its address at the bridge that brings it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from devices.gear.messages import GearDevice
from gateway.registry.model import NATIVE, Bridge, Device, way_in


class BridgeBook:
    """The devices of one bridge: implements `devices.gear.messages.AddressBook`."""

    def __init__(self) -> None:
        self._at: dict[str, list[GearDevice]] = {}

    def add(self, device: Device) -> None:
        """One more device. What follows ``#`` in its address names a part of the thing that has the address."""
        address, _, part = (device.address or device.id).partition("#")
        gear = GearDevice(id=device.id, kind=device.kind, address=address, part=part, options=device.options)
        self._at.setdefault(address, []).append(gear)

    def at(self, address: str) -> Sequence[GearDevice]:
        return self._at.get(address, ())

    def all(self) -> Iterator[GearDevice]:
        return (device for devices in self._at.values() for device in devices)


_NOBODY = BridgeBook()


class WaysIn:
    """The ways of the active devices."""

    def __init__(self, devices: Iterable[Device], bridges: Sequence[Bridge], built_in: Device | None) -> None:
        """``built_in``: this gateway's own device, for which nobody outside can speak."""
        self._native: dict[str, Device] = {}
        self._books: dict[str, BridgeBook] = {}
        self._bridge_of: dict[str, str] = {}
        for device in devices:
            if device.status == "active":
                bridge, address = way_in(device, bridges)
                self._bridge_of[device.id] = bridge
                if bridge == NATIVE:
                    self._native[address] = device
                else:
                    self._books.setdefault(bridge, BridgeBook()).add(device)
        if built_in is not None:
            self._bridge_of[built_in.id] = NATIVE

    def native(self, address: str) -> Device | None:
        """The device of the native protocol that speaks under this id in its topics; None for a stranger."""
        return self._native.get(address)

    def book(self, bridge: str) -> BridgeBook:
        """The devices that come in by ``bridge``; of a device that pushes over HTTP by itself, the device's id. An
        empty book for a bridge that brings nobody."""
        return self._books.get(bridge, _NOBODY)

    def bridge_of(self, device: str) -> str | None:
        """By which bridge a device comes in (``native`` for the native protocol); None for one that is not active."""
        return self._bridge_of.get(device)
