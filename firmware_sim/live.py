"""Live figures of a running fleet: a table in a terminal, a JSON line a second elsewhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from devices.kinds import KINDS
from firmware_sim.fleet import Fleet

LINES_KEPT = 6
"""Of what a story says, below the table."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    cpu_s: float
    by_kind: Mapping[str, tuple[int, int]]
    """Messages acknowledged, and events."""


class Gauges:
    """The fleet's figures and those of its process; rates are since the reading before."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._process = psutil.Process()
        self._last = self._read()
        self._before = self._last
        self._kinds = Counter(device.kind_key for device in fleet.devices.values())

    def step(self) -> None:
        """Take a reading."""
        self._before, self._last = self._last, self._read()

    def _read(self) -> _Reading:
        used = self._process.cpu_times()
        by_kind = {kind: (figures.acked, figures.events) for kind, figures in self.fleet.by_kind.items()}
        return _Reading(time.monotonic(), used.user + used.system, by_kind)

    @property
    def _elapsed_s(self) -> float:
        return max(1e-3, self._last.at_s - self._before.at_s)

    @property
    def cpu(self) -> float:
        """Of one core, in per cent."""
        return 100.0 * (self._last.cpu_s - self._before.cpu_s) / self._elapsed_s

    @property
    def memory_mb(self) -> float:
        """MiB of this process."""
        return float(self._process.memory_info().rss) / 2**20

    def per_second(self, kind: str) -> tuple[float, float]:
        """Messages acknowledged and events of a kind."""
        now, before = (reading.by_kind.get(kind, (0, 0)) for reading in (self._last, self._before))
        return (now[0] - before[0]) / self._elapsed_s, (now[1] - before[1]) / self._elapsed_s

    def line(self) -> str:
        """One JSON line."""
        process = {"cpu": round(self.cpu, 1), "memory_mb": round(self.memory_mb, 1)}
        return json.dumps({**self.fleet.totals(), **process}, ensure_ascii=False)

    def table(self) -> RenderableType:
        """For people: what is connected, and what each kind says."""
        totals, connected = self.fleet.totals(), self.fleet.connected()
        there, of = connected.total(), len(self.fleet.devices)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("类型 kind")
        for title in ("设备 devices", "已连接 connected", "消息/秒 msg/s", "事件/秒 events/s", "待确认 waiting"):
            table.add_column(title, justify="right")
        waiting = self.fleet.waiting()
        for kind, number in self._kinds.most_common():
            said, events = self.per_second(kind)
            away = connected[kind] < number
            table.add_row(
                f"{KINDS[kind].zh} {kind}",
                f"{number:,}",
                Text(f"{connected[kind]:,}", style="yellow" if away else ""),
                f"{said:,.1f}",
                f"{events:,.2f}",
                f"{waiting[kind]:,}",
            )
        faults = totals["faults"]
        assert isinstance(faults, dict)
        sums = (
            f"已确认 acknowledged {totals['acked']:,}  重发 resent {totals['resent']:,}  "
            f"丢弃 dropped {totals['dropped']:,}  连接次数 connects {totals['connects']:,}  "
            f"内存 memory {self.memory_mb:,.0f} MB  CPU {self.cpu:.0f}%"
        )
        struck = "  ".join(f"{what} {count:,}" for what, count in sorted(faults.items()))
        parts: list[RenderableType] = []
        if there < of:
            progress = Table.grid(padding=(0, 2, 0, 0))
            progress.add_row(f"连接 connecting {there:,}/{of:,}", ProgressBar(total=of, completed=there, width=40))
            parts.append(progress)
        parts += [table, Text(sums, style="dim")]
        if struck:
            parts.append(Text(f"故障 faults: {struck}", style="yellow"))
        return Group(*parts)


async def show(fleet: Fleet, console: Console, told: list[str]) -> None:
    """The live table until cancelled; ``told`` is what a story has said so far."""
    gauges = Gauges(fleet)
    with Live(gauges.table(), console=console, auto_refresh=False, transient=False) as live:
        while True:
            await asyncio.sleep(1)
            gauges.step()
            live.update(Group(gauges.table(), *(Text(line) for line in told[-LINES_KEPT:])), refresh=True)


async def write(fleet: Fleet, say: Callable[[str], None]) -> None:
    """A JSON line a second until cancelled."""
    gauges = Gauges(fleet)
    while True:
        say(gauges.line())
        await asyncio.sleep(1)
        gauges.step()
