"""`anju devices batteries`: when which battery is to be changed, and whose radio link gets worse."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from gateway.clock import SystemClock
from gateway.registry import history
from gateway.registry.opened import Opened, listing, opened, out
from gateway.settings import Settings
from gateway.state.db import reading
from gateway.store import StoreUnavailable, open_store
from gateway.store.outlook import Outlook, by_urgency, look
from gateway.terminal import DataDirOption, SettingsOption, err, fail, read_settings

VERDICTS = {
    "empty": "[red]已低 low now[/]",
    "falling": "下降 falling",
    "stable": "平稳 stable",
    "charged": "充电电池 is charged",
    "too_little": "数据不足 not enough data",
}


def add_to(app: typer.Typer) -> None:
    """Hang the command into ``app``."""
    app.command("batteries")(batteries)


def batteries(
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    place: Annotated[str | None, typer.Option(help="Only in this place and below it.")] = None,
    within: Annotated[int | None, typer.Option(min=1, help="Only what is low, or may be within so many days.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """电池 · When each battery is to be changed, as far as its readings tell, and how well the device is heard."""
    with opened(settings, data_dir) as registry:
        directory = registry.directory
        wanted = [
            device.id
            for device in directory.devices.values()
            if (kind is None or device.kind == kind) and (place is None or directory.lies_in(device.place, place))
        ]
        with reading(registry.engine) as connection:
            replaced = history.replaced_ms(connection)
        try:
            seen = asyncio.run(_look(registry, read_settings(settings, data_dir), wanted, replaced))
        except (StoreUnavailable, ValueError, KeyError) as error:
            fail("遥测库无法读取 the telemetry store cannot be read", error)
        soon_ms = None if within is None else registry.now_ms + within * 86_400_000
        table = listing(
            "设备 id", "地点 place", "电量 level", "预计更换 change by", "范围 range", "状态", "信号 signal"
        )
        for one in by_urgency(seen):
            due_ms = one.battery.earliest_ms if one.battery.verdict == "falling" else None
            if soon_ms is not None and one.battery.verdict != "empty" and (due_ms is None or due_ms > soon_ms):
                continue
            table.add_row(*_cells(registry, one))
        out.print(table)


async def _look(
    registry: Opened, settings: Settings, devices: Sequence[str], replaced: Mapping[str, int]
) -> list[Outlook]:
    store = open_store(settings, SystemClock())
    try:
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("读取 reading", total=len(devices))
            seen = []
            for device in devices:
                seen.append(await look(store, device, registry.now_ms, replaced.get(device, 0)))
                progress.advance(task)
            return seen
    finally:
        await store.close()


def _cells(registry: Opened, one: Outlook) -> tuple[str, ...]:
    battery = one.battery
    level = "—" if battery.level is None else f"{battery.level:.0f} %"
    if one.metric == "battery_voltage" and battery.level is not None:
        level = f"{battery.level:.2f} V"
    span = "—"
    if battery.verdict == "falling":
        span = f"{registry.day(battery.earliest_ms)} … {registry.day(battery.latest_ms)}"
    words = VERDICTS[battery.verdict]
    if battery.changed_ms is not None:
        words += f" ({registry.day(battery.changed_ms)} 换过 changed)"
    known = registry.directory.device(one.device)
    place = registry.directory.place_path(known.place, "zh") if known is not None else ""
    return one.device, escape(place), level, registry.day(battery.at_ms), span, words, _signal(one)


def _signal(one: Outlook) -> str:
    if one.signal is None:
        return "—"
    unit = "dBm" if one.link == "rssi" else "%"
    change = one.signal.change
    worse = f" [yellow]({change:+.0f})[/]" if change is not None and change <= -6 else ""
    return f"{one.signal.level:.0f} {unit}{worse}"
