"""A simulated ChirpStack server with its nodes on a real broker, and the gateway's side of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles.chirpstack import CHIRPSTACK
from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.chirpstack import SimChirpStack
from firmware_sim.gear.lorawan_nodes import MODELS
from firmware_sim.mqtt_device import Broker
from tests.support.eventually import eventually_async
from tests.support.gear import START_MS, device
from tests.support.gear_gateway import gear_gateway

pytestmark = pytest.mark.broker

BUTTON, DOOR, LEAK, VALVE = "24e124535b316056", "24e124126a148401", "24e124136b325841", "24e124460c101010"


async def test_a_press_a_door_and_a_leak_are_told_once_each(tmp_path: Path) -> None:
    nodes = (
        device(BUTTON, "sos_button", id="sos", codec="WS101"),
        device(DOOR, "contact", id="door", codec="WS301"),
        device(LEAK, "leak", id="leak", codec="EM300-SLD"),
    )
    async with gear_gateway(tmp_path, CHIRPSTACK, *nodes) as site:
        await site.connected()
        ahead_ms = 0
        async with site.simulating(SimChirpStack(site.link, seed=3, clock=lambda: system_ms() + ahead_ms)) as server:
            server.act(BUTTON, "press")
            server.act(BUTTON, "duplicate")
            await site.events("sos", "online", "press")
            server.act(BUTTON, "press")
            await site.events("sos", "online", "press", "press")
            server.act(DOOR, "open")
            server.act(DOOR, "report")
            server.act(DOOR, "close")
            await site.events("door", "online", "opened", "closed")
            server.act(LEAK, "join")
            server.act(LEAK, "report")
            await site.events("leak", "online")
            server.act(LEAK, "shade")
            ahead_ms = 60_000
            server.act(LEAK, "leak")
            server.act(LEAK, "leak_cleared")
            server.act(LEAK, "light")
            await site.events("leak", "online", "leak", "leak_cleared")
            server.act(LEAK, "low_battery")
            await eventually_async(lambda: any(o.metrics.get("battery") == 7 for o in site.observations("leak")), 10)
            server.act(DOOR, "garble")
            await eventually_async(lambda: site.journal.stats().quarantine.total, 10, "what cannot be read is kept")
        press = next(one for one in site.observations("sos") if one.event == "press")
        assert {"battery", "rssi", "snr"} <= set(press.metrics)


async def test_a_valve_obeys_and_its_report_is_the_answer_and_a_mute_one_answers_no(tmp_path: Path) -> None:
    valve = device(f"{VALVE}#1", "valve", id="valve", codec="UC511")
    async with gear_gateway(tmp_path, CHIRPSTACK, valve) as site:
        await site.connected()
        async with site.simulating(SimChirpStack(site.link, clock=system_ms)) as server:
            server.act(f"{VALVE}#1", "open")
            await site.events("valve", "online", "opened")
            assert (await site.obey("valve", "close")).outcome == "accepted"
            await site.events("valve", "online", "opened", "closed", "command_result")
            assert site.observations("valve")[-1].data["ok"] is True
            server.act(f"{VALVE}#1", "mute")
            assert (await site.obey("valve", "open")).outcome == "accepted"
            await site.events("valve", "online", "opened", "closed", "command_result", "command_result")
            refused = site.observations("valve")[-1]
            assert refused.data["ok"] is False and "acknowledge" in str(refused.data["error"])


async def test_every_simulated_node_is_understood(tmp_path: Path) -> None:
    """Each device of the example, through everything its model can do, without one complaint."""
    parts = SimChirpStack.example()
    nodes = [device(part.name, part.kind, id=f"n{n}", **part.options) for n, part in enumerate(parts)]
    async with gear_gateway(tmp_path, CHIRPSTACK, *nodes) as site:
        await site.connected()
        async with site.simulating(SimChirpStack(site.link, seed=11, clock=system_ms)) as server:
            for part in parts:
                model = MODELS[part.options["codec"].lower()]
                usual = set(server.actions(part.name)) - {"shade", "light", "mute", "garble", "duplicate"}
                for action in sorted(usual, key=lambda name: name not in (*model.switches, *model.moments)):
                    server.act(part.name, action)
            await eventually_async(lambda: len({o.device for o in site.observations()}) == len(nodes), 20, "all speak")
            await site.quiet()
        assert site.journal.stats().quarantine.total == 0
        said = {o.device: o for o in site.observations() if o.metrics}
        assert len(said) == len(nodes)


async def test_strangers_are_offered_with_what_their_profile_s_name_tells(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, CHIRPSTACK) as site:
        await site.connected()
        async with site.simulating(SimChirpStack(site.link, clock=system_ms)) as server:
            server.act(DOOR, "open")
            await eventually_async(lambda: DOOR in site.strangers.noted, 10, "it is offered")
        assert (site.strangers.noted[DOOR].kind, site.strangers.noted[DOOR].model) == ("contact", "WS301")


def test_the_simulated_server_says_the_same_for_the_same_seed_and_refuses_models_it_cannot_be() -> None:
    def said(seed: int) -> list[bytes]:
        server = SimChirpStack(Broker("127.0.0.1", 1), seed=seed, clock=lambda: START_MS)
        server.online = True
        server.act(BUTTON, "press")
        return [one.payload for one in server._out]

    assert said(1) == said(1) != said(2)
    with pytest.raises(ValueError, match="not simulated"):
        SimChirpStack(Broker("127.0.0.1", 1), [GearPart(address="1", kind="contact")], clock=lambda: START_MS)
