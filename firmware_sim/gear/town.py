"""All off-the-shelf gear of a community: one simulated bridge, line or pusher for each that its YAML names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from firmware_sim.community import SimulatedBridge, SimulatedCommunity, SimulatedPlace
from firmware_sim.device import ActionError, Args
from firmware_sim.gear import SIMULATED_GEAR
from firmware_sim.gear.base import Door, GearPart, Link, Port, Receiver, SimGear
from firmware_sim.gear.dc09 import SimDc09
from firmware_sim.gear.mqtt import MqttGear
from firmware_sim.gear.scaip import SimScaip
from firmware_sim.gear.serial import SerialGear
from firmware_sim.mqtt_device import Broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How gear reaches the gateway. What has no way is not simulated, and is listed in `GearTown.left_out`."""

    broker: Broker | None = None
    ports: Mapping[str, str] = field(default_factory=dict)
    """Bridge → the gear's end of its serial line."""
    receiver: Receiver | None = None
    """Where alarm units call in."""
    scaip: Receiver | None = None
    """Where alarm units report by SCAIP."""
    push_url: str | None = None
    """Of the gateway, for gear that pushes over HTTP."""
    push_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sender (bridge or device) → its key."""


class GearTown:
    """The gear of one community. `run` until cancelled; devices by their id in the registry."""

    def __init__(self, community: SimulatedCommunity, ways: Ways, *, seed: int = 0, clock: Callable[[], int]) -> None:
        """Raises ValueError for a device that its gear cannot be."""
        self.gear: dict[str, SimGear] = {}
        """By bridge; of gear that pushes by itself, by device."""
        self.names: dict[str, tuple[str, str]] = {}
        """Device → its gear, and its name there."""
        self.left_out: dict[str, str] = {}
        """Bridge or device → why it is not simulated."""
        for bridge, devices in _groups(community):
            link, why = _link(bridge, ways)
            if link is None:
                self.left_out[bridge.id] = why
                continue
            parts = [_part(device, bridge) for device in devices]
            self.gear[bridge.id] = SIMULATED_GEAR[bridge.profile](link, parts, base=bridge.base, seed=seed, clock=clock)
            for device, part in zip(devices, parts, strict=True):
                self.names[device.id] = bridge.id, part.name

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, gear in self.gear.items():
                tasks.create_task(gear.run(), name=f"gear {name}")

    def act(self, device_id: str, action: str, args: Args | None = None) -> None:
        """Do something to a device, in the words of native devices. Raises ActionError for what is not known."""
        gear, name = self._find(device_id)
        gear.act(name, action, args)

    def actions(self, device_id: str) -> list[str]:
        """What can be done to a device. Raises ActionError for one that is not there."""
        gear, name = self._find(device_id)
        return sorted(gear.actions(name))

    def look(self, device_id: str) -> Mapping[str, object]:
        """What can be seen at a device. Raises ActionError for one that is not there."""
        gear, name = self._find(device_id)
        return gear.look(name)

    def _find(self, device_id: str) -> tuple[SimGear, str]:
        if device_id not in self.names:
            raise ActionError(f"{device_id}: no such gear among {len(self.names)}")
        bridge, name = self.names[device_id]
        return self.gear[bridge], name


def _groups(community: SimulatedCommunity) -> Iterable[tuple[SimulatedBridge, list[SimulatedPlace]]]:
    """Each bridge with its devices; gear that pushes by itself is a bridge of its own."""
    by_bridge: dict[str, list[SimulatedPlace]] = {bridge.id: [] for bridge in community.bridges}
    alone = []
    for device in community.devices:
        if device.profile == "native":
            continue
        fitting = [bridge.id for bridge in community.bridges if bridge.profile == device.profile]
        bridge = device.bridge if device.bridge in by_bridge else (fitting[0] if fitting else None)
        if bridge is None:
            alone.append((SimulatedBridge(device.id, device.profile), [device]))
        else:
            by_bridge[bridge].append(device)
    # A bridge without devices would make up an example of its own.
    yield from ((bridge, by_bridge[bridge.id]) for bridge in community.bridges if by_bridge[bridge.id])
    yield from alone


def _link(bridge: SimulatedBridge, ways: Ways) -> tuple[Link | None, str]:
    simulated = SIMULATED_GEAR.get(bridge.profile)
    if simulated is None:
        return None, f"profile {bridge.profile} has no simulated gear"
    if issubclass(simulated, MqttGear):
        return ways.broker, "it speaks MQTT, and no broker was given"
    if issubclass(simulated, SerialGear):
        port = ways.ports.get(bridge.id)
        return (None if port is None else Port(port)), f"it speaks on a line, and none was laid for {bridge.id}"
    if issubclass(simulated, SimDc09):
        return ways.receiver, "it calls in by DC-09, and nobody said where"
    if issubclass(simulated, SimScaip):
        return ways.scaip, "it reports by SCAIP, and nobody said where"
    key = ways.push_keys.get(bridge.id)
    if ways.push_url is None or key is None:
        return None, f"it pushes over HTTP, and has no key: `anju devices key {bridge.id}`"
    return Door(f"{ways.push_url.rstrip('/')}/push/{bridge.id}", {"X-Anju-Key": key}), ""


def _part(device: SimulatedPlace, bridge: SimulatedBridge) -> GearPart:
    address, _, part = (device.address or device.id).partition("#")
    return GearPart(address=address, kind=device.kind, part=part, options={**bridge.options, **device.options})
