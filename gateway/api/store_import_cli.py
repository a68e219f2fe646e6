"""`anju store import`: points of a file into the store that the settings name."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.markup import escape
from rich.table import Table

from gateway.api.store_opened import LEFT, FormatOption, Opened, Rate, bar_of, open_gateway, out, sentences
from gateway.clock import SystemClock
from gateway.store import open_store
from gateway.store.erasures import Marks, orders
from gateway.store.transfer.files import STDOUT, Incoming
from gateway.store.transfer.importing import Imported, Importer, rejects_path
from gateway.store.transfer.line_reader import PRECISIONS
from gateway.store.transfer.opening import embedded_file
from gateway.store.transfer.row import write_time
from gateway.store.transfer.sink import EmbeddedSink, PointSink, Sink
from gateway.store.transfer.source import Tally
from gateway.terminal import DataDirOption, SettingsOption, err, fail


def add_to(store_app: typer.Typer) -> None:
    """Hang the command into `anju store`."""
    store_app.command("import")(import_command)


def import_command(
    file: Annotated[
        Path, typer.Argument(help="The file; - for standard input. Compressed ones are known by themselves.")
    ],
    form: FormatOption = None,
    precision: Annotated[
        str, typer.Option("--precision", help="What the times of line protocol count: ns, us, ms or s.")
    ] = "ns",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="试运行 · Read and judge every line, store nothing.")
    ] = False,
    restore_erased: Annotated[
        bool, typer.Option("--restore-erased", help="Also what was erased from this gateway; otherwise left out.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(help="Where lines go that are not taken; default FILE.rejected.txt.")
    ] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导入 · Read points back into the store, from an export or from line protocol of others.

    The same file again changes nothing. Ends with status 3 where a line was not taken: it stands in the rejects file
    with its number and the reason.
    """
    if precision not in PRECISIONS:
        fail("--precision", f"expected one of {', '.join(PRECISIONS)}", 2)
    opened = open_gateway(settings, data_dir)
    with sentences("导入 import"), ExitStack() as stack:
        incoming = stack.enter_context(closing(Incoming(file, form)))
        beside = rejects or (rejects_path(file) if file != STDOUT else Path("stdin.rejected.txt"))
        tell = stack.enter_context(bar_of("试运行 dry run" if dry_run else "导入 import"))
        rate = Rate()

        def open_rejects() -> TextIO:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            return stack.enter_context(os.fdopen(descriptor, "w", encoding="utf-8"))

        def progress(done: int, values: int) -> None:
            tell(done / incoming.size if incoming.size else 0.0, rate(values))

        def wait(why: str) -> None:
            err.print(f"[yellow]等待遥测库 waiting for the store[/]: {escape(why)}" if why else "遥测库恢复 it is back")

        erased = Marks([] if restore_erased else [span for one in orders(opened.engine) for span in one.spans])

        async def run() -> Imported:
            if dry_run:
                judge = Importer(None, erased=erased, rejects=open_rejects, tell=progress)
                return await judge.run(incoming, PRECISIONS[precision])
            async with _Target(opened) as sink:
                importer = Importer(sink, erased=erased, rejects=open_rejects, tell=progress, wait=wait)
                return await importer.run(incoming, PRECISIONS[precision])

        done = asyncio.run(run())
    _say(opened, done, dry_run, beside)
    if done.rejected:
        raise typer.Exit(LEFT)


class _Target:
    """The store that the settings name, open for an import."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._store = open_store(opened.settings, SystemClock())

    async def __aenter__(self) -> Sink:
        path = embedded_file(self._opened.settings)
        return PointSink(self._store) if path is None else EmbeddedSink(self._store, path, self._opened.stamps)

    async def __aexit__(self, *_: object) -> None:
        await self._store.close()


def table_of(tally: Tally, opened: Opened) -> Table:
    """How much there is of each measurement."""
    table = Table("种类 measurement", "数值 values", "时刻 instants", "起 from", "止 until")
    for name, extent in sorted(tally.extents.items()):
        first, last = (write_time(at_ns, opened.zone) for at_ns in (extent.first_ns, extent.last_ns))
        table.add_row(escape(name), f"{extent.values:,}", f"{extent.points:,}", first, last)
    return table


def _say(opened: Opened, done: Imported, dry_run: bool, beside: Path) -> None:
    out.print(table_of(done.tally, opened))
    verb = "会写入 would be stored" if dry_run else "已写入 stored"
    out.print(f"{verb}: {done.tally.values:,} 个数值 values, {done.tally.points:,} 个时刻 instants")
    if done.converted:
        out.print(f"整数与布尔值转为小数 integers and booleans made floats: {done.converted:,}")
    if done.erased:
        out.print(
            f"曾被清除、未恢复 left out, because they were erased here: {done.erased:,} 个时刻 instants "
            "(--restore-erased brings them back)"
        )
    if done.rejected:
        out.print(f"[red]未接受 not taken[/]: {done.rejected:,}，见 see {escape(str(beside))}", soft_wrap=True)
        for number, reason in done.first:
            out.print(f"  第 {number} 行 line {number}: {escape(reason)}", soft_wrap=True)
