"""`anju cases` and `anju token`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import httpx
import sqlalchemy as sa
import typer
from rich.console import Console
from rich.table import Table

from gateway.api import reads
from gateway.api.auth import Role, create_token, revoke_token
from gateway.cases.commands import Action
from gateway.clock import SystemClock
from gateway.settings import load_settings
from gateway.state.db import open_database, reading
from gateway.state.tables import tokens

cases_app = typer.Typer(no_args_is_help=True, help="案卷 · Cases: list, read, act.")
token_app = typer.Typer(no_args_is_help=True, help="令牌 · Tokens: who may read and act.")
out = Console()

SettingsOption = Annotated[Path | None, typer.Option("--settings", help="Settings of this gateway (YAML).")]
DataDirOption = Annotated[Path | None, typer.Option("--data-dir", help="Data directory, before that of the settings.")]


def _engine(settings: Path | None, data_dir: Path | None) -> sa.Engine:
    loaded = load_settings(settings)
    if data_dir is not None:
        loaded = loaded.model_copy(update={"data_dir": data_dir})
    if loaded.database_url is None and not (loaded.data_dir / "state.db").exists():
        raise typer.BadParameter(f"there is no gateway's data in {loaded.data_dir}", param_hint="--data-dir")
    return open_database(loaded.database)


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%m-%d %H:%M:%S")


@cases_app.command("list")
def list_cases(
    all_: Annotated[bool, typer.Option("--all", help="Closed and cancelled ones as well.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 30,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Open cases, the newest first."""
    table = Table("case", "opened", "type", "severity", "stage", "owner", "120", "place", "resident", box=None)
    for case in reads.cases(_engine(settings, data_dir), open_only=not all_, limit=limit):
        table.add_row(
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
    out.print(table)


@cases_app.command("show")
def show_case(case_id: str, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """One case: its timeline, and everything that was said with every attempt."""
    engine = _engine(settings, data_dir)
    case = reads.case(engine, case_id)
    if case is None:
        raise typer.BadParameter(f"there is no case {case_id!r}")
    out.print(f"[bold]{case.number}[/] {case.type} {case.stage.value} · {case.explanation}")
    lines = Table("at", "who", "what", "why", "facts", box=None)
    for line in reads.timeline(engine, case_id):
        data = {key: value for key, value in line.data.items() if key != "evidence"}
        facts = json.dumps(data, ensure_ascii=False) if data else ""
        lines.add_row(_instant(line.at_ms), line.actor, f"{line.zh} {line.en}", line.reason, facts)
    out.print(lines)
    said = Table("said", "to", "by", "status", "attempts", box=None)
    for row in reversed(reads.outbox(engine, case_id=case_id, status=None, limit=1000)):
        tries = "; ".join(f"{one.result or 'running'} {one.detail or ''}".strip() for one in row.tries)
        said.add_row(row.purpose, row.person or row.to, row.channel, row.status, tries)
    out.print(said)


@cases_app.command("act")
def act(
    case_id: str,
    action: Annotated[str, typer.Argument(help="acknowledge, dispatch, arrive, resolve, verify, close, cancel …")],
    reason: Annotated[str, typer.Option(help="Why; needed for cancel, veto, release and note.")] = "",
    to: Annotated[str, typer.Option(help="Who is dispatched, or arrived.")] = "",
    url: Annotated[str, typer.Option(envvar="ANJU_URL", help="The gateway.")] = "http://127.0.0.1:8120",
    token: Annotated[str, typer.Option(envvar="ANJU_TOKEN", help="An operator's token.")] = "",
) -> None:
    """Decide on a case of a running gateway."""
    known: tuple[Action, ...] = Action.__args__  # type: ignore[attr-defined]  # the Literal's own values
    if action not in known:
        raise typer.BadParameter(f"expected one of {', '.join(known)}", param_hint="action")
    try:
        answer = httpx.post(
            f"{url}/api/v1/cases/{case_id}/{action}",
            json={"reason": reason, "to": to},
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
    except httpx.HTTPError as error:
        out.print(f"[red]no gateway at {url}[/]: {error}")
        raise typer.Exit(1) from None
    document = answer.json()
    if answer.is_error:
        out.print(
            f"[red]{answer.status_code}[/] {document.get('zh', '')} {document.get('en') or document.get('detail')}"
        )
        raise typer.Exit(1)
    out.print(f"{case_id}: {document['case']['stage']}")


@token_app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who it is for; the timeline names them so.")],
    role: Annotated[Literal["reader", "operator", "admin"], typer.Option(help="What it may do.")] = "operator",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Make a token and print it, this once."""
    granted: Role = role
    try:
        with _engine(settings, data_dir).begin() as connection:
            token = create_token(connection, name, granted, SystemClock().now_ms())
    except sa.exc.IntegrityError:
        raise typer.BadParameter(f"there is a token {name!r} already; revoke it or take another name") from None
    typer.echo(token)


@token_app.command("revoke")
def revoke(name: str, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """Make a token worthless at once."""
    with _engine(settings, data_dir).begin() as connection:
        if not revoke_token(connection, name, SystemClock().now_ms()):
            raise typer.BadParameter(f"there is no valid token {name!r}")
    typer.echo(f"{name}: revoked")


@token_app.command("list")
def list_tokens(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """Names and roles; tokens themselves are not kept."""
    table = Table("name", "role", "made", "revoked", box=None)
    with reading(_engine(settings, data_dir)) as connection:
        for row in connection.execute(sa.select(tokens).order_by(tokens.c.created_at_ms)):
            revoked = _instant(row.revoked_at_ms) if row.revoked_at_ms else ""
            table.add_row(row.name, row.role, _instant(row.created_at_ms), revoked)
    out.print(table)
