"""A simulated Frigate recorder on a real broker, and the gateway's side of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devices.profiles.frigate import FRIGATE
from firmware_sim.fleet import system_ms
from firmware_sim.gear.frigate import SimFrigate
from firmware_sim.mqtt_device import Broker
from tests.support.eventually import eventually_async
from tests.support.gear import device
from tests.support.gear_gateway import gear_gateway

pytestmark = pytest.mark.broker


async def test_what_cameras_see_is_told_once_each_with_its_recording(tmp_path: Path) -> None:
    pole, door = device("pole_12", "camera", id="pole", intrusion="alert"), device("front_door", "camera", id="door")
    async with gear_gateway(tmp_path, FRIGATE, pole, door, device("bridge", "concentrator", id="nvr")) as site:
        await site.connected()
        async with site.simulating(SimFrigate(site.link, seed=7, clock=system_ms)) as frigate:
            await site.events("nvr", "online")
            frigate.act("pole_12", "object", {"label": "person"})
            for _ in range(3):
                frigate.act("pole_12", "better_snapshot")
            frigate.act("pole_12", "duplicate")
            await site.events("pole", "online", "motion", "object")
            frigate.act("pole_12", "enter_zone", {"zone": "yard"})
            frigate.act("pole_12", "object_gone")
            await site.events("pole", "online", "motion", "object", "object", "intrusion", "intrusion_cleared")
            frigate.act("front_door", "object", {"label": "dog", "false_positive": True})
            frigate.act("front_door", "object_gone")
            await site.events("door", "online", "motion")
            (track,) = frigate.state()["devices"]["pole_12"]["seen"]  # type: ignore[index]
        seen = [one for one in site.observations("pole") if one.event == "object"]
        assert [one.data.get("severity") for one in seen] == ["detection", "alert"]
        assert {one.data["object_id"] for one in seen} == {track}


async def test_pictures_lost_cameras_switched_off_and_a_recorder_that_dies(tmp_path: Path) -> None:
    door = device("front_door", "camera", id="door")
    async with gear_gateway(tmp_path, FRIGATE, door) as site:
        await site.connected()
        async with site.simulating(SimFrigate(site.link, clock=system_ms)) as frigate:
            await site.events("door", "online")
            frigate.act("front_door", "video_loss")
            frigate.act("front_door", "video_restored")
            await site.events("door", "online", "video_loss", "video_restored")
            frigate.act("front_door", "switch_off")
            frigate.act("", "stats")
            await eventually_async(lambda: "pole_12" in site.strangers.noted, 10, "unregistered cameras are offered")
            assert site.events_of("door") == ["online", "video_loss", "video_restored"]
            frigate.act("", "halt")
            await site.events("door", "online", "video_loss", "video_restored", "offline")
            frigate.act("", "resume")
            await site.events("door", "online", "video_loss", "video_restored", "offline", "online")
        stranger = site.strangers.noted["pole_12"]
        assert (stranger.kind, stranger.vendor) == ("camera", "Frigate")


def test_the_simulated_recorder_says_the_same_for_the_same_seed() -> None:
    def said(seed: int) -> list[bytes]:
        frigate = SimFrigate(Broker("127.0.0.1", 1), seed=seed, clock=lambda: 1_790_000_000_000)
        frigate.online = True
        frigate.act("pole_12", "object")
        frigate.act("", "stats")
        return [one.payload for one in frigate._out]

    assert said(1) == said(1) != said(2)
    event = json.loads(said(1)[1])
    assert (event["type"], event["after"]["camera"], event["after"]["false_positive"]) == ("new", "pole_12", False)
