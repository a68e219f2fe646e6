"""`anju devices list|show|history|firmware`: the devices, to be looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from gateway.registry import care, history
from gateway.registry.csvfile import attributes_cell
from gateway.registry.firmware import Running, inventory
from gateway.registry.label import anju_label
from gateway.registry.life import told
from gateway.registry.model import NATIVE
from gateway.registry.opened import DeviceArgument, Opened, listing, opened, out, shown
from gateway.state.db import reading
from gateway.terminal import DataDirOption, SettingsOption

LINES = 8
"""Lines of a device's life that are shown beside it."""


def add_to(app: typer.Typer) -> None:
    """Hang these commands into ``anju devices``."""
    app.command("list")(list_devices)
    app.command("show")(show_device)
    app.command("history")(device_history)
    app.command("firmware")(firmware)


def list_devices(
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as sos_button.")] = None,
    place: Annotated[str | None, typer.Option(help="Only in this place and below it.")] = None,
    silent: Annotated[bool, typer.Option("--silent", help="Only those never heard, offline or overdue.")] = False,
    retired: Annotated[bool, typer.Option("--retired", help="Those that are retired.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """列出设备 · List devices with where they are, whom they serve and when they were last heard."""
    with opened(settings, data_dir) as registry:
        directory, states = registry.directory, registry.states()
        with reading(registry.engine) as connection:
            worked_on = care.running(connection, registry.now_ms)
    names = ("设备 id", "类型 kind", "地点 place", "居民 resident", "最后消息 last heard", "状态 state")
    table = listing(*names, whole=2)
    for device in directory.community.devices:
        if (device.status == "retired") is not retired or (kind is not None and device.kind != kind):
            continue
        condition = "retired" if retired else _condition(registry, states.get(device.id), device.id)
        if silent and condition == "online":
            continue
        if place is not None and not directory.lies_in(device.place, place):
            continue
        mode = f" ({worked_on[device.id].mode})" if device.id in worked_on else ""
        table.add_row(
            device.id,
            device.kind,
            escape(directory.place_path(device.place, "zh")),
            escape(directory.resident_name(device.resident)),
            registry.instant(_of(states.get(device.id), "last_seen_ms")),
            condition + mode,
        )
    out.print(table)
    out.print(f"{table.row_count} 台 devices")


def show_device(device: DeviceArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """查看一台设备 · Show one device: what is registered, what it last said, and what was done to it."""
    with opened(settings, data_dir) as registry:
        known, directory = registry.device(device), registry.directory
        state = registry.states().get(device)
        with reading(registry.engine) as connection:
            now = care.running(connection, registry.now_ms).get(device)
            lines = history.read(connection, device, LINES)
    retired = known.status == "retired"
    way = known.profile if known.profile == NATIVE else f"{known.profile} ({directory.bridge_of(device) or '—'})"
    rows = {
        "编号 id": known.id,
        "名称 name": directory.device_name(device, "zh"),
        "类型 kind": known.kind,
        "协议 profile": way,
        "地址 address": known.address or known.id,
        "序列号 serial": shown(known.serial),
        "地点 place": f"{directory.place_path(known.place, 'zh')} ({known.place})",
        "居民 resident": f"{directory.resident_name(known.resident)} ({known.resident})" if known.resident else "—",
        "经由 via": shown(known.via),
        "属性 attributes": shown(attributes_cell(known.attributes)),
        "监督间隔 supervision": f"{directory.supervision_s(device)} s",
        "状态 state": "retired" if retired else _condition(registry, state, device),
        "最后消息 last heard": registry.instant(_of(state, "last_seen_ms")),
        "电量 battery": shown(_of(state, "battery"), " %"),
        "信号 rssi": shown(_of(state, "rssi"), " dBm"),
        "型号 model": shown(_of(state, "model")),
        "固件 firmware": shown(_of(state, "firmware")),
        "时钟偏差 clock offset": shown(_of(state, "clock_offset_ms"), " ms"),
        "标签 label": anju_label(known.kind, known.address or known.id, known.serial),
    }
    if now is not None:
        until = f"{registry.instant(now.until_ms)}, {now.actor}: {now.reason}"
        rows["正在 being worked on"] = (
            f"{'维护 maintenance' if now.mode == 'maintenance' else '测试 test'}, 至 until {until}"
        )
    table = Table(show_header=False)
    for name, value in rows.items():
        table.add_row(name, escape(value))
    out.print(table)
    _print_life(registry, lines)


def device_history(
    device: DeviceArgument,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many lines.")] = 50,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """设备履历 · The life of one device, the newest first: also of one that is no longer registered."""
    with opened(settings, data_dir) as registry, reading(registry.engine) as connection:
        lines = history.read(connection, device, limit)
        _print_life(registry, lines)
        if not lines:
            out.print("没有记录 nothing is written down")


def _print_life(registry: Opened, lines: list[history.Line]) -> None:
    for line in lines:
        words = told(line, registry.instant)
        out.print(f"{registry.instant(line.at_ms)}  {line.actor}  {words.zh} {words.en}", markup=False, soft_wrap=True)


def firmware(
    kind: Annotated[str | None, typer.Option(help="Only this kind.")] = None,
    outdated: Annotated[
        bool, typer.Option("--outdated", help="Only what is behind others of its model, by id.")
    ] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """固件清单 · How many devices run which firmware, by kind and model; what is behind is marked."""
    with opened(settings, data_dir) as registry:
        states = registry.states()
    running = [
        Running(
            device=device.id,
            kind=device.kind,
            model=_of(states.get(device.id), "model") or "",
            firmware=_of(states.get(device.id), "firmware") or "",
        )
        for device in registry.directory.devices.values()
        if kind is None or device.kind == kind
    ]
    table = listing("类型 kind", "型号 model", "固件 firmware", "台数 devices", "")
    for version in inventory(running):
        if outdated and not version.outdated:
            continue
        mark = "[yellow]较旧 older[/]" if version.outdated else ""
        which = escape(", ".join(version.devices)) if outdated else str(len(version.devices))
        row = (version.kind, shown(version.model), shown(version.firmware))
        table.add_row(*(escape(cell) for cell in row), which, mark)
    out.print(table)


def _condition(registry: Opened, state: Mapping[str, Any] | None, device: str) -> str:
    if state is None:
        return "never seen"
    if not state["online"]:
        return "offline"
    allowed_ms = registry.directory.supervision_s(device) * 1000
    return "silent" if registry.now_ms - state["last_seen_ms"] > allowed_ms else "online"


def _of(state: Mapping[str, Any] | None, column: str) -> Any:
    return None if state is None else state[column]
