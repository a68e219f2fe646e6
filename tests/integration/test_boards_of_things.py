"""Security, fire, traffic, waste, kiosks, poles: their panels say what the readings and the cases of the week say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.answer import Look
from dashboards.board import Board, Panel
from dashboards.boards.fire_gas import FIRE_GAS
from dashboards.boards.kiosks import KIOSKS
from dashboards.boards.poles import POLES
from dashboards.boards.security import SECURITY
from dashboards.boards.traffic import LEVELS, TRAFFIC
from dashboards.boards.waste import WASTE
from dashboards.influxql import span_ms
from dashboards.query import Query
from devices.observation import Observation
from devices.traffic import Level, level, road_class
from gateway.chronicle.roles import place_roles
from gateway.store.embedded import EmbeddedStore
from gateway.store.protocol import Point
from tests.support.control_cases import TROUBLES
from tests.support.control_week import DAY_OFFSET_MS, END_MS, ControlWeek, control_week, write_into
from tests.support.journal import HandClock

HOUR_MS = 3_600_000
Row = dict[str, Any]


class Room:
    """The boards over the simulated week."""

    def __init__(self, week: ControlWeek, path: Path) -> None:
        self.week = week
        self._path = path

    def write(self) -> None:
        async def write() -> None:
            store = EmbeddedStore(self._path, HandClock(END_MS))
            await write_into(store, self.week)
            await store.close()

        asyncio.run(write())

    def rows(self, board: Board, key: str, **chosen: str) -> list[Row]:
        """What a panel's queries answer, in the panel's order."""
        (panel,) = (one for one in board.panels() if one.key == key)
        found = [row for query in panel.queries for row in self._ask(board, query, chosen)]
        return _ordered(panel, found)

    def _ask(self, board: Board, query: Query, chosen: dict[str, str]) -> list[Row]:
        at = Look(
            language="zh",
            start_ms=END_MS - span_ms(board.range),
            end_ms=END_MS,
            variables={one.name: chosen.get(one.name) for one in board.variables},
            day_offset_ms=DAY_OFFSET_MS,
        )

        async def ask() -> list[Row]:
            store = EmbeddedStore(self._path, HandClock(END_MS))
            answer = await store.ask(query, at)
            await store.close()
            return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

        return asyncio.run(ask())

    def points(self, measurement: str, since_ms: int = 0) -> list[Point]:
        return [one for one in self.week.points if one.measurement == measurement and one.at_ns >= since_ms * 1_000_000]

    def newest(self, kind: str) -> dict[str, Observation]:
        """The newest reading of each device of a kind."""
        heard = [one for one in self.week.observations if one.kind == kind and one.metrics]
        return {one.device: one for one in sorted(heard, key=lambda one: one.observed_at_ms)}


def _ordered(panel: Panel, rows: list[Row]) -> list[Row]:
    if panel.sort:
        column = panel.sort.removeprefix("-")
        rows = sorted(rows, key=lambda row: row[column], reverse=not panel.sort.startswith("-"))
    return rows[: panel.top]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    found = Room(control_week(), tmp_path_factory.mktemp("week") / "telemetry.db")
    found.write()
    yield found


@pytest.mark.parametrize("board", [SECURITY, FIRE_GAS, TRAFFIC, WASTE, KIOSKS], ids=lambda board: board.uid)
def test_the_big_numbers_are_the_cases_that_are_not_put_right(room: Room, board: Board) -> None:
    undone = Counter(
        case.tags["type"]
        for case in room.points("case")
        if case.fields["open"] and case.fields["stage"] not in ("resolved", "verified") and case.tags["drill"] == "0"
    )
    shown = {key: value for row in room.rows(board, "now") for key, value in row.items() if key != "time"}
    assert shown == {type_: undone[type_] for type_ in shown} and sum(shown.values()) > 0


def test_the_roads_now_are_judged_by_their_class(room: Room) -> None:
    directory = room.week.ground.directory
    expected = {}
    for device, heard in room.newest("traffic_counter").items():
        of = road_class(directory.devices[device].attributes["road_class"])
        flows = level(of, *(heard.metrics[key] for key in ("speed", "flow", "occupancy")))
        expected[directory.device_name(device, "zh")] = flows
    assert {row["name"]: row["level"] for row in room.rows(TRAFFIC, "level-now")} == expected
    assert len({row["level"] for row in room.rows(TRAFFIC, "levels")}) == len(LEVELS), "a day has rush hours and nights"


def test_hours_of_congestion_are_the_sum_of_the_readings_about_it(room: Room) -> None:
    since_ms = END_MS - span_ms(TRAFFIC.range)
    jammed = Counter[str]()
    for point in room.points("road", since_ms):
        if point.fields["level"] >= Level.MODERATE:  # type: ignore[operator]  # a number
            jammed[point.tags["name"]] += int(point.fields.get("lasted_s", 0))
    shown = Counter[str]()
    for row in room.rows(TRAFFIC, "congested"):
        shown[row["name"]] += int(row["congested"])
        assert 0 <= row["congested"] <= 3600 + 900, "no hour has more than an hour, but for a reading on its edge"
    assert shown == jammed and min(jammed.values()) > HOUR_MS / 1000


def test_one_road_can_be_looked_at_alone(room: Room) -> None:
    alone = room.rows(TRAFFIC, "speed-flow", road="朝阳北路")
    assert {row["name"] for row in alone} == {"朝阳北路"} and all(row["flow"] and row["speed"] for row in alone)


def test_the_fullest_bins_stand_first_and_the_next_to_go_to_are_those_that_fill_soonest(room: Room) -> None:
    directory = room.week.ground.directory
    fills = {directory.device_name(one, "zh"): heard.metrics["fill"] for one, heard in room.newest("waste_bin").items()}
    bars = room.rows(WASTE, "fill")
    assert {row["name"]: row["fill"] for row in bars} == fills
    assert [row["fill"] for row in bars] == sorted(fills.values(), reverse=True)
    soonest = [row["full_in_h"] for row in room.rows(WASTE, "next")]
    assert soonest == sorted(soonest) and len(soonest) == len(fills)


def test_collections_are_the_falls_of_the_levels(room: Room) -> None:
    since_ms, falls = END_MS - span_ms(WASTE.range), Counter[str]()
    before: dict[str, float] = {}
    heard = [one for one in room.week.observations if one.kind == "waste_bin" and "fill" in one.metrics]
    for one in sorted(heard, key=lambda one: one.observed_at_ms):
        fill = one.metrics["fill"]
        if before.get(one.device, 0) - fill >= 30 and one.observed_at_ms >= since_ms:
            falls[room.week.ground.grid_name(room.week.stamps(one.device).place)] += 1
        before[one.device] = fill
    shown = Counter[str]()
    for row in room.rows(WASTE, "collected"):
        shown[row["grid_name"]] += int(row["collected"] or 0)
    assert +shown == falls and sum(falls.values()) > 20


def test_every_pole_is_on_the_map_once_and_says_how_it_is(room: Room) -> None:
    directory = room.week.ground.directory
    poles = {place for place, role in place_roles(directory).items() if role == "pole"}
    shown = {row["place"]: row for row in room.rows(POLES, "map")}
    assert shown.keys() == poles and len(room.rows(POLES, "map")) == len(poles)
    dark = {directory.devices["camera-5"].place}
    for place, row in shown.items():
        assert 39 < row["lat"] < 41 and row["state"] == (2 if row["cases"] else 1 if place in dark else 0)
    assert {row["state"] for row in shown.values()} >= {0, 2}
    to_look_at = room.rows(POLES, "open-at")
    assert {row["place"] for row in to_look_at} == {place for place, row in shown.items() if row["state"]}


def test_cases_by_pole_number_are_those_at_poles(room: Room) -> None:
    since_ms = END_MS - span_ms(POLES.range)
    roles = place_roles(room.week.ground.directory)
    at_poles = [
        case
        for case in room.points("case", since_ms)
        if roles.get(str(case.fields["place"])) == "pole" and case.tags["drill"] == "0" and not case.fields["merged"]
    ]
    assert {row["number"] for row in room.rows(POLES, "cases")} == {case.fields["number"] for case in at_poles}
    counted = Counter(case.fields["place"] for case in at_poles)
    assert {row["building"]: row["cases"] for row in room.rows(POLES, "by-pole")} == counted


def test_each_board_lists_its_own_devices_in_trouble(room: Room) -> None:
    """By the kind of the device, and by the name it has."""
    directory = room.week.ground.directory
    for board, kinds in (
        (SECURITY, {"contact", "glass_break", "motion", "camera"}),
        (FIRE_GAS, {"smoke", "heat", "gas", "co", "leak", "valve", "siren"}),
        (TRAFFIC, {"traffic_counter", "sign"}),
        (WASTE, {"waste_bin"}),
        (KIOSKS, {"kiosk"}),
        (POLES, {"camera"}),
    ):
        rows = room.rows(board, "trouble")
        listed = {row["device"] for row in rows}
        assert {directory.devices[device].kind for device in listed} <= kinds
        assert listed >= {device for _, device in TROUBLES if directory.devices[device].kind in kinds} != set()
        assert all(row["name"] == directory.device_name(row["device"], "zh") for row in rows)


def test_what_valves_and_signs_were_told_is_said_in_words(room: Room) -> None:
    valves = [(row["says"], row["done"]) for row in room.rows(FIRE_GAS, "told")]
    assert valves == [("关阀", 1), ("关阀", 0)]
    assert {row["says"] for row in room.rows(TRAFFIC, "told")} <= {
        "显示：畅通",
        "显示：中度拥堵",
        "显示：严重拥堵、绕行",
    }


def test_clicks_are_those_of_all_kiosks(room: Room) -> None:
    since_ms = END_MS - 24 * HOUR_MS
    clicks = sum(
        one.metrics["clicks"]
        for one in room.week.observations
        if one.kind == "kiosk" and "clicks" in one.metrics and one.observed_at_ms > since_ms
    )
    (row,) = room.rows(KIOSKS, "today")
    assert row["clicks"] == pytest.approx(clicks) and clicks > 0
