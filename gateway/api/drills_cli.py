"""`anju drill`: drills of a running gateway, from order to report."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape

from gateway.api.remote import TokenOption, UrlOption, ask, ask_list
from gateway.api.words import OUTBOX_STATES, channel, words
from gateway.terminal import fail

out = Console(highlight=False)
GATEWAY = "http://127.0.0.1:8120"
STATES = {
    "ordered": "待开始 ordered",
    "running": "进行中 running",
    "ending": "正在结束 ending",
    "ended": "已结束 ended",
    "missed": "错过 missed",
}
drill_app = typer.Typer(
    no_args_is_help=True,
    help="""演练 · Drills: nobody in danger, every message marked, no public line is called.

    [bold]Of a key[/]: [cyan]start --device sos-1 "training of the night shift"[/]; its next press is the drill, every
    further one is real.
    """,
)


@drill_app.command("list")
def list_(url: UrlOption = GATEWAY, token: TokenOption = "") -> None:
    """最近的演练 · The newest drills, and how they went."""
    for drill in ask_list("/api/v1/drills", url, token):
        out.print(_line(drill))


@drill_app.command()
def show(
    drill_id: Annotated[str, typer.Argument(help="As `anju drill list` says it.", show_default=False)],
    url: UrlOption = GATEWAY,
    token: TokenOption = "",
) -> None:
    """一次演练的报告 · The report of a drill."""
    drill = ask("GET", f"/api/v1/drills/{quote(drill_id, safe='')}", url, token)
    out.print(_line(drill))
    report = drill.get("report") or {}
    for zh, en in report.get("why", ()):
        out.print(f"  [red]{escape(zh)}[/] {escape(en)}")
    for case in report.get("cases", ()):
        out.print(f"  {case['number']}：{case['answered_by'] or '无人应答 nobody answered'}")
        for one in case["sent"]:
            out.print(
                f"    {one['rung'] or ''} {one['person']} {channel(one['channel']).zh} {one['channel']}"
                f" {words(OUTBOX_STATES, one['status']).zh} {one['status']} {escape(one['detail'])}"
            )


@drill_app.command()
def start(
    reason: Annotated[str, typer.Argument(help="What it is for.", show_default=False)],
    device: Annotated[list[str] | None, typer.Option(help="The next press of this device is the drill.")] = None,
    resident: Annotated[list[str] | None, typer.Option(help="Begins at once at this resident's home.")] = None,
    place: Annotated[list[str] | None, typer.Option(help="Begins at once at this place.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=240, help="It ends by itself after so long.")] = 30,
    everybody: Annotated[bool, typer.Option("--everybody", help="Tell the family and neighbours, too.")] = False,
    url: UrlOption = GATEWAY,
    token: TokenOption = "",
) -> None:
    """开始演练 · Begin a drill; several homes or keys make it site-wide."""
    subjects = [
        {kind: name}
        for kind, names in (("device", device), ("resident", resident), ("place", place))
        for name in names or ()
    ]
    if not subjects:
        fail("请给出地点 nothing to drill", "give --device, --resident or --place")
    order = {
        **{"reason": reason, "subjects": subjects, "minutes": minutes, "key": secrets.token_hex(8)},
        "tell": "everybody" if everybody else "staff",
    }
    out.print(_line(ask("POST", "/api/v1/drills", url, token, order)))


@drill_app.command()
def end(
    drill_id: Annotated[str, typer.Argument(help="As `anju drill list` says it.", show_default=False)],
    url: UrlOption = GATEWAY,
    token: TokenOption = "",
) -> None:
    """提前结束演练 · End a drill before its time."""
    out.print(_line(ask("POST", f"/api/v1/drills/{quote(drill_id, safe='')}/end", url, token)))


def _line(drill: dict[str, Any]) -> str:
    try:
        report = drill["report"]
        how = "" if report is None else "  [green]通过 passed[/]" if report["passed"] else "  [red]未通过 FAILED[/]"
        at = datetime.fromtimestamp(drill["due_ms"] / 1000).astimezone()
        return f"{escape(drill['id'])}  {at:%Y-%m-%d %H:%M}  {escape(drill['zh'])}  {STATES[drill['state']]}{how}"
    except (LookupError, TypeError):
        fail("no gateway of this version", f"{drill!s:.200}")
