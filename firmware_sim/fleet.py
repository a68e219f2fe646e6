"""A community's devices, alive together: one schedule, a link each, and doors for scenarios, tests and the demo."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from firmware_sim.afflictions import afflict, cure, fall_ill
from firmware_sim.community import SimulatedCommunity, SimulatedPlace
from firmware_sim.device import ActionError, Args, SimDevice
from firmware_sim.faults import DeviceFaults, Fault, InTheDevice, concerning
from firmware_sim.figures import Figures, total
from firmware_sim.housing import HOME_RADIO, housed
from firmware_sim.kinds import SIMULATED
from firmware_sim.mains import lose_mains, regain_mains
from firmware_sim.mqtt_device import Broker, MqttDevice
from firmware_sim.serial_link import SerialLink
from firmware_sim.setting import Setting
from firmware_sim.timers import NEVER_MS

log = logging.getLogger(__name__)

CONNECTING_AT_ONCE = 16
LINK_ACTIONS = ("unplug", "plug", "drop")
ILL_ACTIONS = ("afflict", "cure")
PLACE_ACTIONS = ("power_cut", "power_back")
TWINS: Mapping[InTheDevice, str] = {"duplicate_client": "", "duplicate_id": "-twin"}
"""A second device of an id, and what stands behind its client id: nothing, so that the two put each other out."""
TWIN_SEED = 1_000_003
"""Added to the seed of a second device of the same id: it leads another life."""


def system_ms() -> int:
    """The simulated devices' own clocks are right unless a fault says otherwise."""
    return time.time_ns() // 1_000_000


def behind_serial(community: SimulatedCommunity, share: float) -> frozenset[str]:
    """A stable share of the home radio devices: always the same for the same ids."""
    return frozenset(
        device.id
        for device in community.native
        if device.kind in HOME_RADIO and zlib.crc32(device.id.encode()) % 10_000 < share * 10_000
    )


@dataclass(eq=False, slots=True)
class _Member:
    """One device of the schedule; two of them may have one id."""

    device: SimDevice
    link: MqttDevice | None = None
    """None behind the concentrator."""
    due_ms: int = NEVER_MS


class Fleet:
    """All native devices of one community. `run` until cancelled."""

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
        concerning(faults, [(device.id, device.kind) for device in community.native])
        strangers = set(serial_devices) - {device.id for device in community.native}
        if strangers:
            raise ValueError(f"--serial-device: not in this fleet: {', '.join(sorted(strangers))}")
        if serial_devices and serial_port is None:
            raise ValueError("devices behind a concentrator need a serial port: --serial PATH")
        self.community = community
        self.by_kind: dict[str, Figures] = {}
        self.actions: Counter[str] = Counter()
        self.devices: dict[str, SimDevice] = {}
        self.mqtt: dict[str, MqttDevice] = {}
        self.twins: list[MqttDevice] = []
        """Second devices of an id: a fault."""
        self.serial: SerialLink | None = None
        self._broker = broker
        self._seed = seed
        self._faults = faults
        self._clock = clock
        self._acquired: Counter[str] = Counter()
        """Of the faults that devices caught while they lived."""
        self._tallies: list[Counter[str]] = [self._acquired]
        self._members: dict[str, _Member] = {}
        self._places: dict[str, str] = {}
        self._due: list[tuple[int, int, _Member]] = []
        self._pushed = 0
        self._wake = asyncio.Event()
        self._connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
        now_ms = clock()
        for place, setting in housed(community, seed=seed, rate=rate):
            self._settle(place, setting, now_ms, on_line=place.id in serial_devices)
        if serial_port is not None and serial_devices:
            self.serial = SerialLink(
                serial_port,
                [self.devices[device_id] for device_id in sorted(serial_devices)],
                clock=clock,
                changed=lambda device: self._reschedule(self._members[device.id]),
                seed=seed,
                faults=faults,
                figures=self.by_kind.setdefault("", Figures()),
            )

    def _settle(self, place: SimulatedPlace, setting: Setting, now_ms: int, *, on_line: bool) -> None:
        """Make a device, with what is wrong with it and its link."""
        trouble = DeviceFaults(place.id, place.kind, self._faults, self._seed)
        self._tallies.append(trouble.tally)
        device = _started(place, setting, trouble, now_ms)
        self.devices[place.id] = device
        self._places[place.id] = place.place
        member = self._members[place.id] = _Member(device)
        if on_line:
            return
        member.link = self.mqtt[place.id] = self._link(member, trouble)
        for what, client in TWINS.items():
            if trouble.has(what):
                second = replace(setting, seed=setting.seed + TWIN_SEED)
                twin = self._members[f"{place.id} {what}"] = _Member(_started(place, second, trouble, now_ms + 1))
                twin.link = self._link(twin, trouble, client=client)
                self.twins.append(twin.link)
                trouble.tally[what] += 1

    def _link(self, member: _Member, trouble: DeviceFaults, *, client: str = "") -> MqttDevice:
        device = member.device
        if self._broker is None:
            raise ValueError(f"{device.id} has no way to the gateway: give --broker, or put it behind --serial")
        return MqttDevice(
            device,
            community=self.community.id,
            broker=self._broker,
            clock=self._clock,
            changed=lambda: self._reschedule(member),
            faults=trouble,
            figures=self.by_kind.setdefault(device.kind_key, Figures()),
            connecting=self._connecting,
            seed=self._seed,
            client=client,
        )

    async def run(self) -> None:
        """Live until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for link in self._links():
                tasks.create_task(link.run(), name=f"device {link.device.id}")
            if self.serial is not None:
                tasks.create_task(self.serial.run(), name="concentrator")
            tasks.create_task(self._schedule(), name="schedule")

    def _links(self) -> Iterator[MqttDevice]:
        yield from self.mqtt.values()
        yield from self.twins

    async def _schedule(self) -> None:
        for member in self._members.values():
            self._reschedule(member)
        while True:
            self._wake.clear()
            now_ms = self._clock()
            while self._due and self._due[0][0] <= now_ms:
                due_ms, _, member = heapq.heappop(self._due)
                if member.due_ms == due_ms:
                    member.due_ms = NEVER_MS
                    member.device.tick(now_ms)
                    self._pump(member)
            wait_s = max(0.0, (self._due[0][0] - now_ms) / 1000) if self._due else 3600.0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()

    def _reschedule(self, member: _Member) -> None:
        due_ms = member.device.next_due_ms
        if due_ms != member.due_ms:
            member.due_ms = due_ms
            if due_ms != NEVER_MS:
                self._pushed += 1
                heapq.heappush(self._due, (due_ms, self._pushed, member))
                self._wake.set()

    def _pump(self, member: _Member) -> None:
        """Let the link take what the device has to say; it then calls `_reschedule`."""
        if member.link is not None:
            member.link.pump()
        else:
            assert self.serial is not None
            self.serial.pump(member.device)

    # --- doors ------------------------------------------------------------------------------------------------

    def act(self, device_id: str, action: str, args: Args | None = None) -> None:
        """Do something to a device: one of its own actions, or ``unplug``, ``plug``, ``drop`` of its connection, or
        ``afflict`` it with a fault (``what`` and the rest of `Fault`) and ``cure`` it.

        Raises ActionError for a device, an action or arguments that are not known.
        """
        member = self._member(device_id)
        if action in LINK_ACTIONS:
            link = member.link
            if link is None:
                raise ActionError(f"{device_id}: is behind a concentrator; only MQTT devices can {action}")
            {"unplug": link.unplug, "plug": link.plug, "drop": link.drop}[action]()
            return
        if not member.device.powered:
            raise ActionError(f"{device_id}: has no power")
        if action == "afflict":
            fall_ill(member.device, args or {}, self._seed, self._acquired, self._clock())
        elif action == "cure":
            cure(member.device, self._clock())
        else:
            member.device.act(action, self._clock(), args or {})
        self.actions[action] += 1
        self._pump(member)

    def act_at(self, place: str, action: str) -> None:
        """``power_cut`` or ``power_back`` at a place and all that lies in it. Raises ActionError."""
        if action not in PLACE_ACTIONS:
            raise ActionError(f"{place}: a place cannot {action!r}; it can {', '.join(PLACE_ACTIONS)}")
        now_ms = self._clock()
        for member in self._inside(place):
            (lose_mains if action == "power_cut" else regain_mains)(member.device, member.link, now_ms)
            self._pump(member)
        self.actions[action] += 1

    def state_at(self, place: str) -> dict[str, object]:
        """What can be seen at a place: how many ``devices``, how many of them ``dark`` and ``away`` from their network.

        Raises ActionError for a place without a device.
        """
        inside = self._inside(place)
        return {
            "devices": len(inside),
            "dark": sum(not member.device.powered for member in inside),
            "away": sum(member.link is not None and not member.link.connected for member in inside),
        }

    def _inside(self, place: str) -> list[_Member]:
        found = [self._members[id_] for id_ in self.devices if place in self.community.around(self._places[id_])]
        if not found:
            raise ActionError(f"{place}: no device of this fleet is there")
        return found

    def state(self, device_id: str) -> dict[str, object]:
        """What can be seen at one device. Raises ActionError for one that is not there."""
        member = self._member(device_id)
        link = member.link
        if link is not None:
            unacked, connected = len(link.unacked), link.connected
        else:
            assert self.serial is not None
            unacked = sum(key[0] == device_id for key in self.serial.unacked)
            connected = self.serial.connected
        return {
            **member.device.state(),
            "link": "serial" if link is None else "mqtt",
            "connected": connected,
            "unacked": unacked,
            "actions": sorted([*member.device.actions(), *ILL_ACTIONS, *(LINK_ACTIONS if link else ())]),
        }

    def _member(self, device_id: str) -> _Member:
        if device_id not in self.devices:
            raise ActionError(f"{device_id}: no such device in this fleet of {len(self.devices)}")
        return self._members[device_id]

    @property
    def figures(self) -> Figures:
        """Of all devices together."""
        return total(self.by_kind.values())

    @property
    def all_connected(self) -> bool:
        """Whether every device has its broker, and the concentrator its line."""
        serial = self.serial
        return all(link.connected for link in self.mqtt.values()) and (serial is None or serial.connected)

    def connected(self) -> Counter[str]:
        """How many devices of each kind are connected."""
        found = Counter(link.device.kind_key for link in self.mqtt.values() if link.connected)
        if self.serial is not None and self.serial.connected:
            found.update(device.kind_key for device in self.serial.devices.values())
        return found

    def waiting(self) -> Counter[str]:
        """How many messages of each kind nobody has acknowledged yet."""
        found = Counter[str]()
        for link in self._links():
            found[link.device.kind_key] += len(link.unacked)
        if self.serial is not None:
            found.update(device.kind_key for device, _ in self.serial.unacked.values())
        return found

    def totals(self) -> Mapping[str, object]:
        """The fleet in figures."""
        figures = self.figures
        faults: Counter[str] = Counter()
        for tally in self._tallies:
            faults.update(tally)
        return {
            "t_ms": self._clock(),
            "devices": len(self.devices),
            "connected": self.connected().total(),
            "connects": figures.connects,
            "sent": figures.sent,
            "acked": figures.acked,
            "resent": figures.resent,
            "events": figures.events,
            "dropped": figures.dropped,
            "unacked": self.waiting().total(),
            "actions": dict(self.actions),
            "faults": dict(faults),
        }


def _started(place: SimulatedPlace, setting: Setting, trouble: DeviceFaults, now_ms: int) -> SimDevice:
    device = SIMULATED[place.kind](place.id, setting)
    afflict(device, trouble.concerning, setting.seed, trouble.tally)
    device.power_on(now_ms)
    return device
