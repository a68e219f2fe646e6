"""Roads, bins, kiosks, weather, air, fire, batteries and radio of the simulated town."""

from __future__ import annotations

import random
from datetime import date
from itertools import pairwise
from statistics import correlation, mean, pvariance

import pytest

from firmware_sim.signals.air import AIRED_TAU_S, SHUT_TAU_S, Room
from firmware_sim.signals.battery import Cell, Chemistry
from firmware_sim.signals.bins import Bin
from firmware_sim.signals.clicks import DISTRICT_CLICKS_A_DAY, KIOSKS, KioskUse
from firmware_sim.signals.day import local_hour, midnight_ms
from firmware_sim.signals.fire import Fire
from firmware_sim.signals.noise import wander
from firmware_sim.signals.radio import Link, Technology
from firmware_sim.signals.traffic import CLASSES, JAM_DENSITY, LENGTH_KM, LaneReading, Road, RoadReading
from firmware_sim.signals.weather import Weather

ZONE = "Asia/Shanghai"
WEATHER = Weather("town", ZONE)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
MONDAY = midnight_ms(date(2026, 9, 21), ZONE)


def road(seed: int, load: float, *, lanes: int | None = None, market_days: frozenset[int] = frozenset()) -> Road:
    """One with that demand at the rush hour, as a part of its capacity, and if wanted with that many lanes."""
    for attempt in range(4000):
        found = Road(random.Random(f"{seed}/{attempt}"), ZONE, market_days=market_days)
        rush = found.demand(MONDAY + 8 * HOUR) / found.capacity
        if abs(rush - load) < 0.02 and lanes in (None, found.lanes):
            return found
    raise AssertionError(f"no road with load {load}")


def drive(on: Road, begin: int, minutes: int) -> list[RoadReading]:
    return [on.read(begin + minute * MINUTE, 60) for minute in range(1, minutes + 1)]


# --- traffic ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [0.5, 0.7, 0.95])
def test_flow_is_speed_times_density_in_each_lane(load: float) -> None:
    for reading in drive(road(1, load), MONDAY + 5 * HOUR, 15 * 60):
        assert sum(lane.flow for lane in reading.lanes) == pytest.approx(reading.flow)
        for lane in reading.lanes:
            passed = sum(lane.counts.values())
            assert lane.flow == passed * 60
            if not passed or not lane.speed:
                continue
            length = sum(lane.counts[kind] * LENGTH_KM[kind] for kind in CLASSES) / passed
            density = lane.occupancy / 100 / length
            assert lane.speed * density == pytest.approx(lane.flow, rel=1e-6)
            assert density <= 1.2 * JAM_DENSITY
            assert lane.occupancy <= 100


def points(readings: list[RoadReading]) -> list[LaneReading]:
    return [lane for reading in readings for lane in reading.lanes if lane.speed]


def test_the_two_branches_of_the_fundamental_diagram() -> None:
    """Free flow: fast, occupancy grows with flow. Congested: slow, occupancy falls as flow grows."""
    on = road(2, 0.95)
    week = points(drive(on, MONDAY + 5 * HOUR, 18 * 60))
    on.incident(0.5)
    week += points(drive(on, MONDAY + DAY + 7 * HOUR, 60))
    free = [lane for lane in week if lane.speed and lane.speed > 0.7 * on.free_speed]
    jam = [lane for lane in week if lane.speed and lane.speed < 0.62 * on.free_speed]
    assert len(free) + len(jam) > 0.97 * len(week), "nothing in between: the capacity drop"
    assert len(jam) > 60
    assert correlation([lane.flow for lane in free], [lane.occupancy for lane in free]) > 0.9
    assert correlation([lane.flow for lane in jam], [lane.occupancy for lane in jam]) < -0.5
    assert mean(lane.occupancy for lane in jam) > 1.8 * max(20, mean(lane.occupancy for lane in free))


def test_weekdays_have_two_rush_hours_and_weekends_one_long_day() -> None:
    on = road(3, 0.7)
    week = drive(on, MONDAY, 7 * 24 * 60)

    def flow(day: int, hour: int) -> float:
        begin = (day * 24 + hour) * 60
        return mean(reading.flow for reading in week[begin : begin + 60])

    for day in range(5):
        assert flow(day, 8) > 1.4 * flow(day, 11)
        assert flow(day, 18) > 1.3 * flow(day, 14)
        assert flow(day, 3) < 0.25 * flow(day, 8)
    for day in (5, 6):
        assert flow(day, 8) < 0.75 * flow(0, 8)
        assert flow(day, 11) > flow(day, 8)
    trucks = [
        (local_hour(MONDAY + i * MINUTE, ZONE), r.counts["truck"] / sum(r.counts.values()))
        for i, r in enumerate(week)
        if r.flow
    ]
    assert mean(s for h, s in trucks if 0 <= h < 5) > 3 * mean(s for h, s in trucks if 8 <= h < 20), "let in by night"


def test_market_days_fill_the_forenoon() -> None:
    market, plain = road(4, 0.8, market_days=frozenset({2})), road(4, 0.8)
    tuesday = MONDAY + DAY  # the 22nd
    assert market.demand(tuesday + 10 * HOUR) > 1.5 * plain.demand(tuesday + 10 * HOUR)
    assert market.demand(MONDAY + 10 * HOUR) < 1.2 * plain.demand(MONDAY + 10 * HOUR)
    plain.market(True)
    assert plain.demand(MONDAY + 2 * DAY + 10 * HOUR) > 1.3 * plain.demand(MONDAY + 2 * DAY + 13 * HOUR)


def test_an_incident_ahead_jams_the_road_and_the_jam_outlives_it() -> None:
    on = road(5, 0.75, lanes=2)
    noon = MONDAY + 12 * HOUR
    before = drive(on, noon, 30)
    on.incident(0.7)
    during = drive(on, noon + 30 * MINUTE, 40)
    on.incident(0)
    after = drive(on, noon + 70 * MINUTE, 120)

    def speed(of: list[RoadReading]) -> float:
        return mean(reading.speed for reading in of if reading.speed is not None)

    assert speed(during[5:]) < 0.3 * speed(before)
    assert mean(r.occupancy for r in during[5:]) > 4 * mean(r.occupancy for r in before)
    assert mean(r.flow for r in during[5:]) < 0.35 * on.capacity
    assert speed(after[:10]) < 0.7 * speed(before), "the queue is still there"
    assert mean(r.flow for r in after[:10]) > 1.3 * mean(r.flow for r in before), "and leaves as fast as it can"
    assert speed(after[-30:]) > 0.93 * speed(before)


def test_counters_on_both_sides_of_an_incident_differ_as_detection_expects() -> None:
    upstream, downstream = road(6, 0.75), road(6, 0.75)
    noon = MONDAY + 12 * HOUR
    for on in (upstream, downstream):
        drive(on, noon, 10)
    upstream.incident(0.7, where="ahead")
    downstream.incident(0.7, where="behind")
    pairs = list(zip(drive(upstream, noon + 10 * MINUTE, 20), drive(downstream, noon + 10 * MINUTE, 20), strict=True))
    for up, down in pairs[5:]:
        assert up.occupancy - down.occupancy > 20
        assert (up.occupancy - down.occupancy) / up.occupancy > 0.6
        assert down.speed is not None and up.speed is not None
        assert down.speed > 2 * up.speed


def test_free_traffic_comes_by_chance() -> None:
    """Counts of a quiet minute vary as Poisson's do: variance about the mean."""
    on = road(7, 0.6)
    counts = [sum(reading.counts.values()) for reading in drive(on, MONDAY + 13 * HOUR, 60)]
    assert 0.5 < pvariance(counts) / mean(counts) < 2.2


# --- bins and kiosks --------------------------------------------------------------------------------------------------


def test_bins_fill_when_people_come_down_and_are_emptied_by_the_round() -> None:
    by_hour: dict[int, float] = {}
    for number in range(30):
        one = Bin(random.Random(number), WEATHER, daily=60)
        readings = [(MONDAY + step * 15 * MINUTE, one.read(MONDAY + step * 15 * MINUTE)) for step in range(7 * 96)]
        emptied = [local_hour(at, ZONE) for at, reading in readings if reading.collected]
        assert len(emptied) in (6, 7)
        assert all(6.4 < hour < 7.3 for hour in emptied)
        for (_, a), (at, b) in pairwise(readings):
            assert 0 <= b.fill <= 100
            if b.collected:
                assert b.fill < 15
            else:
                assert b.fill >= a.fill
                by_hour[int(local_hour(at, ZONE))] = by_hour.get(int(local_hour(at, ZONE)), 0) + b.fill - a.fill
    assert by_hour[7] + by_hour[19] > 6 * (by_hour[3] + by_hour[15])
    assert sum(by_hour.values()) / 30 / 7 == pytest.approx(60, rel=0.15)


def test_a_bin_burns_and_is_put_out() -> None:
    one = Bin(random.Random(1), WEATHER)
    cold = one.read(MONDAY + 12 * HOUR).temperature
    one.burn(MONDAY + 12 * HOUR)
    assert one.read(MONDAY + 12 * HOUR + 7 * MINUTE).temperature > 150
    one.put_out()
    assert one.read(MONDAY + 12 * HOUR + 8 * MINUTE).temperature == pytest.approx(cold, abs=2)
    one.collect(MONDAY + 13 * HOUR)
    assert one.read(MONDAY + 13 * HOUR).fill < 5


def test_a_districts_kiosks_are_clicked_eight_thousand_times_a_day() -> None:
    clicks, searches = 0, 0
    for number in range(KIOSKS):
        kiosk = KioskUse(random.Random(number), ZONE)
        for step in range(7 * 144):
            c, s = kiosk.read(MONDAY + step * 10 * MINUTE, 600)
            clicks, searches = clicks + c, searches + s
    assert clicks / 7 == pytest.approx(DISTRICT_CLICKS_A_DAY, rel=0.15)
    assert searches / clicks == pytest.approx(0.3, abs=0.02)


# --- weather ----------------------------------------------------------------------------------------------------------


def test_weather_is_one_for_all_who_share_it() -> None:
    now = MONDAY + 10 * HOUR
    assert Weather("town", ZONE).read(now) == Weather("town", ZONE).read(now)
    assert Weather("town", ZONE).read(now) != Weather("other", ZONE).read(now)
    assert abs(wander("a", now, 600) - wander("a", now + 1000, 600)) < 0.05, "without steps"


def test_weather_has_seasons_days_and_wet_dawns() -> None:
    weather = Weather("town", ZONE)
    months = []
    for month in range(1, 13):
        begin = midnight_ms(date(2026, month, 1), ZONE)
        months.append([weather.read(begin + hour * HOUR) for hour in range(28 * 24)])
    mean_cel = [mean(air.temperature for air in month) for month in months]
    assert mean_cel[0] < 3 and mean_cel[6] > 22
    for month in months:
        assert all(-25 < air.temperature < 43 and 5 <= air.humidity <= 100 for air in month)
        assert all(0 < air.pm25 < air.pm10 <= 900 and 960 < air.pressure < 1060 for air in month)
        dawn, noon = [mean(air.humidity for air in month[hour::24]) for hour in (5, 15)]
        assert dawn > noon + 10
        assert mean(air.temperature for air in month[15::24]) > mean(air.temperature for air in month[5::24]) + 3
        assert all(air.illuminance == 0 for air in month[1::24])
        assert correlation([air.temperature for air in month[:48]], [air.humidity for air in month[:48]]) < -0.4
    assert mean(air.illuminance for air in months[5][12::24]) > mean(air.illuminance for air in months[11][12::24])
    assert 20 < mean(air.pm25 for month in months for air in month) < 75


# --- air and fire -----------------------------------------------------------------------------------------------------


def test_gas_rises_with_the_rooms_time_constant_and_stays_until_it_is_aired() -> None:
    room = Room()
    assert room.at(MONDAY) == 0
    room.feed(MONDAY, 80)  # % of the lower explosive limit, in the end
    assert room.at(MONDAY + round(SHUT_TAU_S * 1000)) == pytest.approx(80 * (1 - 1 / 2.718281828), rel=1e-6)
    shut = MONDAY + 1800_000
    level = room.at(shut)
    room.feed(shut, 0)
    assert room.at(shut) == pytest.approx(level), "no step"
    assert room.at(shut + 10 * MINUTE) > 0.9 * level, "the valve alone does not clear the air"
    room.air(shut + 10 * MINUTE)
    assert room.at(shut + 10 * MINUTE + round(2.303 * AIRED_TAU_S * 1000)) < 0.11 * level


def test_a_leak_into_an_aired_room_stays_low() -> None:
    room = Room()
    room.air(MONDAY)
    room.feed(MONDAY, 80 * AIRED_TAU_S / SHUT_TAU_S)
    other = Room()
    other.feed(MONDAY, 80)
    other.air(MONDAY)
    late = MONDAY + 5 * HOUR
    assert room.at(late) == pytest.approx(other.at(late))
    assert room.at(late) == pytest.approx(8, rel=0.01)


def test_a_smouldering_fire_is_seen_long_before_it_is_felt() -> None:
    fire = Fire(MONDAY, "smouldering")
    seen = next(m for m in range(120) if fire.obscuration(MONDAY + m * MINUTE) > 0.2)
    felt = next(m for m in range(120) if fire.warming(MONDAY + m * MINUTE) > 35)  # a heat detector of class A1: 57 Cel
    assert 5 <= seen <= 20
    assert felt > seen + 20
    open_fire = Fire(MONDAY, "medium")
    assert next(s for s in range(600) if open_fire.warming(MONDAY + s * 1000) > 35) < 180
    for one in (fire, open_fire):
        course = [one.obscuration(MONDAY + s * 10_000) for s in range(400)]
        assert all(a <= b for a, b in pairwise(course))
    open_fire.put_out(MONDAY + 120_000)
    assert open_fire.obscuration(MONDAY + 120_000) > 20 * open_fire.obscuration(MONDAY + 120_000 + 2 * HOUR)
    assert open_fire.warming(MONDAY + 120_000 + 2 * HOUR) < 1


def test_a_ceiling_warms_after_alpert() -> None:
    """100 kW under a ceiling of 3 m: 16.9 · 100^(2/3) / 3^(5/3) = 58 K."""
    fire = Fire(0, "medium", ceiling_m=3.0)
    at = next(ms for ms in range(0, 200_000, 100) if 0.0117 * (ms / 1000) ** 2 >= 100)
    assert fire.warming(at) == pytest.approx(58.3, abs=0.5)


# --- battery and radio ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chemistry", ["lithium_coin", "lithium_thionyl", "lithium_ion", "alkaline_pair"])
def test_cells_only_ever_lose_and_lose_more_in_the_cold_and_under_load(chemistry: Chemistry) -> None:
    cell = Cell(chemistry)
    course = [cell.volts(used / 100) for used in range(101)]
    assert all(a >= b for a, b in pairwise(course))
    for used in (0.1, 0.5, 0.9):
        assert cell.volts(used, celsius=-15) < cell.volts(used)
        assert cell.volts(used, load_ma=15) < cell.volts(used)
        warm = cell.volts(used) - cell.volts(used, load_ma=15)
        cold = cell.volts(used, celsius=-15) - cell.volts(used, celsius=-15, load_ma=15)
        assert cold > 3 * warm
    assert cell.percent(cell.volts(0)) == 100
    assert cell.percent(cell.volts(1)) == 0


def test_lithium_is_flat_and_then_falls_off() -> None:
    cell = Cell("lithium_thionyl")
    assert cell.volts(0.05) - cell.volts(0.85) < 0.1
    assert cell.volts(0.9) - cell.volts(1.0) > 1.0
    assert cell.percent(cell.volts(0.85)) > 90, "so firmware says for years"
    alkaline = Cell("alkaline_pair")
    assert alkaline.volts(0.05) - alkaline.volts(0.85) > 0.5


@pytest.mark.parametrize("technology", ["zigbee", "wifi", "lora", "lte"])
def test_links_stay_in_their_band_and_lose_packets_where_they_are_weak(technology: Technology) -> None:
    for number in range(20):
        link = Link(random.Random(number), technology)
        course = [link.rssi(MONDAY + minute * MINUTE) for minute in range(300)]
        assert all(-140 < rssi < -25 for rssi in course)
        assert 1 < pvariance(course) < 25
        assert mean(link.loss(rssi) for rssi in course) < 0.2
        link.shielded_db = 60
        weak = [link.rssi(MONDAY + minute * MINUTE) for minute in range(300, 330)]
        assert mean(weak) < mean(course) - 5
        assert mean(link.loss(rssi) for rssi in weak) > mean(link.loss(rssi) for rssi in course)
        assert link.lqi(-35) == 255 and link.lqi(-150) == 0
        assert link.snr(-35) == 12
