"""Simulated Shelly devices on a real broker, and the gateway's side of them: commands are answered by their id."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.shelly import SimShelly
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker


async def test_presses_alarms_doors_and_commands(tmp_path: Path) -> None:
    parts = (
        GearPart(address="shellyplusi4-1", kind="sos_button", part="0"),
        GearPart(address="shellyplusi4-1", kind="contact", part="1"),
        GearPart(address="shellyplussmoke-1", kind="smoke"),
        GearPart(address="shellyplus2pm-1", kind="siren", part="0"),
        GearPart(address="shellyplus2pm-1", kind="valve", part="1"),
    )
    devices = tuple(device(part.name, part.kind, id=part.kind) for part in parts)
    async with gear_gateway(tmp_path, PROFILES["shelly"], *devices, base="home") as site:
        await site.connected()
        async with site.simulating(SimShelly(site.link, parts, base="home", clock=system_ms)) as gear:
            await site.events("sos_button", "online")
            gear.act("shellyplusi4-1#0", "press")
            await site.events("sos_button", "online", "press")
            gear.act("shellyplusi4-1#1", "open")
            gear.act("shellyplusi4-1#1", "close")
            await site.events("contact", "online", "opened", "closed")
            gear.act("shellyplussmoke-1", "smoke")
            gear.act("shellyplussmoke-1", "report")
            gear.act("shellyplussmoke-1", "smoke_cleared")
            await site.events("smoke", "online", "smoke", "smoke_cleared")
            await site.obey("siren", "sound", duration_s="60")
            await site.events("siren", "online", "sounding", "command_result")
            await site.obey("valve", "close")
            await site.events("valve", "online", "opened", "closed", "command_result")
            await site.obey("siren", "silence")
            gear.act("shellyplussmoke-1", "unplug")
            await site.events("smoke", "online", "smoke", "smoke_cleared", "offline")
            await eventually_async(lambda: site.events_of("siren").count("command_result") == 2, 10, "silenced")
        results = [one.data for one in site.observations() if one.event == "command_result"]
        assert all(one["ok"] is True for one in results) and len(results) == 3


async def test_a_command_that_changes_nothing_is_answered_too(tmp_path: Path) -> None:
    parts = (GearPart(address="shellyplug-1", kind="plug"),)
    async with gear_gateway(tmp_path, PROFILES["shelly"], device("shellyplug-1", "plug", id="plug")) as site:
        await site.connected()
        async with site.simulating(SimShelly(site.link, parts, clock=system_ms)):
            await site.events("plug", "online")
            await site.obey("plug", "switch_off")  # it is off: no NotifyStatus will come
            await site.events("plug", "online", "command_result")
