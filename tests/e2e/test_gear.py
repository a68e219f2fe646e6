"""Off-the-shelf gear of every make, simulated byte for byte, against one whole gateway over the real transports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from devices.profiles import PROFILES
from firmware_sim.gear import SIMULATED_GEAR
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.gear_town import Cables, RunningGear, gear_community
from tests.support.homes import FAR_LINE
from tests.support.outside import OutsideWorld


class Site:
    """A gateway with gear of every make."""

    def __init__(self, gateway: RunningGateway, gear: RunningGear, world: OutsideWorld) -> None:
        self.gateway = gateway
        self.gear = gear
        self.world = world

    def devices(self) -> dict[str, dict[str, Any]]:
        answer = self.gateway.api.get("/api/v1/devices", params={"limit": 20_000})
        assert answer.status_code == 200, answer.text
        return {one["device"]["id"]: one for one in answer.json()}


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
            settings={"ANJU_SERIAL": json.dumps(cables.settings)},
        ) as gateway,
        RunningGear(gateway, cables) as gear,
    ):
        yield Site(gateway, gear, world)


def test_every_profile_has_simulated_gear() -> None:
    assert set(SIMULATED_GEAR) == set(PROFILES)


def test_every_bridge_is_up_and_every_device_that_speaks_by_itself_is_heard(site: Site) -> None:
    def up() -> list[str]:
        parts = site.gateway.parts()
        return [
            f"{name}: {part['en']}"
            for name, part in parts.items()
            if name.startswith("bridge-") and part["state"] != "ok"
        ]

    eventually(lambda: not up(), 30, f"every bridge is up; not yet: {up()}")
    bridges = {bridge for bridge in SIMULATED_GEAR if PROFILES[bridge].carrier != "http"}
    assert {name.removeprefix("bridge-") for name in site.gateway.parts() if name.startswith("bridge-")} == bridges
