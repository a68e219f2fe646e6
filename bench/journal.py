"""``python -m bench.journal``: what the journal takes, by how much is handed in at once.

Each figure is the way of a message from `submit` to its answer after the fsync. The device column is the same number
of bytes appended to a bare file with fdatasync after each batch, in the same run: what the disk itself allows.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from devices.observation import Lane, Observation
from gateway.clock import SystemClock
from gateway.journal.entry import Outcome
from gateway.journal.journal import Journal
from gateway.journal.lane import encode_body
from gateway.settings import JournalSettings

BATCHES = (1, 10, 100, 1000)


def observation(number: int, lane: Lane, now_ms: int) -> Observation:
    return Observation(
        message_id=f"vitals-{number % 300}:1790000000000:{number}",
        device=f"vitals-{number % 300}",
        kind="vitals_monitor",
        lane=lane,
        observed_at_ms=now_ms - 40,
        received_at_ms=now_ms,
        event="measurement" if lane is Lane.URGENT else None,
        metrics={"pulse": 71.0, "spo2": 97.0, "systolic": 128.0, "diastolic": 79.0, "temperature": 36.6},
    )


def run(lane: Lane, batch: int, seconds: float) -> tuple[float, float, float]:
    """Rows per second, median and p99 milliseconds, with ``batch`` messages always under way."""
    clock = SystemClock()
    took_ms: list[float] = []
    under_way = threading.Semaphore(batch)
    refused = 0
    with tempfile.TemporaryDirectory(prefix="anju-bench-", dir=Path.cwd()) as directory:
        journal = Journal(Path(directory), JournalSettings(), clock)
        journal.start()
        begin = time.perf_counter()
        number = 0
        while time.perf_counter() - begin < seconds:
            for _ in range(batch):
                under_way.acquire()
            handed_in = time.perf_counter()

            def done(outcome: Outcome, handed_in: float = handed_in) -> None:
                nonlocal refused
                took_ms.append((time.perf_counter() - handed_in) * 1000)
                refused += outcome is not Outcome.STORED
                under_way.release()

            for _ in range(batch):
                number += 1
                journal.submit(observation(number, lane, clock.now_ms()), done)
        for _ in range(batch):
            under_way.acquire()
        elapsed = time.perf_counter() - begin
        journal.close()
    if refused:
        raise SystemExit(f"{refused} of {number} messages were refused: the figures mean nothing")
    took_ms.sort()
    return number / elapsed, statistics.median(took_ms), took_ms[int(len(took_ms) * 0.99)]


def bare(batch: int, seconds: float) -> float:
    """Rows per second of a bare file: one write and one fdatasync per batch."""
    body = encode_body(observation(1, Lane.ROUTINE, SystemClock().now_ms())) * batch
    rows = 0
    with tempfile.TemporaryFile(prefix="anju-bench-", dir=Path.cwd()) as file:
        begin = time.perf_counter()
        while (elapsed := time.perf_counter() - begin) < seconds:
            file.write(body)
            file.flush()
            os.fdatasync(file.fileno())
            rows += batch
    return rows / elapsed


def main(seconds: Annotated[float, typer.Option(help="For each figure.")] = 2.0) -> None:
    """Print rows per second and time to the answer, by batch and lane."""
    table = Table("messages at once", "lane", "rows/s", "median ms", "p99 ms", "bare file rows/s")
    for batch in BATCHES:
        limit = bare(batch, seconds / 2)
        for lane in Lane:
            rate, median, p99 = run(lane, batch, seconds)
            table.add_row(f"{batch:,}", lane.value, f"{rate:,.0f}", f"{median:.2f}", f"{p99:.2f}", f"{limit:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
