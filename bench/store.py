"""How many points a second go into each telemetry store, and how long the console waits for its charts.

``python -m bench.store [--observations N] [--runs N]``: the embedded store, and InfluxDB (``influxd`` 1.x) and
VictoriaMetrics where their programs are found, each on this machine with default settings, writing through the same
protocol as the gateway. Beside them the same InfluxDB with lines made by influxdb-client's own ``Point``. Medians over
runs that alternate between the stores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from influxdb_client.client.write.point import Point
from rich.console import Console

from bench.report import Figures, print_figures
from devices.observation import Observation
from devices.telemetry import Stamps
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.points import count_points
from gateway.store.protocol import BadPoint, StampsOf, Store, StoreUnavailable, unstamped
from gateway.store.writer import BATCH
from tests.support.stores import START_MS, Influxd, Victoria, VirtualClock, observe

DEVICES = 300
STEP_MS = 10_000


def readings(count: int) -> Iterator[list[Observation]]:
    """Batches of ``count`` observations in all: 300 monitors, four metrics each, every ten seconds."""
    batch: list[Observation] = []
    for i in range(count):
        metrics = {"pulse": 60.0 + i % 37, "spo2": 94.0 + i % 5, "respiration": 12.0 + i % 7, "temperature": 36.5}
        batch.append(observe(START_MS + i // DEVICES * STEP_MS, metrics, device=f"monitor-{i % DEVICES}"))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@functools.cache
def stamped(device: str) -> Stamps:
    """As a community would: nine grids, ninety buildings, a home and a resident each; remembered, as by `Areas`."""
    number = int(device.rpartition("-")[2])
    return Stamps("tuanjiehu", f"grid-{number % 9}", f"building-{number % 90}", f"home-{number}", f"resident-{number}")


@contextlib.asynccontextmanager
async def embedded(directory: Path, clock: VirtualClock) -> AsyncIterator[Store]:
    store = EmbeddedStore(directory / "telemetry.db", clock)
    yield store
    await store.close()


class ByPoint(InfluxStore):
    """The peer: lines as influxdb-client's write API makes them, over the same connection.

    Its own path (``/api/v2/write``) is not known to InfluxDB 1.6.
    """

    async def write(self, observations: Sequence[Observation], stamps: StampsOf = unstamped) -> list[BadPoint]:
        server = await self._known()
        await self._http.write(server, await asyncio.to_thread(_lines_by_point, observations, stamps))
        return []


def _lines_by_point(observations: Sequence[Observation], stamps: StampsOf) -> str:
    found = []
    for observation in observations:
        point: Any = Point(observation.kind)  # type: ignore[no-untyped-call]  # the client has no types here
        point.tag("device", observation.device)
        for key, value in stamps(observation.device)._asdict().items():
            point.tag(key, value)
        for metric, number in observation.metrics.items():
            point.field(metric, float(number))
        found.append(point.time(observation.observed_at_ms * 1_000_000).to_line_protocol())
    return "\n".join(found)


@contextlib.asynccontextmanager
async def influxd(directory: Path, _clock: VirtualClock, kind: type[InfluxStore] = InfluxStore) -> AsyncIterator[Store]:
    server = Influxd(directory)
    await asyncio.to_thread(server.start)
    try:
        server.create()
        store = kind(server.settings, "")
        yield store
        await store.close()
    finally:
        server.kill()


@contextlib.asynccontextmanager
async def victoria(directory: Path, _clock: VirtualClock) -> AsyncIterator[Store]:
    server = Victoria(directory)
    await asyncio.to_thread(server.start)
    try:
        store = InfluxStore(server.settings, "")
        yield store
        await store.close()
    finally:
        server.kill()


Opener = Callable[[Path, VirtualClock], contextlib.AbstractAsyncContextManager[Store]]


class Measured(NamedTuple):
    """One run, or the medians of several."""

    points_per_s: float
    cpu_s: float
    """Of this process, per million points."""
    chart_ms: float | None
    """A chart (one metric, all there is, by minute); None where the store cannot be read."""


async def measure(opener: Opener, observations: int) -> Measured:
    """One run."""
    clock = VirtualClock()
    with tempfile.TemporaryDirectory() as directory:
        async with opener(Path(directory), clock) as store:
            await store.ping()
            points, wall_s, cpu_s = 0, 0.0, 0.0
            for batch in readings(observations):
                clock.ms = batch[-1].observed_at_ms  # so that minutes and hours end and are rolled up meanwhile
                wall, cpu = time.perf_counter(), time.process_time()
                refused = await store.write(batch, stamped)
                wall_s, cpu_s = wall_s + time.perf_counter() - wall, cpu_s + time.process_time() - cpu
                assert not refused
                points += sum(map(count_points, batch))
            end_ms = START_MS + observations // DEVICES * STEP_MS + 1
            chart_s: list[float] = []
            try:
                for i in range(20):
                    began = time.perf_counter()
                    assert await store.buckets(f"monitor-{i}", "pulse", START_MS, end_ms, 60)
                    chart_s.append(time.perf_counter() - began)
            except StoreUnavailable:  # VictoriaMetrics: cannot be read here
                return Measured(points / wall_s, cpu_s / points * 1e6, None)
            return Measured(points / wall_s, cpu_s / points * 1e6, statistics.median(chart_s) * 1000)


def compare(observations: int, runs: int, say: Callable[[str], None]) -> dict[str, Measured]:
    """Every store that is there, medians over ``runs`` that alternate between them."""
    stores: dict[str, Opener] = {"embedded SQLite": embedded}
    servers: tuple[tuple[str, str, Opener], ...] = (
        ("influxd", "InfluxDB", influxd),
        ("influxd", "InfluxDB, influxdb-client's Point", functools.partial(influxd, kind=ByPoint)),
        ("victoria-metrics", "VictoriaMetrics", victoria),
    )
    for program, name, opener in servers:
        if shutil.which(program):
            stores[name] = opener
        else:
            say(f"{program} is not installed: left out")
    found: dict[str, list[Measured]] = {name: [] for name in stores}
    for run in range(runs):
        for name, opener in stores.items():
            say(f"{name}, run {run + 1} of {runs}")
            found[name].append(asyncio.run(measure(opener, observations)))
    return {name: _median(several) for name, several in found.items()}


def _median(several: list[Measured]) -> Measured:
    charts = [one.chart_ms for one in several if one.chart_ms is not None]
    return Measured(
        statistics.median(one.points_per_s for one in several),
        statistics.median(one.cpu_s for one in several),
        statistics.median(charts) if charts else None,
    )


def figures(observations: int, runs: int, say: Callable[[str], None]) -> Figures:
    """The table of `compare`."""
    table = Figures(
        f"(c) {observations * 4:,} points from {DEVICES} monitors into each telemetry store",
        ("store", "points/s", "CPU s per million points", "chart by minute, ms"),
        notes=[
            f"batches of {BATCH:,} observations with their stamps; medians of {runs} alternating runs",
            "CPU: of the process that writes, which is the embedded store too; servers share the machine with it",
        ],
    )
    for name, one in compare(observations, runs, say).items():
        chart = "–" if one.chart_ms is None else f"{one.chart_ms:.1f}"
        table.add(name, f"{one.points_per_s:,.0f}", f"{one.cpu_s:.1f}", chart)
    return table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--observations", type=int, default=100_000, help="four points each (default %(default)s)")
    arguments.add_argument("--runs", type=int, default=3)
    options = arguments.parse_args()
    progress = Console(stderr=True)
    table = figures(options.observations, options.runs, progress.print)
    print_figures(Console(width=None if sys.stdout.isatty() else 110), [table])


if __name__ == "__main__":
    main()
