"""(j) The telemetry store comes back after an outage: how long until it has all, and do presses wait for that?

A real gateway starts beside a journal in which an hour of readings waits for the store. The presses go their usual way
meanwhile; their lamps, which are commanded by the transaction that opens the case, tell how long it takes to decide.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import town
from bench.outage import METRICS, leave_behind
from bench.press import Buttons, Presses
from bench.report import Figures
from bench.servers import influxd
from bench.system import Reading, System, running

Say = Callable[[str], None]
KEPT_UP = 100
"""Entries that may wait at the end: the gateway's own readings, which never cease."""
LOOK_EVERY_S = 1.0
HOUR_MINUTES = 60


class CatchUpError(Exception):
    """The store was not caught up in time."""


@dataclass(frozen=True)
class Size:
    """How much waits, and how often somebody presses."""

    minutes: float = HOUR_MINUTES
    monitors: int = 2_000
    """Each says something every second."""
    every_s: float = 0.5
    idle: int = 100
    """Presses after it, while nothing else goes on."""
    within_s: float = 3_600.0

    @property
    def seconds(self) -> int:
        return round(self.minutes * 60)


QUICK = Size(minutes=0.2, monitors=500, idle=4)


@dataclass(frozen=True)
class _CaughtUp:
    begun_s: float
    """When the gateway was started, on the clock of the looks."""
    first: Reading
    """As soon as it answered."""
    last: Reading
    gateway_rss: int
    """Bytes, at most."""
    server_rss: int
    presses: Presses
    idle: Presses

    def rate(self, waiting: int) -> float:
        """Observations a second; without the gateway's own start where something was left to do after it."""
        done = self.first.store_lag - self.last.store_lag
        if done > 0:
            return done / (self.last.at_s - self.first.at_s)
        return waiting / (self.last.at_s - self.begun_s)

    def busy(self) -> float:
        """Share of a core that the gateway took."""
        if self.last.at_s == self.first.at_s:
            return self.last.gateway_cpu_s / (self.last.at_s - self.begun_s)
        return (self.last.gateway_cpu_s - self.first.gateway_cpu_s) / (self.last.at_s - self.first.at_s)


def run(size: Size, say: Say) -> list[Figures]:
    """Measure each store that is there. Raises StageError, BrokerDidNotAnswer, CatchUpError."""
    waiting = size.monitors * size.seconds
    figures = Figures(
        f"(j) Caught up after {size.minutes:g} min without the store at {size.monitors:,} observations/s",
        ("store", "s", "start, s", "observations/s", "an hour, min", "CPU", "per CPU s", "memory", "server's"),
    )
    presses = Figures(
        "(j) From the key to the lamp while the store catches up, milliseconds",
        ("store", "meanwhile n", "p50", "p99", "max", "idle n", "p50", "p99", "max"),
    )
    for name, server in _stores():
        with server as (settings, process):
            found = _measured(name, size, say, settings, process)
        per_s = found.rate(waiting)
        figures.add(
            name,
            f"{found.last.at_s - found.begun_s:,.0f}",
            f"{found.first.at_s - found.begun_s:,.0f}",
            f"{per_s:,.0f}",
            f"{size.monitors * 3_600 / per_s / 60:,.1f}",
            f"{found.busy():.0%}",
            f"{per_s / found.busy():,.0f}",
            f"{found.gateway_rss / 2**20:,.0f} MB",
            f"{found.server_rss / 2**20:,.0f} MB" if process is not None else "–",
        )
        presses.add(name, *found.presses.latencies("lamp").cells(), *found.idle.latencies("lamp").cells())
    figures.notes += [
        f"{waiting:,} observations of {METRICS} metrics wait in the journal when the gateway starts",
        "s: from its start until the store has all; start: until it answers; observations/s: between the two",
        "an hour: "
        + ("measured" if size.minutes == HOUR_MINUTES else f"reckoned from {size.minutes:g} min, in proportion"),
        "CPU: of the gateway, 100 % is one core; per CPU s: observations for each second of it; memory: resident, the "
        "most that was seen, of the gateway and of the store's server; all share the machine",
    ]
    presses.notes.append(f"one press every {size.every_s:g} s, each another resident's; every press opens a case")
    return [figures, presses]


_Server = contextlib.AbstractContextManager[tuple[dict[str, str], psutil.Process | None]]


def _stores() -> Iterator[tuple[str, _Server]]:
    yield "embedded SQLite", contextlib.nullcontext(({}, None))
    if shutil.which("influxd"):
        yield "InfluxDB 1.6.7", _influxd()


@contextlib.contextmanager
def _influxd() -> Iterator[tuple[dict[str, str], psutil.Process | None]]:
    with influxd() as server:
        assert server.process is not None
        settings = {"ANJU_STORE__KIND": "influxdb", "ANJU_STORE__URL": server.url, "ANJU_STORE__TOKEN_SECRET": ""}
        yield settings, psutil.Process(server.process.pid)


def _measured(name: str, size: Size, say: Say, settings: dict[str, str], server: psutil.Process | None) -> _CaughtUp:
    waiting = size.monitors * size.seconds
    begun_s = 0.0

    def outage(data_dir: Path) -> None:
        nonlocal begun_s
        say(f"{name}: {waiting:,} observations into the journal")
        leave_behind(data_dir, size.monitors, size.seconds)
        begun_s = time.monotonic()

    more = {**settings, "ANJU_JOURNAL__MAX_ROUTINE_ROWS": str(max(5_000_000, 2 * waiting))}
    with Buttons() as buttons, running(town.build(size.monitors, buttons.messenger_port), more, outage) as system:
        buttons.connect(system.for_devices)
        say(f"{name}: catching up")
        first = system.read()
        last, made, most, server_most = _caught_up(system, buttons, size, server)
        buttons.wait(made, 10.0)
        say(f"{name}: caught up after {last.at_s - begun_s:,.0f} s; {size.idle} presses with nothing else")
        idle = buttons.press(range(len(made.of), len(made.of) + size.idle), size.every_s)
    return _CaughtUp(begun_s, first, last, most, server_most, made, idle)


def _caught_up(
    system: System, buttons: Buttons, size: Size, server: psutil.Process | None
) -> tuple[Reading, Presses, int, int]:
    """Press and look until the store has all; the last look, the presses, and the most memory that was taken."""
    made, most, server_most = Presses(), 0, 0
    begun_s = press_s = look_s = time.monotonic()
    while True:
        time.sleep(max(0.0, min(press_s, look_s) - time.monotonic()))
        now_s = time.monotonic()
        if now_s >= press_s and len(made.of) < size.monitors - size.idle:
            made.of.update(buttons.press([len(made.of)], wait=False).of)
            press_s += size.every_s
        elif now_s >= press_s:
            press_s = now_s + size.within_s  # everybody has pressed
        if now_s >= look_s:
            found = system.read()
            look_s = time.monotonic() + LOOK_EVERY_S
            most = max(most, found.gateway_rss)
            server_most = max(server_most, server.memory_info().rss if server is not None else 0)
            if found.store_lag <= KEPT_UP:
                return found, made, most, server_most
            if now_s - begun_s > size.within_s:
                raise CatchUpError(f"{found.store_lag:,} observations still wait after {size.within_s:g} s")
