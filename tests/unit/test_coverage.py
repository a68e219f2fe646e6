"""Holes of the rosters: planted ones are all found, exactly; and who is on duty and cannot be."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.registry.coverage import SERIOUS, Trouble, grouped, in_words, needs, troubles, when
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS, Override
from gateway.registry.load import load_community
from tests.support.homes import community, write_community

SHANGHAI = ZoneInfo("Asia/Shanghai")
MIN = 60_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() * 1000)


MONDAY = at("2026-03-02 00:00")


def town(
    path: Path, duties: list[dict[str, Any]], overrides: tuple[Override, ...] = (), **roster: Any
) -> CommunityDirectory:
    document = community(1)
    for place in document["places"]:
        if place.get("parent") == "yuan":
            place["parent"] = "g7"
    for id_, zh, en in (("g7", "第七网格", "Grid 7"), ("g8", "第八网格", "Grid 8")):
        document["places"] += [{"id": id_, "level": "网格", "name": {"zh": zh, "en": en}, "parent": "yuan"}]
    document["people"] += [
        {"id": name, "name": name, "contacts": [{"channel": "messenger", "to": name}]} for name in ("ann", "bo")
    ]
    document["people"] += [{"id": "mute", "name": "mute"}, {"id": "gone", "name": "gone", "left": "2026-03-04"}]
    document["people"][-1]["contacts"] = [{"channel": "messenger", "to": "gone"}]
    (everyday,) = document["rosters"]
    everyday["duties"] = [duty for duty in everyday["duties"] if duty["role"] != "grid_staff"]
    document["rosters"].append({"id": "grid", "duties": duties} | roster)
    return CommunityDirectory(load_community(write_community(path / "community.yaml", document)), None, overrides)


def grid(place: str = "g7", **more: Any) -> dict[str, Any]:
    return {"role": "grid_staff", "place": place} | more


def found(directory: CommunityDirectory, days: int = 7) -> list[Trouble]:
    return troubles(directory, MONDAY, MONDAY + days * DAY_MS)


def test_a_plain_roster_has_no_holes(tmp_path: Path) -> None:
    assert found(town(tmp_path, [grid(people=["ann"])])) == []


def test_a_planted_hole_is_named_with_day_and_hours(tmp_path: Path) -> None:
    nights = {"hours": "22:00-06:00", "days": ["mon", "tue", "wed", "thu", "sat", "sun"], "people": ["ann"]}
    friday = {"hours": "22:00-02:00", "days": ["fri"], "people": ["ann"]}
    directory = town(tmp_path, [grid(shifts=[{"hours": "06:00-22:00", "people": ["bo"]}, nights, friday])])
    (hole,) = found(directory)
    assert (hole.begin_ms, hole.until_ms) == (at("2026-03-07 02:00"), at("2026-03-07 06:00"))
    assert when(hole.begin_ms, hole.until_ms, SHANGHAI).zh == "周六 03-07 02:00-06:00"
    said = in_words(hole, directory)
    assert (said.zh, said.en) == ("第七网格无人值班（grid_staff）", "nobody for Grid 7 (grid_staff)")
    weekly = grouped(found(directory, days=28))
    assert [(one.first, one.times) for one in weekly] == [(hole, 4)]


def test_who_stands_further_up_fills_the_hole(tmp_path: Path) -> None:
    day = grid(shifts=[{"hours": "08:00-18:00", "people": ["ann"]}])
    assert len(found(town(tmp_path, [day]), days=1)) == 2
    assert found(town(tmp_path, [day, grid("yuan", people=["bo"])]), days=1) == []


def test_a_roster_says_itself_when_somebody_is_needed(tmp_path: Path) -> None:
    day = grid(shifts=[{"hours": "08:00-17:00", "days": "workdays", "people": ["ann"]}])
    office = {"role": "grid_staff", "place": "g7", "hours": "08:00-18:00", "days": "workdays"}
    holes = found(town(tmp_path, [day], required=[office]))
    assert [(one.begin_ms, one.until_ms - one.begin_ms) for one in holes] == [
        (at(f"2026-03-0{day} 17:00"), 60 * MIN) for day in range(2, 7)
    ]
    two = office | {"hours": "09:00-10:00", "people": 2}
    short = found(town(tmp_path, [day], required=[two]), days=1)
    assert [(one.have, one.need) for one in short] == [(1, 2)]
    assert "1 人" in in_words(short[0], town(tmp_path, [day], required=[two])).zh


def test_who_left_leaves_a_hole_and_is_named(tmp_path: Path) -> None:
    directory = town(tmp_path, [grid(people=["gone"])])
    kinds = {one.kind: one for one in found(directory)}
    assert set(kinds) == {"hole", "left"}
    assert kinds["hole"].begin_ms == kinds["left"].begin_ms == at("2026-03-05 00:00"), "the last day is worked"
    assert "works here no more" in in_words(kinds["left"], directory).en


def test_an_override_makes_a_hole_and_another_fills_it(tmp_path: Path) -> None:
    begin, until = at("2026-03-03 08:00"), at("2026-03-04 08:00")
    ill = Override(id="1", instead_of="ann", begin_ms=begin, until_ms=until)
    (hole,) = found(town(tmp_path, [grid(people=["ann"])], (ill,)))
    assert (hole.begin_ms, hole.until_ms) == (begin, until)
    mute = ill.model_copy(update={"person": "mute"})
    (unreachable,) = found(town(tmp_path, [grid(people=["ann"])], (mute,)))
    assert (unreachable.kind, unreachable.person, unreachable.begin_ms) == ("unreachable", "mute", begin)
    assert found(town(tmp_path, [grid(people=["ann"])], (ill.model_copy(update={"person": "bo"}),))) == []


def test_one_person_at_two_places_by_the_clock_is_named_with_the_time(tmp_path: Path) -> None:
    evening = {"hours": "16:00-22:00", "people": ["ann"]}
    patrol = {"role": "patrol", "place": "g8", "shifts": [{"hours": "20:00-23:00", "people": ["ann"]}]}
    everywhere = grid("yuan", people=["bo"])
    twice = found(town(tmp_path, [everywhere, grid(shifts=[evening]), patrol]), days=1)
    assert [(one.kind, one.person) for one in twice] == [("double_booked", "ann")]
    assert (twice[0].begin_ms, twice[0].until_ms) == (at("2026-03-02 20:00"), at("2026-03-02 22:00"))
    assert "double_booked" not in SERIOUS
    inside = patrol | {"place": "b-1"}
    assert found(town(tmp_path, [everywhere, grid(shifts=[evening]), inside]), days=1) == [], "two roles in one grid"


def test_what_is_needed_is_told_from_where_devices_stand(tmp_path: Path) -> None:
    wanted = needs(town(tmp_path, [grid(people=["ann"])]))
    assert ("grid_staff", "g7") in [(one.role, one.place) for one in wanted]
    assert len({(one.role, one.place) for one in wanted}) == len(wanted)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 7 * 24 - 1), st.integers(1, 30)), min_size=1, max_size=4))
def test_planted_holes_are_all_found_and_no_others(tmp_path: Path, planted: list[tuple[int, int]]) -> None:
    """Somebody is on duty always, but for the planted hours: (first hour of the week, how many)."""
    gone = [
        Override(
            id=str(n),
            instead_of="ann",
            begin_ms=MONDAY + begin * 60 * MIN,
            until_ms=MONDAY + (begin + hours) * 60 * MIN,
        )
        for n, (begin, hours) in enumerate(planted)
    ]
    holes = [one for one in found(town(tmp_path, [grid(people=["ann"])], tuple(gone))) if one.kind == "hole"]
    empty = {hour for begin, hours in planted for hour in range(begin, begin + hours) if hour < 7 * 24}
    covered = {
        hour
        for one in holes
        for hour in range((one.begin_ms - MONDAY) // (60 * MIN), (one.until_ms - MONDAY) // (60 * MIN))
    }
    assert covered == empty
    for one, other in pairwise(holes):
        assert one.until_ms < other.begin_ms, "what touches is one hole"
