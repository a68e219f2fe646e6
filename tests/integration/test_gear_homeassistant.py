"""Simulated gear that announces itself by discovery on a real broker, and the gateway's side of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devices.profiles.homeassistant import HOMEASSISTANT
from firmware_sim.fleet import system_ms
from firmware_sim.gear.homeassistant import SimHomeAssistant
from firmware_sim.mqtt_device import Broker
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import GearSite, gear_gateway

pytestmark = pytest.mark.broker

DOES: dict[str, list[tuple[str, tuple[str, ...]]]] = {
    "sos_button": [("double", ("press",)), ("long_press", ("long_press",))],
    "smoke": [("smoke", ("smoke",)), ("report", ()), ("smoke_cleared", ("smoke_cleared",))],
    "contact": [("open", ("opened",)), ("battery", ()), ("close", ("closed",))],
    "motion": [("motion", ("motion",)), ("motion_cleared", ("motion_cleared",))],
    "presence": [("move", ("entered",)), ("sit", ()), ("stand", ()), ("fall", ("fall",)), ("rise", ("left",))],
    "leak": [("left_wet", ("leak",)), ("right_wet", ()), ("left_dry", ()), ("right_dry", ("leak_cleared",))],
    "valve": [("close", ()), ("open", ("opened",)), ("close", ("closed",))],
    "plug": [("switched_on", ("switched_on",)), ("switched_off", ("switched_off",))],
    "siren": [("sounding", ("sounding",)), ("silenced", ("silenced",))],
}
"""Kind → what is done to it, in order, and the events of that."""


def address(kind: str) -> str:
    return f"ha-{kind.replace('_', '-')}"


async def known(site: GearSite, gear: SimHomeAssistant) -> None:
    """The gateway has every description, and listens: each device's own topics came once more."""
    await eventually_async(lambda: len(site.gateway._listened) >= 15, 10, "topics are listened to")  # type: ignore[union-attr]
    for part in gear.parts.values():
        gear.act(part.name, "report")
    await eventually_async(lambda: bool(site.observations(part.kind)) or part.kind == "sos_button", 10)
    await site.quiet()


async def test_every_simulated_device_is_understood_as_it_announced_itself(tmp_path: Path) -> None:
    kinds = [part.kind for part in SimHomeAssistant.example()]
    devices = [device(address(kind), kind, id=kind) for kind in kinds]
    async with gear_gateway(tmp_path, HOMEASSISTANT, *devices) as site:
        await site.connected()
        gear = SimHomeAssistant(site.link, seed=1, clock=system_ms)
        async with site.simulating(gear):
            await known(site, gear)
            for kind, steps in DOES.items():
                expected = [event for event in site.events_of(kind) if event == "online"]
                for action, events in steps:
                    gear.act(address(kind), action)
                    expected += events
                    await site.events(kind, *expected)
            await eventually_async(
                lambda: (
                    {key for one in site.observations("environment") for key in one.metrics}
                    == {"temperature", "humidity", "co2"}
                ),
                10,
            )
            assert {
                one.metrics["temperature"] for one in site.observations("environment") if "temperature" in one.metrics
            } == {20.5}
            assert dict(site.receipts.stats()[0].faults) == {}


async def test_presence_commands_and_a_word_that_nobody_announced(tmp_path: Path) -> None:
    devices = [device(address(kind), kind, id=kind) for kind in ("valve", "siren", "smoke")]
    async with gear_gateway(tmp_path, HOMEASSISTANT, *devices) as site:
        await site.connected()
        gear = SimHomeAssistant(
            site.link,
            [part for part in SimHomeAssistant.example() if part.kind in ("valve", "siren", "smoke")],
            clock=system_ms,
        )
        async with site.simulating(gear):
            await site.events("valve", "online")
            gear.act(address("valve"), "open")
            await site.events("valve", "online", "opened")
            assert (await site.obey("valve", "close")).outcome == "accepted"
            await site.events("valve", "online", "opened", "closed", "command_result")
            gear.act(address("valve"), "deaf")
            assert (await site.obey("valve", "open")).outcome == "accepted"
            await site.events("siren", "online")
            assert (await site.obey("siren", "sound", tone="fire")).outcome == "accepted"
            await site.events("siren", "online", "sounding", "command_result")
            await site.events("smoke", "online")
            gear.act("", "halt")
            await site.events("smoke", "online", "offline")
            gear.act("", "resume")
            await site.events("smoke", "online", "offline", "online")
            gear.act(address("smoke"), "nonsense")
            await eventually_async(lambda: len(site.journal.quarantined(10)) == 1, 10)
            (kept,) = site.journal.quarantined(10)
            assert (kept.device, kept.field, kept.expected) == ("smoke", "smoke", "true or false, as announced")
            gear.act(address("siren"), "unplug")
            await site.events("siren", "online", "sounding", "command_result", "offline")
        assert site.events_of("valve") == ["online", "opened", "closed", "command_result"]


async def test_an_alarm_kept_by_the_broker_is_old_and_strangers_are_offered(tmp_path: Path) -> None:
    smoke = next(part for part in SimHomeAssistant.example() if part.kind == "smoke")
    plug = next(part for part in SimHomeAssistant.example() if part.kind == "plug")
    async with gear_gateway(tmp_path, HOMEASSISTANT, device(smoke.address, "smoke", id="smoke")) as site:
        site.stop(forget=True)
        gear = SimHomeAssistant(site.link, [smoke, plug], clock=system_ms)
        async with site.simulating(gear):
            gear.act(smoke.name, "smoke")
            gear.act(smoke.name, "plug")  # with QoS 1, after all that: the broker has it when this is answered
            await eventually_async(lambda: gear.quiet, 10)
            site.start()
            await eventually_async(lambda: any(one.metrics.get("alarm") == 1 for one in site.observations("smoke")), 10)
            gear.act(smoke.name, "smoke_cleared")
            await eventually_async(lambda: "smoke_cleared" in site.events_of("smoke"), 10)
            assert "smoke" not in site.events_of("smoke")
            await eventually_async(lambda: site.strangers.noted[plug.address].kind == "plug", 10)
            gear.act(smoke.name, "forget")
            gear.act(smoke.name, "smoke")
            await site.quiet()
        assert "smoke" not in site.events_of("smoke")
        offered = site.strangers.noted[plug.address]
        assert (offered.vendor, offered.model, offered.firmware) == ("espressif", "esp32dev", "2026.1.0")


def test_the_simulated_gear_says_the_same_for_the_same_seed() -> None:
    def said() -> list[tuple[str, bytes]]:
        gear = SimHomeAssistant(Broker("127.0.0.1", 1), seed=1, clock=lambda: 1_790_000_000_000)
        gear.online = True
        gear.connected(1_790_000_000_000)
        return [(one.topic, one.payload) for one in gear._out]

    assert said() == said()
    assert len({topic for topic, _ in said() if topic.endswith("/config")}) >= 20
