"""The example on ordinary hardware can be applied as it is, and all of its gear can be simulated."""

from __future__ import annotations

from pathlib import Path

from devices.kinds import KINDS
from devices.profiles import PROFILES
from firmware_sim.community import load_community as simulated
from firmware_sim.gear.town import GearTown, Ways
from firmware_sim.mqtt_device import Broker
from gateway.registry.load import read_community

FILE = Path(__file__).parents[2] / "examples" / "ordinary-hardware" / "community.yaml"
NOON = 1_790_000_000_000


def test_it_is_sound_and_needs_no_reminder() -> None:
    found = read_community(FILE)
    assert found.community is not None, found.errors
    assert found.problems == ()
    assert all(device.profile != "native" for device in found.community.devices)


def test_it_shows_most_profiles_and_what_saves_lives() -> None:
    community = read_community(FILE).community
    assert community is not None
    shown = {bridge.profile for bridge in community.bridges}
    assert len(shown) >= 15 and {PROFILES[one].carrier for one in shown} == {"mqtt", "http", "serial", "modbus"}
    kinds = {device.kind for device in community.devices}
    assert {"sos_button", "smoke", "gas", "co", "leak", "valve", "vitals_monitor", "presence"} <= kinds <= set(KINDS)


async def test_all_of_it_can_be_simulated() -> None:
    town = simulated(FILE)
    lines = {bridge.id: "/dev/null" for bridge in town.bridges}
    ways = Ways(broker=Broker("127.0.0.1", 1), ports=lines, push_url="http://127.0.0.1:1", push_keys={"recorder": "k"})
    gear = GearTown(town, ways, clock=lambda: NOON)
    assert gear.left_out == {}
    assert set(gear.names) == {device.id for device in town.devices}
    assert all(gear.actions(device) for device in gear.names)


async def test_what_has_no_way_is_named() -> None:
    gear = GearTown(simulated(FILE), Ways(), clock=lambda: NOON)
    assert gear.gear == {}
    assert "no broker was given" in gear.left_out["zigbee"]
    assert "none was laid for rs485" in gear.left_out["rs485"]
    assert "anju devices key recorder" in gear.left_out["recorder"]
