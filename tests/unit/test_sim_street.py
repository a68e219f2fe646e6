"""What stands outside, and what carries the rest: bins, stations, meters, trackers, concentrators, modems, boards."""

from __future__ import annotations

from itertools import pairwise
from math import cos, hypot, radians
from pathlib import Path
from statistics import mean

import pytest

from firmware_sim.community import SimulatedCommunity, SimulatedPlace, load_community
from firmware_sim.housing import housed
from firmware_sim.spot import Spot
from tests.support.sim import DAWN, HOUR, events, live, make, readings

DAY = 24 * HOUR


def test_bin_fills_says_once_that_it_is_full_and_is_emptied() -> None:
    bin_ = make("waste_bin", seed=4)
    said = live(bin_, DAWN, DAWN + 8 * DAY)
    fill, told = readings(said, "fill"), events(said)
    assert 0 <= min(fill) < 10 and max(fill) > 60
    assert all(pair in (("full", "collected"), ("collected", "full")) for pair in pairwise(told))
    for _, out in said:
        if "fill" in out.message.metrics and "distance" in out.message.metrics:
            assert out.message.metrics["distance"] == pytest.approx(1000 - 10 * out.message.metrics["fill"], abs=6)


def test_bin_that_is_always_full_says_so() -> None:
    told = [event for seed in range(12) for event in events(live(make("waste_bin", seed), DAWN, DAWN + 8 * DAY))]
    assert told.count("full") > 3
    assert told.count("collected") > 3


def test_ember_makes_a_fire_that_burns_out() -> None:
    bin_ = make("waste_bin")
    bin_.act("ember", DAWN, {})
    said = live(bin_, DAWN, DAWN + HOUR)
    assert [event for event in events(said) if event.startswith("fire")] == ["fire", "fire_cleared"]
    assert max(readings(said, "temperature")) > 60
    assert "alarm" not in bin_.standing


def test_stations_of_one_community_have_one_weather() -> None:
    one, two = (make("environment", device_id=name) for name in ("env-1", "env-2"))
    hours = range(DAWN, DAWN + DAY, HOUR)
    apart = [abs(one.measure(at)["temperature"] - two.measure(at)["temperature"]) for at in hours]
    assert max(apart) < 3
    assert mean(one.measure(at)["temperature"] for at in hours) != 0
    other = make("environment", seed=99)
    assert max(abs(one.measure(at)["temperature"] - other.measure(at)["temperature"]) for at in hours) > 1


@pytest.mark.parametrize(
    ("medium", "reading", "rate"),
    [
        ("electricity", "energy", "power"),
        ("heat", "energy", "power"),
        ("water", "volume", "flow_rate"),
        ("gas", "volume", "flow_rate"),
    ],
)
def test_a_meter_only_counts_up_and_by_what_runs(medium: str, reading: str, rate: str) -> None:
    meter = make("meter", spot=Spot(medium=medium))  # type: ignore[arg-type]  # the test's own list
    said = live(meter, DAWN, DAWN + 3 * DAY)
    counted, running = readings(said, reading), readings(said, rate)
    assert counted == sorted(counted) and counted[-1] > counted[0]
    per_hour = mean(running) / (1000 if rate == "power" else 1)
    assert counted[-1] - counted[0] == pytest.approx(per_hour * 71, rel=0.15)


def test_tracker_stands_at_night_and_drives_no_faster_than_it_says() -> None:
    home = (39.93, 116.46)
    tracker = make("tracker", position=home)
    said = [(at, out.message.metrics) for at, out in live(tracker, DAWN, DAWN + DAY)]
    fixes = [(at, metrics) for at, metrics in said if "latitude" in metrics]
    assert len(fixes) > 400
    speeds = [metrics["speed"] for _, metrics in fixes]
    assert min(speeds) == 0 and 25 < max(speeds) < 60
    for (at, a), (later, b) in pairwise(fixes):
        north = (b["latitude"] - a["latitude"]) * 111_320
        east = (b["longitude"] - a["longitude"]) * 111_320 * cos(radians(home[0]))
        assert hypot(north, east) <= 60 / 3.6 * (later - at) / 1000 + 25, "no jumps"
    farthest = max(abs(metrics["latitude"] - home[0]) for _, metrics in fixes)
    assert 0.001 < farthest < 0.01
    lost = [event for event in events(live(make("tracker", seed=2), DAWN, DAWN + 5 * DAY)) if event.startswith("fix")]
    assert lost[:2] == ["fix_lost", "fix_gained"]


def test_modem_says_who_its_operator_is_and_is_silent_about_a_cell_it_has_not() -> None:
    modem = make("modem")
    modem.act("registration_lost", DAWN, {})
    (out,) = modem.take()
    assert out.message.event == "registration_lost" and str(out.message.data["operator"]).startswith("460")
    away = live(modem, DAWN, DAWN + 2 * HOUR)
    assert readings(away, "rsrp") == [] and set(readings(away, "registered")) == {0.0}
    modem.act("registered", DAWN + 2 * HOUR, {})
    assert -120 <= readings(live(modem, DAWN + 2 * HOUR, DAWN + 3 * HOUR), "rsrp")[0] <= -55


def test_gateway_board_shows_what_it_complains_of() -> None:
    board = make("gateway")
    board.act("disk_full", DAWN, {})
    board.act("clock_wrong", DAWN, {})
    said = live(board, DAWN, DAWN + 300_000)
    assert events(said) == ["disk_full", "clock_wrong"]
    assert readings(said, "disk_free")[-1] < 5 and readings(said, "clock_offset")[-1] < -1e6


def test_a_concentrator_knows_what_is_behind_it() -> None:
    places = tuple(
        SimulatedPlace(f"{kind}-{n}", kind, f"door-{n}", f"r{n}")
        for n in range(5)
        for kind in ("sos_button", "smoke", "vitals_monitor")
    )
    unit = SimulatedPlace("conc-1", "concentrator", "house-1")
    elsewhere = SimulatedPlace("conc-2", "concentrator", "house-2")
    parents = {f"door-{n}": "house-1" for n in range(5)} | {"house-1": "yard", "house-2": "yard"}
    town = SimulatedCommunity("t", "Asia/Shanghai", (*places, unit, elsewhere), parents=parents)
    behind = {place.id: setting.behind for place, setting in housed(town, seed=1, rate=1.0)}
    assert (behind["conc-1"], behind["conc-2"], behind["smoke-1"]) == (10, 0, 0)
    concentrator = make("concentrator", behind=10)
    said = live(concentrator, DAWN, DAWN + HOUR)
    assert set(readings(said, "devices")) == {10.0}
    assert all(online <= 10 for online in readings(said, "devices_online"))
    assert sum(readings(said, "frames_bad")) < 0.1 * sum(readings(said, "frames"))


def test_a_community_file_says_where_things_are(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "anju: 1\ncommunity: {id: t, name: x}\n"
        "places:\n"
        "  - {id: yard, level: 院, name: 院, position: {lat: 39.9, lon: 116.4, datum: WGS-84}}\n"
        "  - {id: door, level: 户, name: 1, parent: yard}\n"
        "devices:\n"
        "  - {id: m-1, kind: motion, name: {zh: 卫生间红外, en: bathroom motion}, place: door, address: x9}\n",
        encoding="utf-8",
    )
    ((_, setting),) = housed(load_community(file), seed=1, rate=1.0)
    assert setting.spot.room == "bathroom"
    assert setting.position == (39.9, 116.4)
    assert setting.hardware == "x9"
