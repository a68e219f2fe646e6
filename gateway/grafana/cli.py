"""``anju grafana``: shows what an existing Grafana lacks, brings it there, and takes it away again."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from rich.console import Console

from dashboards.influxql import day_offset
from gateway.clock import SystemClock
from gateway.gear.keys import is_key_of, use_key
from gateway.gear.push import pushing
from gateway.grafana.boards import NoBoards, private_uids, read_boards
from gateway.grafana.client import Grafana, GrafanaError
from gateway.grafana.compare import seconds
from gateway.grafana.model import Found, Part, Step, Wanted
from gateway.grafana.plan import plan, removal
from gateway.grafana.show import show, summary
from gateway.grafana.wanted import FOLDER_UIDS, TEAMS, Site, StoreAccess, wanted
from gateway.registry import store as registry
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Community
from gateway.settings import Settings, write_private
from gateway.state.db import reading, writing
from gateway.store.protocol import StoreUnavailable
from gateway.terminal import DataDirOption, SettingsOption, err, fail, open_state, read_settings

grafana_app = typer.Typer(
    no_args_is_help=True,
    help="""大屏 · An existing Grafana: data source, dashboards, teams, and its alerts back into Anju.

    [bold]First[/]: [cyan]diff[/] shows what is missing and changes nothing. [cyan]apply[/] shows it, asks, and does it.

    [bold]Back[/]: [cyan]remove[/] takes away what Anju made, and nothing else.
    """,
)
out = Console(highlight=False)
WALL_REFRESH_S = 1
"""What burns now is to be on the wall within two seconds."""
T = TypeVar("T")

UrlOption = Annotated[str | None, typer.Option("--url", help="Grafana's address, before that of the settings.")]
TokenOption = Annotated[
    str | None,
    typer.Option("--token-secret", help="Name of the secret with a token, or user:password of an administrator."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@grafana_app.command()
def diff(
    url: UrlOption = None,
    token_secret: TokenOption = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """查看差异 · Show what would be created, changed, deleted or left alone, and change nothing.

    Exit code 1: something differs.
    """
    job = _Job(read_settings(settings, data_dir), url, token_secret)
    steps = job.look(job.wanted())
    raise typer.Exit(int(any(step.changes for step in steps)))


@grafana_app.command()
def apply(
    url: UrlOption = None,
    token_secret: TokenOption = None,
    yes: YesOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """应用到 Grafana · Bring Grafana to what the control room needs, after showing what that is.

    The first time with an administrator's token: it makes a service account for later times, whose token goes into a
    secret. Run again after a failure, it goes on where it stopped; run twice, it changes nothing.
    """
    job = _Job(read_settings(settings, data_dir), url, token_secret)
    steps = job.look(job.wanted())
    if dry_run:
        return
    if job.confirmed(steps, yes):
        job.do(steps)
    job.keep_token()


@grafana_app.command()
def remove(
    url: UrlOption = None,
    token_secret: TokenOption = None,
    yes: YesOption = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """撤除 · Take away what `anju grafana apply` made, and nothing else, after showing what that is."""
    job = _Job(read_settings(settings, data_dir), url, token_secret)
    steps = job.look(Wanted(), lambda found: removal(_of_ours(found), also=FOLDER_UIDS))
    if job.confirmed(steps, yes):
        job.do(steps)


def _of_ours(found: Found) -> Found:
    found.teams = {name: number for name, number in found.teams.items() if name in TEAMS}
    return found


class _Job:
    """One run of a command."""

    def __init__(self, settings: Settings, url: str | None, token_secret: str | None) -> None:
        self._settings = settings
        self._own = settings.grafana
        address = url or self._own.url
        if not address:
            fail("Grafana 的地址未知 where is Grafana?", "give --url, or grafana.url in the settings", 2)
        self._given = token_secret
        self._found = Found()
        self._door: _Door | None = None
        self._grafana = _try(lambda: Grafana(address, self._credential()))
        version = _try(self._grafana.version)
        out.print(f"Grafana {version}  {address}", soft_wrap=True)
        major = version.partition(".")[0]
        if major.isdigit() and int(major) < 12:
            fail(f"Grafana {version} 太旧 is too old", "Anju's dashboards need Grafana 12 or newer")

    def _credential(self) -> str:
        """From the secret that is named; else the administrator's, else the service account's, else asked for."""
        names = [self._given] if self._given else [self._own.admin_secret, self._own.token_secret]
        missing = ""
        for name in names:
            try:
                return self._settings.secrets.get(name)
            except KeyError as error:
                missing = str(error.args[0])
        if self._given or not sys.stdin.isatty():
            fail("没有 Grafana 的令牌 there is no token for Grafana", missing)
        return str(typer.prompt("Grafana 管理员令牌或 user:password · administrator's token", hide_input=True))

    # --- what is wanted -------------------------------------------------------------------------------------------

    def wanted(self) -> Wanted:
        """What is to be there for this gateway and its community."""
        settings = self._settings
        engine = open_state(settings)
        community = registry.load(engine)
        if community is None:
            fail("没有社区 there is no community yet", "anju apply FILE")
        access = self._store()
        gateway = settings.api.public_url or f"http://{settings.api.host}:{settings.api.port}"
        bridge, why = _bridge(community)
        self._door = _Door(engine, settings, bridge) if bridge else None
        try:
            boards = read_boards()
        except NoBoards as error:
            fail("没有面板 no dashboards", error)
        site = Site(
            public_url=gateway,
            day=_day(community),
            store=access,
            push_url=f"{(self._own.gateway_url or gateway).rstrip('/')}/push/{bridge}",
            push_key=self._door.key if self._door is not None else "",
            no_alerts=why,
            everyone=self._own.everyone,
            min_refresh=_try(self._grafana.min_refresh),
        )
        if (seconds(site.min_refresh) or 0) > WALL_REFRESH_S:
            err.print(
                f"此 Grafana 最短刷新间隔为 {site.min_refresh}：大屏将慢于 1 秒。This Grafana refreshes no faster than "
                f"{site.min_refresh}, and the wall with it: set min_refresh_interval = 1s under [dashboards]",
                soft_wrap=True,
                markup=False,
            )
        return wanted(site, boards, private_uids())

    def _store(self) -> StoreAccess:
        store = self._settings.store
        if store.kind != "influxdb":
            fail(
                "遥测在内嵌库中 telemetry is in the embedded store, which Grafana cannot read",
                "set store.kind: influxdb, or look at /boards on the gateway's own pages",
            )
        secret = self._own.store_token_secret or store.token_secret
        try:
            token = self._settings.secrets.get(secret) if secret else ""
        except KeyError as error:
            fail("缺少密钥 a secret is missing", error.args[0])

        # Only here: its client takes half a second to load, and every command would wait for it.
        from gateway.store.influx_http import InfluxHttp

        async def detect() -> int:
            server = InfluxHttp(store, self._settings.secrets.get(store.token_secret) if store.token_secret else "")
            try:
                return (await server.detect()).major
            finally:
                await server.close()

        try:
            major = asyncio.run(detect())
        except StoreUnavailable as error:
            fail("遥测库没有应答 the telemetry store does not answer", error)
        if major == 0:
            fail(
                "VictoriaMetrics 不支持 InfluxQL", "the dashboards ask in InfluxQL, which VictoriaMetrics does not know"
            )
        return StoreAccess(url=self._own.store_url or store.url, bucket=store.bucket, major=major, token=token)

    # --- looking and doing ----------------------------------------------------------------------------------------

    def look(self, what: Wanted, how: Callable[[Found], list[Step]] | None = None) -> list[Step]:
        """Read Grafana, and print the steps."""
        self._found = _try(lambda: self._grafana.read(what, FOLDER_UIDS))
        steps = how(self._found) if how is not None else plan(what, self._found)
        show(steps, out)
        if self._door is not None and not self._door.known:
            out.print(
                f"[yellow]~[/] 推送密钥 key of bridge {self._door.bridge}: as the secret {self._door.secret} has it"
            )
        out.print(summary(steps) or "无 nothing")
        return steps

    def confirmed(self, steps: Sequence[Step], yes: bool) -> bool:
        changes = sum(step.changes for step in steps) + int(self._door is not None and not self._door.known)
        if not changes:
            return False
        if yes:
            return True
        if not sys.stdin.isatty():
            fail("需要确认 this must be confirmed", "add --yes where nobody can answer")
        return typer.confirm(f"执行这 {changes} 项更改？ Make these {changes} changes?", default=False)

    def do(self, steps: Sequence[Step]) -> None:
        """Take the steps one by one; stops at the first that fails."""
        if self._door is not None:
            self._door.use()
        changes = [step for step in steps if step.changes]
        for done, step in enumerate(changes):
            try:
                self._grafana.take(step, self._found)
            except GrafanaError as error:
                err.print(f"[bold red]{step.action} {step.part} {step.key}[/]: {error}", soft_wrap=True, markup=True)
                fail(
                    f"已完成 {done} 项，停在第 {done + 1} 项 stopped after {done} of {len(changes)} changes",
                    "mend that and run it again: it goes on from here",
                )
        out.print(f"[bold green]完成 done[/]: {len(changes)}")

    def keep_token(self) -> None:
        """The service account's token goes into its secret, where there is none yet."""
        held, name = self._settings.secrets, self._own.token_secret
        if Part.ACCOUNT in self._found.closed or self._found.account is None:
            return
        try:
            held.get(name)
        except KeyError:
            account = self._found.account
            lives_s = self._own.token_days * 86_400
            token = _try(lambda: self._grafana.make_token(account, self._settings.gateway_device, lives_s))
            held.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(held.directory / name, token + "\n")
            out.print(f"以后使用 later times use the token in {held.directory / name}", soft_wrap=True)


class _Door:
    """The door that alerts come in by, and its key: both sides read it from one secret."""

    def __init__(self, engine: sa.Engine, settings: Settings, bridge: str) -> None:
        self._engine, self._secrets = engine, settings.secrets
        self.bridge, self.secret = bridge, settings.grafana.push_key_secret
        try:
            self.key = self._secrets.get(self.secret)
        except KeyError:
            self.key = ""
        with reading(engine) as connection:
            self.known = bool(self.key) and is_key_of(connection, bridge, self.key)
        if not self.key:
            self.key = secrets.token_urlsafe(24)
            self._new = True
        else:
            self._new = False

    def use(self) -> None:
        """From now on the door knows this key, and the secret holds it. Ends the command for one that is no key."""
        if self.known:
            return
        if self._new:
            self._secrets.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self._secrets.directory / self.secret, self.key + "\n")
        try:
            with writing(self._engine) as connection:
                use_key(connection, self.bridge, self.key, SystemClock().now_ms())
        except ValueError as error:
            fail(f"密钥无法使用 the secret {self.secret}", error)
        self.known = True


def _bridge(community: Community) -> tuple[str, str]:
    """The bridge that alerts come in by, or why there is none."""
    directory = CommunityDirectory(community)
    for bridge in directory.bridges.values():
        if bridge.profile == "grafana" and pushing(directory, bridge.id) is not None:
            return bridge.id, ""
    return "", (
        "the community has no bridge of profile grafana: alerts are not connected. Add "
        "bridges: [{id: grafana, profile: grafana}] and a monitor (docs/devices/grafana.md), then apply again"
    )


def _day(community: Community) -> str:
    now = datetime.fromtimestamp(SystemClock().now_ms() / 1000, ZoneInfo(community.community.timezone))
    offset = now.utcoffset()
    assert offset is not None
    return day_offset(-int(offset.total_seconds()) * 1000)


def _try(call: Callable[[], T]) -> T:
    """The answer; ends the command with a sentence where Grafana does not do it."""
    try:
        return call()
    except GrafanaError as error:
        fail("Grafana", error)
