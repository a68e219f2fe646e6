"""`anju gateways`: the gateways that work on one state database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.table import Table

from gateway.clock import SystemClock
from gateway.state.db import open_database, reading, writing
from gateway.state.human_tables import gateways, leadership
from gateway.state.leadership import PEER_S, known_gateways
from gateway.terminal import DataDirOption, SettingsOption, fail, read_settings

gateways_app = typer.Typer(
    no_args_is_help=True, help="网关 · Several gateways on one database: who leads, who is there."
)
_out = Console(highlight=False)


def _database(settings: SettingsOption, data_dir: DataDirOption) -> sa.Engine:
    loaded = read_settings(settings, data_dir)
    try:
        return open_database(loaded.database)
    except sa.exc.OperationalError as error:
        fail("数据库无法使用 the state database cannot be used", error.orig)


@gateways_app.command("list")
def list_gateways(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """所有网关 · Every gateway on this database, by rank, and which of them leads."""
    engine = _database(settings, data_dir)
    with reading(engine) as connection:
        row = connection.execute(sa.select(leadership)).one_or_none()
    now_ms = SystemClock().now_ms()
    table = Table("网关 gateway", "次序 rank", "最后出现 last seen", "状态 state")
    for name, rank, seen_ms in known_gateways(engine):
        there = now_ms - seen_ms < PEER_S * 1000
        leads = row is not None and row.instance and row.holder == name
        state = "失联 not seen" if not there else "为主 leads" if leads else "备用 stands by"
        table.add_row(
            name, str(rank), f"{datetime.fromtimestamp(seen_ms / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}", state
        )
    _out.print(table)


@gateways_app.command()
def forget(
    gateway: Annotated[str, typer.Argument(help="One that was taken out of service.", show_default=False)],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """停用一台 · Forget a gateway that will not come back: nobody waits for it or misses it any more."""
    with writing(_database(settings, data_dir)) as connection:
        row = connection.execute(sa.select(gateways).where(gateways.c.gateway == gateway)).one_or_none()
        if row is None:
            fail(f"没有这台网关 no gateway {gateway!r} on this database", "anju gateways list")
        if SystemClock().now_ms() - row.seen_ms < PEER_S * 1000:
            fail(f"网关 {gateway} 在线 is there", "先停止它 stop it first")
        connection.execute(sa.delete(gateways).where(gateways.c.gateway == gateway))
    _out.print(f"✓ {gateway}")
