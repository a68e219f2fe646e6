"""Queries of dashboards as InfluxQL text: for Grafana, and for one look."""

from __future__ import annotations

from typing import Any

import pytest

from dashboards.board import Variable
from dashboards.influxql import concrete, grafana, span_ms
from dashboards.query import Column, FieldIs, Query, TagIs, TagValues, Var
from dashboards.text import Text

HERE = TagIs("grid", Var("grid"))
START, END = 1_790_000_000_000, 1_790_003_600_000


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            Query("case", (Column("title", localized=True), Column("number", name="no")), limit=50),
            'SELECT "title_zh" AS "title", "number" AS "no" FROM "case" WHERE $timeFilter ORDER BY time DESC LIMIT 50',
        ),
        (
            Query("case", (Column("within_60", "mean", name="share", scale=100),), (HERE, FieldIs("life", "=", 1))),
            'SELECT MEAN("within_60") * 100 AS "share" FROM "case"'
            ' WHERE $timeFilter AND "grid" =~ /^${grid:regex}$/ AND "life" = 1',
        ),
        (
            Query("traffic_counter", (Column("speed_kmh", "p95"),), every="auto", by=("device",), fill="previous"),
            'SELECT PERCENTILE("speed_kmh", 95) AS "speed_kmh" FROM "traffic_counter"'
            ' WHERE $timeFilter GROUP BY time($__interval), "device" fill(previous)',
        ),
        (
            Query("case", (Column("alarm", "sum"),), every="1d", fill="zero"),
            'SELECT SUM("alarm") AS "alarm" FROM "case" WHERE $timeFilter GROUP BY time(1d, ${anju_day:raw}) fill(0)',
        ),
        (
            Query("fleet", (Column("silent", "last"),), by=("kind",), last="7d", limit=1),
            'SELECT LAST("silent") AS "silent" FROM "fleet" WHERE time > now() - 7d GROUP BY "kind" LIMIT 1',
        ),
        (
            Query("message", (Column("took_s", "max"),), (TagIs("channel", ("sms", "voice"), unless=True),)),
            'SELECT MAX("took_s") AS "took_s" FROM "message"'
            " WHERE $timeFilter AND (\"channel\" != 'sms' AND \"channel\" != 'voice')",
        ),
        (
            Query("case", (Column("open", "count"),), (TagIs("type", ("a", "b")), FieldIs("stage", "!=", "it's"))),
            'SELECT COUNT("open") AS "open" FROM "case"'
            " WHERE $timeFilter AND (\"type\" = 'a' OR \"type\" = 'b') AND \"stage\" != 'it\\'s'",
        ),
        (
            TagValues("vitals_monitor", "resident", (HERE,), limit=100),
            'SHOW TAG VALUES FROM "vitals_monitor" WITH KEY = "resident" WHERE "grid" =~ /^${grid:regex}$/ LIMIT 100',
        ),
    ],
)
def test_what_grafana_is_given(query: Query | TagValues, text: str) -> None:
    assert grafana(query, "zh") == text


def test_one_look_has_its_range_its_width_and_its_choice() -> None:
    query = Query("co", (Column("ppm", "mean"),), (HERE, TagIs("building", Var("building"))), every="auto")
    chosen: dict[str, Any] = {"grid": ["g/1", "g.2"], "building": None}
    assert concrete(query, "en", START, END, chosen, width_ms=15_000) == (
        'SELECT MEAN("ppm") AS "ppm" FROM "co" WHERE time >= 1790000000000ms AND time <= 1790003600000ms'
        r' AND "grid" =~ /^(g\/1|g\.2)$/ AND "building" =~ /^.*$/ GROUP BY time(15000ms) fill(none)'
    )


def test_now_is_the_end_of_the_look_and_days_begin_where_the_community_lies() -> None:
    query = Query("co", (Column("ppm", "mean"),), every="1d", last="90m")
    assert concrete(query, "en", START, END, {}, day_offset_ms=-8 * 3_600_000) == (
        'SELECT MEAN("ppm") AS "ppm" FROM "co" WHERE time > 1789998200000ms AND time <= 1790003600000ms'
        " GROUP BY time(1d, -480m) fill(none)"
    )


def test_a_variable_that_nobody_chose_is_an_error() -> None:
    with pytest.raises(KeyError, match="grid"):
        concrete(Query("co", (Column("ppm"),), (HERE,)), "zh", START, END, {})


def test_names_of_places_are_offered_within_what_is_chosen_above() -> None:
    variable = Variable("grid", Text("网格", "Grid"), role="grid", within=("community",))
    assert grafana(variable.asks(), "en") == (
        'SELECT "label_en" AS "label" FROM "place" WHERE time > now() - 2d AND "role" = \'grid\''
        ' AND "community" =~ /^${community:regex}$/ ORDER BY time DESC LIMIT 20000'
    )


@pytest.mark.parametrize("variable", [{}, {"role": "grid", "tag": "grid", "measurement": "m"}, {"tag": "grid"}])
def test_a_variable_takes_its_values_from_one_source(variable: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="expected a role, or a tag and its measurement"):
        Variable("grid", Text("网格", "Grid"), **variable)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["$x", "a[[b]]"])
def test_what_grafana_would_take_for_a_variable_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="takes for a variable"):
        Query("case", (Column("open"),), (TagIs("type", text),))


@pytest.mark.parametrize("text", ["", "0m", "5", "m", "1.5h", "-1h", "5y"])
def test_what_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        span_ms(text)
