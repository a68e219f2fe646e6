"""`anju cases` and `anju token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.api import reads
from gateway.api.auth import NameTaken, Role, create_token, revoke_token
from gateway.cases.commands import Action
from gateway.clock import SystemClock
from gateway.state.db import reading
from gateway.state.tables import tokens
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

cases_app = typer.Typer(no_args_is_help=True, help="案卷 · Cases: list, read, act.")
token_app = typer.Typer(no_args_is_help=True, help="令牌 · Tokens: who may read and act.")
out = Console(highlight=False)
WITHIN_S = 20.0
"""Longer than the gateway itself waits for a decision."""


def _engine(settings: Path | None, data_dir: Path | None) -> sa.Engine:
    return open_state(read_settings(settings, data_dir))


CaseArgument = Annotated[str, typer.Argument(help="The case's number, such as 2026-000042.", show_default=False)]


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%m-%d %H:%M:%S")


@cases_app.command("list")
def list_cases(
    all_: Annotated[bool, typer.Option("--all", help="Closed and cancelled ones as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 30,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Open cases, the newest first."""
    table = Table("case", "opened", "type", "severity", "stage", "owner", "120", "place", "resident", box=None)
    for case in reads.cases(_engine(settings, data_dir), open_only=not all_, limit=limit):
        cells = (
            case.number,
            _instant(case.times["raised"]),
            case.type,
            case.severity.value,
            case.stage.value,
            case.owner or "",
            case.emergency.state.value,
            case.place or "",
            case.resident or "",
        )
        table.add_row(*(escape(cell) for cell in cells))
    if table.row_count:
        out.print(table)
    else:
        out.print("没有案卷 no cases" if all_ else "没有未结案卷 no open cases; --all shows closed ones as well")


@cases_app.command("show")
def show_case(case_id: CaseArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """One case: its timeline, and everything that was said with every attempt."""
    engine = _engine(settings, data_dir)
    case = reads.case(engine, case_id)
    if case is None:
        fail(f"没有案卷 there is no case {case_id!r}", "`anju cases list --all` shows all")
    out.print(f"[bold]{escape(case.number)}[/] {case.type} {case.stage.value} · {escape(case.explanation)}")
    lines = Table("at", "who", "what", "why", "facts", box=None)
    for line in reads.timeline(engine, case.id):
        data = {key: value for key, value in line.data.items() if key != "evidence"}
        facts = json.dumps(data, ensure_ascii=False) if data else ""
        cells = (_instant(line.at_ms), line.actor, f"{line.zh} {line.en}", line.reason, facts)
        lines.add_row(*(escape(cell) for cell in cells))
    out.print(lines)
    said = Table("said", "to", "by", "status", "attempts", box=None)
    for row in reversed(reads.outbox(engine, case_id=case.id, status=None, limit=1000)):
        tries = "; ".join(f"{one.result or 'running'} {one.detail or ''}".strip() for one in row.tries)
        said.add_row(*(escape(cell) for cell in (row.purpose, row.person or row.to, row.channel, row.status, tries)))
    out.print(said)


@cases_app.command("act")
def act(
    case_id: CaseArgument,
    action: Annotated[Action, typer.Argument(help="What to do.")],
    reason: Annotated[str, typer.Option(help="Why; needed for cancel, veto, release and note.")] = "",
    to: Annotated[str, typer.Option(help="Who is dispatched, or arrived.")] = "",
    url: Annotated[str, typer.Option(envvar="ANJU_URL", help="The gateway.")] = "http://127.0.0.1:8120",
    token: Annotated[str, typer.Option(envvar="ANJU_TOKEN", help="An operator's token.")] = "",
) -> None:
    """Decide on a case of a running gateway."""
    if not token.strip().isascii() or not token.strip():
        fail("需要令牌 a token is needed", "give --token or ANJU_TOKEN; `anju token create NAME` makes one")
    try:
        answer = httpx.post(
            f"{url.rstrip('/')}/api/v1/cases/{quote(case_id, safe='')}/{action}",
            json={"reason": reason, "to": to},
            headers={"Authorization": f"Bearer {token.strip()}"},
            timeout=WITHIN_S,
            trust_env=False,
        )
    except httpx.TimeoutException:
        fail(f"网关没有及时回答 {url} did not answer in time", "look at the case before you try again")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        fail(f"没有网关 no gateway at {url}", error)
    try:
        document: dict[str, Any] = answer.json()
        if answer.is_error:
            fail(f"未执行 not done ({document['code']})", f"{document['zh']} {document['en']}")
        out.print(f"{escape(case_id)}: {document['case']['stage']}")
    except (ValueError, LookupError, TypeError):
        fail(f"{url} is no gateway of this version", f"HTTP {answer.status_code}: {answer.text:.200}")


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; the timeline names them so.")],
    role: Annotated[
        Role, typer.Option(help="reader sees; operator acts on cases as well; admin does all.")
    ] = "operator",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a token and print it, this once."""
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
    """Make a token worthless at once."""
    with _engine(settings, data_dir).begin() as connection:
        if not revoke_token(connection, name, SystemClock().now_ms()):
            fail(f"没有有效令牌 there is no valid token {name!r}", "`anju token list` shows all")
    typer.echo(f"{name}: 已吊销 revoked")


@token_app.command("list")
def list_tokens(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """Names and roles; tokens themselves are not kept."""
    table = Table("name", "role", "made", "revoked", box=None)
    with reading(_engine(settings, data_dir)) as connection:
        for row in connection.execute(sa.select(tokens).order_by(tokens.c.created_at_ms)):
            revoked = _instant(row.revoked_at_ms) if row.revoked_at_ms else ""
            table.add_row(escape(row.name), row.role, _instant(row.created_at_ms), revoked)
    out.print(table)
