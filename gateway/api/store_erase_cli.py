"""`anju store erase`: one person's telemetry, or a device's, away for good. See docs/data-rights.md."""

from __future__ import annotations

import getpass
from contextlib import suppress
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gateway.api.store_import_cli import table_of
from gateway.api.store_opened import (
    LEFT,
    DeviceOption,
    FromOption,
    Opened,
    UntilOption,
    bar_of,
    open_gateway,
    out,
    sentences,
)
from gateway.clock import SystemClock
from gateway.store.erasures import Order, order, orders
from gateway.store.transfer.erasing import Eraser, Outcome, Preview
from gateway.store.transfer.row import write_time
from gateway.store.transfer.selection import END_MS, MS, Selection
from gateway.terminal import DataDirOption, SettingsOption, fail

NOTHING = "没有可清除的数据 there is nothing to erase"


def add_to(store_app: typer.Typer) -> None:
    """Hang the command into `anju store`."""
    store_app.command("erase")(erase_command)


def erase_command(
    resident: Annotated[
        str | None, typer.Option("--resident", help="居民 · All that devices measured while they served this resident.")
    ] = None,
    device: DeviceOption = None,
    from_: FromOption = None,
    until: UntilOption = None,
    because: Annotated[
        str | None, typer.Option("--because", help="原因 · Why, for the record: who asked for it, and when.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was broken off.")] = False,
    again: Annotated[
        int | None, typer.Option("--again", help="Carry out an order once more, or at another gateway, by its number.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show what was erased, by whom and why.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """清除 · Erase what the store holds of a resident, or of a device, and see to it that none of it comes back.

    Shows first what would go, and asks. Cases and alarms stay: see docs/data-rights.md. Ends with status 3 where
    something is left, and says what to do.
    """
    opened = open_gateway(settings, data_dir)
    if list_:
        _list(opened)
    elif resume or again is not None:
        known = orders(opened.engine, unfinished=again is None)
        todo = [one for one in known if again in (None, one.id)]
        if not todo:
            fail(NOTHING, "`anju store erase --list` shows all orders" if again is not None else "")
        _carry_out(opened, todo)
    else:
        if resident is None and not device:
            fail("清除谁的数据 whose data", "--resident ID, or --device ID", 2)
        if not (because or "").strip():
            fail("为什么 why", "--because REASON is kept for the record", 2)
        _carry_out(opened, [_order(opened, _selection(opened, resident, device, from_, until), str(because), yes)])


def _selection(
    opened: Opened, resident: str | None, device: list[str] | None, from_: str | None, until: str | None
) -> Selection:
    # Somebody who lives here goes on being measured; of somebody who moved out nothing is to be left.
    goes_on = resident is None or opened.is_resident(resident)
    return Selection(
        start_ms=opened.instant_ms("--from", from_, 0),
        end_ms=opened.instant_ms("--until", until, SystemClock().now_ms() if goes_on else END_MS),
        devices=frozenset(device or ()),
        resident=resident or "",
        serving=opened.serving,
    )


def _order(opened: Opened, selection: Selection, because: str, yes: bool) -> Order:
    whom = opened.resident(selection.resident) if selection.resident else ", ".join(sorted(selection.devices))
    with sentences("清除 erase"), bar_of("清点 counting") as tell:
        preview = _eraser(opened).preview(selection, lambda _what, done: tell(done, ""))
    _show(opened, selection, preview, whom)
    if not yes and not typer.confirm("不可恢复。清除? This cannot be undone. Erase?"):
        fail("未清除 nothing was erased")
    return order(
        opened.engine,
        at_ms=SystemClock().now_ms(),
        actor=f"system user {getpass.getuser()}",
        reason=because,
        resident=selection.resident,
        devices=sorted(selection.devices),
        start_ms=selection.start_ms,
        end_ms=selection.end_ms,
        spans=preview.spans,
        store=preview.store,
    )


def _show(opened: Opened, selection: Selection, preview: Preview, whom: str) -> None:
    out.print(f"将从 {escape(preview.store)} 清除 to be erased there: [bold]{escape(whom)}[/]", soft_wrap=True)
    for span in preview.spans:
        out.print(f"  {escape(span.device)}  {_when(opened, span.start_ms)} – {_when(opened, span.end_ms)}")
    if preview.series is not None:
        out.print(f"  {preview.series} 个序列 whole series")
    elif preview.tally.points:
        out.print(table_of(preview.tally, opened))
    else:
        out.print("  遥测库中没有 nothing in the store; what waits in the journal is erased all the same")
    if selection.resident:
        out.print("案卷与报警依法留存 cases and alarms are kept by law: docs/data-rights.md")


def _carry_out(opened: Opened, todo: list[Order]) -> None:
    left = False
    for one in todo:
        with sentences(f"清除 erase {one.id}"), bar_of("清除 erase") as tell:
            done = _eraser(opened).carry_out(one, opened.serving, lambda what, share: tell(share, what))
        _told(one, done)
        left |= not done.done
    if left:
        raise typer.Exit(LEFT)


def _told(one: Order, done: Outcome) -> None:
    counts = ", ".join(f"{name} {count:,}" for name, count in sorted(done.counts.items()) if count) or "—"
    mark = "[green]✓[/] 已清除 erased" if done.done else "[red]✗[/] 未完 not all"
    out.print(f"{mark}  {one.id}: {escape(counts)}", soft_wrap=True)
    for note in done.notes:
        out.print(f"  {escape(note)}", soft_wrap=True)


def _list(opened: Opened) -> None:
    table = Table("编号 order", "何时 when", "谁 by", "对象 of", "时段 range", "原因 why", "数量 how much", "完成 done")
    for one in orders(opened.engine):
        table.add_row(
            str(one.id),
            _when(opened, one.at_ms),
            escape(one.actor),
            escape(one.resident or ", ".join(one.devices)),
            f"{_when(opened, one.start_ms)} – {_when(opened, one.end_ms)}",
            escape(one.reason),
            escape(", ".join(f"{name} {count}" for name, count in one.counts.items() if count)),
            "✗" if one.done_ms is None else _when(opened, one.done_ms),
        )
    out.print(table)


def _when(opened: Opened, at_ms: int) -> str:
    if at_ms <= 0:
        return "最早 the beginning"
    if at_ms >= END_MS:
        return "最末 the end"
    with suppress(OverflowError):
        return write_time(at_ms // 1000 * 1000 * MS, opened.zone)
    return str(at_ms)


def _eraser(opened: Opened) -> Eraser:
    return Eraser(opened.settings, opened.engine, SystemClock(), opened.kinds)
