"""Figures of a period, beside what was reckoned by hand; whatever a record holds is no obstacle."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cases import figures
from gateway.cases.figures import Figures, Seen, reckon, seen, spread

DAY = 86_400_000
NOW = 40 * DAY
_number = iter(range(1, 10**9))


def case(
    raised_s: float = 0, *, life: bool = True, stage: str = "closed", day: int = 10, place: str = "p", **more: Any
) -> Seen:
    """A case that was raised so many seconds into a day; ``more``: instants in seconds after that, or fields."""
    raised = day * DAY + round(raised_s * 1000)
    instants = set(more) & {name for step in figures.STEPS for name in step}
    times = {"raised": raised} | {name: raised + round(more.pop(name) * 1000) for name in sorted(instants)}
    number = next(_number)
    record = {
        "id": f"c{number}",
        "number": f"2026-{number:06}",
        "type": "personal_emergency",
        "severity": "emergency",
        "stage": stage,
        "ladder": {"life_safety": life, "id": "x", "rungs": []},
        "place": place,
        "times": times,
        "something_new": {"of": ["a", "later", "version"]},
        **more,
    }
    return seen(json.dumps(record))


def of(*cases: Seen, slots: tuple[int, ...] = ()) -> Figures:
    return reckon(cases, from_ms=0, until_ms=30 * DAY, now_ms=NOW, place_of=lambda place: place or "", slots=slots)


def test_answered_in_time_counts_people_and_not_machines() -> None:
    found = of(
        *(case(answered=30) for _ in range(7)),
        case(answered=60),
        case(answered=61),
        case(answered=200),
        case(stage="opened"),  # nobody ever: ten days ago
        case(stage="cancelled", closed=20),  # the resident took it back: nobody could answer
        case(stage="cancelled", closed=100),  # taken back too, but a minute had passed
        case(life=False, answered=80),
    )
    first, second = found.life
    assert (first.count, first.n, first.target) == (8, 12, 0.975)
    assert (second.count, second.n) == (9, 11), "the one that was taken back after 100 s is in no share of 180 s"
    assert first.share == pytest.approx(8 / 12) and first.met is False
    assert [(share.count, share.n) for share in found.other] == [(1, 1), (1, 1)]
    assert (found.n, found.alarms, found.taken_back) == (14, 14, 2)


def test_one_that_rings_just_now_is_not_late_yet() -> None:
    fresh = case(stage="opened", day=40, raised_s=-30)
    found = reckon([fresh], from_ms=0, until_ms=50 * DAY, now_ms=NOW, place_of=lambda _: "")
    assert (found.life[0].n, found.life[0].share, found.life[0].met) == (0, None, None)
    assert found.overdue == ()
    later = reckon([fresh], from_ms=0, until_ms=50 * DAY, now_ms=NOW + 200_000, place_of=lambda _: "")
    assert (later.life[0].count, later.life[0].n, later.life[0].met) == (0, 1, False)
    assert [(one.stage, one.due_ms) for one in later.overdue] == [("answer", fresh.began_ms + 180_000)]


def test_drills_and_merged_cases_are_in_no_figure() -> None:
    found = of(case(answered=10), case(answered=999, drill=True), case(answered=999, stage="merged"))
    assert (found.n, found.drills, found.merged) == (1, 1, 1)
    assert found.life[0].share == 1.0
    assert found.places[0].n == 1


def test_only_what_began_in_the_period() -> None:
    found = of(case(day=0), case(day=29, raised_s=86_399.999), case(day=30), case(day=35))
    assert found.n == 2


def test_time_per_stage_with_percentiles_and_n() -> None:
    found = of(
        *(case(notified=1, answered=number, arrived=10 * number, resolved=20 * number) for number in range(1, 101))
    )
    steps = {(step.begin, step.end): step.spread for step in found.steps}
    answered = steps["raised", "answered"]
    assert (answered.n, answered.p50, answered.p90, answered.p95, answered.most) == (100, 50, 90, 95, 100)
    assert steps["raised", "arrived"].p50 == 500
    assert steps["arrived", "resolved"].most == 1000
    assert steps["resolved", "verified"].n == 0 and steps["resolved", "verified"].p50 is None
    assert steps["raised", "closed"].n == 0


def test_closing_is_timed_of_what_was_closed_and_not_of_mistakes() -> None:
    found = of(case(closed=600), case(stage="cancelled", closed=5))
    assert {(step.begin, step.end): step.spread.n for step in found.steps}["raised", "closed"] == 1


def test_on_site() -> None:
    found = of(*(case(arrived=60 * minutes) for minutes in (10, 20, 44, 46, 61)), case())
    assert [(share.count, share.n, share.met) for share in found.on_site] == [(3, 5, False), (4, 5, False)]


def test_false_alarms_and_their_causes() -> None:
    found = of(
        *(case(stage="cancelled", answered=5, closed=9, cause="pressed_by_mistake") for _ in range(3)),
        case(stage="cancelled", answered=5, closed=9, cause="cooking", type="smoke"),
        case(stage="cancelled", answered=5, closed=9),
        case(stage="cancelled", answered=5, closed=9, cause="duplicate"),
        case(stage="cancelled", answered=5, closed=9, cause="a cause of next year"),
        case(answered=5, closed=9),
        case(stage="resolved", answered=5),
    )
    assert (found.false.count, found.false.n) == (6, 8), "what is not over may still be one"
    assert found.causes == {"pressed_by_mistake": 3, "cooking": 1, "": 1, "a cause of next year": 1}
    by_type = {group.key: group for group in found.types}
    assert (by_type["smoke"].false.count, by_type["smoke"].false.n) == (1, 1)


def test_by_place_person_and_type_of_work() -> None:
    found = of(
        case(answered=10, handlers=["person:wang", "person:li"], owner="person:li", place="g1"),
        case(answered=50, owner="person:wang", place="g1"),
        case(answered=90, handlers=["person:li"], place="g2"),
        case(stage="opened", place="g2"),
        case(source="pole", work={"id": "rubbish", "zh": "垃圾", "en": "rubbish"}, answered=5000, place="g2"),
    )
    assert [(group.key, group.n, group.alarms) for group in found.places] == [("g2", 3, 2), ("g1", 2, 2)]
    assert [(group.key, group.n) for group in found.people] == [("person:wang", 2), ("person:li", 1)]
    wang = found.people[0]
    assert (wang.answered_60.count, wang.answer.p50, wang.answer.most) == (2, 10, 50)
    assert {group.key for group in found.types} == {"personal_emergency", "rubbish"}
    assert (found.alarms, found.reports) == (4, 1)
    assert found.places[0].answered_60.n == 2, "a report is no alarm: nobody promised a minute"


def test_open_longer_than_the_limit() -> None:
    late = {"stage": "handle", "due_at_ms": NOW - 1000, "limit": {"amount": 1, "unit": "h"}}
    waits = {"since_ms": 1, "until_ms": NOW + 1, "reason": "材料", "actor": "operator:a"}
    found = of(
        case(stage="dispatched", limit=late, day=35, owner="person:li"),
        case(stage="dispatched", limit={**late, "due_at_ms": NOW + 1000}),
        case(stage="dispatched", limit=late, suspended=waits),
        case(stage="closed", limit=late),
        case(stage="opened", limit=late, drill=True),
        case(stage="opened", day=39),
        case(stage="acknowledged", owner="person:li"),
    )
    assert [(one.stage, one.owner) for one in found.overdue] == [("answer", None), ("handle", "person:li")]
    assert found.open == 5


def test_over_time() -> None:
    found = of(case(day=0, answered=5), case(day=0, answered=99), case(day=2, answered=5), slots=(0, DAY, 2 * DAY))
    assert [(slot.n, slot.answered_60.count, slot.answered_60.n) for slot in found.slots] == [
        (2, 1, 2),
        (0, 0, 0),
        (1, 1, 1),
    ]


def test_places_that_were_not_asked_for_are_out() -> None:
    found = reckon(
        [case(place="in"), case(place="out")],
        from_ms=0,
        until_ms=30 * DAY,
        now_ms=NOW,
        place_of=lambda place: place if place == "in" else None,
    )
    assert (found.n, [group.key for group in found.places]) == (1, ["in"])


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=60))
def test_percentiles_are_measured_values_that_so_many_do_not_pass(times: list[float]) -> None:
    found = spread(times)
    for share, value in ((0.5, found.p50), (0.9, found.p90), (0.95, found.p95), (1.0, found.most)):
        assert value is not None and value in times
        assert sum(time <= value for time in times) >= math.ceil(share * len(times)) - 1e-9
        assert sum(time < value for time in times) < math.ceil(share * len(times))


stages = [
    "opened",
    "acknowledged",
    "dispatched",
    "arrived",
    "resolved",
    "verified",
    "closed",
    "cancelled",
    "merged",
    "?",
]
instants = st.dictionaries(st.sampled_from(sorted({i for step in figures.STEPS for i in step})), st.integers(0, 10**6))


@given(st.lists(st.tuples(st.sampled_from(stages), instants, st.booleans(), st.booleans(), st.integers(0, 45))))
def test_it_always_adds_up(rows: list[tuple[str, dict[str, int], bool, bool, int]]) -> None:
    cases = [
        case(stage=stage, life=life, drill=drill, day=day, **{k: v for k, v in times.items() if k != "raised"})
        for stage, times, life, drill, day in rows
    ]
    found = of(*cases, slots=tuple(range(0, 30 * DAY, DAY)))
    assert found.n == sum(group.n for group in found.places) == sum(slot.n for slot in found.slots)
    assert found.n == sum(group.n for group in found.types)
    assert found.alarms + found.reports == found.n <= len(cases)
    assert sum(found.causes.values()) == found.false.count <= found.false.n
    for share in (*found.life, *found.other, *found.on_site, found.false, found.reworked):
        assert 0 <= share.count <= share.n
        assert share.share is None or 0 <= share.share <= 1
    assert Figures.model_validate_json(found.model_dump_json()) == found
