"""A simulated Sparkplug B edge node on a real broker, and the gateway's side of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.gear.messages import GearDevice
from devices.profiles.sparkplug_b import SPARKPLUG_B
from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.sparkplug_b import SimSparkplugB
from firmware_sim.mqtt_device import Broker
from tests.support.eventually import eventually_async
from tests.support.gear import START_MS, device
from tests.support.gear_gateway import gear_gateway

pytestmark = pytest.mark.broker

NODE = "Yard/Cabinet 3"
DOOR, LEAK, VALVE, BUTTON = (f"{NODE}/{name}-1" for name in ("contact", "leak", "valve", "button"))
PARTS = {part.address: part for part in SimSparkplugB.example()}


def registered(address: str, id: str) -> GearDevice:
    part = PARTS[address]
    return device(address, part.kind, id=id, **part.options)


async def test_births_data_gaps_and_deaths(tmp_path: Path) -> None:
    nodes = [registered(DOOR, "door"), registered(BUTTON, "sos")]
    async with gear_gateway(tmp_path, SPARKPLUG_B, *nodes) as site:
        await site.connected()
        async with site.simulating(SimSparkplugB(site.link, seed=5, clock=system_ms)) as node:
            assert isinstance(node, SimSparkplugB)
            await site.events("door", "online")
            node.act(DOOR, "open")
            node.act(DOOR, "report")
            node.act(DOOR, "close")
            node.act(BUTTON, "press")
            await site.events("door", "online", "opened", "closed")
            await site.events("sos", "online", "press")
            node.act("", "stale_death")
            node.act("", "lose")
            node.act(DOOR, "open")
            await site.events("door", "online", "opened", "closed", "opened")
            await eventually_async(lambda: node.rebirths == 1, 10, "the node was asked for its births")
            node.act(BUTTON, "press")
            await site.events("sos", "online", "press", "press")
            node.act(DOOR, "die")
            await site.events("door", "online", "opened", "closed", "opened", "offline")
            node.act("", "halt")
            await site.events("sos", "online", "press", "press", "offline")
            node.act("", "resume")
            await site.events("sos", "online", "press", "press", "offline", "online")


async def test_a_gateway_that_starts_later_asks_and_hears_how_everything_is(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, SPARKPLUG_B, registered(LEAK, "leak")) as site:
        await site.connected()
        async with site.simulating(SimSparkplugB(site.link, clock=system_ms)) as node:
            assert isinstance(node, SimSparkplugB)
            await site.events("leak", "online")
            site.stop(forget=True)  # nobody keeps a session for it: what is said now is lost
            node.act(LEAK, "leak")
            site.start()
            await site.connected()
            node.act(LEAK, "report")
            await site.events("leak", "online", "leak")
            await eventually_async(lambda: node.rebirths == 1, 10, "it was asked")


async def test_what_a_node_kept_in_the_shade_is_told_late(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, SPARKPLUG_B, registered(LEAK, "leak")) as site:
        await site.connected()
        back_ms = 0
        clock = lambda: system_ms() - back_ms  # noqa: E731 - a hand on the clock of the node
        async with site.simulating(SimSparkplugB(site.link, clock=clock)) as node:
            await site.events("leak", "online")
            node.act(LEAK, "shade")
            back_ms = 600_000
            node.act(LEAK, "leak")
            node.act(LEAK, "leak_cleared")
            back_ms = 0
            node.act(LEAK, "light")
            await site.events("leak", "online", "leak", "leak_cleared")
        late = [one for one in site.observations("leak") if one.data.get("kept")]
        assert len(late) == 2 and all(one.late_by_ms > 500_000 for one in late)


async def test_a_valve_obeys_and_one_that_is_stuck_does_not_answer(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, SPARKPLUG_B, registered(VALVE, "valve")) as site:
        await site.connected()
        async with site.simulating(SimSparkplugB(site.link, clock=system_ms)) as node:
            node.act(VALVE, "open")
            await site.events("valve", "online", "opened")
            assert (await site.obey("valve", "close")).outcome == "accepted"
            await site.events("valve", "online", "opened", "closed", "command_result")
            assert site.observations("valve")[-1].data["ok"] is True
            node.act(VALVE, "stuck")
            assert (await site.obey("valve", "open")).outcome == "accepted"
            node.act(VALVE, "report")
            await site.quiet()
            assert site.events_of("valve")[-1] == "command_result" and node.look(VALVE)["on"] == {"Open": False}


async def test_every_simulated_device_is_understood(tmp_path: Path) -> None:
    nodes = [registered(address, f"n{number}") for number, address in enumerate(PARTS)]
    async with gear_gateway(tmp_path, SPARKPLUG_B, *nodes) as site:
        await site.connected()
        async with site.simulating(SimSparkplugB(site.link, seed=2, clock=system_ms)) as node:
            for address in PARTS:
                usual = sorted(set(node.actions(address)) - {"die", "birth", "shade", "light", "stuck"})
                for action in usual:
                    node.act(address, action)
            await eventually_async(lambda: len({o.device for o in site.observations()}) == len(nodes), 20, "all speak")
            await site.quiet()
        assert site.journal.stats().quarantine.total == 0


def test_the_simulated_node_says_the_same_for_the_same_seed_and_refuses_what_it_cannot_be() -> None:
    def said() -> list[bytes]:
        node = SimSparkplugB(Broker("127.0.0.1", 1), clock=lambda: START_MS)
        node.online = True
        node.connected(START_MS)
        return [one.payload for one in node._out]

    assert said() == said()
    for parts, why in (
        ([GearPart(address="a/b/c", kind="contact"), GearPart(address="a/x/c", kind="contact")], "one node"),
        ([GearPart(address="a/b", kind="contact")], "one node"),
        ([GearPart(address="a/b/c", kind="kiosk")], "not simulated"),
    ):
        with pytest.raises(ValueError, match=why):
            SimSparkplugB(Broker("127.0.0.1", 1), parts, clock=lambda: START_MS)
