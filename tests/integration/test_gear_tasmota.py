"""Simulated Tasmota nodes on a real broker, and the gateway's side of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.tasmota import SimTasmota
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker


async def test_a_kitchen_smoke_valve_siren_and_a_node_that_loses_its_power(tmp_path: Path) -> None:
    parts = (
        GearPart(address="kitchen", kind="smoke"),
        GearPart(address="box", kind="valve", part="1"),
        GearPart(address="box", kind="siren", part="2"),
        GearPart(address="bed", kind="sos_button"),
    )
    devices = (
        device("kitchen", "smoke", id="smoke"),
        device("box#1", "valve", id="valve"),
        device("box#2", "siren", id="siren"),
        device("bed", "sos_button", id="sos"),
    )
    async with gear_gateway(tmp_path, PROFILES["tasmota"], *devices, base="home") as site:
        await site.connected()
        async with site.simulating(SimTasmota(site.link, parts, base="home", clock=system_ms)) as nodes:
            await site.events("smoke", "online")
            nodes.act("kitchen", "smoke")
            nodes.act("kitchen", "report")
            await site.events("smoke", "online", "smoke")
            assert (await site.obey("siren", "sound", duration_s="10")).outcome == "accepted"
            await site.events("siren", "online", "sounding", "command_result")
            assert nodes.look("box#2")["on"] is True
            await site.obey("valve", "open")
            await site.events("valve", "online", "opened", "command_result")
            await site.obey("siren", "silence")
            await site.events("siren", "online", "sounding", "command_result", "silenced", "command_result")
            nodes.act("bed", "press")
            nodes.act("kitchen", "smoke_cleared")
            nodes.act("bed", "unplug")
            await site.events("sos", "online", "press", "offline")
            await site.events("smoke", "online", "smoke", "smoke_cleared")
        (press,) = [one for one in site.observations("sos") if one.event == "press"]
        assert press.lane.value == "urgent"


async def test_a_restart_of_the_gateway_raises_nothing_that_is_over(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, PROFILES["tasmota"], device("kitchen", "smoke", id="smoke")) as site:
        await site.connected()
        parts = (GearPart(address="kitchen", kind="smoke"), GearPart(address="stranger", kind="plug"))
        async with site.simulating(SimTasmota(site.link, parts, clock=system_ms)) as nodes:
            nodes.act("kitchen", "smoke")
            await site.events("smoke", "online", "smoke")
            site.stop()
            site.start()
            await site.connected()
            nodes.act("kitchen", "report")
            nodes.act("kitchen", "smoke_cleared")
            await site.events("smoke", "online", "smoke", "smoke_cleared")
            nodes.act("stranger", "report")
            await eventually_async(lambda: "stranger" in site.strangers.noted, 10, "the other node is offered")
