"""Who is on duty: shifts, nights, rotations, holidays, overrides; minute by minute the same as by stretches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.registry.duty import DAY_MS, Book, Line, Override, Stretch
from gateway.registry.roster import Duty, Roster, Rotation, Shift
from gateway.workdays import DAYS, is_holiday, is_workday

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
PEOPLE = ("ann", "bo", "cy", "di")
MIN = 60_000


def at(text: str, zone: ZoneInfo = SHANGHAI) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def book(*duties: Mapping[str, object], zone: ZoneInfo = SHANGHAI, overrides: tuple[Override, ...] = ()) -> Book:
    return Book([Roster.model_validate({"id": "r", "duties": list(duties)})], zone, overrides)


def grid(*shifts: dict[str, object]) -> dict[str, object]:
    return {"role": "grid", "place": "g7", "shifts": list(shifts)}


def on(b: Book, text: str, place: str = "g7") -> tuple[str, ...]:
    return b.on_duty("grid", (place,), at(text, b.zone))


def test_a_plain_duty_holds_always_and_never_changes() -> None:
    b = book({"role": "grid", "place": "g7", "people": ["ann", "bo"]})
    for when in ("1999-01-01 00:00", "2026-03-01 03:00", "2090-12-31 23:59"):
        assert on(b, when) == ("ann", "bo")
    assert b.next_change_ms(("grid", "g7"), at("2026-03-01 03:00")) is None


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    b = book(grid({"hours": "22:00-06:00", "days": ["fri"], "people": ["ann"]}))
    assert on(b, "2026-03-06 21:59") == ()
    assert on(b, "2026-03-06 22:00") == ("ann",)
    assert on(b, "2026-03-07 05:59") == ("ann",)
    assert on(b, "2026-03-07 06:00") == ()
    assert on(b, "2026-03-06 05:00") == ()
    assert b.next_change_ms(("grid", "g7"), at("2026-03-07 06:00")) == at("2026-03-13 22:00")


def test_make_up_days_are_worked_and_public_holidays_are_not() -> None:
    b = book(
        grid(
            {"days": "workdays", "people": ["ann"]},
            {"days": "holidays", "people": ["bo"]},
            {"days": "public_holidays", "people": ["cy"]},
        )
    )
    assert on(b, "2026-02-14 10:00") == ("ann",), "a Saturday that is worked for Spring Festival"
    assert on(b, "2026-02-17 10:00") == ("bo", "cy"), "the first day of the year"
    assert on(b, "2026-03-07 10:00") == ("bo",), "an ordinary Saturday"


def test_turns_change_when_the_shift_begins_and_run_backwards_too() -> None:
    rotation = {"order": ["ann", ["bo", "cy"]], "from": "2026-03-02", "every_days": 1}
    b = book(grid({"hours": "18:00-08:00", "rotation": rotation}))
    assert on(b, "2026-03-02 18:00") == ("ann",)
    assert on(b, "2026-03-03 07:59") == ("ann",)
    assert on(b, "2026-03-03 18:00") == ("bo", "cy")
    assert on(b, "2026-03-01 18:00") == ("bo", "cy")
    assert on(b, "2026-03-01 07:00") == ("ann",)


def test_a_weekly_rotation_hands_over_at_its_own_time() -> None:
    b = book({"role": "grid", "place": "g7", "rotation": {"order": ["ann", "bo"], "from": "2026-03-02", "at": "08:30"}})
    assert on(b, "2026-03-02 08:29") == ("bo",)
    assert on(b, "2026-03-02 08:30") == ("ann",)
    assert b.next_change_ms(("grid", "g7"), at("2026-03-02 08:30")) == at("2026-03-09 08:30")


def test_a_shift_holds_from_its_first_to_its_last_day() -> None:
    b = book(grid({"people": ["ann"], "from": "2026-07-01", "until": "2026-08-31", "hours": "20:00-04:00"}))
    assert on(b, "2026-06-30 23:00") == () == on(b, "2026-07-01 03:00")
    assert on(b, "2026-09-01 03:59") == ("ann",)
    assert on(b, "2026-09-01 20:00") == ()


def test_the_nearest_place_where_somebody_is_on_duty_wins() -> None:
    b = book(grid({"hours": "08:00-18:00", "people": ["ann"]}), {"role": "grid", "place": "town", "people": ["bo"]})
    way = ("g7", "town")
    assert b.on_duty("grid", way, at("2026-03-02 12:00")) == ("ann",)
    assert b.on_duty("grid", way, at("2026-03-02 20:00")) == ("bo",)
    found = b.between("grid", way, at("2026-03-02 00:00"), at("2026-03-03 00:00"))
    assert [one.people for one in found] == [("bo",), ("ann",), ("bo",)]


def override(number: int, begin: str, until: str, **more: str | None) -> Override:
    return Override.model_validate({"id": str(number), "begin_ms": at(begin), "until_ms": at(until)} | more)


def test_overrides_speak_of_what_the_ones_before_them_left() -> None:
    day = {"role": "grid", "place": "g7", "people": ["ann", "bo"]}
    ill = override(1, "2026-03-02 08:00", "2026-03-05 08:00", instead_of="ann", person="cy")
    then = override(2, "2026-03-03 08:00", "2026-03-04 08:00", instead_of="cy", person="di")
    more = override(3, "2026-03-03 08:00", "2026-03-04 08:00", role="grid", place="g7", person="ann")
    nobody = override(4, "2026-03-04 08:00", "2026-03-05 08:00", instead_of="bo")
    b = book(day, overrides=(ill, then, more, nobody))
    assert on(b, "2026-03-02 07:59") == ("ann", "bo")
    assert on(b, "2026-03-02 08:00") == ("cy", "bo"), "whoever stands in stands in the same place of the order"
    assert on(b, "2026-03-03 08:00") == ("di", "bo", "ann")
    assert on(b, "2026-03-04 08:00") == ("cy",)
    assert on(b, "2026-03-05 08:00") == ("ann", "bo")
    assert b.next_change_ms(("grid", "g7"), at("2026-02-01 00:00")) == at("2026-03-02 08:00")


def test_an_override_for_another_role_or_place_changes_nothing() -> None:
    other = override(1, "2026-03-02 08:00", "2026-03-05 08:00", instead_of="ann", person="cy", place="g8")
    assert on(book(grid({"people": ["ann"]}), overrides=(other,)), "2026-03-03 08:00") == ("ann",)


def test_somebody_in_addition_can_hold_what_nobody_held() -> None:
    extra = override(1, "2026-03-02 08:00", "2026-03-02 20:00", role="patrol", place="g7", person="cy")
    b = book(grid({"people": ["ann"]}), overrides=(extra,))
    assert b.on_duty("patrol", ("g7",), at("2026-03-02 09:00")) == ("cy",)
    assert b.on_duty("patrol", ("g7",), at("2026-03-02 20:00")) == ()


def test_who_has_left_is_on_duty_no_more() -> None:
    roster = Roster.model_validate({"id": "r", "duties": [{"role": "grid", "place": "g7", "people": ["ann", "bo"]}]})
    b = Book([roster], SHANGHAI, (), {"ann": at("2026-03-02 00:00"), "bo": 0}.get)
    assert on(b, "2026-03-01 23:59") == ("ann",)
    assert on(b, "2026-03-02 00:00") == ()


def test_when_clocks_change_a_night_is_as_long_as_it_is() -> None:
    b = book(grid({"hours": "22:00-06:00", "people": ["ann"]}), zone=BERLIN)
    (night,) = [
        one
        for one in b.lines["grid", "g7"].between(at("2026-03-28 12:00", BERLIN), at("2026-03-29 12:00", BERLIN))
        if one.people
    ]
    assert night.until_ms - night.begin_ms == 7 * 3_600_000


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ({"people": ["ann"], "rotation": {"order": ["bo"], "from": "2026-01-01"}}, "exactly one of people, rotation"),
        ({"hours": "8-18", "people": ["ann"]}, "expected hours such as"),
        ({"people": ["ann"], "from": "2026-03-02", "until": "2026-03-01"}, "is before from"),
        ({"rotation": {"order": ["ann"], "from": "2026-13-01"}}, "expected a date such as"),
        ({"rotation": {"order": ["ann"], "from": "2026-03-01", "at": "24:00"}}, "expected a time such as 08:00"),
        ({"rotation": {"order": [], "from": "2026-03-01"}}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(shift: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Duty.model_validate(grid(shift))


# Minute by minute


def plain(shifts: tuple[Shift, ...], overrides: tuple[Override, ...], moment: datetime) -> tuple[str, ...]:
    """Who is on duty in one minute, the long way round: by the local clock alone, without any stretches."""
    found: list[str] = []
    for shift in shifts:
        for back in (0, 1):
            day = moment.date() - timedelta(days=back)
            minute = moment.hour * 60 + moment.minute + back * 1440
            if not _works(shift, day):
                continue
            for begin, end in _hours(shift):
                if begin <= minute < end:
                    found += _worker(shift, moment)
                    break
    found = list(dict.fromkeys(found))
    at_ms = int(moment.timestamp() * 1000)
    for one in overrides:
        if one.begin_ms <= at_ms < one.until_ms:
            if one.instead_of is None:
                found = list(dict.fromkeys([*found, one.person or ""]))
            elif one.instead_of in found:
                place = found.index(one.instead_of)
                found[place : place + 1] = [one.person] if one.person else []
                found = list(dict.fromkeys(found))
    return tuple(found)


def _works(shift: Shift, day: date) -> bool:
    if shift.begin is not None and day.isoformat() < shift.begin:
        return False
    if shift.until is not None and day.isoformat() > shift.until:
        return False
    if shift.days is None:
        return True
    if isinstance(shift.days, tuple):
        return DAYS[day.weekday()] in shift.days
    return {"workdays": is_workday(day), "holidays": not is_workday(day), "public_holidays": is_holiday(day)}[
        shift.days
    ]


def _hours(shift: Shift) -> list[tuple[int, int]]:
    if shift.hours is None:
        return [(0, 1440)]
    found = []
    for span in shift.hours.split(","):
        begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in span.split("-"))
        found.append((begin, end if end > begin else end + 1440))
    return sorted(found)


def _worker(shift: Shift, moment: datetime) -> tuple[str, ...]:
    rotation = shift.rotation
    if rotation is None:
        return shift.people or ()
    at_minute = _hours(shift)[0][0] if rotation.at is None else int(rotation.at[:2]) * 60 + int(rotation.at[3:])
    days = (moment.date() - date.fromisoformat(rotation.begin)).days
    if moment.hour * 60 + moment.minute < at_minute:
        days -= 1
    return rotation.order[(days // rotation.every_days) % len(rotation.order)]


_clock = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
_dates = st.integers(0, 40).map(lambda n: (date(2026, 2, 1) + timedelta(days=n)).isoformat())
_person = st.sampled_from(PEOPLE)
_group = st.lists(_person, min_size=1, max_size=2, unique=True)


@st.composite
def _spans(draw: st.DrawFn) -> str:
    first = draw(st.lists(st.tuples(_clock, _clock).filter(lambda span: span[0] != span[1]), min_size=1, max_size=2))
    return ",".join(f"{begin}-{end}" for begin, end in first)


@st.composite
def _shifts(draw: st.DrawFn) -> Shift:
    days = st.one_of(
        st.none(),
        st.sampled_from(["workdays", "holidays", "public_holidays"]),
        st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True),
    )
    written: dict[str, object] = {"hours": draw(st.none() | _spans()), "days": draw(days)}
    begin, until = draw(st.none() | _dates), draw(st.none() | _dates)
    if begin is None or until is None or begin <= until:
        written |= {"from": begin, "until": until}
    if draw(st.booleans()):
        written["people"] = draw(_group)
    else:
        written["rotation"] = Rotation.model_validate(
            {
                "order": draw(st.lists(_group, min_size=1, max_size=4)),
                "from": draw(_dates),
                "every_days": draw(st.integers(1, 8)),
                "at": draw(st.none() | _clock),
            }
        )
    return Shift.model_validate(written)


@st.composite
def _overrides(draw: st.DrawFn) -> Override:
    begin_ms = at("2026-02-12 00:00") + draw(st.integers(0, 10 * 96)) * 15 * MIN
    gone = draw(st.none() | _person)
    return Override(
        id="o",
        role="grid",
        place="g7",
        instead_of=gone,
        person=draw(_person if gone is None else st.none() | _person),
        begin_ms=begin_ms,
        until_ms=begin_ms + draw(st.integers(1, 3 * 96)) * 15 * MIN,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(_shifts(), min_size=1, max_size=4), st.lists(_overrides(), max_size=3), st.integers(12, 22))
def test_minute_by_minute_and_by_stretches_it_is_the_same(
    shifts: list[Shift], overrides: list[Override], first: int
) -> None:
    """Around Spring Festival, with its make-up days. Everything changes at full quarters of an hour here, so that a
    minute in each is enough; one of them at its very beginning and one at its end."""
    duty = Duty(role="grid", place="g7", shifts=tuple(shifts))
    made = Book([Roster(id="r", duties=(duty,))], SHANGHAI, tuple(overrides))
    begin = datetime(2026, 2, first, tzinfo=SHANGHAI)
    begin_ms = int(begin.timestamp() * 1000)
    stretches = made.lines["grid", "g7"].between(begin_ms, begin_ms + 2 * DAY_MS)
    assert stretches[0].begin_ms == begin_ms and stretches[-1].until_ms == begin_ms + 2 * DAY_MS
    for one, other in itertools.pairwise(stretches):
        assert one.until_ms == other.begin_ms and one.people != other.people
    for quarter in range(2 * 96):
        for minute in (0, 14):
            moment = begin + timedelta(minutes=quarter * 15 + minute)
            now_ms = int(moment.timestamp() * 1000)
            expected = plain(tuple(shifts), tuple(overrides), moment)
            (here,) = [one for one in stretches if one.begin_ms <= now_ms < one.until_ms]
            assert here.people == expected, (moment, here)
            assert made.on_duty("grid", ("g7",), now_ms) == expected


def test_hundreds_of_duties_are_asked_in_an_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    shifts = [
        {"hours": f"{h:02}:00-{(h + 8) % 24:02}:00", "rotation": {"order": list(PEOPLE), "from": "2026-01-01"}}
        for h in (0, 8, 16)
    ]
    b = book(*({"role": "grid", "place": f"g{n}", "shifts": shifts} for n in range(600)))
    now_ms = at("2026-03-02 12:00")
    computed: list[object] = []
    between = Line.between

    def counted(line: Line, from_ms: int, until_ms: int) -> list[Stretch]:
        computed.append(line)
        return between(line, from_ms, until_ms)

    monkeypatch.setattr(Line, "between", counted)
    for number in range(10_000):
        assert b.on_duty("grid", (f"door-{number}", f"g{number % 600}"), now_ms + number)
    assert len(computed) == 600, "each duty is worked out once for the stretch around now"
