"""`anju store export`: telemetry into a file, and one person's data for that person. See docs/data-rights.md."""

from __future__ import annotations

import getpass
from contextlib import closing
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
import typer

from gateway.answers.rows import Disclosure, disclose
from gateway.api.store_opened import (
    DeviceOption,
    FormatOption,
    FromOption,
    Opened,
    Rate,
    UntilOption,
    bar_of,
    open_gateway,
    out,
    sentences,
)
from gateway.clock import SystemClock
from gateway.state import tables as t
from gateway.state.db import reading
from gateway.store.transfer.export import About, Exported, export, summary
from gateway.store.transfer.files import STDOUT, Format, format_of
from gateway.store.transfer.opening import open_source
from gateway.store.transfer.selection import END_MS, MS, Selection
from gateway.terminal import DataDirOption, SettingsOption, err, fail


def add_to(store_app: typer.Typer) -> None:
    """Hang the command into `anju store`."""
    store_app.command("export")(export_command)


def export_command(
    to: Annotated[Path, typer.Option("--to", help="文件 · Where to; - for standard output.", show_default=False)],
    form: FormatOption = None,
    gzip_: Annotated[bool, typer.Option("--gzip", help="Compress; also by a name that ends with .gz.")] = False,
    from_: FromOption = None,
    until: UntilOption = None,
    measurement: Annotated[
        list[str] | None,
        typer.Option("--measurement", help="种类 · A kind of device, event, score …; may be repeated."),
    ] = None,
    device: DeviceOption = None,
    resident: Annotated[
        str | None, typer.Option("--resident", help="居民 · All that devices measured while they served this resident.")
    ] = None,
    without_resident: Annotated[
        str | None, typer.Option("--without-resident", help="All but what is of this resident.")
    ] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导出 · Write what the store holds into a file: line protocol, CSV or Parquet.

    `anju store export --resident li --to li.csv` is one person's data, with a page beside it that explains it.
    """
    if resident is not None and without_resident is not None:
        fail("二选一 choose one", "--resident or --without-resident", 2)
    opened = open_gateway(settings, data_dir)
    chosen = form or format_of(to)
    if chosen is None:
        fail("哪种格式 which format", "--format line, csv or parquet", 2)
    compress = gzip_ or to.suffix == ".gz"
    if chosen is Format.PARQUET and (compress or to == STDOUT):
        fail("Parquet", "it is compressed in itself, and needs a file: --to NAME.parquet", 2)
    whom = opened.resident(resident) if resident is not None else ""
    selection = Selection(
        start_ms=opened.instant_ms("--from", from_, 0),
        end_ms=opened.instant_ms("--until", until, END_MS),
        measurements=frozenset(measurement or ()),
        devices=frozenset(device or ()),
        resident=resident or without_resident or "",
        without=without_resident is not None,
        serving=opened.serving,
    )
    if resident is not None:
        _note_disclosure(opened, resident)
    rate = Rate()
    with (
        sentences("导出 export"),
        closing(open_source(opened.settings, opened.kinds)) as source,
        bar_of("导出 export") as tell,
    ):
        done = export(
            source,
            selection,
            to,
            chosen,
            zone=opened.zone,
            compress=compress,
            reserve_bytes=2 * opened.settings.journal.reserve_mb * 2**20,
            tell=lambda share, values: tell(share, rate(values)),
        )
        name = source.name
    _say_exported(opened, done, selection, to, chosen, name, whom)


def _note_disclosure(opened: Opened, resident: str) -> None:
    """Who took out a person's data is written down, before they have it."""
    disclose(
        opened.engine,
        Disclosure(
            at_ms=SystemClock().now_ms(),
            person=f"system user {getpass.getuser()}",
            way="export",
            what="telemetry",
            case_id=None,
            resident=resident,
            basis="request",
        ),
    )


def _say_exported(
    opened: Opened, done: Exported, selection: Selection, to: Path, form: Format, store: str, whom: str
) -> None:
    said = f"{done.tally.values:,} 个数值 values, {done.tally.points:,} 个时刻 instants"
    if to == STDOUT:
        err.print(said)
        return
    numbers: list[str] = []
    if whom:
        query = sa.select(t.cases.c.number).where(t.cases.c.resident == selection.resident).order_by(t.cases.c.number)
        with reading(opened.engine) as connection:
            numbers = list(connection.execute(query).scalars())
    directory = opened.directory
    community = directory.community.community if directory is not None else None
    names = {} if directory is None else {id_: directory.device_name(id_, "zh") for id_ in done.tally.devices}
    about = About(
        file=to.name,
        form=form,
        community=f"{community.name.zh} ({community.id})" if community is not None else "—",
        resident=whom,
        by=f"system user {getpass.getuser()}",
        at_ns=SystemClock().now_ms() * MS,
        store=store,
        cases=numbers,
        names=names,
    )
    page = to.with_name(f"{to.name}.readme.txt")
    with sentences("说明 the page that explains it"):
        page.touch(mode=0o600)
        page.write_text(summary(done, selection, about, opened.zone), encoding="utf-8-sig")
    out.print(f"{to}  {done.bytes:,} B  {said}\n{page}", soft_wrap=True)
    if numbers:
        out.print(
            f"{len(numbers)} 个案卷另行导出 cases are exported by `anju cases export NUMBER`: {', '.join(numbers)}"
        )
