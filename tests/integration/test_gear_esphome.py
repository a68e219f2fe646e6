"""Simulated ESPHome nodes on a real broker, and the gateway's side of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.esphome import SimEsphome
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker


async def test_a_leak_a_button_a_valve_and_states_that_the_broker_keeps(tmp_path: Path) -> None:
    parts = (
        GearPart(address="node-1", kind="leak", part="floor"),
        GearPart(address="node-2", kind="sos_button", part="key"),
        GearPart(address="node-3", kind="valve", part="water"),
    )
    devices = tuple(device(part.name, part.kind, id=part.kind) for part in parts)
    async with gear_gateway(tmp_path, PROFILES["esphome"], *devices, base="home") as site:
        await site.connected()
        async with site.simulating(SimEsphome(site.link, parts, base="home", clock=system_ms)) as nodes:
            await site.events("leak", "online")
            nodes.act("node-1#floor", "leak")
            nodes.act("node-1#floor", "report")
            nodes.act("node-1#floor", "unknown")
            await site.events("leak", "online", "leak")
            nodes.act("node-2#key", "press")
            await site.events("sos_button", "online", "press")
            await site.events("valve", "online", "opened")
            await site.obey("valve", "close")
            await site.events("valve", "online", "opened", "closed", "command_result")
            site.stop()
            site.start()
            await site.connected()
            nodes.act("node-1#floor", "leak_cleared")
            await site.events("leak", "online", "leak", "leak_cleared")
            nodes.act("node-2#key", "unplug")
            await site.events("sos_button", "online", "press", "offline")
