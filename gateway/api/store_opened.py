"""What `anju store export`, `import` and `erase` share: the gateway they work on, a bar, and faults in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from devices.telemetry import NOWHERE, Stamps
from gateway.clock import SystemClock
from gateway.journal.file import JournalError
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.serving import load_lives
from gateway.settings import Settings
from gateway.state.db import reading
from gateway.store import StoreUnavailable
from gateway.store.transfer.erasing import NotSeen
from gateway.store.transfer.files import Format
from gateway.store.transfer.line_reader import Refused
from gateway.store.transfer.parquet_rows import ParquetMissing
from gateway.store.transfer.selection import Served, Serving
from gateway.store.transfer.source import CannotErase
from gateway.terminal import err, fail, open_state, read_settings

out = Console(highlight=False)

LEFT = 3
"""The exit status of what was done but for a part: lines that were not taken, values that are still there."""

FromOption = Annotated[
    str | None, typer.Option("--from", help="起 · From then on: 2026-10-01 or 2026-10-01T08:30, local time.")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="止 · Until then, not including it.")]
DeviceOption = Annotated[list[str] | None, typer.Option("--device", help="设备 · Only this device; may be repeated.")]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="line: line protocol. Without it as the file's name says.")
]


@dataclass(frozen=True)
class Opened:
    """One gateway's settings and state, as these commands need them."""

    settings: Settings
    engine: sa.Engine

    @cached_property
    def directory(self) -> CommunityDirectory | None:
        """The community; None before one was applied."""
        community = registry_store.load(self.engine)
        return None if community is None else CommunityDirectory(community)

    @cached_property
    def zone(self) -> ZoneInfo:
        """Of the community; Beijing's before one was applied."""
        directory = self.directory
        return ZoneInfo(directory.community.community.timezone if directory is not None else "Asia/Shanghai")

    @cached_property
    def serving(self) -> Serving:
        """Which device served whom, and when."""
        with reading(self.engine) as connection:
            lives = load_lives(connection)
        return Serving({device: [Served(*turn) for turn in life] for device, life in lives.items()})

    @cached_property
    def kinds(self) -> dict[str, str]:
        """Device → kind."""
        directory = self.directory
        return {} if directory is None else {d.id: d.kind for d in directory.community.devices}

    def stamps(self, device: str) -> Stamps:
        """Where a registered device is; NOWHERE for any other."""
        directory = self.directory
        known = directory is not None and device in self.kinds
        return directory.areas.of_device(device) if known and directory is not None else NOWHERE

    def instant_ms(self, option: str, text: str | None, otherwise: int) -> int:
        """What ``option`` says, by local time; ``otherwise`` where it was not given. Exits with 2 where it is none."""
        if text is None:
            return otherwise
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            fail(f"时间有误 {option} {text}", "expected a local time such as 2026-10-01 or 2026-10-01T08:30", 2)
        return int((at if at.tzinfo is not None else at.replace(tzinfo=self.zone)).timestamp() * 1000)

    def resident(self, id_: str) -> str:
        """Name and id of a resident, for people; ends the command where nobody of this id was ever known."""
        directory = self.directory
        if directory is not None:
            found = next((one for one in directory.community.residents if one.id == id_), None)
            if found is not None:
                return f"{found.name} ({id_})"
        if not self.serving.devices_of(id_):
            err.print(
                f"[yellow]注意[/] 名册中没有居民 {escape(id_)} the registry knows no resident {escape(id_)}, neither "
                "now nor before: only what is kept under this id in the store is found",
                soft_wrap=True,
            )
        return id_

    def is_resident(self, id_: str) -> bool:
        """Whether a resident has this id."""
        directory = self.directory
        return directory is not None and any(one.id == id_ for one in directory.community.residents)


def open_gateway(settings: Path | None, data_dir: Path | None) -> Opened:
    """The settings and the state database, as the gateway would find them. Exits where they cannot be read."""
    loaded = read_settings(settings, data_dir)
    return Opened(loaded, open_state(loaded))


@contextmanager
def bar_of(what: str) -> Iterator[Callable[[float, str], None]]:
    """A bar on a terminal: how much is done, and some words."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=1.0, said="")
        yield lambda done, said: bar.update(task, completed=done, said=said)


@contextmanager
def sentences(what: str) -> Iterator[None]:
    """What goes wrong, in a sentence."""
    try:
        yield
    except StoreUnavailable as error:
        fail(f"{what}：遥测库 the telemetry store", f"{error}{'; ' if error.hint else ''}{error.hint}")
    except ParquetMissing as error:
        fail(what, error, 2)
    except (Refused, ValueError) as error:
        fail(what, error, 2)
    except KeyError as error:
        fail(what, error.args[0])
    except CannotErase as error:
        fail(f"{what}：遥测库做不到 the store cannot", error, LEFT)
    except (OSError, JournalError, NotSeen) as error:
        fail(what, error)
    except KeyboardInterrupt:
        fail(what, "已中断 interrupted", 130)


class Rate:
    """Values a second since the start."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._from_ms = self._clock.now_ms()

    def __call__(self, values: int) -> str:
        passed_s = (self._clock.now_ms() - self._from_ms) / 1000
        return f"{values:,} ({values / passed_s:,.0f}/s)" if passed_s > 0.5 else f"{values:,}"
