"""The gear side of a gateway for integration tests: a real bridge on a real broker, into a real journal.

::

    async with gear_gateway(tmp_path, FRIGATE, device("pole_12", "camera")) as site:
        async with site.simulating(SimFrigate(site.link, clock=system_ms)) as frigate:
            await site.connected()
            frigate.act("pole_12", "motion")
            await site.events("camera-1", "motion")
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from devices.gear.memory import Memory
from devices.gear.messages import Announced, GearDevice
from devices.gear.profile import Profile
from devices.native import Command
from devices.observation import Lane, Observation
from firmware_sim.fleet import system_ms
from firmware_sim.gear.mqtt import MqttGear
from firmware_sim.mqtt_device import Broker
from gateway.clock import SystemClock
from gateway.gear.command import CommandResult
from gateway.gear.intake import GearIntake
from gateway.gear.mqtt_bridge import MqttBridge
from gateway.journal.entry import Done, Quarantined
from gateway.journal.journal import Journal
from gateway.receipts import Receipts
from gateway.registry.model import Bridge
from gateway.settings import JournalSettings
from gateway.transports.mqtt_connection import Address
from tests.support.broker import Mosquitto
from tests.support.eventually import eventually_async
from tests.support.gear import Book

BRIDGE = "the-bridge"
MANY = 100_000


@dataclass
class Strangers:
    """Collects what bridges announce."""

    noted: dict[str, Announced] = field(default_factory=dict)

    def note(self, bridge: str, profile: str, announced: Announced, source: str, payload: bytes, at_ms: int) -> None:
        self.noted[announced.address] = announced


class _Ordered:
    """The journal, and the order in which it was given what it holds: its two lanes know no common one."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.keep_ms = journal.keep_ms
        self.order: dict[str, int] = {}

    def submit(self, observation: Observation, done: Done) -> None:
        self.order.setdefault(observation.message_id, len(self.order))
        self._journal.submit(observation, done)

    def quarantine(self, item: Quarantined, done: Done) -> None:
        self._journal.quarantine(item, done)


class GearSite:
    """One bridge with its broker and its journal. Made by `gear_gateway`."""

    def __init__(
        self, directory: Path, broker: Mosquitto, profile: Profile, book: Book, base: str, options: dict[str, str]
    ) -> None:
        self.broker = broker
        self.link = Broker(broker.host, broker.port)
        self.book = book
        self.strangers = Strangers()
        self.journal = Journal(directory / "journal", JournalSettings(), SystemClock())
        self.journal.start()
        self._ordered = _Ordered(self.journal)
        self.receipts = Receipts(self.journal)
        self._bridge = Bridge(id=BRIDGE, profile=profile.key, base=base, options=options)
        self.gateway: MqttBridge | None = None

    def start(self) -> None:
        """The gateway's side comes up; what devices said before is known from the journal, as in a gateway."""
        memories: dict[str, Memory] = {}
        for observation in self.observations():
            memories.setdefault(observation.device, Memory()).restore(observation)
        intake = GearIntake(self._ordered, self.receipts, self.strangers, memories)
        address = Address(
            host=self.broker.host,
            port=self.broker.port,
            username=None,
            password=None,
            client_id="anju-test",
            tls_ca=None,
            receive_maximum=100,
        )
        self.gateway = MqttBridge(self._bridge, address, intake, lambda: self.book, SystemClock())
        self.gateway.start()

    def stop(self, *, forget: bool = False) -> None:
        if self.gateway is not None:
            self.gateway.stop(forget=forget)
            self.gateway = None

    async def connected(self) -> None:
        """The gateway's side has its connection."""
        await eventually_async(
            lambda: self.gateway is not None and self.gateway.health.connected, 10, "bridge connects"
        )

    @contextlib.asynccontextmanager
    async def simulating(self, gear: MqttGear) -> AsyncIterator[MqttGear]:
        """``gear``, alive and connected."""
        task = asyncio.create_task(gear.run())
        try:
            await eventually_async(lambda: gear.online, 10, "the simulated gear connects")
            yield gear
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def observations(self, device: str | None = None) -> list[Observation]:
        """All in the journal, in the order of receipt."""
        found = [entry.observation for lane in Lane for entry in self.journal.read(lane, 0, MANY)]
        found.sort(key=lambda one: self._ordered.order[one.message_id])
        return [one for one in found if device in (None, one.device)]

    def events_of(self, device: str) -> list[str]:
        return [one.event for one in self.observations(device) if one.event is not None]

    async def events(self, device: str, *expected: str) -> None:
        """The device has said exactly these, in this order."""
        try:
            await eventually_async(lambda: self.events_of(device) == list(expected), 10)
        except AssertionError:
            raise AssertionError(f"{device}: said {self.events_of(device)}, expected {list(expected)}") from None

    async def quiet(self) -> None:
        """All that was handed in has been answered, and something was."""

        def done() -> bool:
            stats = next((one for one in self.receipts.stats() if one.transport == f"gear:{BRIDGE}"), None)
            return stats is not None and stats.offered == sum(stats.outcomes.values())

        await eventually_async(done, 10, "everything is answered")

    async def obey(self, device: str, command: str, **args: str) -> CommandResult:
        assert self.gateway is not None
        order = Command(v=1, id=f"c-{device}-{command}", command=command, args=args)
        return await self.gateway.send(device, order, 30)


@contextlib.asynccontextmanager
async def gear_gateway(
    directory: Path, profile: Profile, *devices: GearDevice, base: str = "", options: dict[str, str] | None = None
) -> AsyncIterator[GearSite]:
    """A site whose gateway side is running."""
    broker = Mosquitto(directory / "broker")
    broker.start()
    site = GearSite(directory, broker, profile, Book(devices), base, options or {})
    try:
        site.start()
        yield site
    finally:
        site.stop()
        site.journal.close()
        broker.stop()


__all__ = ["GearSite", "gear_gateway", "system_ms"]
