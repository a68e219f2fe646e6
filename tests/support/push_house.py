"""A house with a real HTTP server, for gear that pushes: its bridge, its devices, its key.

::

    async with push_house(tmp_path, "hikvision", {"cam": "44:19:b6:6d:24:85#1"}) as site:
        async with site.simulating(SimHikvision(site.door, clock=site.now)) as recorder:
            recorder.act("44:19:b6:6d:24:85#1", "motion")
            await site.events("cam", "online", "motion")
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import uvicorn

from devices.observation import Lane, Observation
from firmware_sim.gear.base import Door
from firmware_sim.gear.http import HttpGear
from gateway.gear.keys import create_key
from gateway.state.db import writing
from tests.support.eventually import eventually_async
from tests.support.homes import community
from tests.support.house import House, open_house

BRIDGE = "pushing"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # signals are pytest's


class PushHouse:
    """Made by `push_house`."""

    def __init__(self, house: House, door: Door) -> None:
        self.house = house
        self.door = door

    def now(self) -> int:
        return self.house.clock.now_ms()

    def later(self, ms: int) -> int:
        """Time goes on by ``ms``; returns the new one."""
        self.house.clock.at += ms
        return self.now()

    @contextlib.asynccontextmanager
    async def simulating(self, gear: HttpGear) -> AsyncIterator[HttpGear]:
        task = asyncio.create_task(gear.run())
        try:
            yield gear
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def observations(self, device: str) -> list[Observation]:
        """By lane, each in the order of receipt."""
        found = [entry.observation for lane in Lane for entry in self.house.journal.read(lane, 0, 100_000)]
        return [one for one in found if one.device == device]

    def events_of(self, device: str) -> list[str]:
        return sorted(one.event for one in self.observations(device) if one.event is not None)

    async def events(self, device: str, *expected: str) -> None:
        """The device has said exactly these, in whatever order: the lanes are two files."""
        wanted = sorted(expected)
        try:
            await eventually_async(lambda: self.events_of(device) == wanted, 10)
        except AssertionError:
            assert self.events_of(device) == wanted, device

    async def quarantined(self, count: int) -> None:
        """So many messages could not be used, and are kept."""
        await eventually_async(lambda: self.house.journal.stats().quarantine.total == count, 10, f"{count} are kept")


@contextlib.asynccontextmanager
async def push_house(
    directory: Path, profile: str, devices: Mapping[str, str], *, kind: str = "camera"
) -> AsyncIterator[PushHouse]:
    """``devices``: id → address, of this kind, or contact where the address has a part of an input."""
    document = community(1)
    document["bridges"] = [{"id": BRIDGE, "profile": profile}]
    document["devices"] += [
        {
            "id": name,
            "kind": "contact" if kind == "camera" and ("io" in address.lower() or "INPUT" in address) else kind,
            "profile": profile,
            "bridge": BRIDGE,
            "address": address,
            "place": "door-1",
        }
        for name, address in devices.items()
    ]
    async with open_house(directory, document) as house:
        with writing(house.engine) as connection:
            key = create_key(connection, BRIDGE, house.clock.now_ms())
        listener = socket.create_server(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(house.app, log_level="error", timeout_graceful_shutdown=5))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually_async(lambda: server.started, 10, "the server")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/push/{BRIDGE}"
        try:
            yield PushHouse(house, Door(url, {"X-Anju-Key": key}))
        finally:
            house.stopping.set()
            server.should_exit = True
            await serving
            listener.close()
