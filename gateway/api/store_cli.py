"""`anju store`: make a telemetry server ready, compute roll-ups of late readings, say how large it will be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from devices.measurements import MEASUREMENTS
from gateway.registry import store as registry_store
from gateway.registry.census import census
from gateway.registry.directory import CommunityDirectory
from gateway.settings import Settings
from gateway.store.protocol import StoreUnavailable
from gateway.terminal import DataDirOption, SettingsOption, err, fail, open_state, read_settings

T = TypeVar("T")

store_app = typer.Typer(
    no_args_is_help=True,
    help="""遥测库 · The telemetry store: set it up, roll it up, take data out, put it in, erase it.

    [bold]Once[/], for a server: [cyan]anju store setup[/].
    """,
)
out = Console(highlight=False)
ADMIN_TIMEOUT_MS = 600_000
"""Computing roll-ups of hours takes a server a while."""
_MARKS = {"made": ("green", "+"), "changed": ("yellow", "~"), "kept": ("dim", "="), "attention": ("yellow", "!")}

TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token-secret",
        help="Name of the secret with a token that may make buckets and tasks (1.x: an administrator's user:password); "
        "store.token_secret where not given.",
    ),
]


@store_app.command()
def setup(
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
    token_secret: TokenOption = None,
    shorten: Annotated[
        bool, typer.Option("--shorten", help="Also keep for a shorter time than now: deletes older data.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """准备遥测库 · Make the telemetry server ready: databases or buckets, retention, roll-ups. Safe to run again.

    `+` made, `~` changed, `=` kept as it is, `!` look at this.
    """
    loaded = read_settings(settings, data_dir)
    if loaded.store.kind == "embedded":
        out.print("内置遥测库，无需准备 the embedded store needs no set-up")
        return
    from gateway.store.influx_http import InfluxHttp
    from gateway.store.setup import set_up

    async def work(http: InfluxHttp) -> bool:
        server = await http.detect()
        out.print(f"{escape(server.name)}  {escape(loaded.store.url)}{'  (dry run)' if dry_run else ''}")
        looked_at = False
        async for step in set_up(http, server, loaded.store, shorten=shorten, dry_run=dry_run):
            colour, mark = _MARKS[step.did]
            said = f": {step.said}" if step.said else ""
            out.print(f"[{colour}]{mark}[/] {escape(step.what)}{escape(said)}", soft_wrap=True)
            looked_at |= step.did == "attention"
        return looked_at

    _run(loaded, token_secret, work)


@store_app.command()
def schema(
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
    times: Annotated[
        float, typer.Option("--times", min=0.01, help="倍数 · As if there were so many times as many devices.")
    ] = 1.0,
) -> None:
    """序列数、数据量 · How large telemetry becomes for the applied community: series, values a day, disk.

    The most there can be: every device says everything that its kind can say. docs/telemetry.md says what is assumed.
    """
    loaded = read_settings(settings, data_dir)
    community = registry_store.load(open_state(loaded))
    if community is None:
        fail("没有社区 no community has been applied", "run `anju apply FILE` first")
    found = census(CommunityDirectory(community, loaded.gateway_device), times=times)
    table = Table("测量 measurement", "", title=f"{community.community.name.zh}：{found.devices:,} 台设备 devices")
    for heading in ("序列 series", "每日数值 values a day"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        known = MEASUREMENTS.get(row.name)
        words = f"{known.zh} {known.en}" if known is not None else "各类设备的读数 readings of all kinds"
        table.add_row(row.name, words, f"{row.series:,}", f"{row.values_a_day:,}")
    table.add_section()
    table.add_row("全部 all", "", f"{found.series:,}", f"{found.values_a_day:,}")
    out.print(table)
    out.print(
        f"磁盘，每日 disk, a day: 原始 raw {found.raw_mb_a_day:,.0f} MB, 每分钟 by the minute "
        f"{found.minute_mb_a_day:,.0f} MB, 每小时 by the hour {found.hour_mb_a_day:,.0f} MB"
    )


@store_app.command()
def downsample(
    begin: Annotated[
        str, typer.Option("--from", help="起 · From then on: 2026-10-01 or 2026-10-01T08:30, local time.")
    ],
    until: Annotated[str, typer.Option("--to", help="止 · Until then, not including it.")],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
    token_secret: TokenOption = None,
) -> None:
    """补算汇总 · Compute the roll-ups by minute and hour of a stretch of the past anew.

    Needed where readings came later than the server looks back by itself (two hours for minutes, six for hours): after
    a long outage, or an import.
    """
    loaded = read_settings(settings, data_dir)
    if loaded.store.kind == "embedded":
        out.print("内置遥测库自行汇总 the embedded store rolls up late readings by itself")
        return
    zone = _zone(loaded)
    start_ms, end_ms = _instant_ms("--from", begin, zone), _instant_ms("--to", until, zone)
    if start_ms >= end_ms:
        fail("时间有误 --from is not before --to", code=2)
    from gateway.store.influx_http import InfluxHttp
    from gateway.store.setup.backlog import roll_up_again

    async def work(http: InfluxHttp) -> None:
        server = await http.detect()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        with ProgressBar(*columns, TimeRemainingColumn(), console=err) as bar:
            task = bar.add_task("汇总 rolling up", total=1.0)
            async for at in roll_up_again(http, server, loaded.store, start_ms, end_ms):
                upto = datetime.fromtimestamp(at.until_ms / 1000, zone)
                bar.update(task, completed=at.share, description=f"{at.roll_up.name} {upto:%Y-%m-%d %H:%M}")

    _run(loaded, token_secret, work)
    out.print("完成 done")


def _run(loaded: Settings, token_secret: str | None, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Work with the server, and end with a sentence where that fails."""
    from gateway.store.influx_http import InfluxHttp

    secret = token_secret or loaded.store.token_secret
    if not loaded.store.url:
        fail("没有地址 store.url is missing", "expected the server's address, such as http://127.0.0.1:8086", 2)
    try:
        token = loaded.secrets.get(secret) if secret else ""
    except (KeyError, OSError) as error:
        fail("缺少密钥 secret", error.args[0] if isinstance(error, KeyError) else error)

    async def opened() -> T:
        http = InfluxHttp(loaded.store, token, timeout_ms=ADMIN_TIMEOUT_MS)
        try:
            return await work(http)
        finally:
            await http.close()

    try:
        return asyncio.run(opened())
    except StoreUnavailable as error:
        fail("遥测库 telemetry store", f"{error}; {error.hint}" if error.hint else error)


def _zone(loaded: Settings) -> ZoneInfo:
    """The community's time zone; that of most communities where none is applied yet."""
    if loaded.database_url is None and not (loaded.data_dir / "state.db").exists():
        return ZoneInfo("Asia/Shanghai")
    community = registry_store.load(open_state(loaded))
    return ZoneInfo(community.community.timezone if community is not None else "Asia/Shanghai")


def _instant_ms(option: str, text: str, zone: ZoneInfo) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"时间有误 {option} {text}", "expected a local time such as 2026-10-01 or 2026-10-01T08:30", 2)
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)
