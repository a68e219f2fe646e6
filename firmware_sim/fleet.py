"""A community's devices, alive together: one schedule, a link each, and doors for scenarios, tests and the demo."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from firmware_sim.community import SimulatedCommunity
from firmware_sim.device import ActionError, Args, Setting, SimDevice
from firmware_sim.faults import DeviceFaults, Fault, concerning
from firmware_sim.kinds import SIMULATED
from firmware_sim.mqtt_device import Broker, Figures, MqttDevice
from firmware_sim.serial_link import SerialLink

log = logging.getLogger(__name__)

CONNECTING_AT_ONCE = 16
HOME_RADIO = ("sos_button", "service_button", "contact", "smoke")
"""Kinds that sit behind a field bus in a building; the others have a network of their own."""
LINK_ACTIONS = ("unplug", "plug", "drop")


def system_ms() -> int:
    """The simulated devices' own clocks are right unless a fault says otherwise."""
    return time.time_ns() // 1_000_000


def behind_serial(community: SimulatedCommunity, share: float) -> frozenset[str]:
    """A stable share of the home radio devices: always the same for the same ids."""
    return frozenset(
        device.id
        for device in community.devices
        if device.kind in HOME_RADIO and zlib.crc32(device.id.encode()) % 10_000 < share * 10_000
    )


class Fleet:
    """All simulated devices of one community. `run` until cancelled."""

    def __init__(
        self,
        community: SimulatedCommunity,
        *,
        broker: Broker | None,
        seed: int = 0,
        rate: float = 1.0,
        faults: Sequence[Fault] = (),
        serial_port: str | None = None,
        serial_devices: Collection[str] = (),
        clock: Callable[[], int] = system_ms,
    ) -> None:
        """``rate`` speeds up telemetry and daily life, not the clock. Raises FileError for faults that name devices
        or kinds which are not there, and ValueError where a device has no link."""
        concerning(faults, [(device.id, device.kind) for device in community.devices])
        strangers = set(serial_devices) - {device.id for device in community.devices}
        if strangers:
            raise ValueError(f"--serial-device: not in this fleet: {', '.join(sorted(strangers))}")
        if serial_devices and serial_port is None:
            raise ValueError("devices behind a concentrator need a serial port: --serial PATH")
        self.community = community
        self.figures = Figures()
        self.events: Counter[str] = Counter()
        self.devices: dict[str, SimDevice] = {}
        self.mqtt: dict[str, MqttDevice] = {}
        self.serial: SerialLink | None = None
        self.tallies: list[Counter[str]] = []
        self._clock = clock
        self._due: list[tuple[int, str]] = []
        self._scheduled: dict[str, int] = {}
        self._wake = asyncio.Event()
        connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        now_ms = clock()
        for place in community.devices:
            setting = Setting(seed=seed, zone=community.timezone, rate=rate, resident=place.resident)
            device = SIMULATED[place.kind](place.id, setting)
            trouble = DeviceFaults(place.id, place.kind, faults, seed)
            device.clock_skew_ms = trouble.clock_skew_ms
            device.power_on(now_ms)
            self.devices[place.id] = device
            if place.id in serial_devices:
                continue
            if broker is None:
                raise ValueError(f"{place.id} has no way to the gateway: give --broker, or put it behind --serial")
            self.tallies.append(trouble.tally)
            self.mqtt[place.id] = MqttDevice(
                device,
                community=community.id,
                broker=broker,
                clock=clock,
                faults=trouble,
                figures=self.figures,
                connecting=connecting,
                seed=seed,
            )
        if serial_port is not None and serial_devices:
            self.serial = SerialLink(
                serial_port,
                [self.devices[device_id] for device_id in sorted(serial_devices)],
                clock=clock,
                seed=seed,
                faults=faults,
                figures=self.figures,
            )

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self.mqtt.values():
                tasks.create_task(link.run(), name=f"device {link.device.id}")
            if self.serial is not None:
                tasks.create_task(self.serial.run(), name="concentrator")
            tasks.create_task(self._schedule(), name="schedule")

    async def _schedule(self) -> None:
        for device in self.devices.values():
            self._reschedule(device)
        while True:
            self._wake.clear()
            now_ms = self._clock()
            while self._due and self._due[0][0] <= now_ms:
                due_ms, device_id = heapq.heappop(self._due)
                if self._scheduled.get(device_id) == due_ms:
                    device = self.devices[device_id]
                    device.tick(now_ms)
                    self._pump(device)
            wait_s = max(0.0, (self._due[0][0] - now_ms) / 1000) if self._due else 3600.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _reschedule(self, device: SimDevice) -> None:
        due_ms = device.next_due_ms
        if self._scheduled.get(device.id) != due_ms:
            self._scheduled[device.id] = due_ms
            heapq.heappush(self._due, (due_ms, device.id))
            self._wake.set()

    def _pump(self, device: SimDevice) -> None:
        link = self.mqtt.get(device.id)
        if link is not None:
            link.pump()
        elif self.serial is not None:
            self.serial.pump(device)
        self._reschedule(device)

    # --- doors ------------------------------------------------------------------------------------------------

    def act(self, device_id: str, action: str, args: Args | None = None) -> None:
        """Do something to a device: one of its own actions, or ``unplug``, ``plug``, ``drop`` of its connection.

        Raises ActionError for a device, an action or arguments that are not known.
        """
        device = self._device(device_id)
        if action in LINK_ACTIONS:
            link = self.mqtt.get(device_id)
            if link is None:
                raise ActionError(f"{device_id}: is behind a concentrator; only MQTT devices can {action}")
            {"unplug": link.unplug, "plug": link.plug, "drop": link.drop}[action]()
            return
        device.act(action, self._clock(), args or {})
        self.events[action] += 1
        self._pump(device)

    def state(self, device_id: str) -> dict[str, object]:
        """What can be seen at one device. Raises ActionError for one that is not there."""
        device, link = self._device(device_id), self.mqtt.get(device_id)
        if link is not None:
            unacked, connected = len(link.unacked), link.connected
        else:
            assert self.serial is not None
            unacked = sum(key[0] == device_id for key in self.serial.unacked)
            connected = self.serial.connected
        return {
            **device.state(),
            "link": "serial" if link is None else "mqtt",
            "connected": connected,
            "unacked": unacked,
            "actions": sorted([*device.actions(), *(LINK_ACTIONS if link else ())]),
        }

    def _device(self, device_id: str) -> SimDevice:
        if device_id not in self.devices:
            raise ActionError(f"{device_id}: no such device in this fleet of {len(self.devices)}")
        return self.devices[device_id]

    @property
    def all_connected(self) -> bool:
        serial = self.serial
        return all(link.connected for link in self.mqtt.values()) and (serial is None or serial.connected)

    def totals(self) -> Mapping[str, object]:
        """The fleet in figures."""
        links = self.mqtt.values()
        serial = self.serial
        faults: Counter[str] = Counter()
        for tally in self.tallies:
            faults.update(tally)
        return {
            "t_ms": self._clock(),
            "devices": len(self.devices),
            "connected": sum(link.connected for link in links)
            + (len(serial.devices) if serial is not None and serial.connected else 0),
            "connects": self.figures.connects,
            "sent": self.figures.sent,
            "acked": self.figures.acked,
            "resent": self.figures.resent,
            "dropped": self.figures.dropped,
            "unacked": sum(len(link.unacked) for link in links) + (len(serial.unacked) if serial is not None else 0),
            "actions": dict(self.events),
            "faults": dict(faults),
        }
