"""`anju ladder simulate`: who would be told when, by which channel, and what happens at each answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.markup import escape
from rich.table import Table

from gateway.api.rungs import order_in_words, rungs_in_words, title_in_words
from gateway.api.words import channel, words
from gateway.cases.simulate import Run, Simulation
from gateway.cases.wording import Words
from gateway.clock import SystemClock
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community
from gateway.registry.opened import opened, out
from gateway.registry.rehearsal import CannotRehearse, rehearse, together
from gateway.terminal import DataDirOption, SettingsOption

ladder_app = typer.Typer(no_args_is_help=True, help="升级流程 · Ladders: who would be told when.")
_COLOURS = {"line": "bold red", "line_committed": "red", "rung_empty": "yellow", "no_address": "yellow"}
_COLOURS |= {"fallback": "yellow", "quiet_held": "cyan", "quiet_channel": "cyan", "refused": "yellow"}
REACHES_NOBODY = 1
"""Exit code where a life would be at stake and nobody would be told."""
CANNOT = 2


@ladder_app.command("simulate")
def simulate(
    type_: Annotated[
        str, typer.Option("--type", help="Alarm type: personal_emergency, smoke …")
    ] = "personal_emergency",
    resident: Annotated[str | None, typer.Option(help="Whom it is about.")] = None,
    place: Annotated[str | None, typer.Option(help="Where; the resident's home where it is not given.")] = None,
    device: Annotated[str | None, typer.Option(help="Which device raises it.")] = None,
    ladder: Annotated[str | None, typer.Option(help="Which ladder; that of the rule where it is not given.")] = None,
    at: Annotated[str | None, typer.Option(help="When, local time: 2026-02-17T02:30; now without it.")] = None,
    for_s: Annotated[int | None, typer.Option("--for", min=1, max=604_800, help="Look so many seconds ahead.")] = None,
    answers: Annotated[bool, typer.Option(help="Also what happens at each answer.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="A community's main YAML file, before it is applied.")
    ] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """推演 · Who would be told when by which channel, with empty rungs, people nobody can reach, quiet hours.

    It runs the case machine itself with a virtual clock; nothing is sent. Exit codes: 0, 1 where a life would be at
    stake and nobody would be told, 2 where what was asked for is not there.
    """
    with _directory(file, settings, data_dir) as directory:
        zone = ZoneInfo(directory.community.community.timezone)
        try:
            played = rehearse(
                directory,
                at_ms=_instant_ms(at, zone),
                type_=type_,
                resident=resident,
                place=place,
                device=device,
                ladder=ladder,
                for_s=for_s,
                answers=answers,
            )
        except CannotRehearse as error:
            out.print(f"✗ {error.zh} · {error.en} (--{error.field})", style="red", markup=False, soft_wrap=True)
            raise typer.Exit(CANNOT) from None
        if as_json:
            typer.echo(played.model_dump_json(indent=2))
        else:
            _show(played, directory, zone)
    if played.reaches_nobody:
        raise typer.Exit(REACHES_NOBODY)


@contextmanager
def _directory(file: Path | None, settings: Path | None, data_dir: Path | None) -> Iterator[CommunityDirectory]:
    if file is None:
        with opened(settings, data_dir) as known:
            yield known.directory
        return
    reading = read_community(file)
    if reading.community is None:
        for problem in reading.errors:
            out.print(f"错误 error {problem}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(CANNOT)
    yield CommunityDirectory(reading.community)


def _instant_ms(text: str | None, zone: ZoneInfo) -> int:
    if text is None:
        return SystemClock().now_ms()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("expected a local time such as 2026-02-17T02:30", param_hint="--at") from None
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def _show(played: Simulation, directory: CommunityDirectory, zone: ZoneInfo) -> None:
    ladder = next((one for one in directory.community.ladders if one.id == played.ladder), None)
    rungs = rungs_in_words(ladder, directory)
    at = datetime.fromtimestamp(played.at_ms / 1000, UTC).astimezone(zone)
    life = " · 生命安全 life safety" if played.life_safety else ""
    out.print(f"[bold]{escape(played.ladder)}[/]{life} · {at:%Y-%m-%d %H:%M %a}")
    for run in played.runs:
        title = title_in_words(run, rungs)
        out.print(f"\n[bold]{escape(title.zh)}[/] [dim]{escape(title.en)}[/]", soft_wrap=True)
        out.print(_table(run, rungs))
    out.print()
    reached = "、".join(played.reached) or "无人 nobody"
    out.print(f"通知到 told: {reached}", markup=False, soft_wrap=True)
    if played.unreachable:
        out.print(f"没有联系方式 no way to be told: {'、'.join(played.unreachable)}", style="yellow", soft_wrap=True)
    if played.empty:
        empty = "、".join(words(rungs, one).zh for one in played.empty)
        out.print(f"无人的步骤 rungs with nobody: {empty}", style="yellow", markup=False, soft_wrap=True)
    if played.life_safety and played.line_after_s is None:
        out.print("机器不会呼叫急救 a machine calls no emergency line", style="yellow")
    if played.reaches_nobody:
        out.print(
            "✗ 涉及生命安全，却通知不到任何人 a life would be at stake, and nobody would be told", style="bold red"
        )


def _table(run: Run, rungs: Mapping[str, Words]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("时间 at", justify="right", no_wrap=True)
    table.add_column("步骤 rung", overflow="fold")
    table.add_column("经过 what", overflow="fold")
    table.add_column("谁 who", overflow="fold")
    table.add_column("渠道 by", overflow="fold")
    for one, people, channels in together(run.happenings):
        what = f"{one.zh} {one.en}" if one.what != "told" else one.zh
        detail = order_in_words(one.detail) if one.what == "device" else one.detail
        by = "、".join(channel(name).zh for name in channels.split(", ") if name)
        rung = words(rungs, one.rung).zh if one.rung else ""
        cells = (f"{one.after_s:g} s", rung, " · ".join(filter(None, (what, detail))), people, by)
        table.add_row(*(escape(cell) for cell in cells), style=_COLOURS.get(one.what))
    return table
