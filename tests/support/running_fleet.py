"""A simulated fleet at a gateway's broker, alive in a thread of its own while the test waits::

with RunningFleet(gateway, faults=[Fault(what="babble", devices=("smoke-1",))]) as fleet:
    fleet.act("sos-2", "press")
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from firmware_sim.community import SimulatedCommunity, load_community
from firmware_sim.faults import Fault
from firmware_sim.fleet import Fleet, system_ms
from firmware_sim.mqtt_device import Broker
from firmware_sim.people import People
from firmware_sim.play import Player
from firmware_sim.scenario import load_scenario
from gateway.settings import Secrets
from gateway.transports.broker_config import DEVICES_USER, ensure_broker_users
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.outside import LoopThread


class RunningFleet:
    """The devices of the gateway's community. What is done to them is done on their own event loop."""

    def __init__(
        self, gateway: RunningGateway, *, faults: Sequence[Fault] = (), rate: float = 1.0, seed: int = 1
    ) -> None:
        self.gateway = gateway
        self.community: SimulatedCommunity = load_community(gateway.community_file)
        password = ensure_broker_users(Secrets(gateway.data_dir / "secrets"))[DEVICES_USER]
        self._broker = Broker("127.0.0.1", gateway.broker_port, DEVICES_USER, password)
        self._options: dict[str, Any] = {"faults": faults, "rate": rate, "seed": seed}
        self._thread = LoopThread("fleet")
        self.fleet: Fleet
        self._life: asyncio.Task[None]

    def __enter__(self) -> Self:
        self._thread.call(self._begin())
        return self

    async def _begin(self) -> None:
        self.fleet = Fleet(self.community, broker=self._broker, **self._options)
        self._life = asyncio.create_task(self.fleet.run())

    async def _end(self) -> None:
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()  # connections that were just being opened

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.call(self._end())
        self._thread.close()

    def wait_connected(self, *but: str, within_s: float = 15) -> None:
        """All devices, but for some, have a connection."""
        links = [link for id_, link in self.fleet.mqtt.items() if id_ not in but]
        eventually(lambda: all(link.connected for link in links), within_s, "the fleet is connected")

    def wait_heard(self, *but: str, within_s: float = 20) -> None:
        """The broker has all that the devices said, but for those of some."""
        links = [link for id_, link in self.fleet.mqtt.items() if id_ not in but]
        eventually(lambda: not any(link.unacked for link in links), within_s, "the broker has it all")

    def act(self, device: str, action: str, **args: Any) -> None:
        async def act() -> None:
            self.fleet.act(device, action, args)

        self._thread.call(act())

    def act_twin(self, number: int, action: str) -> None:
        """Do something to the second device of an id."""

        async def act() -> None:
            twin = self.fleet.twins[number]
            twin.device.act(action, system_ms(), {})
            twin.pump()

        self._thread.call(act())

    def act_at(self, place: str, action: str) -> None:
        async def act() -> None:
            self.fleet.act_at(place, action)

        self._thread.call(act())

    def state(self, device: str) -> Mapping[str, Any]:
        async def look() -> Mapping[str, Any]:
            return self.fleet.state(device)

        return self._thread.call(look())

    def tally(self, what: str) -> int:
        """How often a fault has struck."""
        faults = self.fleet.totals()["faults"]
        assert isinstance(faults, dict)
        return int(faults.get(what, 0))

    def play(self, scenario: str, within_s: float = 90) -> list[str]:
        """Play a story to its end, with people who answer through the gateway's API. Raises StoryError."""
        told: list[str] = []

        async def play() -> None:
            async with People(self.gateway.url, self.gateway.token, checker=self.gateway.checker) as people:
                await Player(*load_scenario(scenario), self.fleet, people=people, tell=told.append).play()

        self._thread.call(play(), within_s)
        return told
