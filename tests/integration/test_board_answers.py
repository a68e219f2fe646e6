"""Every query of every board is asked of a real InfluxDB and of the embedded store, which hold the same simulated week.

A panel that shows nothing has a fault: in its query, in its conditions, or in what the gateway writes. Both stores give
the same numbers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dashboards.answer import Answer, Look, columns_of
from dashboards.board import Board
from dashboards.boards import BOARDS
from dashboards.influxql import span_ms
from dashboards.query import Column, Query, TagIs, TagValues, Var
from dashboards.text import LANGUAGES
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.protocol import Store
from tests.support.control_week import DAY_OFFSET_MS, END_MS, START_MS, control_week, write_into
from tests.support.stores import Influxd, VirtualClock, observe

TEN_MINUTES_MS = 600_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CHOICES: dict[str, str | list[str]] = {
    "community": "tuanjie",
    "grid": ["g-1", "g-2"],
    "building": "b-11",
    "resident": "r-1",
    "road": "road-1",
    "device": "bin-1a",
    "kind": "smoke",
    "gateway": "gateway-1",
}
"""What somebody may have chosen, where a board has the variable."""


@dataclass(frozen=True)
class Asked:
    """One query, and where it stands."""

    at: str
    query: Query | TagValues

    def __str__(self) -> str:
        return self.at


@dataclass
class Stores:
    """Both, with the whole week."""

    runner: asyncio.Runner
    influx: Store
    embedded: Store

    def ask(self, store: Store, query: Query | TagValues, look: Look) -> Answer:
        return self.runner.run(store.ask(query, look))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder: Path = tmp_path_factory.mktemp("boards")
    server = Influxd(folder / "influx")
    server.start()
    server.create()
    with asyncio.Runner() as runner:
        influx = InfluxStore(server.settings, "")
        embedded = EmbeddedStore(folder / "whole.db", VirtualClock(START_MS))
        try:
            for store in (influx, embedded):
                runner.run(write_into(store, control_week()))
            yield Stores(runner, influx, embedded)
        finally:
            for store in (influx, embedded):
                runner.run(store.close())
            server.kill()


async def _rolled_up(store: Store, clock: VirtualClock, path: Path) -> None:
    """Have the store do what it does beside writing, until nothing old waits."""
    old = "at_ms < (SELECT at_ms FROM complete_from WHERE name = 'raw')"
    waiting = f"SELECT EXISTS (SELECT 1 FROM dirty WHERE {old} UNION ALL SELECT 1 FROM raw WHERE {old})"
    with contextlib.closing(sqlite3.connect(path)) as look:
        clock.forward(hours=1.1)  # what came late is left alone until no more has come for an hour
        for _ in range(100):
            clock.forward(s=11)
            await store.write([])
            if look.execute(waiting).fetchone() == (0,):
                return
    raise AssertionError("old readings are never rolled up")


def asked_by(board: Board) -> list[Asked]:
    """Every query of panels, annotations and variables."""
    found = [Asked(f"{panel.key}.{i}", query) for panel in board.panels() for i, query in enumerate(panel.queries)]
    found += [Asked(f"annotation {one.key}", one.query) for one in board.annotations]
    return [*found, *(Asked(f"variable {one.name}", one.asks()) for one in board.variables)]


def looked_at(board: Board, **changes: Any) -> Look:
    """The board as it opens at the end of the week: its own range, everything chosen."""
    look = Look(
        language="zh",
        start_ms=max(START_MS, END_MS - span_ms(board.range)),
        end_ms=END_MS,
        variables={variable.name: None for variable in board.variables},
        width_ms=TEN_MINUTES_MS,
        day_offset_ms=DAY_OFFSET_MS,
    )
    return replace(look, **changes)


def same(one: Answer, other: Answer) -> str:
    """How two answers differ; an empty string where they do not. Points of one instant are in no order."""
    if one.columns != other.columns:
        return f"columns {one.columns} and {other.columns}"
    left, right = sorted(one.rows, key=_order), sorted(other.rows, key=_order)
    if len(left) != len(right):
        return f"{len(left)} and {len(right)} rows"
    return next((f"{a} and {b}" for a, b in zip(left, right, strict=True) if not _alike(a, b)), "")


def _order(row: tuple[Any, ...]) -> list[tuple[bool, str, Any]]:
    return [(value is None, type(value).__name__, 0 if value is None else value) for value in row]


def _alike(row: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return all(
        a == pytest.approx(b, rel=1e-9, abs=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in zip(row, other, strict=True)
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_query_has_an_answer_of_the_right_shape(stores: Stores, board: Board) -> None:
    silent = []
    for language in LANGUAGES:
        for asked in asked_by(board):
            answer = stores.ask(stores.influx, asked.query, looked_at(board, language=language))
            assert answer.columns == columns_of(asked.query), asked
            if not answer.rows:
                silent.append(f"{asked} ({language})")
            elif isinstance(asked.query, Query):
                _shaped(asked, asked.query, answer)
    assert not silent, f"{board.uid}: nothing to see in {', '.join(silent)}"


def _shaped(asked: Asked, query: Query, answer: Answer) -> None:
    """Times are in order, groups stand together, and every column has a value somewhere."""
    for name in answer.columns[1:]:
        values = answer.column(name)
        assert any(value is not None for value in values), f"{asked}: the column {name} is empty"
    if query.every is None and query.columns[0].aggregate is not None:
        assert set(answer.column("time")) == {None}, asked
        return
    groups = [row[1 : 1 + len(query.by)] for row in answer.rows]
    assert groups == sorted(groups, key=str), asked
    for group in set(groups):
        times = [row[0] for row in answer.rows if row[1 : 1 + len(query.by)] == group]
        assert times == sorted(times, reverse=query.every is None), asked  # type: ignore[type-var]  # no None here


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_both_stores_give_the_same_numbers(stores: Stores, board: Board) -> None:
    chosen = {variable.name: CHOICES.get(variable.name) for variable in board.variables}
    looks = (
        looked_at(board),
        looked_at(board, language="en", variables=chosen),
        looked_at(board, start_ms=START_MS, width_ms=7 * TEN_MINUTES_MS),
    )
    different = []
    for asked in asked_by(board):
        for number, look in enumerate(looks):
            answers = [stores.ask(store, asked.query, look) for store in (stores.influx, stores.embedded)]
            if difference := same(*answers):
                different.append(f"{asked}, look {number}: {difference}")
    assert different == []


async def test_what_was_trimmed_still_gives_the_same_sums(tmp_path: Path) -> None:
    clock = VirtualClock(END_MS)
    monitors = [f"vitals-monitor-{home}" for home in (1, 2, 3)]
    said = [
        observe(at_ms, {"pulse": 70 + at_ms // 1000 % 17, "spo2": 96 + at_ms // 7000 % 3}, device=device)
        for number, device in enumerate(monitors)
        for begun_ms in range(END_MS - 5 * DAY_MS + number * 7_000, END_MS - 40_000, HOUR_MS // 2)
        for at_ms in range(begun_ms, begun_ms + 40_000, 13_000)
    ]
    whole = EmbeddedStore(tmp_path / "whole.db", VirtualClock(START_MS))
    trimmed = EmbeddedStore(tmp_path / "trimmed.db", clock)
    try:
        for store in (whole, trimmed):
            assert await store.write(said, control_week().stamps) == []
        await _rolled_up(trimmed, clock, tmp_path / "trimmed.db")
        columns = tuple(
            Column(metric, aggregate, name=f"{metric} {aggregate}")
            for metric in ("pulse", "spo2")
            for aggregate in ("count", "sum", "mean", "min", "max")
        )
        last = (*columns, Column("pulse", "last", name="last"))  # of one device: of several in a minute, nobody knows
        look = Look(
            language="zh",
            start_ms=(END_MS - 5 * DAY_MS) // HOUR_MS * HOUR_MS,
            end_ms=END_MS,
            variables={"grid": ["g-1"]},
            width_ms=HOUR_MS,
            day_offset_ms=DAY_OFFSET_MS,
        )
        for every, by in ((None, ()), (None, ("device",)), ("auto", ("device", "grid")), ("6h", ()), ("1d", ("grid",))):
            for where in ((), (TagIs("grid", Var("grid")),)):
                query = Query("vitals_monitor", last if "device" in by else columns, where, by=by, every=every)
                assert same(await whole.ask(query, look), await trimmed.ask(query, look)) == "", query
        raw = Query("vitals_monitor", (Column("pulse"),), limit=10_000)
        kept = [row for row in (await whole.ask(raw, look)).rows if int(str(row[0])) >= END_MS - DAY_MS]
        assert (await trimmed.ask(raw, look)).rows[: len(kept)] == tuple(kept)
        assert await trimmed.readings(monitors[0], "pulse", 0, END_MS - 3 * DAY_MS, 10) == []
    finally:
        await whole.close()
        await trimmed.close()


def test_a_store_that_holds_nothing_answers_nothing(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        store = EmbeddedStore(tmp_path / "empty.db", VirtualClock(END_MS))
        try:
            for board in BOARDS:
                for asked in asked_by(board):
                    answer = runner.run(store.ask(asked.query, looked_at(board)))
                    assert answer == Answer(columns_of(asked.query), ()), f"{board.uid}/{asked}"
        finally:
            runner.run(store.close())
