"""`anju cases verify` and `anju cases export`: what was written down, checked and handed out."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.api import reads
from gateway.api.export import export_case, verify_export
from gateway.cases.chain import Verdict
from gateway.clock import SystemClock
from gateway.record import anchors, chains
from gateway.record.attachments import files_of
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.state.db import reading
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

out = Console(highlight=False)


def add_to(cases_app: typer.Typer) -> None:
    """Hang the commands into `anju cases`."""
    cases_app.command("verify")(verify)
    cases_app.command("export")(export)


def verify(
    case_id: Annotated[str | None, typer.Argument(help="One case; without it all of them.", show_default=False)] = None,
    file: Annotated[Path | None, typer.Option(help="An export as JSON: verified without any database.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """校验 · Whether the timelines are as they were written; ends with status 1 where one is not."""
    if file is not None:
        _verify_file(file)
        return
    engine = open_state(read_settings(settings, data_dir))
    with reading(engine) as connection:
        found = list(chains.verdicts(connection, limit=10_000_000, case=case_id))
        held = anchors.verify(connection) if case_id is None else []
    if case_id is not None and not found:
        fail(f"没有案卷 there is no case {case_id!r}", "`anju cases list --all` shows all")
    for verdict in found:
        if case_id is not None or not verdict.whole:
            _say(verdict)
    for anchor in held:
        if not anchor.whole:
            said = "、".join(anchor.changed) or "its digest"
            out.print(f"[red]锚点 anchor {anchor.number}[/]: 已被改动 changed: {escape(said)}")
    broken = sum(not one.whole for one in found) + sum(not one.whole for one in held)
    if case_id is None:
        out.print(
            f"案卷 cases {len(found)}，锚点 anchors {len(held)}，"
            + (f"[red]{broken} 处不符 not as they were[/]" if broken else "全部完整 all whole")
        )
        if held:
            out.print(f"最新锚点 newest anchor {held[-1].number}  {held[-1].digest}")
    if broken:
        raise typer.Exit(1)


def _verify_file(file: Path) -> None:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise ValueError("expected a JSON object")
        verdict, odd = verify_export(document)
    except (OSError, ValueError) as error:
        fail(f"无法校验 {file} cannot be verified", error)
    _say(verdict)
    for said in odd:
        out.print(f"[red]{escape(said)}[/]")
    if odd or not verdict.whole:
        raise typer.Exit(1)


def _say(verdict: Verdict) -> None:
    colour = "green" if verdict.whole else "red"
    before = f"，其中 {verdict.before} 条早于散列链 {verdict.before} before there was a chain" if verdict.before else ""
    out.print(f"{escape(verdict.number)}  [{colour}]{verdict.zh} {verdict.en}[/]  {verdict.lines} 条 lines{before}")
    out.print(f"  链头 head {verdict.head}")


def export(
    case_id: Annotated[str, typer.Argument(help="The case's number, such as 2026-000042.", show_default=False)],
    pdf: Annotated[bool, typer.Option("--pdf", help="To be read by people.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="To be verified offline; the default.")] = False,
    to: Annotated[Path | None, typer.Option(help="Where to; default case-NUMBER.pdf or .json here.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导出 · Everything about one case, for a court or an insurer."""
    if pdf and json_:
        fail("二选一 choose one", "--pdf or --json")
    loaded = read_settings(settings, data_dir)
    engine = open_state(loaded)
    case = reads.case(engine, case_id)
    if case is None:
        fail(f"没有案卷 there is no case {case_id!r}", "`anju cases list --all` shows all")
    community = registry_store.load(engine)
    directory = None if community is None else CommunityDirectory(community)
    by = f"system user {getpass.getuser()}"
    document = export_case(engine, directory, case, by=by, now_ms=SystemClock().now_ms())
    if pdf:
        from gateway.api.export_pdf import as_pdf  # its fonts take a moment

        data = as_pdf(document, files_of(loaded))
    else:
        data = document.model_dump_json(indent=1).encode()
    path = to or Path(f"case-{case.number}.{'pdf' if pdf else 'json'}")
    try:
        path.write_bytes(data)
    except OSError as error:
        fail(f"无法写入 {path} cannot be written", error.strerror or error)
    out.print(f"{path}  {len(data)} B  {document.verdict.zh} {document.verdict.en}")
