"""A simulated Contec oximeter on a real pty, through good and bad cables."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from devices.gear.messages import GearDevice
from devices.profiles.contec_cms50 import Cms50
from firmware_sim.gear.base import GearPart
from firmware_sim.gear.contec_cms50 import SimCms50
from gateway.transports.serial_health import LineState
from tests.support.eventually import eventually_async
from tests.support.lines import LINKS, GearRig, gear_rig, now_ms

OXIMETER = GearDevice(id="spo2-1", kind="vitals_monitor", address="1")


@pytest.fixture(autouse=True)
def quick_finger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated one finds the pulse at once; how long a real one searches is no matter of the line."""
    monkeypatch.setattr("firmware_sim.gear.contec_cms50.SEARCHING_MS", 200)


def rig(directory: Path, *, variant: str = "new", listen: str = "auto", baud: int | None = None, **link: Any) -> Any:
    part = GearPart(address="1", kind="vitals_monitor", options={"variant": variant})
    return gear_rig(
        directory,
        Cms50({"variant": listen, "every_s": "1", "pleth_s": "1"}),
        lambda port: SimCms50(port, (part,), seed=1, clock=now_ms, **link),
        (OXIMETER,),
        baud=baud,
    )


async def measured(line: GearRig) -> None:
    await eventually_async(lambda: line.taken.last("pulse"), 20, "a pulse")


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
@pytest.mark.parametrize("variant", ["new", "old"])
async def test_the_numbers_of_the_body_arrive_over_any_cable(
    tmp_path: Path, variant: str, link: dict[str, Any]
) -> None:
    async with rig(tmp_path, variant=variant, listen=variant, **link) as line:
        line.sim.act("1", "set", {"vitals": {"pulse": 143.0, "spo2": 91.0}})
        await measured(line)
        for key, wanted, spread in (("pulse", 143, 5), ("spo2", 91, 3)):
            assert all(abs(value - wanted) <= spread for value in line.taken.values(key)), line.taken.values(key)
        await eventually_async(lambda: line.line.health().state is LineState.UP)


@pytest.mark.parametrize("variant", ["new", "old"])
async def test_the_format_is_found_out(tmp_path: Path, variant: str) -> None:
    async with rig(tmp_path, variant=variant) as line:
        await measured(line)
        assert line.line.health().opened == 1, "the port was set anew, not opened anew"


async def test_the_finger_taken_out_is_known_within_a_quarter_of_a_second(tmp_path: Path) -> None:
    async with rig(tmp_path, listen="new") as line:
        await measured(line)
        await eventually_async(lambda: line.taken.last("probe_off") == 0)
        taken_out_ms = now_ms()
        line.sim.act("1", "probe_off")
        await eventually_async(lambda: line.taken.last("probe_off") == 1)
        received_ms = next(
            at for _, reading, at, *_ in line.taken.readings for said in reading.said if said.metrics.get("probe_off")
        )
        assert received_ms - taken_out_ms < 250
        line.sim.act("1", "probe_on")
        await eventually_async(lambda: line.taken.last("probe_off") == 0)


async def test_it_is_kept_alive_and_stops_without(tmp_path: Path) -> None:
    async with rig(tmp_path, listen="new", asked_for_ms=6_000) as line:
        await measured(line)
        await eventually_async(lambda: b"\xaf" in line.sim.heard_commands, 10, "a keep-alive")
        await asyncio.to_thread(line.line.stop)
        await eventually_async(lambda: not line.sim.sending, 10, "it stops when nobody asks any more")


async def test_a_strip_of_the_pulse_wave_arrives(tmp_path: Path) -> None:
    async with rig(tmp_path, listen="new") as line:
        await eventually_async(lambda: any(said.waveform for said in line.taken.said), 20)
        wave = next(said.waveform for said in line.taken.said if said.waveform is not None)
        assert len(wave.samples) == 60 and max(wave.samples) - min(wave.samples) > 10


async def test_switched_off_it_is_gone_and_switched_on_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cms50, "silent_after_ms", 2_000)
    async with rig(tmp_path, listen="new") as line:
        await measured(line)
        await eventually_async(lambda: line.taken.presence[-1:] == [True])
        line.sim.act("", "power_off")
        await eventually_async(lambda: line.line.health().state is LineState.SILENT)
        await eventually_async(lambda: line.taken.presence[-1:] == [False])
        assert "设备无数据" in line.line.health().reason
        line.sim.act("", "power_on")
        await eventually_async(lambda: line.taken.presence[-1:] == [True])
        await eventually_async(lambda: line.line.health().state is LineState.UP)


async def test_unplugged_and_plugged_in_again(tmp_path: Path) -> None:
    async with rig(tmp_path, listen="new") as line:
        await measured(line)
        line.cable.unplug()
        await eventually_async(lambda: line.line.health().state is LineState.DOWN)
        await eventually_async(lambda: line.taken.presence == [True, False])
        good = line.line.health().frames_ok["frames"]
        line.cable.plug()
        await eventually_async(lambda: line.taken.presence == [True, False, True], 15)
        health = line.line.health()
        assert health.opened == 2 and health.frames_ok["frames"] >= good, "counts outlive the cable"


async def test_a_wrong_baud_rate_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firmware_sim.gear.contec_cms50.SEARCHING_MS", 60_000)  # nobody wears it
    async with rig(tmp_path, variant="old", listen="old", baud=9600) as line:
        await eventually_async(lambda: "波特率" in line.line.health().reason)
        assert line.taken.said == []


async def test_an_intake_that_fails_does_not_end_the_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with rig(tmp_path, listen="new") as line:
        take = line.line._take

        def broken(*args: object) -> None:
            line.line._take = take
            raise ZeroDivisionError("a bug")

        line.line._take = broken
        await measured(line)
        assert "a bug" in caplog.text


async def test_stopped_in_the_middle_of_it_all(tmp_path: Path) -> None:
    async with rig(tmp_path, listen="new") as line:
        await eventually_async(partial(line.sim.counts.__getitem__, "opened"))
        await asyncio.to_thread(line.line.stop)
        health = line.line.health()
        assert (health.state, health.reason) == (LineState.DOWN, "已停止 / stopped")
