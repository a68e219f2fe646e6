"""Weeks of ordinary life under the rules for homes and streets: few alarms, and every one of them right.

Old people who sleep ten hours, nap, go to the market, and are visited; roads with rush hours, gaps and hours told
twice; bins in the sun. And, planted among it, what the rules are there for.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from firmware_sim.signals.bins import Bin
from firmware_sim.signals.traffic import Road
from firmware_sim.signals.weather import Weather
from gateway.alarms import AlarmChange, AlarmMove
from gateway.rules.forms import KnownDevice
from tests.support.home_weeks import (
    DAY_MS,
    LIBRARY,
    ZONE_NAME,
    FittedHome,
    Said,
    at,
    listen,
    road_says,
    together,
    when,
    without,
)

HOME_RULES = [
    LIBRARY[name]
    for name in (
        "inactivity",
        "no-return",
        "night-wandering",
        "front-door-open-at-night",
        "bed-left-at-night",
        "window-open-away",
        "intrusion-armed",
        "intrusion-perimeter",
    )
]
STREET_RULES = [rule for name, rule in LIBRARY.items() if name.startswith(("traffic-", "counter-"))]
BIN_RULES = [LIBRARY["bin-hot"], LIBRARY["bin-full"]]
EVERY_ROOM = FittedHome("li", rooms=("living_room", "kitchen", "bathroom", "hall", "bedroom"))
ONE_DETECTOR = FittedHome("wang", radar=False)
USUAL = FittedHome("chen")
BED_ONLY = FittedHome("zhao", rooms=())


def raised(changes: list[AlarmChange]) -> list[tuple[str, str]]:
    """Rule and time of what was raised."""
    return [(one.rule, when(one.observed_at_ms)) for one in changes if one.move is AlarmMove.RAISED]


def raised_ms(changes: list[AlarmChange], rule: str) -> list[int]:
    return [one.observed_at_ms for one in changes if one.rule == rule and one.move is AlarmMove.RAISED]


# -- homes


@pytest.mark.parametrize("seed", ["li", "wang", "chen"])
@pytest.mark.parametrize(
    "home", [EVERY_ROOM, ONE_DETECTOR, USUAL, BED_ONLY], ids=["every room", "one detector", "usual", "bed only"]
)
def test_three_weeks_of_ordinary_life_are_no_alarm(home: FittedHome, seed: str) -> None:
    lived = FittedHome(seed, home.rooms, home.radar)
    changes = listen(HOME_RULES, lived.devices(), lived.says(at(0, 0), at(21, 0)), at(21, 0))
    assert raised(changes) == []


@pytest.fixture(scope="module")
def learned() -> list[Said]:
    """Nine days in the usual home, which the rules have got to know by then."""
    return list(USUAL.says(at(0, 0), at(10, 0)))


def planted(said: list[Said], from_ms: int, to_ms: int, *more: Said) -> list[AlarmChange]:
    """What the rules make of it when nobody moves in the home from then until then, but for ``more``."""
    lived = together(without(said, from_ms, to_ms), sorted(more, key=lambda one: one.at_ms))
    return listen(HOME_RULES, USUAL.devices(), lived, at(10, 0))


def last_word_ms(said: list[Said], before_ms: int) -> int:
    return max(one.at_ms for one in said if one.event is not None and one.at_ms < before_ms)


def test_a_fall_by_day_is_known_after_six_hours_of_stillness(learned: list[Said]) -> None:
    fell_ms = at(8, 9.5)
    (raised_at_ms,) = raised_ms(planted(learned, fell_ms, at(9, 12)), "inactivity")
    still_h = (raised_at_ms - last_word_ms(learned, fell_ms)) / 3_600_000
    assert 6.0 < still_h < 6.2


def test_a_fall_in_the_evening_is_known_in_the_morning(learned: list[Said]) -> None:
    fell_ms = at(8, 20.4)
    (raised_at_ms,) = raised_ms(planted(learned, fell_ms, at(9, 20)), "inactivity")
    assert raised_at_ms < at(9, 12.1)


def test_a_fall_on_the_way_to_the_bathroom_is_known_within_half_an_hour(learned: list[Said]) -> None:
    up_ms = at(9, 1.5)
    changes = planted(learned, up_ms, at(9, 20), Said(up_ms, f"radar/{USUAL.seed}", "bed_left"))
    assert raised_ms(changes, "bed-left-at-night") == [up_ms + 30 * 60_000]


def test_who_does_not_come_home_is_missed_in_the_evening(learned: list[Said]) -> None:
    gone_ms = at(8, 14)
    door = f"door/{USUAL.seed}"
    changes = planted(learned, gone_ms, at(9, 9), Said(gone_ms, door, "opened"), Said(gone_ms + 20_000, door, "closed"))
    assert raised_ms(changes, "no-return") == [at(8, 20)]
    assert raised_ms(changes, "inactivity") == []


def test_who_goes_out_in_the_night_is_missed_within_minutes(learned: list[Said]) -> None:
    gone_ms = at(9, 2)
    door = f"door/{USUAL.seed}"
    changes = planted(learned, gone_ms, at(9, 9), Said(gone_ms, door, "opened"), Said(gone_ms + 20_000, door, "closed"))
    assert raised_ms(changes, "night-wandering") == [gone_ms + 20_000 + 10 * 60_000]


def test_what_was_found_once_is_not_told_again_when_life_goes_on(learned: list[Said]) -> None:
    changes = planted(learned, at(8, 9.5), at(8, 17))
    assert [one.rule for one in changes] == ["inactivity", "inactivity"]
    assert [one.move for one in changes] == [AlarmMove.RAISED, AlarmMove.CLEARED]


# -- streets


def station(name: str, road_class: str, upstream: str | None = None) -> KnownDevice:
    facts = {"device.road_class": road_class, **({} if upstream is None else {"device.upstream": upstream})}
    return KnownDevice(name, "traffic_counter", place="pole", facts=facts)


def two_stations(road_class: str = "arterial") -> list[KnownDevice]:
    return [station("up", road_class), station("down", road_class, upstream="up")]


def roads(seed: str) -> dict[str, Road]:
    return {name: Road(random.Random(f"{seed}/{name}"), ZONE_NAME) for name in ("up", "down")}


@pytest.mark.parametrize(("seed", "road_class"), [("east", "expressway"), ("north", "arterial"), ("lane", "branch")])
def test_two_weeks_of_rush_hours_gaps_and_hours_told_twice_are_no_alarm(seed: str, road_class: str) -> None:
    def lived() -> Iterator[Said]:
        known = roads(seed)
        streams = [road_says(name, road, at(0, 0), at(15, 0), every_s=300) for name, road in known.items()]
        for one in together(*streams):
            if at(4, 9) <= one.at_ms < at(4, 20):
                continue  # nobody listened
            yield one
            if at(6, 8) <= one.at_ms < at(6, 9):
                yield one  # told twice

    assert raised(listen(STREET_RULES, two_stations(road_class), lived(), at(15, 0))) == []


def test_an_accident_between_two_stations_is_found_and_its_end_is_seen() -> None:
    known = roads("north")

    def lived() -> Iterator[Said]:
        streams = [road_says(name, road, at(0, 6), at(0, 15)) for name, road in known.items()]
        for one in together(*streams):
            if one.at_ms == at(0, 13):
                known["up"].incident(0.9, where="ahead")
                known["down"].incident(0.9, where="behind")
            if one.at_ms == at(0, 13.5):
                known["up"].incident(0)
                known["down"].incident(0)
            yield one

    changes = [
        one for one in listen(STREET_RULES, two_stations(), lived(), at(0, 15)) if one.rule == "traffic-incident"
    ]
    assert [one.move for one in changes] == [AlarmMove.RAISED, AlarmMove.CLEARED]
    assert at(0, 13) < changes[0].observed_at_ms <= at(0, 13.25)
    assert at(0, 13.5) < changes[1].observed_at_ms <= at(0, 14.5)


def test_a_stuck_counter_is_found_in_two_hours_and_an_empty_night_is_not_stuck() -> None:
    road = Road(random.Random("lane"), ZONE_NAME)

    def lived() -> Iterator[Said]:
        last: dict[str, float] = {}
        for one in road_says("up", road, at(0, 0), at(1, 0)):
            stuck = one.at_ms >= at(0, 14)
            last = last if stuck and last else dict(one.metrics)
            night = {"flow": 0.0, "occupancy": 0.0}
            yield Said(one.at_ms, one.device, metrics=night if one.at_ms < at(0, 5) else last)

    changes = listen(STREET_RULES, [station("up", "branch")], lived(), at(1, 0))
    (found_ms,) = raised_ms(changes, "counter-stuck")
    assert at(0, 15.9) <= found_ms <= at(0, 16.1)
    assert [rule for rule, _ in raised(changes)] == ["counter-stuck"]


def test_a_counter_that_sees_nobody_for_a_day_is_found() -> None:
    def lived() -> Iterator[Said]:
        for minute in range(0, 30 * 60, 10):
            yield Said(at(0, minute / 60), "up", metrics={"flow": 0.0, "occupancy": 0.0})

    (found_ms,) = raised_ms(listen(STREET_RULES, [station("up", "branch")], lived(), at(1, 6)), "counter-stuck")
    assert at(0, 16) <= found_ms <= at(0, 24)


def test_a_lane_that_is_seen_no_more_is_found_within_a_day() -> None:
    road = Road(random.Random("north/up"), ZONE_NAME)

    def lived() -> Iterator[Said]:
        for one in road_says("up", road, at(0, 0), at(12, 0), every_s=900):
            share = 0.3 if one.at_ms >= at(10, 0) else 1.0
            yield Said(one.at_ms, one.device, metrics={**one.metrics, "flow": round(one.metrics["flow"] * share)})

    (found_ms,) = raised_ms(listen(STREET_RULES, [station("up", "arterial")], lived(), at(12, 0)), "counter-drift")
    assert at(10, 0) < found_ms <= at(11, 0)


# -- bins


def test_a_summer_of_bins_is_full_now_and_then_and_never_hot_but_for_an_ember() -> None:
    weather = Weather("july", ZONE_NAME)
    bins = {f"bin-{n}": Bin(random.Random(f"bin/{n}"), weather) for n in range(6)}
    summer_ms = at(0, 0) + 130 * DAY_MS
    days = 21

    def lived() -> Iterator[Said]:
        for hour in range(days * 24):
            now_ms = summer_ms + hour * 3_600_000
            for name, one in bins.items():
                if name == "bin-3" and hour == 200:
                    one.burn(now_ms - 300_000)
                reading = one.read(now_ms)
                yield Said(
                    now_ms, name, metrics={"fill": round(reading.fill), "temperature": round(reading.temperature, 1)}
                )

    devices = [KnownDevice(name, "waste_bin", place="yard") for name in bins]
    changes = listen(BIN_RULES, devices, lived(), summer_ms + days * DAY_MS)
    assert [one.subject for one in changes if one.rule == "bin-hot" and one.move is AlarmMove.RAISED] == [
        "device:bin-3"
    ]
    assert len(raised_ms(changes, "bin-full")) <= 6 * days
