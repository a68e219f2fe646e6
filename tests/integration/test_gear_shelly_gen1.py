"""Simulated first Shelly devices on a real broker, and the gateway's side of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.shelly_gen1 import SimShellyGen1
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker

BUTTON = "shellybutton1-1"


async def test_one_press_said_for_ever_is_one_press(tmp_path: Path) -> None:
    parts = (GearPart(address=BUTTON, kind="sos_button"),)
    async with gear_gateway(tmp_path, PROFILES["shelly-gen1"], device(BUTTON, "sos_button", id="sos")) as site:
        await site.connected()
        async with site.simulating(SimShellyGen1(site.link, parts, clock=system_ms)) as gear:
            await site.events("sos", "online")
            gear.act(BUTTON, "press")
            for _ in range(3):
                gear.act("", "update")
            await site.events("sos", "online", "press")
            site.stop()
            site.start()  # the broker has kept the press, and the button says it again
            await site.connected()
            gear.act("", "update")
            gear.act(BUTTON, "long_press")
            await site.events("sos", "online", "press", "long_press")
            gear.act(BUTTON, "power_cut")
            gear.act(BUTTON, "press")  # counted as the first was
            await site.events("sos", "online", "press", "long_press", "offline", "online", "press")


async def test_a_kitchen_with_gas_its_valve_and_a_leak(tmp_path: Path) -> None:
    parts = (
        GearPart(address="shellygas-1", kind="gas"),
        GearPart(address="shellygas-1", kind="valve", part="0"),
        GearPart(address="shellyflood-1", kind="leak"),
    )
    devices = tuple(device(part.name, part.kind, id=part.kind) for part in parts)
    async with gear_gateway(tmp_path, PROFILES["shelly-gen1"], *devices) as site:
        await site.connected()
        async with site.simulating(SimShellyGen1(site.link, parts, clock=system_ms)) as gear:
            await site.events("valve", "online", "opened")
            gear.act("shellygas-1", "self_test")
            gear.act("shellygas-1", "gas")
            await site.events("gas", "online", "self_test", "gas")
            await site.obey("valve", "close")
            await site.events("valve", "online", "opened", "closed", "command_result")
            gear.act("shellyflood-1", "leak")
            gear.act("", "update")
            gear.act("shellyflood-1", "leak_cleared")
            await site.events("leak", "online", "leak", "leak_cleared")
