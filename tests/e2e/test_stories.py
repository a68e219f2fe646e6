"""Every story that is shipped, played from beginning to end on a real fleet, at a real gateway, with people and 120."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from firmware_sim.scenario import shipped
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import RUNGS
from tests.support.outside import OutsideWorld
from tests.support.quarter import quarter
from tests.support.running_fleet import RunningFleet

RUNGS_LATER = (*RUNGS[:2], {**RUNGS[2], "after_s": 6})
"""120 after seven seconds: who acknowledges at once is before it."""
RATES = {"market-jam": 60.0}
"""How much faster life runs; a road does not fill in seconds."""


@pytest.fixture(scope="module")
def world() -> Iterator[OutsideWorld]:
    with OutsideWorld() as world:
        yield world


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, world: OutsideWorld) -> Iterator[RunningGateway]:
    with RunningGateway(tmp_path_factory.mktemp("gateway"), world, community=quarter(rungs=RUNGS_LATER)) as gateway:
        yield gateway


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_a_story_goes_as_it_is_written(name: str, gateway: RunningGateway, world: OutsideWorld) -> None:
    before, calls = {case["id"] for case in gateway.cases()}, len(world.calls)
    with RunningFleet(gateway, rate=RATES.get(name, 1.0)) as fleet:
        fleet.wait_connected()
        told = fleet.play(name)
        fleet.wait_heard()
    new = [case for case in gateway.cases() if case["id"] not in before]
    by_type = Counter(case["type"] for case in new)
    assert told
    assert world.repeated_keys() == [], "nobody was told one thing twice"
    if name in EXPECTED:
        kinds, called, ended = EXPECTED[name]
        assert by_type == Counter(kinds)
        assert len(world.calls) - calls == called
        story = next(case for case in new if case["type"] == kinds[0])
        assert story["stage"] == ended
    if name == "gas-leak":
        done = [(one["command"], one["device"], one["state"], one["rule"]) for one in story["measures"]]
        assert done == [("close", "valve-1", "done", "gas-alarm")], "the rule shut it, and the valve said so"
        trace = gateway.api.get("/api/v1/devices/valve-1/history").json()
        by_people = [line["detail"]["command"] for line in trace if line["what"] == "command"]
        assert by_people == ["open"], "and a person opened it again"
    if name == "power-cut":
        eventually(lambda: all(online(gateway, device) for device in fleet.fleet.devices), 15, "all are back")
        assert by_type["power_lost"] == 1, "the concentrator said so, on its battery"


def online(gateway: RunningGateway, device: str) -> bool:
    return bool(gateway.api.get(f"/api/v1/devices/{device}").json()["state"]["online"])


EXPECTED: dict[str, tuple[tuple[str, ...], int, str]] = {
    # cases, the story's first; calls of 120; how the story's case ends
    "heart-attack": (("personal_emergency",), 1, "closed"),
    "mistake": (("personal_emergency",), 0, "cancelled"),
    "smoke-at-night": (("smoke",), 0, "closed"),
    "gas-leak": (("gas",), 0, "closed"),
    "burglary": (("intrusion",), 0, "closed"),
    "stroke": (("personal_emergency",), 1, "closed"),
    "night-fall": (("fall",), 1, "closed"),
    "firmware-flood": (("personal_emergency",), 0, "closed"),
    "market-jam": (("traffic_congestion",), 0, "closed"),
}
