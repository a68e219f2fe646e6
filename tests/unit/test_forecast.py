"""Forecasts of batteries: dates where the readings bear one, and the plain word where they do not."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.forecast import DAY_MS, FAR_DAYS, Day, cell_of, daily, forecast, signal

TODAY = 20_000


def days(level: Callable[[int], float], count: int) -> list[Day]:
    """``count`` days until today; ``level(n)`` on the n-th."""
    return [Day(TODAY - count + 1 + n, level(n)) for n in range(count)]


def ahead(at_ms: int | None) -> float:
    assert at_ms is not None
    return at_ms / DAY_MS - TODAY


def test_a_steady_fall_has_its_date() -> None:
    found = forecast(days(lambda n: 90 - n, 31))
    assert (found.verdict, found.level, found.days) == ("falling", 61.0, 31)
    assert ahead(found.at_ms) == pytest.approx(46, abs=1)
    assert ahead(found.earliest_ms) == pytest.approx(46 * 0.9, abs=1), "no battery falls in a straight line to its end"
    assert ahead(found.latest_ms) == pytest.approx(46 * 1.1, abs=1)


def test_cold_nights_and_bad_readings_do_not_move_the_date() -> None:
    chance = random.Random(7)

    def level(n: int) -> float:
        if n in (12, 33, 34, 50):
            return 100.0 if n == 50 else 20.0  # a day of nonsense now and then
        return 95 - n / 2 + chance.gauss(0, 2)

    found = forecast(days(level, 60))
    assert found.verdict == "falling"
    assert ahead(found.at_ms) == pytest.approx(101, rel=0.15)
    assert ahead(found.earliest_ms) < ahead(found.at_ms) < ahead(found.latest_ms)


def test_the_range_holds_what_will_happen_about_as_often_as_it_says() -> None:
    chance, held = random.Random(1), 0
    for _ in range(200):
        found = forecast(days(lambda n: 90 - n / 2 + chance.gauss(0, 3), 40))
        true_ahead = (90 - 39 / 2 - 15) * 2
        if found.earliest_ms and found.latest_ms and found.verdict == "falling":
            held += ahead(found.earliest_ms) - 3 <= true_ahead <= ahead(found.latest_ms) + 3
    assert held >= 140, "80 % of the slopes; the level of the last days adds its own noise"


def test_a_new_battery_begins_anew() -> None:
    def level(n: int) -> float:
        return 40 - n if n < 20 else 100 - (n - 20) * 0.5

    young = forecast(days(level, 30))
    assert (young.verdict, young.days) == ("too_little", 10)
    assert young.changed_ms == (TODAY - 9) * DAY_MS
    older = forecast(days(level, 60))
    assert older.verdict == "falling"
    assert older.days == 40
    assert ahead(older.at_ms) == pytest.approx((81 - 15) * 2, rel=0.05)


def test_one_that_is_charged_again_and_again_has_no_date() -> None:
    found = forecast(days(lambda n: 100 - 8 * (n % 8), 60))
    assert (found.verdict, found.at_ms) == ("charged", None)


def test_little_is_little() -> None:
    assert forecast([]).verdict == "too_little"
    assert forecast(days(lambda n: 90 - n, 13)).verdict == "too_little"
    assert forecast([Day(TODAY - 300, 90), Day(TODAY, 80)]).verdict == "too_little", "two days are no line"


def test_below_the_limit_it_is_empty_whatever_the_fit_says() -> None:
    assert forecast(days(lambda n: 14.0, 3)).verdict == "empty"


def test_a_lithium_plateau_is_stable_and_its_knee_is_seen_in_the_last_weeks() -> None:
    assert forecast(days(lambda n: 100.0, 90)).verdict == "stable"
    assert forecast(days(lambda n: 100.0 if n < 80 else 99.0, 90)).verdict == "stable"
    knee = forecast(days(lambda n: 100.0 if n < 62 else 100.0 - (n - 61) * 1.5, 90))
    assert knee.verdict == "falling"
    assert ahead(knee.at_ms) < 45, "by the whole line it would be months"
    assert knee.latest_ms is None or ahead(knee.latest_ms) > ahead(knee.at_ms)


def test_what_would_be_years_ahead_is_called_stable() -> None:
    slow = forecast(days(lambda n: 90 - n * 75 / (FAR_DAYS + 400), 60))
    assert (slow.verdict, slow.at_ms) == ("stable", None)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.floats(0, 100)), max_size=60, unique_by=lambda pair: pair[0]),
)
def test_whatever_was_read_the_answer_makes_sense(points: list[tuple[int, float]]) -> None:
    found = forecast([Day(TODAY + day, value) for day, value in sorted(points)])
    dated = found.verdict == "falling"
    assert (found.at_ms is not None) is dated
    if dated:
        assert found.at_ms is not None
        assert found.earliest_ms is not None
        assert found.earliest_ms <= found.at_ms
        assert found.latest_ms is None or found.latest_ms >= found.at_ms
        assert found.level is not None
        assert found.level >= 15
        assert found.at_ms >= (TODAY + max(day for day, _ in points)) * DAY_MS


def test_a_day_is_the_median_of_its_readings() -> None:
    points = [(TODAY * DAY_MS + hour * 3_600_000, value) for hour, value in ((1, 80.0), (7, 20.0), (13, 82.0))]
    assert daily([*points, ((TODAY - 1) * DAY_MS, 90.0)]) == [Day(TODAY - 1, 90.0), Day(TODAY, 80.0)]


@pytest.mark.parametrize(
    ("volts", "empty"),
    [
        (1.6, 1.1),
        (3.05, 2.5),
        (3.66, 3.2),
        (4.15, 3.5),
        (4.8, 3.6),
        (6.2, 5.0),
        (13.6, 11.8),
        (27.2, 23.6),
        (54.0, 47.2),
    ],
)
def test_a_voltage_tells_its_battery(volts: float, empty: float) -> None:
    assert cell_of(days(lambda n: volts - n * 0.001, 20)).empty == empty


def test_a_link_that_got_worse() -> None:
    found = signal(days(lambda n: -60.0 if n < 23 else -72.0, 30))
    assert found is not None
    assert (found.level, found.change) == (-72.0, -12.0)
    alone = signal(days(lambda n: -60.0, 4))
    assert alone is not None
    assert (alone.level, alone.change) == (-60.0, None)
    assert signal([]) is None
