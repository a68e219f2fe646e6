"""Hours, days and the calendar: nights, make-up days, leap days, zones with summer time, and instants far away."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rules.schedule import covered_ms, in_force, next_boundary_ms, when_covered_ms
from gateway.workdays import hours_of, is_workday, knows_holidays, local

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
_minute = st.integers(0, 23 * 60 + 59)
_instant = st.integers(at_2020 := 1_577_836_800_000, at_2020 + 10 * 365 * 86_400_000)
_zones = st.sampled_from((SHANGHAI, BERLIN))


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@st.composite
def spans(draw: st.DrawFn) -> str:
    begin = draw(_minute)
    end = draw(_minute.filter(lambda minute: minute != begin))
    return f"{clock(begin)}-{clock(end)}"


@pytest.mark.parametrize(
    "text", ["", "8-9", "08:00", "25:00-26:00", "08:00-08:00", "24:00-08:00", "08:00-24:01", "8:00-9:00"]
)
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        hours_of(text)


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    nights = ("22:00-06:00", ("fri",))
    assert in_force(*nights, at("2026-01-09 23:00"), SHANGHAI)  # a Friday
    assert in_force(*nights, at("2026-01-10 05:59"), SHANGHAI)
    assert not in_force(*nights, at("2026-01-10 06:00"), SHANGHAI)
    assert not in_force(*nights, at("2026-01-09 05:00"), SHANGHAI)
    assert not in_force(*nights, at("2026-01-10 23:00"), SHANGHAI)


def test_chinese_working_days_have_holidays_and_make_up_days() -> None:
    assert not is_workday(date(2026, 10, 1))  # National Day, a Thursday
    assert is_workday(date(2026, 10, 10))  # the Saturday that is worked for it
    assert not is_workday(date(2026, 2, 17))  # the first day of the lunar year
    assert in_force(None, "workdays", at("2026-10-10 12:00"), SHANGHAI)
    assert in_force(None, "holidays", at("2026-10-01 12:00"), SHANGHAI)


def test_a_year_without_a_notice_goes_by_the_week() -> None:
    assert not knows_holidays(2040)
    assert is_workday(date(2040, 10, 1)) and not is_workday(date(2040, 10, 6))


def test_the_twenty_ninth_of_february_is_a_day() -> None:
    assert in_force("08:00-09:00", None, at("2028-02-29 08:30"), SHANGHAI)
    assert next_boundary_ms("08:00-09:00", None, at("2028-02-29 08:30"), SHANGHAI) == at("2028-02-29 09:00")


def test_hours_of_a_day_with_summer_time_are_local_ones() -> None:
    # In Berlin 2026-03-29 has no 02:30; the night is an hour shorter.
    assert (
        covered_ms("22:00-06:00", at("2026-03-28 22:00", BERLIN), at("2026-03-29 06:00", BERLIN), BERLIN)
        == 7 * 3_600_000
    )
    assert (
        covered_ms("22:00-06:00", at("2026-10-24 22:00", BERLIN), at("2026-10-25 06:00", BERLIN), BERLIN)
        == 9 * 3_600_000
    )


@given(spans(), _instant, _zones)
@settings(max_examples=200, deadline=None)
def test_a_boundary_is_where_it_changes(hours: str, from_ms: int, zone: ZoneInfo) -> None:
    boundary = next_boundary_ms(hours, None, from_ms, zone)
    assert boundary is not None and from_ms < boundary <= from_ms + 26 * 3_600_000
    now = in_force(hours, None, from_ms, zone)
    for share in (0.1, 0.5, 0.9, 0.999999):
        assert in_force(hours, None, from_ms + int((boundary - from_ms) * share), zone) is now


@given(spans(), _instant, st.integers(1, 60 * 3_600_000), _zones)
@settings(max_examples=200, deadline=None)
def test_covered_time_and_the_instant_it_is_reached_agree(
    hours: str, from_ms: int, amount_ms: int, zone: ZoneInfo
) -> None:
    then_ms = when_covered_ms(hours, from_ms, amount_ms, zone)
    if then_ms - from_ms < 39 * 86_400_000:
        assert covered_ms(hours, from_ms, then_ms, zone) == amount_ms
        assert covered_ms(hours, from_ms, then_ms - 1, zone) == amount_ms - 1


@given(spans(), _instant, st.integers(1, 5 * 24 * 60), _zones)
@settings(max_examples=60, deadline=None)
def test_covered_time_is_what_minutes_add_up_to(hours: str, from_ms: int, minutes: int, zone: ZoneInfo) -> None:
    from_ms -= from_ms % 60_000
    counted = sum(in_force(hours, None, from_ms + n * 60_000, zone) for n in range(minutes))
    assert covered_ms(hours, from_ms, from_ms + minutes * 60_000, zone) == counted * 60_000


@pytest.mark.parametrize("at_ms", [-(2**62), -1, 0, 2**62])
def test_instants_beyond_the_calendar_are_no_error(at_ms: int) -> None:
    assert local(at_ms, SHANGHAI).year >= 1
    assert in_force("08:00-09:00", "workdays", at_ms, SHANGHAI) in (True, False)


def test_days_by_name_are_the_local_ones() -> None:
    monday = at("2026-01-05 00:30")
    assert in_force(None, ("mon",), monday, SHANGHAI)
    assert not in_force(None, ("mon",), monday, ZoneInfo("UTC"))  # there it is still Sunday
    assert in_force(None, ("mon",), monday + int(timedelta(hours=23).total_seconds() * 1000), SHANGHAI)
