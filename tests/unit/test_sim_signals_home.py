"""A day at home: one story for every device of it, and one that a nurse would believe."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.observation import Channel
from firmware_sim.kinds.contact import Contact
from firmware_sim.setting import Setting
from firmware_sim.signals.day import local_hour, midnight_ms
from firmware_sim.signals.home import DOORS, ROOMS, Home
from firmware_sim.signals.homeday import LONGEST_NIGHT_H, SHORTEST_NIGHT_H, home_day

ZONE = "Asia/Shanghai"
HOUR = 3_600_000
DAY = 24 * HOUR
MONDAY = midnight_ms(date(2026, 9, 21), ZONE)
HOMES = [Home(f"test/{number}", ZONE) for number in range(40)]

a_home = st.builds(
    Home, st.text(max_size=8), st.sampled_from([ZONE, "Europe/Berlin", "America/New_York", "Asia/Urumqi"])
)
an_instant = st.integers(1_500_000_000_000, 2_100_000_000_000)


@settings(max_examples=40, deadline=None)
@given(home=a_home, begin=an_instant, hours=st.integers(1, 80))
def test_the_resident_is_always_in_one_place(home: Home, begin: int, hours: int) -> None:
    end = begin + hours * HOUR
    stays = home.stays(begin, end)
    assert stays[0].from_ms <= begin < stays[0].to_ms
    assert stays[-1].from_ms < end <= stays[-1].to_ms
    assert all(stay.from_ms < stay.to_ms for stay in stays)
    assert all(a.to_ms == b.from_ms for a, b in pairwise(stays))
    for stay in stays:
        middle = (stay.from_ms + stay.to_ms) // 2
        moment = home.at(middle)
        assert (moment.room, moment.doing) == (stay.room, stay.doing)
        assert home.next_change(middle) == stay.to_ms
        assert moment.in_bed == (stay.room == "bedroom" and stay.doing in ("sleeping", "napping"))


@settings(max_examples=20, deadline=None)
@given(home=a_home, begin=an_instant, cuts=st.lists(st.integers(0, 40 * HOUR), max_size=6))
def test_it_is_one_story_however_it_is_asked_for(home: Home, begin: int, cuts: list[int]) -> None:
    """In pieces, as devices ask that look now and again, or at once; from a cold cache or a warm one."""
    end = begin + 40 * HOUR
    edges = [begin, *sorted(begin + cut for cut in cuts), end]

    def told(from_ms: int, to_ms: int) -> dict[str, list[object]]:
        return {
            **{door: list(home.openings(door, from_ms, to_ms)) for door in DOORS},
            **{f"in {room}": list(home.movements(room, from_ms, to_ms)) for room in ROOMS},
            "bed": list(home.bed_changes(from_ms, to_ms)),
            "doses": list(home.doses(from_ms, to_ms)),
        }

    whole = told(begin, end)
    home_day.cache_clear()
    pieces = [told(a, b) for a, b in reversed(list(pairwise(edges)))][::-1]
    for part, events in whole.items():
        assert [event for piece in pieces for event in piece[part]] == events, part


def test_devices_of_one_home_agree() -> None:
    for home in HOMES[:10]:
        for stay in home.stays(MONDAY, MONDAY + 3 * DAY):
            if stay.room == "outside":
                doors = home.openings("entrance", stay.from_ms - 60_000, stay.to_ms + 60_000)
                assert len(doors) >= 2, "out and in by the door"
                seen = {room: home.movements(room, stay.from_ms + 1, stay.to_ms) for room in ROOMS if room != "outside"}
                assert not any(seen.values()), "nothing moves in an empty home"
            if stay.doing == "sleeping" and stay.to_ms - stay.from_ms > HOUR:
                inside = (stay.from_ms + 10_000, stay.to_ms - 10_000)
                assert home.in_bed(inside[0]) and home.present("bedroom", inside[0])
                assert not any(home.movements(room, *inside) for room in ROOMS)
                assert not home.openings("bathroom", *inside)
            if stay.doing == "toilet":
                assert home.openings("bathroom", stay.from_ms - 5000, stay.to_ms)
        for visit in home.visits(MONDAY, MONDAY + 3 * DAY):
            assert home.openings("entrance", visit.from_ms - 20_000, visit.from_ms + 1)
            assert home.at(visit.from_ms).visitors >= 1
            assert home.present("living_room", visit.from_ms)


def test_nights_are_long_and_mostly_silent() -> None:
    longest, whole = [], 0
    for home in HOMES:
        for night in range(7):
            noon = MONDAY + night * DAY + 12 * HOUR
            moves = sorted(at for room in ROOMS for at in home.movements(room, noon, noon + DAY))
            silence = max(b - a for a, b in pairwise(moves)) / HOUR
            longest.append(silence)
            whole += SHORTEST_NIGHT_H - 0.1 <= silence <= LONGEST_NIGHT_H + 0.1
    assert max(longest) <= LONGEST_NIGHT_H + 0.1
    assert 0.3 < whole / len(longest) < 0.7, "the other nights have a visit to the bathroom in them"


def test_the_day_has_its_order() -> None:
    in_bed_at_three = [home.in_bed(MONDAY + day * DAY + 3 * HOUR) for home in HOMES for day in range(5)]
    assert mean(in_bed_at_three) > 0.9
    for home in HOMES:
        week = [stay for stay in home.stays(MONDAY, MONDAY + 7 * DAY) if stay.from_ms >= MONDAY]
        cooked = [local_hour(stay.from_ms, ZONE) for stay in week if stay.doing == "cooking"]
        assert len(cooked) in (20, 21, 22)
        assert all(5 < hour < 20 for hour in cooked)
        assert sum(stay.doing == "toilet" for stay in week) >= 7 * 2
    out = [stay for home in HOMES for stay in home.stays(MONDAY, MONDAY + 7 * DAY) if stay.room == "outside"]
    assert 0.8 < len(out) / len(HOMES) / 7 < 2.2
    assert all(15 * 60_000 <= stay.to_ms - stay.from_ms < 3 * HOUR for stay in out)


def test_some_wander_at_night_and_most_never_do() -> None:
    many = [Home(f"many/{number}", ZONE) for number in range(80)]

    def walks(home: Home) -> int:
        stays = home.stays(MONDAY, MONDAY + 28 * DAY)
        return sum(stay.doing == "walking" and not 6 < local_hour(stay.from_ms, ZONE) < 20 for stay in stays)

    restless = [home for home in many if walks(home)]
    assert all(home.habits.wanders for home in restless)
    assert 1 <= len(restless) <= 20
    assert not any(
        opening
        for home in restless
        for opening in home.openings("entrance", MONDAY, MONDAY + 28 * DAY)
        if 0 <= local_hour(opening.from_ms, ZONE) < 4
    ), "they stay inside"


def test_medicine_is_due_with_meals_and_now_and_then_forgotten() -> None:
    doses = [dose for home in HOMES for dose in home.doses(MONDAY, MONDAY + 28 * DAY)]
    assert len(doses) == sum(28 * len(home.habits.doses) for home in HOMES)
    missed = sum(dose.taken_ms is None for dose in doses) / len(doses)
    assert 0.005 < missed < 0.08
    for home in HOMES:
        for dose in home.doses(MONDAY, MONDAY + 7 * DAY):
            if dose.taken_ms is not None:
                assert abs(dose.taken_ms - dose.due_ms) < 2 * HOUR
                assert home.at(dose.taken_ms).room == "kitchen"


def test_next_is_the_first_of_what_comes() -> None:
    for home in HOMES[:8]:
        for hours in range(0, 48, 5):
            now = MONDAY + hours * HOUR
            opening = home.next_opening("entrance", now)
            assert opening is not None
            assert home.openings("entrance", now + 1, opening.from_ms + 1) == [opening]
            for room in ROOMS:
                at = home.next_movement(room, now)
                if room == "outside":
                    continue
                assert at is not None
                assert home.movements(room, now + 1, at + 1) == [at]


@pytest.mark.parametrize("rate", [1.0, 24.0])
def test_a_contact_opens_when_its_home_says_so(rate: float) -> None:
    contact = Contact("door-1", Setting(seed=3, resident="wang", rate=rate))
    contact.power_on(MONDAY)
    opened = []
    while contact.next_due_ms <= MONDAY + DAY / rate:
        now = contact.next_due_ms
        contact.tick(now)
        opened += [now for out in contact.take() if out.channel is Channel.EVENT and out.message.event == "opened"]
    told = Home("3/wang", ZONE).openings("entrance", MONDAY + 1, MONDAY + DAY)
    assert [(at - MONDAY) * rate for at in opened] == pytest.approx([o.from_ms - MONDAY for o in told], abs=100 * rate)
    assert not contact.is_open
