"""A simulated Hikvision recorder that pushes over real HTTP to the gateway's door."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.device import ActionError
from firmware_sim.gear.base import Door
from firmware_sim.gear.hikvision import HEARTBEAT_MS, MAC, REPEAT_MS, SimHikvision
from firmware_sim.mqtt_device import Broker
from tests.support.gear import START_MS
from tests.support.push_house import push_house

GATE, YARD, INPUT = f"{MAC}#1", f"{MAC}#33", f"{MAC}#io1"
DEVICES = {"gate": GATE, "yard": YARD, "door": INPUT}


@pytest.mark.parametrize("wrap", ["plain", "form", "stream", "json"])
async def test_what_cameras_push_is_told_once_and_ends(tmp_path: Path, wrap: str) -> None:
    async with (
        push_house(tmp_path, "hikvision", DEVICES) as site,
        site.simulating(SimHikvision(site.door, clock=site.now)) as recorder,
    ):
        recorder.act("", "wrap", {"how": wrap})
        recorder.act("", "heartbeat")
        await site.events("gate", "online")
        recorder.act(GATE, "intrusion")
        for _ in range(3):
            recorder.tick(site.later(REPEAT_MS))
        recorder.act(YARD, "line_crossing")
        await site.events("gate", "online", "intrusion")
        await site.events("yard", "online", "line_crossing")
        recorder.act(GATE, "intrusion_cleared", {"said": False})
        for _ in range(4):
            recorder.tick(site.later(HEARTBEAT_MS))
        await site.events("gate", "online", "intrusion", "intrusion_cleared")
        recorder.act(INPUT, "open")
        recorder.act(INPUT, "close")
        await site.events("door", "online", "opened", "closed")
        assert set(recorder.answers) == {200}


@pytest.mark.parametrize("generation", ["old", "newer", "newest"])
async def test_every_generation_of_firmware_and_every_alert(tmp_path: Path, generation: str) -> None:
    async with (
        push_house(tmp_path, "hikvision", DEVICES) as site,
        site.simulating(SimHikvision(site.door, clock=site.now)) as recorder,
    ):
        recorder.act("", "firmware", {"generation": generation})
        for what, end in (
            ("motion", "motion_cleared"),
            ("tamper", "tamper_cleared"),
            ("video_loss", "video_restored"),
            ("fault", "fault_cleared"),
        ):
            recorder.act(GATE, what)
            recorder.act(GATE, end)
        said = ("online", "motion", "motion_cleared", "tamper", "video_loss", "video_restored", "fault")
        await site.events("gate", *said)
        recorder.act("", "garble")
        await site.quarantined(1)


def test_the_simulated_recorder_says_the_same_for_the_same_seed_and_refuses_what_it_cannot_do() -> None:
    def said(seed: int) -> list[bytes]:
        recorder = SimHikvision(Door("http://127.0.0.1:1"), seed=seed, clock=lambda: START_MS)
        recorder.act(GATE, "motion")
        return [one.body for one in recorder._out]

    assert said(1) == said(1)
    recorder = SimHikvision(Door("http://127.0.0.1:1"), clock=lambda: START_MS)
    with pytest.raises(ActionError, match="does not go on"):
        recorder.act(GATE, "motion_cleared")
    with pytest.raises(ValueError, match="expected a door"):
        SimHikvision(Broker("127.0.0.1", 1), clock=lambda: START_MS)
