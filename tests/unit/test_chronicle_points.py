"""Points of cases and alarms: they agree with the figures whatever has happened, and name nobody who lives here."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.measurements import HAPPENINGS
from devices.telemetry import faults
from gateway.alarms import AlarmMove, Severity
from gateway.cases import figures
from gateway.cases.commands import Action, Refused
from gateway.cases.figures import Seen, reckon, seen
from gateway.cases.model import Case, Stage
from gateway.cases.report import Source
from gateway.chronicle.cases import (
    care_point,
    case_point,
    level,
    next_change_ms,
    numbered_ns,
    void,
)
from gateway.chronicle.fleet import FleetSeen, dark_cameras, fleet_points, grid_points
from gateway.chronicle.ground import Ground, ground_of
from gateway.chronicle.places import Places
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community
from gateway.store.points import screen_point
from gateway.store.protocol import Point
from tests.support.chronicled import everything, nobody_is_named
from tests.support.homes import community, write_community
from tests.support.town import LIFE, SERVICE, START, Story, change

ROOT = Path(__file__).parents[2]
ACTIONS: tuple[Action, ...] = ("acknowledge", "dispatch", "arrive", "resolve", "verify", "close", "cancel", "take_back")
WAITS = (0, 1, 20, 59, 61, 170, 181, 901, 4000)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    file = write_community(tmp_path_factory.mktemp("yard") / "community.yaml", community(2))
    found = read_community(file).community
    assert found is not None
    return ground_of(CommunityDirectory(found, "anju-gateway"))


Lived = tuple[Case, Seen]


def lived(steps: list[tuple[int, Action | str]], life: bool, number: int, at_s: int, copy: dict[str, object]) -> Lived:
    """A case that really went so, by the machine."""
    severity = Severity.EMERGENCY if life else Severity.SERVICE
    ladder = LIFE if life else SERVICE
    story = Story(first=change(ladder=ladder.id, severity=severity), ladder=ladder)
    for wait_s, what in steps:
        story.forward(wait_s)
        try:
            if what == "smoke" and story.case.open:
                story.alarm(AlarmMove.RAISED, rule="smoke-alarm", momentary=False, type_="smoke", device="smoke-1")
            elif what in ACTIONS:
                actor = "operator:check" if what == "verify" else "person:grid"
                more = {"cause": "child"} if what == "cancel" and wait_s % 2 else {}
                story.act(what, actor=actor, reason="because", code="4711", **more)  # type: ignore[arg-type]
        except Refused:
            continue
    times = {what: at_ms + at_s * 1000 for what, at_ms in story.case.times.items()}
    known = {"id": f"c-{number}", "number": f"2026-{number:06}", "times": times}
    case = story.case.model_copy(update=known | copy)
    return case, seen(case.model_dump_json())


HISTORY = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(WAITS), st.sampled_from((*ACTIONS, "smoke"))), max_size=8),
        st.booleans(),
        st.integers(0, 20_000),
        st.sampled_from(
            [
                {},
                {},
                {},
                {"drill": True},
                {"source": Source.PHONE},
                {"stage": Stage.MERGED},
                {"place": None},
                {"place": "door-2"},
            ]
        ),
    ),
    max_size=12,
)


def share(points: list[Point], field: str) -> tuple[int, int]:
    values = [point.fields[field] for point in points if field in point.fields]
    return int(sum(float(value) for value in values)), len(values)


@settings(max_examples=60, deadline=None)
@given(history=HISTORY, later_s=st.sampled_from([0, 61, 181, 30_000]))
def test_sums_over_points_are_the_figures(ground: Ground, history: list, later_s: int) -> None:  # type: ignore[type-arg]
    cases = [lived(steps, life, at + 1, at_s, copy) for at, (steps, life, at_s, copy) in enumerate(history)]
    now_ms = max((at for case, _ in cases for at in case.times.values()), default=START) + later_s * 1000
    points = [case_point(case, record, ground, now_ms) for case, record in cases]
    found = reckon(
        [record for _, record in cases], from_ms=0, until_ms=2**60, now_ms=now_ms, place_of=lambda place: place or "-"
    )
    kept = [p for p in points if p.tags["drill"] == "0" and p.fields["merged"] == 0]
    alarms = [p for p in kept if p.fields["alarm"] == 1]
    life = [p for p in alarms if p.fields["life"] == 1]
    other = [p for p in alarms if p.fields["life"] == 0]
    assert (len(kept), len(alarms), len(kept) - len(alarms)) == (found.n, found.alarms, found.reports)
    assert [share(life, f"within_{s}") for s in (60, 180)] == [(one.count, one.n) for one in found.life]
    assert [share(other, f"within_{s}") for s in (90, 180)] == [(one.count, one.n) for one in found.other]
    assert [share(kept, f"on_site_{m}") for m in (45, 60)] == [(one.count, one.n) for one in found.on_site]
    assert share(alarms, "false_alarm") == (found.false.count, found.false.n)
    assert sum(p.fields["open"] == 1 for p in kept) == found.open
    assert sum(p.fields["overdue"] == 1 for p in points if p.tags["drill"] == "0") == len(found.overdue)
    for what in ("notified", "answered", "arrived", "resolved", "closed"):
        [step] = [step for step in found.steps if (step.begin, step.end) == ("raised", what)]
        assert figures.spread(float(p.fields[f"{what}_s"]) for p in kept if f"{what}_s" in p.fields) == step.spread
    by_place = Counter(str(p.fields["place"] or "-") for p in kept)
    assert by_place == {group.key: group.n for group in found.places}
    assert len({(tuple(sorted(p.tags.items())), p.at_ns) for p in points}) == len(points), "one point each"
    assert points == [case_point(case, record, ground, now_ms) for case, record in cases], "deterministic"
    cared = [point for (case, _), of in zip(cases, points, strict=True) if (point := care_point(case, of)) is not None]
    assert [point.tags["resident"] for point in cared] == [case.resident for case, _ in cases if case.resident]
    for point in (*points, *cared):
        assert faults(HAPPENINGS[point.measurement], point.tags, point.fields) == []
        assert screen_point(point)[1] == "", "every store takes it whole"


@settings(max_examples=60, deadline=None)
@given(history=HISTORY, steps=st.lists(st.integers(1, 400_000), max_size=6))
def test_between_the_instants_that_are_told_nothing_changes(
    ground: Ground,
    history: list,  # type: ignore[type-arg]
    steps: list[int],
) -> None:
    """Who waits for `next_change_ms` misses nothing."""
    for at, (acts, life, at_s, copy) in enumerate(history[:3]):
        case, record = lived(acts, life, at + 1, at_s, copy)
        now_ms = max(case.times.values())
        for step in steps:
            due_ms = next_change_ms(record, now_ms)
            then_ms = now_ms + step if due_ms is None else min(now_ms + step, due_ms - 1)
            assert case_point(case, record, ground, now_ms) == case_point(case, record, ground, then_ms)
            if due_ms is not None:
                assert case_point(case, record, ground, due_ms) != case_point(case, record, ground, due_ms - 1)
            now_ms = due_ms or then_ms


def test_a_life_at_stake_is_counted_when_its_minute_is_over(ground: Ground) -> None:
    story = Story()
    record = seen(story.case.model_dump_json())
    at = [case_point(story.case, record, ground, START + s * 1000 + 1).fields for s in (59, 60, 180)]
    assert [("within_60" in one, "within_180" in one, one["overdue"]) for one in at] == [
        (False, False, 0.0),
        (True, False, 0.0),
        (True, True, 1.0),
    ]
    assert next_change_ms(record, START) == START + 60_001
    assert next_change_ms(record, START + 60_001) == START + 90_001
    assert next_change_ms(record, START + 90_001) == START + 180_001
    assert next_change_ms(record, START + 180_001) is None


def test_what_a_wall_reads(ground: Ground) -> None:
    story = Story()
    story.forward(76)  # the grid has been told
    case = story.case.model_copy(update={"number": "2026-000042", "place": "door-1", "resident": "r-1"})
    point = case_point(case, seen(case.model_dump_json()), ground, story.now_ms)
    assert point.at_ns == START * 1_000_000 + 42
    assert point.tags == {
        "community": "yuan",
        "grid": "b-1",
        "grid_name": "3号楼",
        "building": "door-1",
        "type": "personal_emergency",
        "drill": "0",
    }
    said = {name: point.fields[name] for name in ("title_zh", "place_zh", "stage_en", "severity", "owner_zh", "number")}
    assert said == {
        "title_zh": "紧急呼救",
        "place_zh": "试验院3号楼501室",
        "stage_en": "waiting",
        "severity": 4.0,
        "owner_zh": "",
        "number": "2026-000042",
    }
    assert (point.fields["lat"], point.fields["lon"]) == (39.93, 116.46)
    assert str(point.fields["step_zh"]).startswith(f"{case.rung} ")
    drill = case.model_copy(update={"drill": True})
    assert str(case_point(drill, seen(drill.model_dump_json()), ground, START).fields["title_zh"]).startswith(
        "【演练】"
    )


def test_who_has_it(ground: Ground) -> None:
    assert ground.who("person:grid") == ("网格员 网格员", "grid staff 网格员")
    assert ground.who("person:daughter-1") == ("家人或邻居", "family or neighbour")
    assert ground.who("person:gone") == ("某人", "somebody")
    assert ground.who("operator:night") == ("night", "night")
    assert ground.who("operator:李秀兰1 13800001234") == ("… …", "… …")
    assert ground.text("SMS to +86 138-0000-1234 failed: port 8086, 127.0.0.1:18861") == (
        "SMS to … failed: port 8086, 127.0.0.1:18861"
    )


def test_the_order_of_severities_is_the_catalogue_s() -> None:
    assert [level(one) for one in Severity] == [4.0, 3.0, 2.0, 1.0]
    assert numbered_ns(5, 1_000_007) == 5_000_007


def test_a_case_that_becomes_something_else_is_counted_once(ground: Ground) -> None:
    case, record = lived([], True, 7, 0, {})
    point = case_point(case, record, ground, START)
    old = void(point, {**point.tags, "type": "low_battery"})
    assert (old.at_ns, old.tags["type"], old.fields["open"], old.fields["merged"]) == (point.at_ns, "low_battery", 0, 1)
    assert faults(HAPPENINGS["case"], old.tags, old.fields) == []


@pytest.mark.parametrize("name", ["yard", "ordinary-hardware"])
def test_no_name_and_no_number_of_a_resident_is_in_any_point(name: str, ground: Ground) -> None:
    if name != "yard":
        found = read_community(ROOT / "examples" / name / "community.yaml").community
        assert found is not None
        ground = Ground(CommunityDirectory(found, "anju-gateway"))
    nobody_is_named(everything(ground), ground)


# the fleet and the places


def test_the_fleet_is_counted_by_what_devices_and_rules_say(ground: Ground) -> None:
    heard = dict.fromkeys(ground.directory.devices, START)
    seen_ = FleetSeen(
        last_seen_ms=heard | {"sos-1": START - 10**9},
        states={"smoke-1": {"faulty": 1, "battery_low": 1}, "smoke-2": {"battery_low": 0}},
        standing={"smoke-2": {"low_battery", "signal_weak"}, "sos-2": {"clock_wrong"}},
        worked_on={"smoke-1"},
    )
    counted = fleet_points(seen_, ground, START + 7)
    points = {(p.tags["grid"], p.tags["kind"]): p for p in counted}
    smoke = points["b-1", "smoke"]
    assert smoke.at_ns == START // 300_000 * 300_000 * 1_000_000
    assert {name: value for name, value in smoke.fields.items() if value} == {
        "devices": 2,
        "battery_low": 2,
        "signal_weak": 1,
        "faulty": 1,
        "maintenance": 1,
    }
    sos = points["b-1", "sos_button"].fields
    assert (sos["devices"], sos["silent"], sos["clock_wrong"]) == (2, 1, 1)
    grids = {p.tags["grid"]: p for p in grid_points(counted)}
    assert grids.keys() == {p.tags["grid"] for p in counted}
    assert grids["b-1"].tags == {key: value for key, value in smoke.tags.items() if key != "kind"}
    assert grids["b-1"].at_ns == smoke.at_ns
    for name, value in grids["b-1"].fields.items():
        assert value == sum(float(p.fields[name]) for p in counted if p.tags["grid"] == "b-1"), name
    assert dark_cameras(seen_, ground, START) == set()
    assert dark_cameras(FleetSeen(last_seen_ms={}, states={}), ground, START) == {"camera-1"}


def test_places_count_what_lies_inside_them(ground: Ground) -> None:
    places = Places(ground)
    before, after = {"door-1": 1}, {"door-1": 2, "door-2": 1}
    points = {p.tags["place"]: p for p in places.points(after, {"camera-1"}, START)}
    cases = {place: point.fields["cases"] for place, point in points.items()}
    assert cases == {"yuan": 3, "b-1": 3, "door-1": 2, "door-2": 1}
    roles = {place: point.tags["role"] for place, point in points.items()}
    assert roles == {"yuan": "community", "b-1": "grid", "door-1": "home", "door-2": "home"}
    assert points["yuan"].fields["cameras_dark"] == 1
    assert points["b-1"].fields["label_zh"] == "3号楼 (b-1)"
    assert places.touched((before, after), ((), ())) == {"yuan", "b-1", "door-1", "door-2"}
    assert places.touched((after, after), ((), {"camera-1"})) == {"yuan"}
    assert places.touched((after, after), ({"camera-1"}, {"camera-1"})) == set()
    only = [p.tags["place"] for p in places.points(after, (), START, {"door-2"})]
    assert only == ["door-2"]
