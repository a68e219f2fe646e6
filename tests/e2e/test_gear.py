"""Off-the-shelf gear of every make, simulated byte for byte, against one whole gateway over the real transports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear import SIMULATED_GEAR
from firmware_sim.gear.base import GearPart
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.gear_town import Cables, RunningGear, gear_community, ports_to_call_in
from tests.support.homes import FAR_LINE
from tests.support.outside import OutsideWorld

HOME = {"sos-1", "service-1", "vitals-1", "smoke-1", "contact-1"}
"""The native devices of the home: they do not speak here."""


class Site:
    """A gateway with gear of every make."""

    def __init__(self, gateway: RunningGateway, gear: RunningGear, world: OutsideWorld) -> None:
        self.gateway = gateway
        self.gear = gear
        self.world = world

    def alarms(self) -> list[dict[str, Any]]:
        """What gear raised."""
        answer = self.gateway.api.get("/api/v1/alarms", params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        return [one for one in answer.json() if one["evidence"] and one["evidence"][0]["device"] not in HOME]

    def standing(self) -> dict[tuple[str, str], tuple[int, bool]]:
        """(device, event) of every alarm → how often it was repeated, and whether it is over."""
        return {
            (said["device"], said["event"]): (one["repeats"], one["cleared_at_ms"] is not None)
            for one in self.alarms()
            for said in one["evidence"][:1]
        }

    def states(self, device: str) -> dict[str, float]:
        """The newest value of each metric."""
        answer = self.gateway.api.get(f"/api/v1/devices/{device}")
        assert answer.status_code == 200, answer.text
        return {one["metric"]: one["value"] for one in answer.json()["latest"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("gear")
    profiles = sorted(SIMULATED_GEAR)
    with (
        OutsideWorld() as world,
        Cables(directory, profiles) as cables,
        RunningGateway(
            directory,
            world,
            community=gear_community(profiles, rungs=FAR_LINE),
            settings={"ANJU_SERIAL": json.dumps(cables.settings), **ports_to_call_in()},
        ) as gateway,
        RunningGear(gateway, cables) as gear,
    ):
        yield Site(gateway, gear, world)


def parts_of(*kinds: str) -> list[tuple[str, str, GearPart]]:
    """(device id, profile, part) of every device of these kinds in the examples of all gear."""
    return [
        (f"{profile}-{number}", profile, part)
        for profile, gear in sorted(SIMULATED_GEAR.items())
        for number, part in enumerate(gear.example(), 1)
        if part.kind in kinds
    ]


ALARMS = {
    "sos_button": ("press", "press"),
    "smoke": ("smoke", "smoke"),
    "heat": ("heat", "heat"),
    "gas": ("gas", "gas"),
    "co": ("co", "co"),
    "leak": ("leak", "leak"),
    "glass_break": ("glass_break", "glass_break"),
}
"""Kind → what is done to the device, and the event by which it must be heard."""


def test_every_profile_has_simulated_gear() -> None:
    assert set(SIMULATED_GEAR) == set(PROFILES)


def test_every_bridge_is_up(site: Site) -> None:
    def down() -> list[str]:
        parts = site.gateway.parts()
        return [
            f"{name}: {part['en']}"
            for name, part in parts.items()
            if name.startswith("bridge-") and part["state"] != "ok"
        ]

    eventually(lambda: not down(), 30, "every bridge is up")
    bridges = {bridge for bridge in SIMULATED_GEAR if PROFILES[bridge].carrier != "http"}
    assert {name.removeprefix("bridge-") for name in site.gateway.parts() if name.startswith("bridge-")} == bridges


def test_whatever_the_make_an_alarm_is_one_alarm(site: Site) -> None:
    """A key, smoke, gas, water: done to every device of every make that can say it; each is heard, and once."""
    told = parts_of(*ALARMS)
    assert len({profile for _, profile, _ in told}) >= 8
    for device, _, part in told:
        deed = ALARMS[part.kind][0]
        site.gear.act(device, deed if deed in site.gear.actions(device) else "left_wet")  # a detector of two basins
    wanted = {(device, ALARMS[part.kind][1]) for device, _, part in told}

    def missing() -> set[tuple[str, str]]:
        return wanted - {(one["evidence"][0]["device"], one["evidence"][0]["event"]) for one in site.alarms()}

    eventually(lambda: not missing(), 30, "every alarm")
    assert not missing()
    per_place = Counter((one["subject"], one["type"]) for one in site.alarms())
    assert set(per_place.values()) == {1}
    assert {one["type"] for one in site.alarms() if one["repeats"]} == set(), "nothing was heard twice"


def test_killed_and_started_again_with_all_bridges_saying_everything_again_nothing_is_news(site: Site) -> None:
    before = site.standing()
    cases = {case["id"] for case in site.gateway.cases()}
    assert len(before) >= 20
    site.gateway.kill()
    site.gateway.start()
    site.gear.bridge("zigbee2mqtt", "restart")
    for bridge in ("tasmota", "shelly", "esphome"):
        site.gear.bridge(bridge, "drop")
    test_every_bridge_is_up(site)
    for device, profile, _part in parts_of("smoke", "leak", "gas", "co"):
        if profile != "rtl-433" and "report" in site.gear.actions(device):  # a radio report is a new measurement
            site.gear.act(device, "report")
    (door,) = [device for device, profile, part in parts_of("contact") if part.name.endswith("MCCGQ11LM")]
    site.gear.act(door, "open")  # the last thing said: when it is here, so is all that was said before
    eventually(lambda: site.states(door).get("open") == 1, 15, "the door is open")
    now = site.standing()
    assert {key: (before[key], now.get(key)) for key in before if now.get(key) != before[key]} == {}
    assert now.keys() == before.keys()
    assert {case["id"] for case in site.gateway.cases()} == cases


COMMANDS = [
    pytest.param(device, command, id=f"{profile}-{part.kind}-{command}")
    for device, profile, part in parts_of("valve", "plug", "siren")
    for command in PROFILES[profile].commands.get(part.kind, ())
    if command in ("open", "close", "switch_on", "switch_off", "sound", "silence")
]


@pytest.mark.parametrize(("device", "command"), COMMANDS)
def test_whatever_the_make_a_command_is_done_when_the_device_says_so(site: Site, device: str, command: str) -> None:
    if "report" in site.gear.actions(device):  # some can be told only when it is known by which server they came
        site.gear.act(device, "report")
        eventually(lambda: site.states(device), 10, f"{device} is heard")
    answer = site.gateway.api.post(
        f"/api/v1/devices/{device}/commands", json={"command": command}, params={"wait_s": 30}, timeout=40
    )
    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert row["status"] == "delivered", row
