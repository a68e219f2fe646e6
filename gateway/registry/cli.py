"""`anju config`, `anju apply`: the community's files on the command line."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console

from gateway.clock import SystemClock
from gateway.registry import check_ladders, coverage, store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS
from gateway.registry.load import Reading, read_community
from gateway.registry.model import Community
from gateway.registry.problem import Problem
from gateway.registry.schema import json_schema
from gateway.registry.secrets import references
from gateway.settings import Settings
from gateway.state.db import open_database
from gateway.terminal import read_settings

config_app = typer.Typer(no_args_is_help=True, help="社区配置 · A community's YAML: check it, and its JSON Schema.")

_out = Console(highlight=False)
_LOOK_AHEAD_DAYS = 28
_SHOWN = 200
"""How many lines of a long list of changes are printed."""

FileArgument = Annotated[Path, typer.Argument(help="The community's main YAML file.", show_default=False)]
SettingsOption = Annotated[Path | None, typer.Option("--settings", help="Settings of this gateway (YAML).")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Data directory, before that of the settings.")]


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
        kept = read_settings(settings, data_dir).secrets
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
    now_ms = SystemClock().now_ms()
    in_time = _rosters(c, now_ms) + _ladders(c, now_ms)
    _out.print(
        f"[green]✓[/] {c.community.name.zh} {c.community.name.en}: {len(result.files)} 个文件 files, "
        f"{len(c.places)} 处地点 places, {len(c.residents)} 位居民 residents, {len(c.people)} 位人员 people, "
        f"{len(c.devices)} 台设备 devices, {len(c.rules)} 条规则 rules, "
        f"{len(result.warnings) + in_time} 处提醒 warnings",
        soft_wrap=True,
    )


def _rosters(community: Community, now_ms: int) -> int:
    """Warn of what is wrong with the rosters in the next days; each thing once, with how often it comes."""
    directory = CommunityDirectory(community)
    groups = coverage.grouped(coverage.troubles(directory, now_ms, now_ms + _LOOK_AHEAD_DAYS * DAY_MS))
    for first, times in groups[:_SHOWN]:
        said = coverage.in_words(first, directory)
        span = coverage.when(first.begin_ms, first.until_ms, directory.duties.zone)
        often = f"（{_LOOK_AHEAD_DAYS} 天内 {times} 次 times）" if times > 1 else ""
        _out.print("[yellow]提醒 warning[/] ", end="")
        _out.print(f"值班 roster: {span.zh} {said.zh} · {span.en} {said.en}{often}", markup=False, soft_wrap=True)
    if len(groups) > _SHOWN:
        _out.print(f"… 还有 {len(groups) - _SHOWN} 处 more: anju roster holes --file …")
    return len(groups)


def _ladders(community: Community, now_ms: int) -> int:
    """Warn of ladders that would reach nobody at this moment."""
    found = check_ladders.now(CommunityDirectory(community), now_ms)
    for said in found:
        _out.print("[yellow]提醒 warning[/] ", end="")
        _out.print(f"{said.zh} {said.en}", markup=False, soft_wrap=True)
    return len(found)


@config_app.command("schema")
def schema() -> None:
    """编辑器用的模式 · Print the JSON Schema of a community's files, for editors."""
    typer.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


def apply(
    file: FileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    take_file: Annotated[
        bool, typer.Option("--take-file", help="Also where something was added or changed at the running gateway.")
    ] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """应用社区配置 · Show what FILE changes, and bring the registry to it, all or nothing.

    Devices and rules that were added or changed at the running gateway stay as they are, unless --take-file; so do
    attributes that were given to places and residents there.

    Exit codes: 0 applied or nothing to do, 1 errors in FILE or the registry moved meanwhile, 3 declined.
    """
    result = _read(file)
    assert result.community is not None
    engine = _database(read_settings(settings, data_dir))
    try:
        changes = store.plan(engine, result.community, take_file=take_file)
        _show_kept(changes)
        if changes:
            _show(changes)
            if not yes and not typer.confirm("应用这些变化? Apply these changes?"):
                raise typer.Exit(3)
        done = store.apply(
            engine,
            result.community,
            f"operator:{getpass.getuser()}",
            SystemClock().now_ms(),
            expect_revision=changes.revision,
            take_file=take_file,
        )
        if not done:
            _out.print(f"没有变化 nothing to change, revision {done.revision}")
            return
        _out.print(f"[green]✓[/] 已应用 applied, revision {done.revision}: {done.summary}", soft_wrap=True)
    except store.RegistryMoved as error:
        _out.print(f"[red]✗[/] {error}")
        raise typer.Exit(1) from None
    except store.KeptDoNotFit as error:
        for message in error.messages:
            _out.print(f"错误 error {message}", style="red", markup=False, soft_wrap=True)
        _out.print(
            "先修改或停用它们 change or retire them first (anju devices change, retire; anju rules edit), "
            "或以文件为准 or take the files' word: --take-file",
            soft_wrap=True,
        )
        raise typer.Exit(1) from None
    finally:
        engine.dispose()


def _show_kept(changes: store.Changes) -> None:
    """What the files do not reach."""
    for kept in changes.kept[:_SHOWN]:
        how = "不同 differs" if kept.in_file else "不在文件中 in no file"
        said = "在网关上修改过，保留 made at the gateway, kept"
        if kept.origin == store.SAID_AWAY:
            said = "登记外出，到期自动去掉 said to be away, kept until that is over"
        if kept.deleted:
            how, said = "文件中仍有 still in the files", "在网关上删除过，不恢复 deleted at the gateway, stays away"
        _out.print(f"= {kept.section} {kept.id}: {said} ({how})", style="cyan", markup=False)
        for field in kept.fields:
            told = f"文件 file {_value(field.before)}, 保留 kept {_value(field.after)}"
            _out.print(f"    {field.field}: {told}", style="cyan", markup=False, soft_wrap=True)
    if len(changes.kept) > _SHOWN:
        _out.print(f"… 还有 {len(changes.kept) - _SHOWN} 项保留 more are kept")
    sections = {kept.section for kept in changes.kept if kept.origin != store.SAID_AWAY}
    if sections:
        ways = {"devices": "anju devices export --yaml --made-here", "rules": "anju rules export --made-here"}
        into = ", ".join(ways[section] for section in ways if section in sections) or "attributes: {…}"
        _out.print(
            f"写入文件 into the files: {into}; 以文件为准 take the files' word: --take-file",
            markup=False,
            soft_wrap=True,
        )
    if changes.written_down:
        said = "文件已写明，此后以文件为准 the files say the same now, and are obeyed again"
        _out.print(f"{len(changes.written_down)} 项 entries: {said}", soft_wrap=True)


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
