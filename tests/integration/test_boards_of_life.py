"""The wall and the response board say what is so: against the cases themselves, and against the figures."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dashboards.board import Board, Panel
from dashboards.boards.elder_care import ELDER_CARE
from dashboards.boards.response import RESPONSE
from dashboards.boards.wall import WALL
from dashboards.influxql import concrete, span_ms
from dashboards.query import Query
from gateway.cases import figures
from gateway.cases.figures import Figures, Seen, Share
from gateway.cases.model import Case
from gateway.chronicle.cases import care_point, case_point, level, void
from gateway.chronicle.ground import Ground, ground_of
from gateway.store.influx import InfluxStore
from gateway.store.protocol import Point, RefusedPoint
from tests.support.control_cases import Casework
from tests.support.control_town import town as made_town
from tests.support.control_week import END_MS, SEED
from tests.support.stores import Influxd

QUIET = "quiet"
"""A community in which everything is over."""
PANELS = {board.uid: {panel.key: panel for panel in board.panels()} for board in (WALL, RESPONSE, ELDER_CARE)}


class Town:
    """The cases of a week: as the machine has them, and as points in a server."""

    def __init__(self, influxd: Influxd, ground: Ground, cases: list[Case]) -> None:
        self._influxd = influxd
        self.ground = ground
        self.seen: list[Seen] = [figures.seen(case.model_dump_json()) for case in cases]
        self.real = [case for case in cases if not case.drill]
        self.drills = [case for case in cases if case.drill]
        self.burning = [case for case in self.real if case.open and case.stage not in ("resolved", "verified")]

    def rows(self, board: Board, query: Query, **chosen: str) -> list[dict[str, Any]]:
        choice = {variable.name: chosen.get(variable.name) for variable in board.variables}
        text = concrete(query, "zh", END_MS - span_ms(board.range), END_MS, choice, day_offset_ms=-8 * 3_600_000)
        return [
            {**one.get("tags", {}), **dict(zip(one["columns"], values, strict=True))}
            for one in self._influxd.query(text)
            for values in one["values"]
        ]

    def row(self, board: Board, key: str, **chosen: str) -> dict[str, Any]:
        """What a panel of one query and one row shows; empty where it shows nothing."""
        (query,) = PANELS[board.uid][key].queries
        rows = self.rows(board, query, **chosen)
        assert len(rows) <= 1
        return rows[0] if rows else {}

    def table(self, key: str, board: Board = WALL, **chosen: str) -> list[dict[str, Any]]:
        (query,) = PANELS[board.uid][key].queries
        return self.rows(board, query, **chosen)

    def reckoned(self, *, drills: bool = False, life: bool = False) -> Figures:
        """The figures of the response board's range, by grid; ``life``: of alarms for life safety alone."""
        return figures.reckon(
            [one for one in self.seen if one.life_safety and one.source == figures.ALARM] if life else self.seen,
            from_ms=END_MS - span_ms(RESPONSE.range),
            until_ms=END_MS + 1,
            now_ms=END_MS,
            place_of=lambda place: self.ground.stamps(place).grid,
            drills=drills,
        )


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    server.create()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def casework() -> Casework:
    found = Casework(ground_of(made_town()), END_MS, random.Random(SEED))
    found.live()
    return found


@pytest.fixture(scope="module")
def town(influxd: Influxd, casework: Casework) -> Town:
    ground = casework.ground
    cases = [life.case for life in casework.lives]
    points = [_point(case, ground) for case in cases]
    over = [point for point, case in zip(points, cases, strict=True) if not case.open]
    # What became another type: the point under the old one is emptied.
    emptied = [void(point, {**point.tags, "type": "another"}) for point in points]
    points += [care for case, point in zip(cases, points, strict=True) if (care := care_point(case, point)) is not None]
    points += [*emptied, *(_of(QUIET, point) for point in over)]
    assert asyncio.run(_written(influxd, points)) == []
    return Town(influxd, ground, cases)


async def _written(influxd: Influxd, points: list[Point]) -> list[RefusedPoint]:
    """What the store refused of them."""
    store = InfluxStore(influxd.settings, "")
    try:
        return await store.write_points(points)
    finally:
        await store.close()


def _point(case: Case, ground: Ground) -> Point:
    return case_point(case, figures.seen(case.model_dump_json()), ground, END_MS)


def _of(community: str, point: Point) -> Point:
    return replace(point, tags={**point.tags, "community": community})


def test_the_wall_counts_what_burns(town: Town) -> None:
    here = town.ground.community
    life = [case for case in town.burning if case.ladder.life_safety]
    serious = [case for case in town.burning if level(case.severity) >= 3]
    others = [case for case in serious if not case.ladder.life_safety]
    nobody = [case for case in serious if case.stage == "opened"]
    work = [case for case in town.burning if level(case.severity) < 3]
    assert all((life, others, nobody, work)), "the week has some of each"
    shown = {
        key: town.row(WALL, key, community=here)["cases"] for key in ("life", "urgent", "nobody", "work", "overdue")
    }
    overdue = town.reckoned().overdue
    assert shown == {
        "life": len(life),
        "urgent": len(others),
        "nobody": len(nobody),
        "work": len(work),
        "overdue": len(overdue),
    }


def test_the_table_has_each_case_that_burns_once_and_no_drill(town: Town) -> None:
    here = town.ground.community
    rows = [*town.table("burning", community=here), *town.table("works", community=here)]
    assert sorted(row["number"] for row in rows if level_of(row) >= 3) == sorted(
        case.number for case in town.burning if level(case.severity) >= 3
    )
    assert not {row["number"] for row in rows} & {case.number for case in town.drills}
    assert all(row["where"] and row["title"] for row in rows)
    waiting = {row["number"] for row in rows if row["stage"] == "opened"}
    assert waiting <= {case.number for case in town.burning if case.owner is None}
    assert {row["called_120"] for row in rows if "called_120" in row} == {0, 1}
    on_map = town.table("map", community=here)
    assert {row["number"] for row in on_map} == {case.number for case in town.burning}
    assert all(row["lat"] and row["lon"] for row in on_map)


def level_of(row: dict[str, Any]) -> float:
    return float(row["severity"])


def test_drills_stand_apart(town: Town) -> None:
    rows = town.table("drills", community=town.ground.community)
    assert [row["number"] for row in rows] == [case.number for case in town.drills if case.open]
    assert all(row["title"].startswith("【演练】") for row in rows)


def test_where_everything_is_over_nothing_is_coloured(town: Town) -> None:
    for key in ("life", "nobody", "urgent", "overdue", "work"):
        panel = PANELS[WALL.uid][key]
        shown = town.row(WALL, key, community=QUIET)
        assert not shown or shown["cases"] == 0
        assert colour(panel, None) == colour(panel, 0.0) == "green"
        assert panel.empty is not None and panel.values[0].value == 0
    assert town.table("burning", community=QUIET) == town.table("works", community=QUIET) == []
    assert town.table("map", community=QUIET) == town.table("drills", community=QUIET) == []


def colour(panel: Panel, value: float | None) -> str:
    """What colour a number has; None: nothing is there."""
    assert panel.thresholds is not None
    reached = [step for step in panel.thresholds.steps if step.at is None or (value is not None and value >= step.at)]
    return reached[-1].colour


def test_a_gateway_that_says_nothing_is_red() -> None:
    panel = PANELS[WALL.uid]["gateway"]
    assert panel.empty is not None and colour(panel, None) == "red"
    assert [colour(panel, value) for value in (0.0, 1.0, 2.0)] == ["green", "yellow", "red"]


@pytest.mark.parametrize(
    ("key", "drills"),
    [(key, False) for key in ("life-60", "life-180", "other-90", "other-180", "on-site", "false")]
    + [("drill-60", True)],
)
def test_shares_are_those_of_the_figures(town: Town, key: str, drills: bool) -> None:
    found = town.reckoned(drills=drills)
    expected: dict[str, Share] = {
        "life-60": found.life[0],
        "life-180": found.life[1],
        "other-90": found.other[0],
        "other-180": found.other[1],
        "on-site": found.on_site[0],
        "false": found.false,
        "drill-60": found.life[0],
    }
    share = expected[key]
    assert share.n, "the week has some"
    shown = town.row(RESPONSE, key, community=town.ground.community)
    assert (shown["n"], shown["share"]) == (share.n, pytest.approx(100 * share.count / share.n))


@pytest.mark.parametrize("end", ["answered", "arrived", "resolved", "closed"])
def test_times_are_those_of_the_figures(town: Town, end: str) -> None:
    (spread,) = (step.spread for step in town.reckoned().steps if (step.begin, step.end) == ("raised", end))
    shown = town.row(RESPONSE, end, community=town.ground.community)
    assert (shown["n"], shown["p50"]) == (spread.n, spread.p50)
    # InfluxQL rounds the rank where the figures take the next one: both were measured, at most one rank apart.
    times = sorted(
        (case.times[end] - case.began_ms) / 1000
        for case in town.seen
        if end in case.times and not case.drill and (end != "closed" or case.stage == "closed")
    )
    assert spread.p90 is not None
    assert abs(times.index(shown["p90"]) - times.index(spread.p90)) <= 1


def test_grids_and_types_are_those_of_the_figures(town: Town) -> None:
    of_life, of_all = town.reckoned(life=True), town.reckoned()
    for key, tag, groups in (("grids", "grid", of_life.places), ("types", "type", of_all.types)):
        rows = {row[tag]: row for row in town.table(key, RESPONSE, community=town.ground.community)}
        expected = {group.key: group for group in groups if group.alarms}
        assert rows.keys() == expected.keys()
        for name, row in rows.items():
            group = expected[name]
            assert row["n"] == group.alarms
            assert row["share_60"] == (
                pytest.approx(100 * group.answered_60.count / group.answered_60.n) if group.answered_60.n else None
            )
            assert row["false_share"] == (
                pytest.approx(100 * group.false.count / group.false.n) if group.false.n else None
            )


def test_causes_are_those_of_the_figures(town: Town) -> None:
    shown = {}
    for query in PANELS[RESPONSE.uid]["causes"].queries:
        for row in town.rows(RESPONSE, query, community=town.ground.community):
            shown[query.name] = row[query.name]
    assert shown == {cause: count for cause, count in town.reckoned().causes.items() if cause}


def test_every_case_is_in_one_bar_of_its_day(town: Town) -> None:
    bars: dict[str, float] = {}
    for query in PANELS[RESPONSE.uid]["by-day"].queries:
        rows = town.rows(RESPONSE, query, community=town.ground.community)
        assert all((row["time"] + 8 * 3_600_000) % 86_400_000 == 0 for row in rows), "days of the community"
        bars[query.name] = sum(row[query.name] for row in rows)
    found = town.reckoned()
    assert (bars["life"] + bars["other"], bars["reports"]) == (found.alarms, found.reports)


def test_the_hours_of_the_day_hold_every_alarm_for_life_safety(town: Town) -> None:
    (share, *_) = town.reckoned().life
    counted = 0
    for query in PANELS[RESPONSE.uid]["by-hour"].queries:
        (column,) = query.columns
        as_count = replace(query, columns=(replace(column, aggregate="count", scale=1.0),))
        counted += sum(row[column.name] for row in town.rows(RESPONSE, as_count, community=town.ground.community))
    assert counted == share.n


def test_too_late_are_those_that_miss_the_share(town: Town) -> None:
    (share, *_) = town.reckoned().life
    assert len(town.table("late", RESPONSE, community=town.ground.community)) == share.n - share.count > 0


def test_a_resident_has_their_own_cases_and_nobody_elses(town: Town) -> None:
    begin_ms = END_MS - span_ms(ELDER_CARE.range)
    theirs: dict[str, list[str]] = {}
    for case in town.real:
        if case.resident is not None and case.times["raised"] >= begin_ms:
            theirs.setdefault(case.resident, []).append(case.number)
    assert len(theirs) > 1
    for resident, numbers in theirs.items():
        rows = town.table("cases", ELDER_CARE, resident=resident)
        assert sorted(row["number"] for row in rows) == sorted(numbers)
        assert all(row["title"] for row in rows)
    assert town.table("cases", ELDER_CARE, resident="r-nobody") == []
