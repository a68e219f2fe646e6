"""``anju journal``: look into the journal, also while the gateway runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from devices.observation import Lane, Observation
from gateway.journal.file import JournalError
from gateway.journal.view import QUARANTINE, JournalView, bytes_on_disk, file_of
from gateway.terminal import DataDirOption, SettingsOption, read_settings

FOLLOW_S = 0.5

journal_app = typer.Typer(help="看日志 · Look into the journal: what devices said, before anything was decided.")


class LaneChoice(StrEnum):
    """What can be asked for on the command line."""

    URGENT = "urgent"
    ROUTINE = "routine"
    BOTH = "both"

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lanes that are meant."""
        return tuple(Lane) if self is LaneChoice.BOTH else (Lane(self.value),)


@journal_app.command()
def tail(
    lane: Annotated[LaneChoice, typer.Option(help="通道 · Which lane.")] = LaneChoice.BOTH,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="条数 · How many of the newest.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="持续显示 · Go on as messages come in.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """最近的消息 · The newest messages, oldest first."""
    console = Console()
    with _open(settings, data_dir) as view:
        at = {each: view.last_position(each) for each in lane.lanes}
        found = [
            entry.observation for each in lane.lanes for entry in view.tail(each, lines) if entry.position <= at[each]
        ]
        found.sort(key=lambda observation: observation.received_at_ms)
        table = Table("收到 received", "通道 lane", "设备 device", "内容 what", "编号 message")
        for observation in found[len(found) - min(lines, len(found)) :]:
            table.add_row(*_cells(observation))
        console.print(table)
        while follow:
            for each in lane.lanes:
                for entry in view.read(each, at[each], 1000):
                    at[each] = entry.position
                    console.print("  ".join(_cells(entry.observation)), soft_wrap=True, highlight=False)
            time.sleep(FOLLOW_S)


@journal_app.command()
def stats(settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """数量、进度、占用 · How much there is, how far the readers are, how large the files are.

    What waits in memory and what was refused is known to the running gateway only: see /metrics and /healthz.
    """
    console = Console()
    with _open(settings, data_dir) as view:
        columns = ["", *(f"{lane}" for lane in Lane)]
        table = Table(*columns)
        files = [view.lane_file(lane) for lane in Lane]
        for label, name in (
            ("现存 entries", "rows"),
            ("累计收存 accepted", "accepted"),
            ("重复 duplicates", "duplicates"),
            ("编号重用 reused ids", "reused_ids"),
            ("读后清理 trimmed when read", "trimmed"),
            ("未读丢弃 dropped unread", "dropped_unread"),
        ):
            table.add_row(label, *(f"{getattr(file.totals, name):,}" for file in files))
        table.add_row("末位 last position", *(f"{file.last_position:,}" for file in files))
        for reader in sorted({reader for file in files for reader in file.cursors}):
            table.add_row(
                f"{escape(reader)} 未读 unread",
                *(f"{file.lag[reader]:,}" if reader in file.lag else "—" for file in files),
            )
        table.add_row("文件 on disk", *(_megabytes(file.bytes_on_disk) for file in files))
        console.print(table)
        counts = view.quarantine_counts()
        size = _megabytes(bytes_on_disk(file_of(view.directory, QUARANTINE)))
        console.print(f"隔离 quarantine: {sum(counts.values()):,} 条 messages, {size}")
        for reason, count in sorted(counts.items(), key=lambda row: -row[1]):
            console.print(f"  {escape(reason)}: {count:,}", highlight=False)


@journal_app.command()
def quarantine(
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="条数 · How many of the newest.")] = 20,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """看不懂的消息及原因 · Messages that could not be understood, and why; newest first."""
    console = Console()
    with _open(settings, data_dir) as view:
        table = Table("收到 received", show_lines=True)
        table.add_column("来源 source", overflow="fold")
        table.add_column("原因 why", overflow="fold")
        for item in view.quarantined(lines):
            table.add_row(
                _instant(item.received_at_ms),
                escape(f"{item.transport}\n{item.source}"),
                escape(
                    f"{item.device or '?'}: {item.reason}: {item.field}\n应为 expected: {item.expected}\n"
                    f"{item.hint}\n原文 payload: {item.payload[:120]!r}"
                ),
            )
        console.print(table)


@contextmanager
def _open(settings: Path | None, data_dir: Path | None) -> Iterator[JournalView]:
    view = JournalView(read_settings(settings, data_dir).data_dir / "journal")
    try:
        yield view
    except JournalError as error:
        Console(stderr=True).print(f"日志读不出 · The journal cannot be read: {error}", markup=False, style="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        pass  # the way to end --follow
    finally:
        view.close()


def _cells(observation: Observation) -> tuple[str, str, str, str, str]:
    said = [observation.event] if observation.event else []
    said += [f"{key}={value:g}" for key, value in observation.metrics.items()]
    said += [f"{key}={value}" for key, value in observation.data.items()]
    if observation.waveform is not None:
        said.append(f"{observation.waveform.name}[{len(observation.waveform.samples)}]")
    if observation.clock_suspect:
        said.append("(时钟不可信 clock not credible)")
    return (
        _instant(observation.received_at_ms),
        observation.lane.value,
        escape(observation.device),
        escape(" ".join(said)),
        escape(observation.message_id),
    )


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MB"
