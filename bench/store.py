"""How many points a second go into each telemetry store, and how long the console waits for its charts.

``python -m bench.store [--observations N] [--runs N]``: the embedded store, and InfluxDB (``influxd`` 1.x) and
VictoriaMetrics where their programs are found, each on this machine with default settings, writing through the same
protocol as the gateway. Medians over runs that alternate between the stores.
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
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from devices.observation import Observation
from devices.telemetry import Stamps
from gateway.store.embedded import EmbeddedStore
from gateway.store.influx import InfluxStore
from gateway.store.points import count_points
from gateway.store.protocol import Store, StoreUnavailable
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


@contextlib.asynccontextmanager
async def influxd(directory: Path, _clock: VirtualClock) -> AsyncIterator[Store]:
    server = Influxd(directory)
    await asyncio.to_thread(server.start)
    try:
        server.create()
        store = InfluxStore(server.settings, "")
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


async def measure(opener: Opener, observations: int) -> tuple[float, float, float | None]:
    """Points/s, CPU seconds of this process per million points, ms of a chart (one metric, all there is, by minute)."""
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
                return points / wall_s, cpu_s / points * 1e6, None
            return points / wall_s, cpu_s / points * 1e6, statistics.median(chart_s) * 1000


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--observations", type=int, default=100_000, help="four points each (default %(default)s)")
    arguments.add_argument("--runs", type=int, default=3)
    options = arguments.parse_args()
    stores: dict[str, Opener] = {"embedded SQLite": embedded}
    servers: tuple[tuple[str, str, Opener], ...] = (
        ("influxd", "InfluxDB", influxd),
        ("victoria-metrics", "VictoriaMetrics", victoria),
    )
    for program, name, opener in servers:
        if shutil.which(program):
            stores[name] = opener
        else:
            Console(stderr=True).print(f"{program} is not installed: left out")
    results: dict[str, list[tuple[float, float, float | None]]] = {name: [] for name in stores}
    for _ in range(options.runs):
        for name, opener in stores.items():
            results[name].append(asyncio.run(measure(opener, options.observations)))
    table = Table(title=f"{options.observations * 4:,} points, batches of {BATCH:,} observations, {options.runs} runs")
    for heading in ("store", "points/s", "CPU s per million points", "chart by minute, ms"):
        table.add_column(heading, justify="left" if heading == "store" else "right")
    for name, runs in results.items():
        charts = [chart for _, _, chart in runs if chart is not None]
        table.add_row(
            name,
            f"{statistics.median(rate for rate, _, _ in runs):,.0f}",
            f"{statistics.median(cpu for _, cpu, _ in runs):.1f}",
            f"{statistics.median(charts):.1f}" if charts else "–",
        )
    Console(width=None if sys.stdout.isatty() else 100).print(table)


if __name__ == "__main__":
    main()
