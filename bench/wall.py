"""(i) From the key to the wall: how long until the point of its case can be read, in the embedded store and InfluxDB.

What a screen adds is its refresh (1 s on the wall). The time ends when a query from outside has the row; it is asked
every few milliseconds.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import town
from bench.flood import flood
from bench.press import Buttons, Presses
from bench.report import Figures, Latencies
from bench.servers import influxd
from bench.system import running
from tests.support.stores import Influxd

Say = Callable[[str], None]
Reader = Callable[[], set[str]]
"""The places of all cases that can be read now."""
REFRESH_S = 1.0
"""Of the wall."""
ASK_S = 0.005
PATIENCE_S = 30.0


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    presses: int = 100
    """One after the other, each another resident's."""
    every_s: float = 0.2
    flood_rate: float = 1_000
    """Readings a second beside them, in the second half."""


QUICK = Size(presses=4, every_s=0.1, flood_rate=200)


def run(size: Size, say: Say) -> list[Figures]:
    """Measure each store that is there. Raises StageError, BrokerDidNotAnswer, FloodError."""
    figures = Figures(
        "(i) From the key to a case that can be read in the telemetry store, milliseconds",
        ("store", "idle n", "p50", "p99", "max", f"{size.flood_rate:,.0f}/s n", "p50", "p99", "max"),
    )
    _measure(figures, "embedded SQLite", size, say, None)
    if shutil.which("influxd"):
        with influxd() as server:
            _measure(figures, "InfluxDB 1.6.7", size, say, server)
    else:
        figures.notes.append("influxd is not installed: left out")
    figures.notes += [
        f"asked every {ASK_S * 1000:g} ms from outside the gateway; a wall that refreshes every {REFRESH_S:g} s shows "
        f"it at most {REFRESH_S:g} s later",
        "idle: nothing else; then beside that many readings a second. Lamp, of the same presses: the case is open, on "
        "disk, and the device has heard so",
    ]
    return [figures]


def _measure(figures: Figures, name: str, size: Size, say: Say, server: Influxd | None) -> None:
    settings = (
        {}
        if server is None
        else {"ANJU_STORE__KIND": "influxdb", "ANJU_STORE__URL": server.url, "ANJU_STORE__TOKEN_SECRET": ""}
    )
    residents = 2 * size.presses
    with (
        Buttons() as buttons,
        running(town.build(residents, buttons.messenger_port), settings) as system,
        _reader(system.data_dir, server) as read,
    ):
        buttons.connect(system.for_devices)
        say(f"{name}, idle: {size.presses} presses")
        idle = _pressed(buttons, range(size.presses), size, read)
        with flood(system.for_devices, town.COMMUNITY, size.flood_rate, residents):
            say(f"{name}, beside {size.flood_rate:,.0f} readings/s: {size.presses} presses")
            flooded = _pressed(buttons, range(size.presses, residents), size, read)
    figures.add(name, *idle[0].cells(), *flooded[0].cells())
    figures.add("  until its lamp is green", *idle[1].cells(), *flooded[1].cells())


def _pressed(buttons: Buttons, numbers: range, size: Size, read: Reader) -> tuple[Latencies, Latencies]:
    """One press after the other: from the moment it is made until a query has its case, and until its lamp is green."""
    seconds, missing = [], 0
    presses = Presses()
    for number in numbers:
        made = buttons.press([number], wait=False)
        presses.of |= made.of
        pressed = made.of[number].pressed
        place = f"door-{number}"
        while place not in read():
            if time.perf_counter() - pressed > PATIENCE_S:
                missing += 1
                break
            time.sleep(ASK_S)
        else:
            seconds.append(time.perf_counter() - pressed)
        time.sleep(max(0.0, pressed + size.every_s - time.perf_counter()))
    buttons.wait(presses, PATIENCE_S)
    return Latencies(seconds, missing), presses.latencies("lamp")


@contextlib.contextmanager
def _reader(data_dir: Path, server: Influxd | None) -> Iterator[Reader]:
    if server is not None:
        query = 'SELECT "place" FROM "case" ORDER BY time DESC LIMIT 5'
        yield lambda: {str(row[1]) for series in server.query(query) for row in series["values"]}
        return
    with contextlib.closing(sqlite3.connect(data_dir / "telemetry.db", timeout=10)) as connection:
        newest = (
            "SELECT p.value FROM point_series AS s JOIN point AS p ON p.series = s.id"
            " WHERE s.measurement = 'case' AND p.field = 'place' ORDER BY p.at_ns DESC LIMIT 5"
        )
        yield lambda: {row[0] for row in connection.execute(newest)}
