"""The body of a simulated resident: the curves that a doctor knows, tied to the resident's own day."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from statistics import correlation, mean

import pytest

from firmware_sim.signals.day import midnight_ms
from firmware_sim.signals.physiology import VITALS, Body

ZONE = "Asia/Shanghai"
MINUTE, HOUR = 60_000, 3_600_000
MIDNIGHT = midnight_ms(date(2026, 9, 21), ZONE)
PEOPLE = [f"body/{number}" for number in range(60)]


def body(seed: str) -> Body:
    return Body(seed, random.Random(seed), ZONE)


def by_hour(of: Body, key: str, days: int = 4) -> list[float]:
    """The mean of each hour of the day."""
    read = [
        [of.read(key, MIDNIGHT + (day * 24 + hour) * HOUR + 30 * MINUTE) for hour in range(24)] for day in range(days)
    ]
    return [mean(day[hour] for day in read) for hour in range(24)]


def test_most_people_dip_at_night_and_some_do_not() -> None:
    dips = []
    for seed in PEOPLE:
        hours = by_hour(body(seed), "systolic")
        day, night = mean(hours[9:19]), mean(hours[0:4])
        dips.append((day - night) / day)
    assert sum(0.09 < dip < 0.24 for dip in dips) / len(dips) == pytest.approx(0.67, abs=0.2)
    assert min(dips) < 0.04, "there are non-dippers"
    assert max(dips) < 0.26


def test_blood_pressure_surges_after_waking() -> None:
    rises = []
    for seed in PEOPLE:
        one = body(seed)
        wakes = round(one.home.habits.wakes * HOUR)
        before = mean(one.read("systolic", MIDNIGHT + day * 24 * HOUR + wakes - 2 * HOUR) for day in range(5))
        after = mean(one.read("systolic", MIDNIGHT + day * 24 * HOUR + wakes + 80 * MINUTE) for day in range(6, 11))
        rises.append(after - before)
    assert mean(rises) > 12
    assert sum(rise > 0 for rise in rises) > 0.9 * len(rises)


def test_diastolic_goes_with_systolic_and_stays_below_it() -> None:
    for seed in PEOPLE[:10]:
        one = body(seed)
        pairs = [
            (one.read("systolic", MIDNIGHT + at * 20 * MINUTE), one.read("diastolic", MIDNIGHT + at * 20 * MINUTE))
            for at in range(72)
        ]
        assert all(20 < systolic - diastolic < 100 for systolic, diastolic in pairs)


def test_glucose_rises_after_the_meals_that_the_home_has() -> None:
    for seed in PEOPLE[:20]:
        one = body(seed)
        for meal in [s for s in one.home.stays(MIDNIGHT, MIDNIGHT + 24 * HOUR) if s.doing == "eating"][:1]:
            before = one.read("glucose", meal.from_ms - 5 * MINUTE)
            peak = max(one.read("glucose", meal.from_ms + minute * MINUTE) for minute in range(30, 100, 10))
            assert 0.6 < peak - before < 6


def test_healthy_people_and_diabetics_are_told_apart_by_their_fasting_glucose() -> None:
    fasting = [mean(by_hour(body(seed), "glucose", 2)[3:5]) for seed in PEOPLE]
    assert all(4.4 < value < 9.5 for value in fasting)
    assert 0.05 < sum(value >= 6.1 for value in fasting) / len(fasting) < 0.4


def test_insulin_without_food_makes_a_hypoglycaemia_and_sugar_ends_it() -> None:
    one = body("low")
    start = MIDNIGHT + 3 * HOUR  # nothing eaten for hours
    calm = one.read("glucose", start)
    one.inject(start, 4)
    course = [one.read("glucose", start + minute * MINUTE) for minute in range(0, 80, 5)]
    assert course[2] > calm - 1.0, "it takes its time"
    assert min(course) < 3.0, "level 2"
    assert all(value >= 1.5 for value in course)
    low = course[-1]
    one.eat(start + 80 * MINUTE, 20)
    assert one.read("glucose", start + 110 * MINUTE) > low + 2.0
    one.recover()
    assert one.read("glucose", start + 111 * MINUTE) == pytest.approx(calm, abs=1.2)


def test_temperature_has_its_low_before_dawn_and_its_high_in_the_evening() -> None:
    hours = [
        mean(column) for column in zip(*(by_hour(body(seed), "temperature", 2) for seed in PEOPLE[:20]), strict=True)
    ]
    assert hours.index(min(hours)) in (4, 5, 6, 7)
    assert hours.index(max(hours)) in (16, 17, 18, 19)
    assert 0.4 < max(hours) - min(hours) < 0.8


def test_weight_is_a_scales_own_business_of_grams_a_day_and_a_kilogram_a_season() -> None:
    one = body("heavy")
    mornings = [one.read("weight", MIDNIGHT + day * 24 * HOUR + 7 * HOUR) for day in range(200)]
    steps = [abs(a - b) for a, b in pairwise(mornings)]
    assert max(steps) < 0.8
    assert 1.5 < max(mornings) - min(mornings) < 4.0
    evenings = [one.read("weight", MIDNIGHT + (200 + day) * 24 * HOUR + 21 * HOUR) for day in range(10)]
    after = [one.read("weight", MIDNIGHT + (210 + day) * 24 * HOUR + 7 * HOUR) for day in range(10)]
    assert mean(evenings) > mean(after) + 0.2
    one.set({"weight": mornings[-1] + 2.5}, MIDNIGHT + 230 * 24 * HOUR, 3 * 86_400)  # water, in a failing heart
    assert one.read("weight", MIDNIGHT + 234 * 24 * HOUR) == pytest.approx(mornings[-1] + 2.5, abs=0.3)


def test_perfusion_falls_with_blood_pressure() -> None:
    one = body("shock")
    calm = mean(one.read("perfusion", MIDNIGHT + at * MINUTE) for at in range(60))
    one.set({"systolic": 60}, MIDNIGHT + HOUR, 0)
    shocked = mean(one.read("perfusion", MIDNIGHT + HOUR + at * MINUTE) for at in range(1, 60))
    assert shocked < 0.35 * calm


def test_the_pulse_knows_what_the_resident_does() -> None:
    effort, pulses = [], []
    for seed in PEOPLE[:10]:
        one = body(seed)
        for at in range(8 * 12, 20 * 12):
            now = MIDNIGHT + at * 5 * MINUTE
            effort.append(float(one.home.at(now).doing in ("away", "chores", "cooking", "walking")))
            pulses.append(one.read("pulse", now) - one._person.base["pulse"])
    assert correlation(effort, pulses) > 0.5


@pytest.mark.parametrize("key", VITALS)
def test_an_ordinary_day_has_no_emergency(key: str) -> None:
    """Below every urgent limit of NEWS2 and of the guidelines, so that a quiet community is quiet."""
    fine: dict[str, Callable[[float], bool]] = {
        "pulse": lambda v: 40 < v < 120,
        "spo2": lambda v: v > 92,
        "respiration": lambda v: 9 < v < 24,
        "systolic": lambda v: 84 < v < 180,
        "diastolic": lambda v: 40 < v < 110,
        "glucose": lambda v: 3.9 < v < 16,
        "temperature": lambda v: 35.2 < v < 37.8,
        "weight": lambda v: 38 < v < 100,
        "perfusion": lambda v: v > 0.4,
    }
    for seed in PEOPLE[:25]:
        one = body(seed)
        values = [one.read(key, MIDNIGHT + at * 20 * MINUTE) for at in range(144)]
        assert all(fine[key](value) for value in values), (seed, min(values), max(values))
