"""Time limits: the wall clock, office hours, Chinese holidays and make-up days, pauses, and the edges of years."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.cases.limits import Limit, LimitText, Office, Pause, Unit, WorkCalendar, due_at, work_spans
from gateway.workdays import is_workday

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = WorkCalendar(Office(hours="09:00-12:00,13:00-18:00"), SHANGHAI)
_text: TypeAdapter[Limit] = TypeAdapter(LimitText)
_instant = st.integers(at_2020 := 1_577_808_000_000, at_2020 + 8 * 365 * 86_400_000)
_amount = st.integers(1, 40)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


def told(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M")


def limit(text: str) -> Limit:
    return _text.validate_python(text)


@pytest.mark.parametrize(
    ("started", "text", "due"),
    [
        ("2026-11-26 10:00", "30 min", "2026-11-26 10:30"),
        ("2026-11-26 23:50", "2 h", "2026-11-27 01:50"),
        ("2026-11-26 10:00", "1 d", "2026-11-27 10:00"),
        ("2026-11-26 10:00", "4 working hours", "2026-11-26 15:00"),  # the lunch hour does not count
        ("2026-11-26 17:00", "4 working hours", "2026-11-27 12:00"),
        ("2026-11-26 20:00", "4 working hours", "2026-11-27 14:00"),  # reported in the evening
        ("2026-11-27 17:00", "4 working hours", "2026-11-30 12:00"),  # over the weekend
        ("2026-11-28 10:00", "1 working days", "2026-11-30 18:00"),
        ("2026-11-26 10:00", "1 working days", "2026-11-27 10:00"),
        ("2026-09-30 15:00", "1 working days", "2026-10-08 15:00"),  # the National Day week
        ("2026-10-09 17:00", "2 working hours", "2026-10-10 10:00"),  # a Saturday that is made up for
        ("2025-12-31 17:30", "1 working hours", "2026-01-04 09:30"),  # over the year, a Sunday that is made up for
        ("2024-02-28 09:00", "2 working days", "2024-02-29 18:00"),  # a leap day
        ("2026-11-02 09:00", "15 working days", "2026-11-20 18:00"),
    ],
)
def test_limits_end_when_people_expect_it(started: str, text: str, due: str) -> None:
    assert told(due_at(limit(text), at(started), (), OFFICE)) == due


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("30 min", 30, "min"),
        ("30分钟", 30, "min"),
        ("2小时", 2, "h"),
        ("3 天", 3, "d"),
        ("4 working hours", 4, "working_hours"),
        ("4 个工作小时", 4, "working_hours"),
        ("4wh", 4, "working_hours"),
        ("15 工作日", 15, "working_days"),
        (" 1 Working Day ", 1, "working_days"),
    ],
)
def test_limits_are_written_as_people_write_them(text: str, amount: int, unit: Unit) -> None:
    read = limit(text)
    assert (read.amount, read.unit) == (amount, unit)
    assert _text.validate_json(_text.dump_json(read)) == read
    assert limit(read.en) == read
    assert limit(read.zh) == read


@pytest.mark.parametrize("text", ["", "soon", "4", "0 min", "-3 h", "4 weeks", "1.5 h", "99999 min", 4, None])
def test_what_is_no_limit_is_refused(text: object) -> None:
    with pytest.raises(ValidationError):
        _text.validate_python(text)


def test_life_safety_has_no_office() -> None:
    assert limit("4 working hours").on_wall == limit("4 h")
    assert limit("2 working days").on_wall == limit("2 d")
    assert limit("10 min").on_wall == limit("10 min")


def test_a_pause_stops_the_clock() -> None:
    pause = Pause(from_ms=at("2026-11-26 11:00"), until_ms=at("2026-11-27 16:00"), reason="", actor="")
    assert told(due_at(limit("4 working hours"), at("2026-11-26 10:00"), (pause,), OFFICE)) == "2026-11-30 10:00"
    assert told(due_at(limit("4 h"), at("2026-11-26 10:00"), (pause,), OFFICE)) == "2026-11-27 19:00"


def test_hours_that_overlap_count_once_and_hours_past_midnight_are_refused() -> None:
    office = Office(hours="13:00-17:00,09:00-12:00,11:00-13:00")
    assert office.spans == ((540, 1020),)
    assert office.day_ms == 8 * 3_600_000
    with pytest.raises(ValidationError, match="midnight"):
        Office(hours="22:00-06:00")
    with pytest.raises(ValidationError):
        Office(days=())


def test_an_office_that_is_always_open_is_the_wall_clock() -> None:
    always = WorkCalendar(Office(hours="00:00-24:00", days=("mon", "tue", "wed", "thu", "fri", "sat", "sun")), SHANGHAI)
    for started in ("2026-09-30 15:00", "2024-02-28 23:59", "2025-12-31 12:00"):
        assert due_at(limit("5 working days"), at(started), (), always) == due_at(limit("5 d"), at(started), (), always)


@given(started=_instant, amount=_amount, unit=st.sampled_from(("working_hours", "working_days")))
@settings(max_examples=300, deadline=None)
def test_working_time_ends_within_office_hours_of_a_working_day(started: int, amount: int, unit: Unit) -> None:
    due = due_at(Limit(amount=amount, unit=unit), started, (), OFFICE)
    local = datetime.fromtimestamp(due / 1000, SHANGHAI)
    minute = local.hour * 60 + local.minute + local.second / 60
    assert is_workday(local.date())
    assert 540 < minute <= 720 or 780 < minute <= 1080
    assert due > started


@given(started=_instant, amount=_amount, later=st.integers(0, 10 * 86_400_000), unit=st.sampled_from(Unit.__args__))
@settings(max_examples=300, deadline=None)
def test_what_begins_later_or_has_more_time_never_ends_earlier(
    started: int, amount: int, later: int, unit: Unit
) -> None:
    due = due_at(Limit(amount=amount, unit=unit), started, (), OFFICE)
    assert due_at(Limit(amount=amount, unit=unit), started + later, (), OFFICE) >= due
    assert due_at(Limit(amount=amount + 1, unit=unit), started, (), OFFICE) > due
    assert started < due_at(Limit(amount=amount, unit=unit), started, (), OFFICE, share=0.8) < due


@given(
    started=_instant,
    amount=_amount,
    unit=st.sampled_from(("min", "h", "working_hours", "working_days")),
    gaps=st.lists(st.tuples(st.integers(0, 5 * 86_400_000), st.integers(0, 5 * 86_400_000)), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_exactly_the_limit_passes_outside_the_pauses(
    started: int, amount: int, unit: Unit, gaps: list[tuple[int, int]]
) -> None:
    pauses, now = [], started
    for before, length in gaps:
        pauses.append(Pause(from_ms=now + before, until_ms=now + before + length, reason="", actor=""))
        now += before + length
    given_ = Limit(amount=amount, unit=unit)
    due = due_at(given_, started, pauses, OFFICE)
    passed = 0
    spans = work_spans(OFFICE, started) if given_.working else iter([(started, due)])
    for begin, end in spans:
        if begin >= due:
            break
        begin, end = max(begin, started), min(end, due)
        if end <= begin:
            continue
        off = sum(max(0, min(end, one.until_ms) - max(begin, one.from_ms)) for one in pauses)
        passed += end - begin - off
    wanted = {"min": 60_000, "h": 3_600_000, "working_hours": 3_600_000, "working_days": 8 * 3_600_000}[unit]
    assert passed == amount * wanted
    assert not any(one.from_ms < due <= one.until_ms for one in pauses), "no limit ends while its clock stands"


@given(started=_instant)
@settings(max_examples=100, deadline=None)
def test_a_working_day_is_eight_working_hours(started: int) -> None:
    day, hours = Limit(amount=1, unit="working_days"), Limit(amount=8, unit="working_hours")
    assert due_at(day, started, (), OFFICE) == due_at(hours, started, (), OFFICE)


def test_a_zone_with_summer_time_keeps_its_office_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    calendar = WorkCalendar(Office(hours="09:00-17:00", days=("mon", "tue", "wed", "thu", "fri")), berlin)
    friday = int(datetime(2026, 3, 27, 16, 0, tzinfo=berlin).timestamp() * 1000)
    due = due_at(limit("2 working hours"), friday, (), calendar)
    assert datetime.fromtimestamp(due / 1000, berlin) == datetime(2026, 3, 30, 10, 0, tzinfo=berlin)
    assert due - friday == int(timedelta(days=2, hours=17).total_seconds() * 1000)
