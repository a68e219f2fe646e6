"""Simulated ONVIF cameras that push their notifications over real HTTP to the gateway's door."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.device import ActionError
from firmware_sim.gear.base import Door
from firmware_sim.gear.onvif import SimOnvif
from tests.support.gear import START_MS
from tests.support.push_house import push_house

INPUT = "gate#DIGIT_INPUT_000"
DEVICES = {"gate": "gate", "door": INPUT, "yard": "yard", "pole": "pole-12"}


async def test_cameras_of_three_makers_say_the_same(tmp_path: Path) -> None:
    async with (
        push_house(tmp_path, "onvif", DEVICES) as site,
        site.simulating(SimOnvif(site.door, clock=site.now)) as cameras,
    ):
        cameras.act("yard", "speak", {"maker": "older"})
        cameras.act("pole-12", "speak", {"maker": "axis"})
        for address, name in (("gate", "gate"), ("yard", "yard"), ("pole-12", "pole")):
            cameras.act(address, "subscribe")
            await site.events(name, "online")
            for what in ("motion", "motion_cleared", "tamper", "intrusion", "line_crossing", "video_loss"):
                site.later(1000)
                cameras.act(address, what)
            cameras.act(address, "repeat")
            said = ("online", "motion", "motion_cleared", "tamper", "intrusion", "line_crossing", "video_loss")
            await site.events(name, *said)
        assert set(cameras.answers) == {200}


async def test_a_contact_on_an_input_and_a_message_that_is_broken(tmp_path: Path) -> None:
    async with (
        push_house(tmp_path, "onvif", DEVICES) as site,
        site.simulating(SimOnvif(site.door, clock=site.now)) as cameras,
    ):
        cameras.act(INPUT, "open")
        cameras.act("", "garble")
        cameras.act(INPUT, "close")
        await site.events("door", "online", "opened", "closed")
        await site.quarantined(1)


def test_the_simulated_cameras_refuse_what_they_cannot_do() -> None:
    cameras = SimOnvif(Door("http://127.0.0.1:1"), clock=lambda: START_MS)
    with pytest.raises(ActionError, match="nothing yet"):
        cameras.act("gate", "repeat")
    with pytest.raises(ActionError, match="axis"):
        cameras.act("gate", "speak", {"maker": "nobody"})
