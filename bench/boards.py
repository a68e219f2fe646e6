"""(k) How long boards wait for their numbers, over a month of 10,000 devices in each store.

Every query of every board is asked one after the other through the store's own code: over the board's own range, and
over a month. A screen asks several at once; what it takes of the processor is the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

import psutil

from bench.month import DAY_MS, Density, Month
from bench.report import Figures
from bench.servers import influxd
from dashboards.answer import Look
from dashboards.board import Board
from dashboards.boards import BOARDS
from dashboards.influxql import span_ms
from dashboards.query import Query, TagValues
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.points import count_points
from gateway.store.protocol import Store
from gateway.web.boards_page import PICTURE_POINTS, WIDTHS_MS
from tests.support.control_week import DAY_OFFSET_MS
from tests.support.stores import VirtualClock

Say = Callable[[str], None]
T = TypeVar("T")
AT_ONCE = 2_000
MONTH = "30d"
WALL_REFRESHES = 10


@dataclass(frozen=True)
class Size:
    """How much is written and how often each query is asked."""

    density: Density = field(default_factory=Density)
    rounds: int = 3


QUICK = Size(Density(devices=300, days=2, often=60, fleet=60, part=30, lane_s=600), rounds=1)


class _Asked(NamedTuple):
    name: str
    query: Query | TagValues


@dataclass
class _Found:
    """One store's figures."""

    values: int
    filled_s: float
    bytes: int
    refresh_s: float
    """One refresh of the wall, its queries one after the other."""
    refresh_cpu_s: float
    """Of the process that answers."""
    asked: dict[tuple[str, str], _Answered]
    """By board and range."""


class _Answered(NamedTuple):
    """One board over one range."""

    seconds: dict[str, float]
    """Of each query."""
    cpu_s: float
    """Of all of them together, in the process that answers."""


class _Opened(NamedTuple):
    store: Store
    clock: VirtualClock
    directory: Path
    process: psutil.Process


def run(size: Size, say: Say) -> list[Figures]:
    """Measure each store that is there."""
    say(f"making up a community of {size.density.devices:,} devices")
    month = Month(size.density)
    openers = {"embedded SQLite": _embedded}
    if shutil.which("influxd"):
        openers["InfluxDB 1.6.7"] = _influx
    found = {name: asyncio.run(_measured(name, opener, month, size, say)) for name, opener in openers.items()}
    return [_filling(found, size), *(_answering(found, own) for own in (True, False))]


def _filling(found: dict[str, _Found], size: Size) -> Figures:
    density = size.density
    figures = Figures(
        f"(k) {density.days} days of {density.devices:,} devices, and one refresh of the wall",
        ("store", "values", "filled in, s", "on disk", "wall, ms", "CPU of it, ms"),
    )
    for name, one in found.items():
        figures.add(
            name,
            f"{one.values:,}",
            f"{one.filled_s:,.0f}",
            f"{one.bytes / 2**20:,.0f} MB",
            f"{one.refresh_s * 1000:,.0f}",
            f"{one.refresh_cpu_s * 1000:,.0f}",
        )
    figures.notes += [
        f"each device with a curve says all its metrics every {density.often} min, each other one every "
        f"{density.seldom / 60:g} h, and {density.events_a_day:g} events a day; {density.cases_a_year:,} cases a year",
        f"fleet every {density.fleet} min (the gateway: 5), parts every {density.part} min, lanes every "
        f"{density.lane_s} s, places daily",
        "the wall refreshes every second: CPU of the embedded store is the gateway's own, of InfluxDB the server's",
    ]
    return figures


def _answering(found: dict[str, _Found], own: bool) -> Figures:
    figures = Figures(
        f"(k) All queries of a board, one after the other, ms, over {'its own range' if own else MONTH}",
        ("board", "range", "queries", *(column for name in found for column in (name.split()[0], "CPU", "longest"))),
    )
    for board in BOARDS:
        span = board.range if own else MONTH
        cells = []
        for one in found.values():
            seconds, cpu_s = one.asked[board.uid, span]
            longest = max(seconds, key=lambda name: seconds[name])
            cells += [_ms(sum(seconds.values())), _ms(cpu_s), f"{longest} {_ms(seconds[longest])}"]
        figures.add(board.uid, span, f"{len(list(_asked_by(board)))}", *cells)
    figures.notes += [
        "each query is the median of its rounds; longest: the query that takes most",
        "CPU: of the process that answers, which a busy machine lengthens less; the embedded store is this process",
    ]
    return figures


async def _measured(name: str, opener: _Opener, month: Month, size: Size, say: Say) -> _Found:
    async with opener(month) as opened:
        say(f"{name}: filling")
        begun_s = time.perf_counter()
        values = await _fill(opened, month)
        filled_s = time.perf_counter() - begun_s
        say(f"{name}: {values:,} values in {filled_s:,.0f} s; asking")
        asked: dict[tuple[str, str], _Answered] = {}
        for board in BOARDS:
            for span in dict.fromkeys((board.range, MONTH)):
                asked[board.uid, span] = await _ask(opened, board, month, span, size.rounds)
                say(f"{name}: {board.uid} over {span}: {_ms(sum(asked[board.uid, span].seconds.values()))} ms")
        wall, cpu_before_s, begun_s = BOARDS[0], _cpu_s(opened.process), time.perf_counter()
        look = await _look(opened.store, wall, month, wall.range)
        for _ in range(WALL_REFRESHES):
            for panel in wall.panels():
                for query in panel.queries:
                    await opened.store.ask(query, look)
        refresh_s = (time.perf_counter() - begun_s) / WALL_REFRESHES
        refresh_cpu_s = (_cpu_s(opened.process) - cpu_before_s) / WALL_REFRESHES
        size_bytes = sum(file.stat().st_size for file in opened.directory.rglob("*") if file.is_file())
    return _Found(values, filled_s, size_bytes, refresh_s, refresh_cpu_s, asked)


async def _fill(opened: _Opened, month: Month) -> int:
    """Returns how many values were written."""
    values = 0
    month.begin()
    for batch in _batches(month.readings()):
        # Minutes and hours end and are rolled up meanwhile; what is done once an hour is done once a day, for a month
        # of hours would be most of the work.
        opened.clock.ms = batch[-1].received_at_ms // DAY_MS * DAY_MS + DAY_MS
        assert await opened.store.write(batch, month.stamps) == []
        values += sum(map(count_points, batch))
        if points := month.points(batch):
            assert await opened.store.write_points(points) == []
            values += sum(len(point.fields) for point in points)
    opened.clock.ms = month.end_ms
    for some in _batches(month.rest()):
        assert await opened.store.write_points(some) == []
        values += sum(len(point.fields) for point in some)
    return values


async def _ask(opened: _Opened, board: Board, month: Month, span: str, rounds: int) -> _Answered:
    """The median seconds of each query, and the mean processor time of a round."""
    look = await _look(opened.store, board, month, span)
    taken: dict[str, list[float]] = {}
    before_s = _cpu_s(opened.process)
    for _ in range(rounds):
        for asked in _asked_by(board):
            begun_s = time.perf_counter()
            await opened.store.ask(asked.query, look)
            taken.setdefault(asked.name, []).append(time.perf_counter() - begun_s)
    cpu_s = (_cpu_s(opened.process) - before_s) / rounds
    return _Answered({name: statistics.median(seconds) for name, seconds in taken.items()}, cpu_s)


def _asked_by(board: Board) -> Iterator[_Asked]:
    for panel in board.panels():
        yield from (_Asked(f"{panel.key}.{number}", query) for number, query in enumerate(panel.queries))
    yield from (_Asked(f"annotation {one.key}", one.query) for one in board.annotations)
    yield from (_Asked(f"variable {one.name}", one.asks()) for one in board.variables)


async def _look(store: Store, board: Board, month: Month, span: str) -> Look:
    """As it opens: everything chosen, and the first of what can be chosen only one by one."""
    length_ms = span_ms(span)
    chosen: dict[str, str | None] = {}

    def look() -> Look:
        return Look(
            language="zh",
            start_ms=month.end_ms - length_ms,
            end_ms=month.end_ms,
            variables=chosen,
            width_ms=next((width for width in WIDTHS_MS if length_ms / width <= PICTURE_POINTS), WIDTHS_MS[-1]),
            day_offset_ms=DAY_OFFSET_MS,
        )

    for variable in board.variables:
        rows = () if variable.several else (await store.ask(variable.asks(), look())).rows
        chosen[variable.name] = str(rows[0][-1]) if rows else None
    return look()


@contextlib.asynccontextmanager
async def _embedded(month: Month) -> AsyncIterator[_Opened]:
    clock = VirtualClock(month.start_ms)
    with tempfile.TemporaryDirectory(prefix="anju-bench-", dir=Path.cwd()) as directory:
        store = EmbeddedStore(Path(directory) / "telemetry.db", clock)
        try:
            yield _Opened(store, clock, Path(directory), psutil.Process())
        finally:
            await store.close()


@contextlib.asynccontextmanager
async def _influx(month: Month) -> AsyncIterator[_Opened]:
    with influxd() as server:
        assert server.process is not None
        store = InfluxStore(server.settings, "")
        try:
            yield _Opened(store, VirtualClock(month.start_ms), server.directory, psutil.Process(server.process.pid))
        finally:
            await store.close()


_Opener = Callable[[Month], contextlib.AbstractAsyncContextManager[_Opened]]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}"


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _batches(several: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(several)
    while batch := list(itertools.islice(remaining, AT_ONCE)):
        yield batch
