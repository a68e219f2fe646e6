"""`anju config`, `anju apply`, `anju devices`: the community on the command line."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from yaml import YAMLError

from gateway.clock import SystemClock
from gateway.registry import store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import Reading, read_community
from gateway.registry.problem import Problem
from gateway.registry.schema import json_schema
from gateway.registry.secrets import references
from gateway.settings import Settings, load_settings
from gateway.state.db import open_database, reading
from gateway.state.tables import device_states

config_app = typer.Typer(no_args_is_help=True, help="社区配置 · A community's YAML: check it, and its JSON Schema.")
devices_app = typer.Typer(
    no_args_is_help=True, help="设备名册 · The registered devices, and when they were last heard."
)

_out = Console(highlight=False)
_SHOWN = 200
"""How many lines of a long list of changes are printed."""

FileArgument = Annotated[Path, typer.Argument(help="The community's main YAML file.", show_default=False)]
SettingsOption = Annotated[Path | None, typer.Option("--settings", help="Settings of this gateway (YAML).")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Data directory, before that of the settings.")]


def _settings(path: Path | None, data_dir: Path | None) -> Settings:
    try:
        settings = load_settings(path)
    except (ValidationError, YAMLError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint="--settings") from error
    return settings if data_dir is None else settings.model_copy(update={"data_dir": data_dir})


def _database(settings: Settings) -> sa.Engine:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return open_database(settings.database)
    except (OSError, sa.exc.OperationalError) as error:
        why = error.orig if isinstance(error, sa.exc.OperationalError) else error
        _out.print(
            f"✗ 数据库无法使用 the state database cannot be used: {why}", style="red", markup=False, soft_wrap=True
        )
        raise typer.Exit(1) from None


def _say(problem: Problem) -> None:
    colour = "red" if problem.level == "error" else "yellow"
    _out.print(f"[{colour}]{'错误 error' if problem.level == 'error' else '提醒 warning'}[/] ", end="")
    _out.print(str(problem), markup=False, soft_wrap=True)


def _read(file: Path) -> Reading:
    result = read_community(file)
    for problem in result.problems:
        _say(problem)
    if result.errors:
        _out.print(f"[red]✗[/] {len(result.errors)} 处错误 errors, {len(result.warnings)} 处提醒 warnings")
        raise typer.Exit(1)
    return result


@config_app.command("check")
def check(
    file: FileArgument,
    secrets: Annotated[bool, typer.Option("--secrets", help="Also check that every secret it names is there.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """检查社区配置 · Check a community: every error with file, line, key and what to do.

    Exit code 1 when there are errors.
    """
    result = _read(file)
    assert result.community is not None
    if secrets:
        kept = _settings(settings, data_dir).secrets
        missing = 0
        for name, section, index, path in references(result.community):
            try:
                kept.get(name)
            except KeyError as error:
                missing += 1
                _say(result.problem(section, index, path, str(error.args[0])))
        if missing:
            raise typer.Exit(1)
    c = result.community
    _out.print(
        f"[green]✓[/] {c.community.name.zh} {c.community.name.en}: {len(result.files)} 个文件 files, "
        f"{len(c.places)} 处地点 places, {len(c.residents)} 位居民 residents, {len(c.people)} 位人员 people, "
        f"{len(c.devices)} 台设备 devices, {len(c.rules)} 条规则 rules, {len(result.warnings)} 处提醒 warnings",
        soft_wrap=True,
    )


@config_app.command("schema")
def schema() -> None:
    """编辑器用的模式 · Print the JSON Schema of a community's files, for editors."""
    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


def apply(
    file: FileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """应用社区配置 · Show what FILE changes, and bring the registry to it, all or nothing.

    Exit codes: 0 applied or nothing to do, 1 errors in FILE or the registry moved meanwhile, 3 declined.
    """
    result = _read(file)
    assert result.community is not None
    engine = _database(_settings(settings, data_dir))
    try:
        changes = store.plan(engine, result.community)
        if not changes:
            _out.print(f"没有变化 nothing to change, revision {changes.revision}")
            return
        _show(changes)
        if not yes and not typer.confirm("应用这些变化? Apply these changes?"):
            raise typer.Exit(3)
        actor = f"operator:{getpass.getuser()}"
        try:
            done = store.apply(
                engine, result.community, actor, SystemClock().now_ms(), expect_revision=changes.revision
            )
        except store.RegistryMoved as error:
            _out.print(f"[red]✗[/] {error}")
            raise typer.Exit(1) from None
        _out.print(f"[green]✓[/] 已应用 applied, revision {done.revision}: {done.summary}", soft_wrap=True)
    finally:
        engine.dispose()


def _show(changes: store.Changes) -> None:
    lines: list[tuple[str, str]] = []
    lines += [("red", f"- {section} {id_}") for section, id_ in changes.removed]
    for changed in changes.changed:
        lines.append(("yellow", f"~ {changed.section} {changed.id}"))
        lines += [
            ("yellow", f"    {field.field}: {_value(field.before)} → {_value(field.after)}") for field in changed.fields
        ]
    if changes.revision:  # for the first community, which is all new, the counts below say as much
        lines += [("green", f"+ {section} {id_}") for section, id_ in changes.added]
    for style, line in lines[:_SHOWN]:
        _out.print(line, style=style, markup=False, soft_wrap=True)
    if len(lines) > _SHOWN:
        _out.print(f"… 还有 {len(lines) - _SHOWN} 行 more lines")
    for warning in changes.warnings:
        _out.print(f"提醒 warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    _out.print(f"变化 changes: {changes.summary}", markup=False, soft_wrap=True)


def _value(value: object) -> str:
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


def _registered(settings: Settings) -> tuple[CommunityDirectory, dict[str, Any]]:
    engine = _database(settings)
    try:
        community = store.load(engine)
        if community is None:
            _out.print("还没有社区 no community yet; run: anju apply FILE")
            raise typer.Exit(1)
        with reading(engine) as connection:
            rows = connection.execute(sa.select(device_states)).mappings().all()
    finally:
        engine.dispose()
    return CommunityDirectory(community), {row["device"]: row for row in rows}


@devices_app.command("list")
def list_devices(
    kind: Annotated[str | None, typer.Option(help="Only this kind, such as sos_button.")] = None,
    place: Annotated[str | None, typer.Option(help="Only in this place and below it.")] = None,
    silent: Annotated[bool, typer.Option("--silent", help="Only those never heard, offline or overdue.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """列出设备 · List devices with where they are, whom they serve and when they were last heard."""
    directory, states = _registered(_settings(settings, data_dir))
    now_ms = SystemClock().now_ms()
    zone = ZoneInfo(directory.community.community.timezone)
    table = Table("设备 id", "类型 kind", "地点 place", "居民 resident", "最后消息 last heard", "状态 state")
    for device in directory.community.devices:
        condition = _condition(states.get(device.id), directory.supervision_s(device.id), now_ms)
        if (kind is not None and device.kind != kind) or (silent and condition == "online"):
            continue
        if place is not None and not directory.lies_in(device.place, place):
            continue
        table.add_row(
            device.id,
            device.kind,
            directory.place_path(device.place, "zh"),
            directory.resident_name(device.resident),
            _instant(states.get(device.id), zone),
            condition,
        )
    _out.print(table)
    _out.print(f"{table.row_count} 台 devices")


@devices_app.command("show")
def show_device(
    device: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """查看一台设备 · Show one device: what is registered, and what it last said."""
    directory, states = _registered(_settings(settings, data_dir))
    known = directory.device(device)
    if known is None:
        _out.print(f"没有这台设备 there is no device {device}; see: anju devices list", markup=False)
        raise typer.Exit(1)
    zone = ZoneInfo(directory.community.community.timezone)
    state = states.get(device)
    table = Table(show_header=False)
    rows = {
        "编号 id": known.id,
        "名称 name": directory.device_name(device, "zh"),
        "类型 kind": known.kind,
        "协议 profile": known.profile,
        "地点 place": f"{directory.place_path(known.place, 'zh')} ({known.place})",
        "居民 resident": f"{directory.resident_name(known.resident)} ({known.resident})" if known.resident else "—",
        "监督间隔 supervision": f"{directory.supervision_s(device)} s",
        "状态 state": _condition(state, directory.supervision_s(device), SystemClock().now_ms()),
        "最后消息 last heard": _instant(state, zone),
        "电量 battery": _of(state, "battery", " %"),
        "信号 rssi": _of(state, "rssi", " dBm"),
        "固件 firmware": _of(state, "firmware", ""),
        "时钟偏差 clock offset": _of(state, "clock_offset_ms", " ms"),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    _out.print(table)


def _condition(state: Any, supervision_s: int, now_ms: int) -> str:
    if state is None:
        return "never seen"
    if not state["online"]:
        return "offline"
    return "silent" if now_ms - state["last_seen_ms"] > supervision_s * 1000 else "online"


def _instant(state: Any, zone: ZoneInfo) -> str:
    if state is None:
        return "—"
    return (
        datetime.fromtimestamp(state["last_seen_ms"] / 1000, UTC)
        .astimezone(zone)
        .isoformat(sep=" ", timespec="seconds")
    )


def _of(state: Any, column: str, unit: str) -> str:
    return "—" if state is None or state[column] is None else f"{state[column]}{unit}"
