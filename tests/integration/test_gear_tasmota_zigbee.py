"""A simulated Tasmota coordinator on a real broker, and the gateway's side of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.tasmota_zigbee import SimTasmotaZigbee
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker


async def test_a_door_an_emergency_button_a_valve_and_a_coordinator_that_dies(tmp_path: Path) -> None:
    parts = (
        GearPart(address="door", kind="contact"),
        GearPart(address="0x5A21", kind="sos_button"),
        GearPart(address="gas valve", kind="valve"),
    )
    devices = (
        device("bridge", "concentrator", id="hub"),
        device("door", "contact", id="door"),
        device("0x5A21", "sos_button", id="sos"),
        device("gas valve", "valve", id="valve"),
    )
    async with gear_gateway(tmp_path, PROFILES["tasmota-zigbee"], *devices, base="zb7") as site:
        await site.connected()
        async with site.simulating(SimTasmotaZigbee(site.link, parts, base="zb7", clock=system_ms)) as hub:
            await site.events("hub", "online")
            hub.act("door", "open")
            hub.act("door", "duplicate")
            hub.act("door", "close")
            hub.act("door", "tamper")
            await site.events("door", "opened", "closed", "tamper")
            hub.act("0x5A21", "press")
            hub.act("0x5A21", "duplicate")
            await site.events("sos", "press")
            await site.obey("valve", "open")
            await site.events("valve", "opened", "command_result")
            assert hub.look("gas valve")["on"] is True
            hub.act("", "halt")
            await site.events("hub", "online", "offline")
