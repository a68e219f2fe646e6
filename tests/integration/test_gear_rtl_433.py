"""A simulated receiver with rtl_433 on a real broker, and the gateway's side of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.rtl_433 import SimRtl433
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker

DOOR, KEY, LEAK = "Honeywell-Security/73942", "Generic-Remote/5069", "Govee-Water/10611"


async def test_each_transmission_comes_several_times_and_counts_once(tmp_path: Path) -> None:
    devices = (
        device("pi", "concentrator", id="pi"),
        device(DOOR, "contact", id="door"),
        device(KEY, "sos_button", id="sos", press="192"),
        device(LEAK, "leak", id="leak"),
    )
    async with gear_gateway(tmp_path, PROFILES["rtl-433"], *devices) as site:
        await site.connected()
        async with site.simulating(SimRtl433(site.link, clock=system_ms)) as radio:
            await site.events("pi", "online")
            radio.act(DOOR, "open")
            radio.act(DOOR, "close")
            await site.events("door", "opened", "closed")
            radio.act(KEY, "press")
            radio.act(KEY, "hold")  # fifty copies more, while the first press is still in the air
            radio.act("", "statistics")
            await site.events("sos", "press")
            radio.act(LEAK, "leak")
            radio.act(LEAK, "leak_cleared")
            await site.events("leak", "leak", "leak_cleared")
            radio.act("", "halt")
            await site.events("pi", "online", "offline")
        assert len(site.observations("sos")) == 1
