"""`anju cases` and `anju token`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.api import reads
from gateway.api.auth import NameTaken, Role, create_token, revoke_token
from gateway.api.case_lines import Speaker
from gateway.api.rungs import who
from gateway.api.words import OUTBOX_STATES, RESULTS, SEVERITIES, channel, purpose, words
from gateway.cases import scene
from gateway.cases.effects import DEVICE_CHANNEL
from gateway.cases.wording import LINE_STATES, STAGES, kind
from gateway.clock import SystemClock
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Community
from gateway.state.db import reading
from gateway.state.tables import tokens
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

cases_app = typer.Typer(no_args_is_help=True, help="案卷 · Cases: list, read, act.")
token_app = typer.Typer(no_args_is_help=True, help="令牌 · Tokens: who may read and act.")
out = Console(highlight=False)


def _engine(settings: Path | None, data_dir: Path | None) -> sa.Engine:
    return open_state(read_settings(settings, data_dir))


CaseArgument = Annotated[str, typer.Argument(help="The case's number, such as 2026-000042.", show_default=False)]


def _zone(community: Community | None) -> tzinfo | None:
    """The community's time zone, as the console shows times; that of this machine where there is no community."""
    return None if community is None else ZoneInfo(community.community.timezone)


def _instant(at_ms: int, zone: tzinfo | None) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime("%m-%d %H:%M:%S")


WIDE = 120
"""From this width on the list of cases shows every column."""


@cases_app.command("list")
def list_cases(
    all_: Annotated[bool, typer.Option("--all", help="Closed and cancelled ones as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 30,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """列表 · Open cases, the newest first; a wide terminal shows severity, owner, 120 line and place as well."""
    engine = _engine(settings, data_dir)
    community = registry_store.load(engine)
    directory = None if community is None else CommunityDirectory(community)
    zone = _zone(community)
    wide = out.width >= WIDE
    table = Table(box=None, pad_edge=False)
    table.add_column("案卷 case", no_wrap=True, min_width=11)
    table.add_column("立案 opened", no_wrap=True, min_width=14)
    more = ("级别 severity", "受理 owner", "120", "地点 place") if wide else ()
    for name in ("类型 type", "阶段 stage", "谁 who", *more):
        table.add_column(name, overflow="fold")
    for case in reads.cases(engine, open_only=not all_, limit=limit):
        stage, line = STAGES[case.stage], LINE_STATES[case.emergency.state]
        cells = [
            case.number,
            _instant(case.times["raised"], zone),
            f"{kind(case, case.type).zh} {case.type}",
            f"{stage.zh} {stage.en}",
            (scene.resident_name(case, directory) if directory else "") or case.resident or case.device or "",
        ]
        if wide:
            place = scene.place_path(case, directory, "zh") if directory else ""
            said = "" if case.emergency.state.ahead and not case.open else f"{line.zh} {line.en}"
            severity = words(SEVERITIES, case.severity.value)
            cells += [f"{severity.zh} {severity.en}", who(directory, case.owner), said]
            cells.append(place or case.place or "")
        table.add_row(*(escape(cell) for cell in cells))
    if table.row_count:
        out.print(table)
    else:
        out.print("没有案卷 no cases" if all_ else "没有未结案卷 no open cases; --all shows closed ones as well")


@cases_app.command("show")
def show_case(case_id: CaseArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """查看 · One case: its timeline, and everything that was said with every attempt."""
    engine = _engine(settings, data_dir)
    case = reads.case(engine, case_id)
    if case is None:
        fail(f"没有案卷 there is no case {case_id!r}", "`anju cases list --all` shows all")
    community = registry_store.load(engine)
    zone = _zone(community)
    directory = None if community is None else CommunityDirectory(community)
    speaker = Speaker(case, directory, lambda at_ms: _instant(at_ms, zone))
    stage, what = STAGES[case.stage], kind(case, case.type)
    out.print(
        f"[bold]{escape(case.number)}[/] {what.zh} {case.type} · {stage.zh} {stage.en} · {escape(case.explanation)}"
    )
    lines = Table(box=None, pad_edge=False)
    lines.add_column("时间 at", no_wrap=True, min_width=14)
    for name in ("经过 what", "谁 who", "情况 facts"):
        lines.add_column(name, overflow="fold")
    for entry in _grouped(reads.timeline(engine, case.id)):
        line = entry[0]
        facts = [_reached(entry, speaker)] if line.what == "told" else [line.reason, *speaker.facts(line)]
        cells = (
            _instant(line.at_ms, zone),
            f"{line.zh} {line.en}",
            speaker.name(line.actor),
            " · ".join(filter(None, facts)),
        )
        lines.add_row(*(escape(cell) for cell in cells))
    out.print(lines)
    said = Table("事由 said", "对象 to", "渠道 by", "状态 status", "经过 attempts", box=None, pad_edge=False)
    for row in reversed(reads.outbox(engine, case_id=case.id, status=None, limit=1000)):
        tries = "; ".join(_try(one) for one in row.tries)
        to = speaker.name(row.person) if row.person else row.to
        if row.channel == DEVICE_CHANNEL:
            to = who(directory, f"device:{row.to}")
        status = words(OUTBOX_STATES, row.status).zh
        said.add_row(*map(escape, (purpose(row.purpose).zh, to, _channel(row.channel), status, tries)))
    out.print(said)


def _try(one: reads.AttemptRow) -> str:
    result = words(RESULTS, one.result).zh if one.result else "进行中 running"
    return f"{result} {one.detail or ''}".strip()


def _channel(name: str) -> str:
    """A channel in words, with its id beside it."""
    says = channel(name)
    return name if says.zh == name else f"{says.zh} {name}"


def _grouped(lines: Iterable[reads.TimelineLine]) -> list[list[reads.TimelineLine]]:
    """Lines one by one, but those that say one after the other who was told the same thing together."""
    found: list[list[reads.TimelineLine]] = []
    for line in lines:
        last = found[-1][-1] if found else None
        if (
            last is not None
            and last.what == line.what == "told"
            and last.data.get("purpose") == line.data.get("purpose")
        ):
            found[-1].append(line)
        else:
            found.append([line])
    return found


def _reached(lines: Iterable[reads.TimelineLine], speaker: Speaker) -> str:
    """Who was told, each once, with the channels that reached them."""
    by: dict[str, dict[str, None]] = {}
    for line in lines:
        by.setdefault(speaker.name(str(line.data.get("person"))), {})[channel(str(line.data.get("channel"))).zh] = None
    return "、".join(f"{name} ({'、'.join(channels)})" for name, channels in by.items())


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; the timeline names them so.")],
    role: Annotated[
        Role, typer.Option(help="reader sees; operator acts on cases as well; admin does all.")
    ] = "operator",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """新建 · Make a token and print it, this once."""
    try:
        with _engine(settings, data_dir).begin() as connection:
            token = create_token(connection, name, role, SystemClock().now_ms())
    except NameTaken:
        fail(f"已有令牌 there is a token {name!r} already", f"`anju token revoke {name}` first, or take another name")
    except ValueError as error:
        fail("名称不可用 the name cannot be used", error)
    typer.echo(token)


@token_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token.")],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """吊销 · Make a token worthless at once."""
    with _engine(settings, data_dir).begin() as connection:
        if not revoke_token(connection, name, SystemClock().now_ms()):
            fail(f"没有有效令牌 there is no valid token {name!r}", "`anju token list` shows all")
    typer.echo(f"{name}: 已吊销 revoked")


@token_app.command("list")
def list_tokens(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """列表 · Names and roles; tokens themselves are not kept."""
    table = Table("名称 name", "权限 role", "新建 made", "吊销 revoked", box=None)
    engine = _engine(settings, data_dir)
    zone = _zone(registry_store.load(engine))
    with reading(engine) as connection:
        for row in connection.execute(sa.select(tokens).order_by(tokens.c.created_at_ms)):
            revoked = _instant(row.revoked_at_ms, zone) if row.revoked_at_ms else ""
            table.add_row(escape(row.name), row.role, _instant(row.created_at_ms, zone), revoked)
    out.print(table)
