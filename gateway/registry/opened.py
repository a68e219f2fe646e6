"""What the commands about devices share: the registry of a gateway that exists, and how things are said."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.table import Table

from gateway.clock import SystemClock
from gateway.registry import desk, overrides, store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.model import Device
from gateway.state.db import reading
from gateway.state.tables import device_states
from gateway.terminal import fail, open_state, read_settings

out = Console(highlight=False)

DeviceArgument = Annotated[str, typer.Argument(metavar="ID", help="The device's id.", show_default=False)]
WhyOption = Annotated[str, typer.Option("--why", help="Why; it stands in the device's history.")]


def listing(*names: str, whole: int = 1) -> Table:
    """A table whose first ``whole`` columns are never cut: what stands there is typed again. Others go on below."""
    table = Table()
    for number, name in enumerate(names):
        table.add_column(name, no_wrap=number < whole, overflow="fold")
    return table


@dataclass(frozen=True)
class Opened:
    """One gateway's registry, at one instant."""

    engine: sa.Engine
    directory: CommunityDirectory
    now_ms: int

    @property
    def zone(self) -> ZoneInfo:
        """The community's time zone."""
        return ZoneInfo(self.directory.community.community.timezone)

    def device(self, device: str) -> Device:
        """A registered device; ends the command with a sentence where there is none."""
        try:
            return desk.find(self.directory.community, device)
        except desk.Refused as refused:
            refuse(refused)

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        """What devices said of themselves, by id."""
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(device_states)).all()
        return {row.device: row._asdict() for row in rows}

    def instant(self, at_ms: int | None) -> str:
        """By the community's clock, to the second."""
        if at_ms is None:
            return "—"
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.zone).isoformat(sep=" ", timespec="seconds")

    def day(self, at_ms: int | None) -> str:
        """The date by the community's clock; a dash for never."""
        return "—" if at_ms is None else self.instant(at_ms)[:10]


@contextmanager
def opened(settings: Path | None, data_dir: Path | None) -> Iterator[Opened]:
    """The registry of a gateway; ends the command where there is no gateway, or no community."""
    engine = open_state(read_settings(settings, data_dir))
    try:
        community = store.load(engine)
        if community is None:
            refuse(desk.NoCommunity())
        now_ms = SystemClock().now_ms()
        with reading(engine) as connection:
            made = overrides.load(connection, now_ms - overrides.KEPT_MS)
        yield Opened(engine, CommunityDirectory(community, overrides=made), now_ms)
    finally:
        engine.dispose()


def actor() -> str:
    """Who sits before this terminal, as histories name them."""
    return f"operator:{getpass.getuser()}"


def carried_out(engine: sa.Engine, plan: desk.Plan, now_ms: int) -> desk.Done:
    """Change the registry, and say what else is worth a look; ends the command where it is refused."""
    try:
        done = desk.carry_out(engine, plan, actor(), now_ms)
    except desk.Refused as refused:
        refuse(refused)
    for warning in done.warnings:
        out.print(f"提醒 warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    return done


def refuse(refused: desk.Refused) -> NoReturn:
    """End the command with everything that stands against it."""
    fail("未执行 not done", "".join(f"\n  {fault}" for fault in refused.faults))


def changed(done: desk.Done, what: str, same: str = "没有变化 nothing to change") -> None:
    """Say what was done."""
    if done.devices:
        out.print(f"[green]✓[/] {what}, revision {done.revision}", soft_wrap=True)
    else:
        out.print(same)


def shown(value: Any, unit: str = "") -> str:
    """A value for people, who need not read ``None``."""
    return "—" if value in (None, "") else f"{value}{unit}"
