"""Simulated gear on real ptys: a presence radar, a satellite receiver, a speed radar, glucose meters; any cable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from devices.gear.messages import GearDevice
from devices.gear.profile import Profile
from devices.profiles import PROFILES
from firmware_sim.gear import SIMULATED_GEAR
from firmware_sim.gear.glucose import SimGlucoseMeter
from firmware_sim.gear.nmea import SimNmea
from firmware_sim.gear.serial import SerialGear
from gateway.transports.serial_health import LineState
from tests.support.eventually import eventually_async
from tests.support.lines import LINKS, GearRig, gear_rig, now_ms

ANY_CABLE = pytest.mark.parametrize("link", LINKS.values(), ids=LINKS.keys())
METERS = pytest.mark.parametrize("key", ["taidoc-td42xx", "onetouch-ultraeasy"])


def rig(
    directory: Path, key: str, link: dict[str, Any] | None = None, every_ms: int | None = None, **options: str
) -> Any:
    """``every_ms``: a pace quicker than the profile's option allows, so that nobody has to wait for the next look."""
    profile: Profile = PROFILES[key]
    assert profile.stream is not None
    sim: Any = SIMULATED_GEAR[key]
    gear: Any = profile.stream(options)
    if every_ms is not None:
        assert gear._every_ms >= 10_000
        gear._every_ms = every_ms
    device = GearDevice(id=f"{key}-1", kind=profile.kinds[0], address="1")
    return gear_rig(directory, gear, lambda port: sim(port, seed=1, clock=now_ms, **(link or {})), (device,))


def latest(line: GearRig, key: str) -> float | None:
    return line.taken.last(key)


@ANY_CABLE
async def test_the_radar_sees_who_comes_and_goes(tmp_path: Path, link: dict[str, Any]) -> None:
    async with rig(tmp_path, "ld2450", link, hold_s="1", every_s="1") as line:
        line.sim.act("1", "leave")
        await eventually_async(lambda: latest(line, "occupied") == 0)
        line.sim.act("1", "enter", {"number": 2})
        await eventually_async(lambda: latest(line, "occupied") == 1)
        await eventually_async(lambda: latest(line, "targets") == 2)
        assert 0 < (latest(line, "nearest") or 0) < 6
        line.sim.act("1", "leave")
        await eventually_async(lambda: latest(line, "occupied") == 0)
        assert line.line.health().state is LineState.UP


@ANY_CABLE
async def test_the_car_is_where_it_is(tmp_path: Path, link: dict[str, Any]) -> None:
    async with rig(tmp_path, "nmea", link, every_s="1") as line:
        assert isinstance(line.sim, SimNmea)
        line.sim.act("1", "drive", {"speed": 36.0})
        await eventually_async(lambda: abs((latest(line, "speed") or 0) - 36) < 0.1, 20)
        latitude, longitude, _ = line.sim.place()
        # 36 km/h are 10 m a second; a position may be three seconds old on a bad cable.
        assert abs((latest(line, "latitude") or 0) - latitude) < 0.0005
        assert abs((latest(line, "longitude") or 0) - longitude) < 0.0006
        said = next(said for said in reversed(line.taken.said) if "latitude" in said.metrics)
        assert said.observed_at_ms is not None and abs(said.observed_at_ms - now_ms()) < 5_000


async def test_in_the_tunnel_there_is_no_position(tmp_path: Path) -> None:
    async with rig(tmp_path, "nmea", every_s="1") as line:
        await eventually_async(lambda: latest(line, "fix") == 1)
        line.sim.act("1", "tunnel")
        await eventually_async(lambda: latest(line, "fix") == 0, 15)
        assert line.line.health().state is LineState.UP, "the receiver is there; the sky is not"
        line.sim.act("1", "open_sky")
        await eventually_async(lambda: latest(line, "fix") == 1)


@ANY_CABLE
async def test_vehicles_are_counted(tmp_path: Path, link: dict[str, Any]) -> None:
    async with rig(tmp_path, "ops243", {**link, "traffic": False}, every_ms=1_000) as line:
        await eventually_async(lambda: line.line.health().frames_ok["frames"])
        line.sim.act("1", "pass", {"speed": 52.0})
        line.sim.act("1", "pass", {"speed": -41.0})
        await eventually_async(lambda: sum(line.taken.values("flow")) >= 2 * 3_600, 30)
        assert sum(line.taken.values("flow")) == 2 * 3_600
        assert all(38 < speed < 53 for speed in line.taken.values("speed"))


async def test_a_ghost_driver_is_reported_while_he_is_still_to_be_seen(tmp_path: Path) -> None:
    async with rig(tmp_path, "ops243", {"traffic": False}, way="inbound") as line:
        await eventually_async(lambda: line.line.health().frames_ok["frames"])
        begun_ms = now_ms()
        line.sim.act("1", "pass", {"speed": -60.0})
        await eventually_async(lambda: any("wrong_way" in said.events for said in line.taken.said))
        assert now_ms() - begun_ms < 1_500


@ANY_CABLE
@METERS
async def test_stored_measurements_are_read_once_over_any_cable(tmp_path: Path, key: str, link: dict[str, Any]) -> None:
    async with rig(tmp_path, key, link) as line:
        assert isinstance(line.sim, SimGlucoseMeter)
        await eventually_async(lambda: len(line.taken.values("glucose")) >= 3, 30)
        told = [said.identity for said in line.taken.said if said.identity]
        assert len(told) == len(set(told)) == 3
        wanted = sorted(round(stored.mgdl / 18.016, 1) for stored in line.sim.records)
        assert sorted(line.taken.values("glucose")) == pytest.approx(wanted, abs=0.11)


@METERS
async def test_a_new_measurement_is_told_at_the_next_look(tmp_path: Path, key: str) -> None:
    async with rig(tmp_path, key, every_ms=2_000) as line:
        await eventually_async(lambda: len(line.taken.values("glucose")) == 3, 30)
        line.sim.act("1", "measure", {"mmol": 3.1})
        await eventually_async(lambda: 3.1 in line.taken.values("glucose"), 40)
        assert len(line.taken.values("glucose")) == 4
        newest = next(said for said in line.taken.said if said.metrics.get("glucose") == 3.1)
        assert newest.observed_at_ms is not None
        assert abs(now_ms() - newest.observed_at_ms) < 120_000, "its clock knows minutes"


@METERS
async def test_a_meter_whose_clock_is_years_wrong(tmp_path: Path, key: str) -> None:
    async with rig(tmp_path, key, every_ms=2_000) as line:
        assert isinstance(line.sim, SimGlucoseMeter)
        line.sim.records.clear()
        line.sim.act("1", "clock", {"wrong_by_s": -5 * 365 * 86_400.0})
        line.sim.act("1", "measure", {"mmol": 12.5, "hours_ago": 2.0})
        await eventually_async(lambda: 12.5 in line.taken.values("glucose"), 30)
        said = next(said for said in line.taken.said if said.metrics.get("glucose") == 12.5)
        assert said.observed_at_ms is not None
        ago = timedelta(milliseconds=now_ms() - said.observed_at_ms)
        assert timedelta(minutes=118) < ago < timedelta(minutes=122)


@METERS
async def test_a_meter_plugged_in_again_is_read_within_seconds(tmp_path: Path, key: str) -> None:
    async with rig(tmp_path, key, every_ms=2_000) as line:
        await eventually_async(lambda: len(line.taken.values("glucose")) == 3, 30)
        line.sim.act("", "power_off")
        line.sim.act("1", "measure", {"mmol": 8.8})
        line.sim.act("", "power_on")
        await eventually_async(lambda: 8.8 in line.taken.values("glucose"), 30)


@pytest.mark.parametrize("key", ["ld2450", "nmea", "ops243"])
async def test_switched_off_it_is_gone(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, key) as line:
        monkeypatch.setattr(type(line.line._gear), "silent_after_ms", 2_000)
        await eventually_async(lambda: line.taken.presence[-1:] == [True], 15)
        line.sim.act("", "power_off")
        await eventually_async(lambda: line.taken.presence[-1:] == [False], 15)
        line.sim.act("", "power_on")
        await eventually_async(lambda: line.taken.presence[-1] is True, 45)


def test_every_serial_profile_has_its_simulated_gear() -> None:
    for profile in PROFILES.values():
        if profile.carrier in ("serial", "modbus"):
            assert issubclass(SIMULATED_GEAR[profile.key], SerialGear)
