"""The command ``anju``. Each room brings its own commands; what runs the gateway stands here."""

from __future__ import annotations

import asyncio
import logging
import os
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer
from rich.logging import RichHandler

from gateway import gear_try
from gateway.api import (
    battery_cli,
    device_cli,
    record_cli,
    rules_cli,
    rules_edit_cli,
    store_erase_cli,
    store_export_cli,
    store_import_cli,
    work_cli,
)
from gateway.api.cli import cases_app, token_app
from gateway.api.drills_cli import drill_app
from gateway.api.figures_cli import figures
from gateway.api.journal_cli import journal_app
from gateway.api.ladder_cli import ladder_app
from gateway.api.store_cli import store_app
from gateway.api.where_cli import where
from gateway.backtest.cli import backtest
from gateway.demo.cli import demo
from gateway.doctor import doctor
from gateway.explain.cli import explain
from gateway.gateways_cli import gateways_app
from gateway.grafana.cli import grafana_app
from gateway.init.cli import init
from gateway.registry import devices_bulk_cli, devices_care_cli, devices_edit_cli, devices_list_cli
from gateway.registry.cli import apply, config_app
from gateway.registry.roster_cli import roster_app
from gateway.send import send
from gateway.terminal import DataDirOption, SettingsOption, err, fail, read_settings

if TYPE_CHECKING:
    from gateway.app import Gateway

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""[bold]安居 Anju[/]: a smart-community edge gateway. A key is pressed, and help comes.

    [bold]Start here[/]: [cyan]anju demo[/] runs a gateway with a simulated community and shows what happens;
    [cyan]anju demo --scenario heart-attack[/] plays a story.

    [bold]For a real community[/]: [cyan]anju config check FILE[/], [cyan]anju apply FILE[/], [cyan]anju serve[/].
    """,
)

devices_app = typer.Typer(
    no_args_is_help=True,
    help="设备 · Devices: list, adopt, change, replace, test, retire; batteries and firmware; tables of them.",
)

rules_app = typer.Typer(
    no_args_is_help=True,
    help="""规则 · Rules: look at them, try them, change them without a restart.

    [bold]To change one[/]: [cyan]show ID > FILE[/], change FILE, [cyan]test FILE[/], [cyan]edit FILE[/].

    [bold]A new one[/]: [cyan]add FILE --shadow[/] tries it out and tells nobody; [cyan]live ID[/] some days later.

    [bold]Back[/]: [cyan]history ID[/] and [cyan]restore ID VERSION[/]; [cyan]disable ID[/] switches it off at once.
    """,
)


@app.command()
def serve(
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log details.")] = False,
) -> None:
    """运行网关 · Run the gateway until Ctrl-C.

    It needs a community first: `anju apply FILE`. The first start prints an administrator's token, once.
    """
    # Only here: the other commands need not wait until the whole gateway is loaded.
    from gateway.app import serve as run_gateway
    from gateway.assembly.problem import NotConfigured
    from gateway.journal.file import JournalError
    from gateway.store.protocol import StoreUnavailable
    from gateway.transports.broker import BrokerError

    log_to_terminal(verbose)
    loaded = read_settings(settings, data_dir)
    try:
        asyncio.run(run_gateway(loaded, _announce))
    except (NotConfigured, BrokerError, JournalError, StoreUnavailable, OSError, KeyError, ValueError) as error:
        fail("网关无法运行 anju cannot run", error.args[0] if isinstance(error, KeyError) else error)
    except sa.exc.OperationalError as error:
        fail(f"数据库无法使用 the state database cannot be used ({engine_name(loaded.database)})", error.orig)


def engine_name(url: str) -> str:
    """A database's address without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def _announce(gateway: Gateway) -> None:
    err.print(f"[bold green]安居 Anju 已就绪 is ready[/]  {gateway.url}")
    if gateway.first_token is not None:
        err.print(
            "管理员令牌（仅显示这一次）· administrator's token, shown this once:\n"
            f"  [bold]{gateway.first_token}[/]\n"
            f"  {gateway.url}/#token={gateway.first_token}"
        )


def log_to_terminal(verbose: bool) -> None:
    """Log lines for people, on standard error."""
    handler = RichHandler(console=err, show_path=False, rich_tracebacks=False, log_time_format="%m-%d %H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(name)s: %(message)s")
    logging.getLogger("gateway").setLevel(logging.DEBUG if verbose else logging.INFO)
    for noisy in ("alembic", "httpx", "apprise", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


app.command()(demo)
app.command()(apply)
app.command()(send)
app.command()(backtest)
app.command()(explain)
app.command()(doctor)
app.command()(init)
app.command()(where)
app.command()(figures)
record_cli.add_to(cases_app)
work_cli.add_to(cases_app)
for _room in (devices_list_cli, devices_edit_cli, devices_care_cli, devices_bulk_cli, battery_cli):
    _room.add_to(devices_app)
for _room in (rules_cli, rules_edit_cli):
    _room.add_to(rules_app)
for _room in (store_export_cli, store_import_cli, store_erase_cli):
    _room.add_to(store_app)
devices_app.command("command")(device_cli.command)
devices_app.command("key")(device_cli.key)
app.add_typer(config_app, name="config")
devices_app.command("try")(gear_try.try_profile)
devices_app.command("profiles")(gear_try.list_profiles)
app.add_typer(devices_app, name="devices")
app.add_typer(rules_app, name="rules")
app.add_typer(cases_app, name="cases")
app.add_typer(ladder_app, name="ladder")
app.add_typer(drill_app, name="drill")
app.add_typer(roster_app, name="roster")
app.add_typer(gateways_app, name="gateways")
app.add_typer(grafana_app, name="grafana")
app.add_typer(store_app, name="store")
app.add_typer(journal_app, name="journal", help="日志 · What devices said: look into the journal.")
app.add_typer(token_app, name="token")
for _entry in sorted(entry_points(group="anju.commands"), key=lambda entry: entry.name):
    app.add_typer(_entry.load(), name=_entry.name)


def main() -> None:
    """Entry point of the console script."""
    # What it writes tells of residents' health: databases, exports, records of cases are whoever runs it alone.
    os.umask(0o077)
    app()
