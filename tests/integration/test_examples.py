"""Six communities of other shapes: each is read, checked and walked through. An alarm and a report reach the people
who are on duty at that instant, whatever levels lie in between; no code knows what a level is called."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.cases.effects import Purpose
from gateway.cases.report import Report
from gateway.chronicle.ground import Ground
from gateway.registry import coverage, store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS
from gateway.registry.evaluating import Word, party_name, rate
from gateway.registry.load import read_community
from gateway.registry.model import Community
from tests.support.chronicled import everything, nobody_is_named
from tests.support.deciding import DecidingRoom

ROOT = Path(__file__).parents[2]
EXAMPLES = ("tuanjiehu", "first", "luyuan", "tongguanshan", "jinjiang", "karamay")
ZONE = ZoneInfo("Asia/Shanghai")


@cache
def example(name: str) -> Community:
    result = read_community(ROOT / "examples" / name / "community.yaml")
    assert [str(problem) for problem in result.problems] == []
    assert result.community is not None
    return result.community


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp() * 1000)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    room = DecidingRoom(tmp_path)
    yield room
    room.engine.dispose()


def moved_in(room: DecidingRoom, name: str, when: str) -> None:
    """The room works for this community from this instant on."""
    room.clocks.wall_ms = at(when)
    store.apply(room.engine, example(name), "test", room.clocks.now_ms())
    room.restart()
    room.cycle()


def told(room: DecidingRoom) -> list[str]:
    """Who has been told of an alarm or given work so far, in that order."""
    purposes = (Purpose.ALARM, Purpose.ASSIGNED)
    return list(dict.fromkeys(send.person for send in room.sent() if send.person and send.purpose in purposes))


Step = tuple[float, set[str]]
"""After so many seconds exactly these people have been told."""

ALARMS: tuple[tuple[str, str, str, str, tuple[Step, ...]], ...] = (
    ("tuanjiehu", "2026-03-03 12:00", "sos_button", "press", ((0, {"operator-1", "operator-2"}),)),
    ("tuanjiehu", "2026-03-03 23:30", "sos_button", "press", ((0, {"operator-3", "operator-4"}),)),
    # the one to start from: one who is always on duty, then the family
    ("first", "2026-03-03 23:00", "sos_button", "press", ((0, {"wang"}), (31, {"wang", "li-hong"}))),
    # four levels of grids: in office hours the head of the third level, at night whoever has the second
    ("luyuan", "2026-03-04 10:00", "sos_button", "press", ((0, {"cc-3"}), (31, {"cc-3", "head-211", "sun-lei"}))),
    ("luyuan", "2026-03-04 23:00", "sos_button", "press", ((0, {"cc-4"}), (31, {"cc-4", "head-12", "sun-lei"}))),
    # two levels: by day the community's own people, at night one of all communities
    ("tongguanshan", "2026-03-03 12:00", "smoke", "smoke", ((0, {"zhu-min", "xie-jun"}),)),
    ("tongguanshan", "2026-03-03 23:00", "smoke", "smoke", ((0, {"wu-gang"}), (31, {"wu-gang", "yang-fan"}))),
    # courtyards: neighbours of the courtyard always, the window of the station by its hours
    ("jinjiang", "2026-03-03 10:00", "sos_button", "press", ((0, {"yard-1-a", "yard-1-b", "station-a", "station-b"}),)),
    ("jinjiang", "2026-03-03 22:00", "sos_button", "press", ((0, {"yard-1-a", "yard-1-b", "station-night"}),)),
    ("jinjiang", "2026-02-17 10:00", "sos_button", "press", ((0, {"yard-1-a", "yard-1-b", "station-b"}),)),
    # hotline, patrols round the clock
    (
        "karamay",
        "2026-03-03 15:00",
        "sos_button",
        "press",
        ((0, {"op-2"}), (31, {"op-2", "patrol-a1", "patrol-a2", "grid-5"})),
    ),
    (
        "karamay",
        "2026-03-03 22:00",
        "sos_button",
        "press",
        ((0, {"op-1"}), (31, {"op-1", "patrol-b1", "patrol-b2", "night-grid"})),
    ),
)


@pytest.mark.parametrize(("name", "when", "kind", "event", "steps"), ALARMS)
def test_an_alarm_reaches_who_is_on_duty(
    room: DecidingRoom, name: str, when: str, kind: str, event: str, steps: tuple[Step, ...]
) -> None:
    moved_in(room, name, when)
    device = next(device for device in example(name).devices if device.kind == kind)
    room.say(device.id, kind, event)
    passed = 0.0
    for seconds, expected in steps:
        room.run(seconds - passed)
        passed = seconds
        assert set(told(room)) == expected, f"{name} {when}, after {seconds} s"


REPORTS: tuple[tuple[str, str, str, str, set[str]], ...] = (
    ("luyuan", "2026-03-04 10:00", "rubbish", "g1-2-1-b", {"inspector-1"}),
    ("luyuan", "2026-03-04 10:00", "housekeeping", "home-guo", {"aide-3", "aide-4"}),
    ("tongguanshan", "2026-03-03 12:00", "street-lamp", "rmin", {"tao-hua"}),
    ("tongguanshan", "2026-03-04 12:00", "street-lamp", "yingbin-0301", {"qian-li"}),
    ("jinjiang", "2026-03-03 12:00", "burst-pipe", "yard-2", {"plumber-1"}),
    ("jinjiang", "2026-03-10 12:00", "burst-pipe", "yard-2", {"plumber-2"}),
    ("jinjiang", "2026-03-10 12:00", "home-care", "yard-1-203", {"care-1"}),
    ("karamay", "2026-03-03 16:45", "manhole", "cover-17", {"road-1"}),
    ("karamay", "2026-03-10 16:45", "manhole", "cover-17", {"road-2"}),
    ("karamay", "2026-03-03 02:00", "inspection", "yq-6", {"insp-3"}),
)


@pytest.mark.parametrize(("name", "when", "work", "place", "expected"), REPORTS)
def test_a_report_reaches_who_handles_it(
    room: DecidingRoom, name: str, when: str, work: str, place: str, expected: set[str]
) -> None:
    moved_in(room, name, when)
    future = room.decider.report(Report(key="1", actor="operator:hotline", work=work, text="请处理", place=place))
    room.cycle()
    assert future.result(timeout=0).place == place
    assert set(told(room)) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_year_has_no_hole(name: str) -> None:
    directory = CommunityDirectory(example(name))
    begin_ms = at("2026-01-05 00:00")
    found = coverage.troubles(directory, begin_ms, begin_ms + (30 if name == "tuanjiehu" else 365) * DAY_MS)
    assert [coverage.in_words(one, directory).en for one in found] == []


def test_the_communities_differ_in_depth_and_in_the_names_of_their_levels() -> None:
    depths = {}
    for name in EXAMPLES:
        directory = CommunityDirectory(example(name))
        depths[name] = max(len(directory.way(place.id)) for place in example(name).places if place.level[:1] in "户住")
    assert depths["luyuan"] > depths["jinjiang"] > depths["karamay"] > depths["tongguanshan"]
    grids = [place.level for place in example("luyuan").places if "网格" in place.level]
    assert set(grids) == {"一级网格", "二级网格", "三级网格", "四级网格"}


def test_the_committee_has_half_the_say() -> None:
    (evaluation,) = example("jinjiang").evaluation
    directory = CommunityDirectory(example("jinjiang"))

    def score(*words: Word) -> float | None:
        return rate(evaluation, words, lambda by: party_name(directory, by)).score

    said = (Word("wufu-committee", 4), Word("city-management", 5))
    assert score(*said) is None, "the residents have said nothing yet"
    assert score(*said, Word("residents", 3), Word("residents", 5)) == pytest.approx(0.5 * 4 + 0.4 * 4 + 0.1 * 5)


def _literals(path: Path) -> Iterator[tuple[str, int]]:
    """The text constants of a module that are no docstrings and no keys of an ``Annotated`` example."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value.strip(), node.lineno


def test_no_code_knows_what_a_level_is_called() -> None:
    levels = {place.level for name in EXAMPLES for place in example(name).places}
    assert len(levels) > 15
    # "grid" is a tag of telemetry: which level that is, `community.levels` says.
    levels |= {"district", "sub-district", "street", "cell", "courtyard", "household"}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for room in ("gateway", "devices")
        for path in sorted((ROOT / room).rglob("*.py"))
        for text, line in _literals(path)
        if text in levels and path.name != "measurements.py"  # what telemetry's tags are called on the page about them
    ]
    assert found == []


def test_what_touches_is_told_once() -> None:
    """The courses of duty of all examples are without gaps and without overlaps."""
    for name in EXAMPLES:
        directory = CommunityDirectory(example(name))
        for key, line in directory.duties.lines.items():
            course = line.between(at("2026-02-01 00:00"), at("2026-02-08 00:00"))
            assert all(one.until_ms == other.begin_ms for one, other in pairwise(course)), (name, key)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_control_room_s_points_name_nobody_who_lives_there(name: str) -> None:
    ground = Ground(CommunityDirectory(example(name), "anju-gateway"))
    points = everything(ground)
    nobody_is_named(points, ground)
    roles = Counter(point.tags["role"] for point in points if point.measurement == "place")
    assert roles["community"] == 1 and roles["home"] >= 1 and roles["grid"] >= 1
    if name == "tuanjiehu":
        assert (roles["pole"], roles["building"], roles["grid"] >= 60) == (1769, 142, True)
