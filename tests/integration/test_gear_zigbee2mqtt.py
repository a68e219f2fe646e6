"""A simulated Zigbee2MQTT on a real broker, and the gateway's side of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.kinds import KINDS
from devices.profiles.zigbee2mqtt import ZIGBEE2MQTT
from firmware_sim.fleet import system_ms
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.zigbee2mqtt import SimZigbee2Mqtt
from firmware_sim.mqtt_device import Broker
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import GearSite, gear_gateway

pytestmark = pytest.mark.broker


def network(site: GearSite, *parts: tuple[str, str, str], **options: bool) -> SimZigbee2Mqtt:
    """A bridge with these devices: name, kind, model."""
    made = [GearPart(address=name, kind=kind, options={"model": model}) for name, kind, model in parts]
    return SimZigbee2Mqtt(site.link, made, seed=3, clock=system_ms, **options)


async def test_every_simulated_model_is_understood_in_its_own_words(tmp_path: Path) -> None:
    """Each thing that can happen to each model becomes the event of its kind, and no other."""
    parts = [part for part in SimZigbee2Mqtt.example() if part.kind != "concentrator"]
    devices = [device(part.address, part.kind, id=f"{part.kind}-{n}") for n, part in enumerate(parts)]
    ids = {one.address: one.id for one in devices}
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, *devices) as site:
        await site.connected()
        zigbee = SimZigbee2Mqtt(site.link, seed=1, clock=system_ms)
        async with site.simulating(zigbee):
            for part in parts:
                await site.events(ids[part.address], "online")
            for part in parts:
                kind, expected = KINDS[part.kind], ["online"]
                stands = {"valve": "opened", "plug": "switched_on"}.get(part.kind)
                if stands is not None:  # so far only from the bridge's cache; now the device itself says so
                    zigbee.act(part.address, "report")
                    expected.append(stands)
                    await site.events(ids[part.address], *expected)
                for action in zigbee.actions(part.address):
                    if action not in kind.events and action not in ("open", "close", "enter", "leave"):
                        continue
                    event = {"open": "opened", "close": "closed", "enter": "entered", "leave": "left"}.get(
                        action, action
                    )
                    already = {"opened": part.kind == "valve", "switched_on": True}  # it is so from the beginning
                    zigbee.act(part.address, action)
                    if event == "fall":
                        expected.append("entered")  # who fell is there
                    if not already.get(event):
                        expected.append(event)
                    await site.events(ids[part.address], *expected)
            await site.quiet()
            stats = site.receipts.stats()[0]
            assert dict(stats.faults) == {}


async def test_one_press_is_one_call_however_often_it_is_said(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, device("301/床头", "sos_button", id="bed")) as site:
        await site.connected()
        async with site.simulating(network(site, ("301/床头", "sos_button", "TS0215A_sos"))) as zigbee:
            await site.events("bed", "online")
            zigbee.act("301/床头", "press")
            zigbee.act("301/床头", "double")
            zigbee.act("301/床头", "announce")
            zigbee.act("301/床头", "battery_null")
            await site.events("bed", "online", "press")
            await site.quiet()
            assert site.events_of("bed") == ["online", "press"]


async def test_nothing_that_is_long_over_is_raised_by_anybodys_restart(tmp_path: Path) -> None:
    smoke, door = ("kitchen/smoke", "smoke", "HS1SA-E"), ("hall/door", "contact", "TERNCY-DC01")
    registered = device("kitchen/smoke", "smoke", id="smoke"), device("hall/door", "contact", id="door")
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, *registered) as site:
        site.stop(forget=True)
        zigbee = network(site, smoke, door, retain=True)
        async with site.simulating(zigbee):
            zigbee.act("kitchen/smoke", "smoke")  # long before the gateway came
            zigbee.act("hall/door", "open")
            zigbee.act("hall/door", "plug")  # with QoS 1, after all that: the broker has it when this is answered
            await eventually_async(lambda: zigbee.quiet, 10)
            site.start()
            await site.connected()
            await site.events("smoke", "online")
            await site.events("door", "online")
            zigbee.act("", "restart")
            await site.events("smoke", "online")
            zigbee.act("hall/door", "close")
            await site.events("door", "online", "closed")
            zigbee.act("hall/door", "open")
            await site.events("door", "online", "closed", "opened")
            site.stop()
            site.start()
            await site.connected()
            zigbee.act("", "restart")
            zigbee.act("hall/door", "report")
            zigbee.act("hall/door", "close")
            await site.events("door", "online", "closed", "opened", "closed")
        assert site.events_of("smoke") == ["online"]


async def test_a_hanging_detector_is_one_alarm(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, device("smoke", "smoke")) as site:
        await site.connected()
        async with site.simulating(network(site, ("smoke", "smoke", "HS1SA-E"))) as zigbee:
            await site.events("smoke-1", "online")
            zigbee.act("smoke", "smoke")
            zigbee.act("smoke", "hang")
            for _ in range(5):
                zigbee.act("smoke", "smoke_cleared")
                zigbee.act("smoke", "report")
            zigbee.act("smoke", "unhang")
            zigbee.act("smoke", "smoke_cleared")
            await site.events("smoke-1", "online", "smoke", "smoke_cleared")


async def test_a_valve_obeys_and_confirms_and_a_jammed_one_says_why_not(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, device("gas/valve", "valve", id="valve")) as site:
        await site.connected()
        async with site.simulating(network(site, ("gas/valve", "valve", "VC-X01D"))) as zigbee:
            await eventually_async(lambda: any(one.metrics.get("open") == 1 for one in site.observations("valve")), 10)
            assert (await site.obey("valve", "close")).outcome == "accepted"
            await site.events("valve", "online", "closed", "command_result")
            result = next(one for one in site.observations("valve") if one.event == "command_result")
            assert result.data == {"id": "c-valve-close", "ok": True}
            zigbee.act("gas/valve", "hang")
            assert (await site.obey("valve", "open")).outcome == "accepted"
            await site.events("valve", "online", "closed", "command_result", "command_result")
            failed = [one for one in site.observations("valve") if one.event == "command_result"][-1]
            assert (failed.data["ok"], failed.data["id"]) == (False, "c-valve-open")
            assert "Timeout" in str(failed.data["error"])


async def test_a_siren_that_tells_nothing_is_told(tmp_path: Path) -> None:
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, device("yard", "siren", id="siren")) as site:
        await site.connected()
        async with site.simulating(network(site, ("yard", "siren", "HS2WD-E"))) as zigbee:
            await site.events("siren", "online")
            assert (await site.obey("siren", "sound", tone="fire", duration_s="60")).outcome == "done"
            warning = {"mode": "fire", "level": "high", "strobe": True, "duration": 60}
            await eventually_async(lambda: zigbee.look("yard")["obeyed"] == [{"warning": warning}], 10)


async def test_the_bridge_joins_renames_loses_and_dies(tmp_path: Path) -> None:
    registered = device("old name", "leak", id="leak"), device("bridge", "concentrator", id="z2m")
    async with gear_gateway(tmp_path, ZIGBEE2MQTT, *registered) as site:
        await site.connected()
        async with site.simulating(network(site, ("old name", "leak", "SJCGQ11LM"))) as zigbee:
            await site.events("leak", "online")
            zigbee.act("", "join", {"kind": "smoke", "name": "new/one"})
            await eventually_async(lambda: any(one.kind == "smoke" for one in site.strangers.noted.values()), 10)
            zigbee.act("old name", "rename", {"to": "bath/floor"})
            zigbee.act("old name", "leak")
            await site.events("leak", "online", "leak")
            zigbee.act("old name", "unplug")
            await site.events("leak", "online", "leak", "offline")
            zigbee.act("", "halt")
            await site.events("z2m", "online", "device_joined", "offline")
            zigbee.act("", "resume")
            await site.events("z2m", "online", "device_joined", "offline", "online")
        joined = next(one for one in site.strangers.noted.values() if one.kind == "smoke")
        assert (joined.vendor, joined.model, joined.firmware) == ("Heiman", "HS1SA-E", "3000-0001")
        assert joined.address.startswith("0x00158d")


def test_the_simulated_bridge_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        zigbee = SimZigbee2Mqtt(Broker("127.0.0.1", 1), seed=seed, clock=lambda: 1_790_000_000_000)
        zigbee.online = True
        zigbee.connected(1_790_000_000_000)
        zigbee.act("501/sos_button/TS0215A_sos", "press")
        return [one.payload for one in zigbee._out]

    assert said(1) == said(1) != said(2)
    first = said(1)
    assert first[0] == b'{"state":"online"}'
    assert [json.loads(payload).get("action") for payload in first[-3:-1]] == ["emergency", ""]
    assert first[-1] == b"emergency"
