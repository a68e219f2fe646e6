"""Simulated telephones with OwnTracks on a real broker, and the gateway's side of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear.owntracks import SimOwnTracks
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway, system_ms

pytestmark = pytest.mark.broker


async def test_an_inspector_walks_loses_the_network_and_goes_home(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, PROFILES["owntracks"], device("wang/phone", "tracker", id="wang")) as site:
        await site.connected()
        async with site.simulating(SimOwnTracks(site.link, clock=system_ms)) as phones:
            await site.events("wang", "online", "fix_gained")
            phones.act("wang/phone", "enter", {"region": "6 号院"})
            await eventually_async(
                lambda: any(one.data.get("region") == "6 号院" for one in site.observations("wang")), 10, "the region"
            )
            phones.act("wang/phone", "cover")
            phones.act("wang/phone", "drive", {"speed": 36})
            phones.act("wang/phone", "uncover")
            await eventually_async(
                lambda: any(one.metrics.get("speed") == 36 for one in site.observations("wang")), 10, "what had waited"
            )
            phones.act("wang/phone", "gone")
            await site.events("wang", "online", "fix_gained", "offline")
            await eventually_async(lambda: "li/car" in site.strangers.noted, 10, "the other one is offered")
