"""`anju devices export|import`: a thousand devices at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.progress import track

from gateway.registry import bulk, desk, store
from gateway.registry.csvfile import BYTES_MOST, COLUMNS, Row, TableRefused, write_table
from gateway.registry.model import Device
from gateway.registry.opened import actor, opened, out, refuse
from gateway.state.db import reading
from gateway.terminal import DataDirOption, SettingsOption, err, fail

SHOWN = 50
"""How many faults or changes are printed, of a long list."""


def add_to(app: typer.Typer) -> None:
    """Hang these commands into ``anju devices``."""
    app.command("export")(export)
    app.command("import", epilog="列 columns: " + "; ".join(f"{name} {zh}" for name, (zh, _) in COLUMNS.items()))(
        import_
    )


def export(
    as_yaml: Annotated[
        bool, typer.Option("--yaml/--csv", help="For the community's files instead of a spreadsheet.")
    ] = False,
    made_here: Annotated[
        bool,
        typer.Option(
            "--made-here", help="Only what was added or changed at the gateway: to be written into the files."
        ),
    ] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导出设备 · Print the devices as a table (CSV) that Excel opens and `anju devices import` reads, or as YAML.

    Example: `anju devices export > devices.csv`
    """
    with opened(settings, data_dir) as registry:
        devices: Sequence[Device] = registry.directory.community.devices
        if made_here:
            with reading(registry.engine) as connection:
                here = set(store.made_at_desk(connection))
            devices = [device for device in devices if device.id in here]
    typer.echo("".join(_yaml(devices)) if as_yaml else write_table(devices), nl=False)


def _yaml(devices: Sequence[Device]) -> Iterator[str]:
    """One line for each, with what is not as it is anyhow."""
    yield "devices:\n" if devices else "devices: []\n"
    for device in devices:
        body = device.model_dump(mode="json", exclude_defaults=True)
        line = yaml.safe_dump(body, allow_unicode=True, default_flow_style=True, sort_keys=False, width=100_000)
        yield f"  - {line.strip()}\n"


def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="As `export` writes it.", exists=True, dir_okay=False)
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do it; without, only the plan is shown.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导入设备 · Show what a table of devices changes; with --yes, bring it into the registry, all or nothing.

    A column that is left out leaves what is there; an empty cell takes the value away; devices that stand in no row
    stay as they are. Exit codes: 0 done or shown, 1 errors in the table.
    """
    with opened(settings, data_dir) as registry:
        try:
            with file.open("rb") as opened_file:
                data = opened_file.read(BYTES_MOST + 1)
            found = bulk.import_table(
                registry.engine, data, actor(), registry.now_ms, dry_run=not yes, progress=_progress
            )
        except OSError as error:
            fail(f"无法读取 cannot read {file}", error)
        except desk.Refused as refused:
            refuse(refused)
        except TableRefused as refused:
            for fault in refused.faults[:SHOWN]:
                err.print(f"✗ {fault}", style="red", markup=False, soft_wrap=True)
            more = f" (还有 {len(refused.faults) - SHOWN} 处 more)" if len(refused.faults) > SHOWN else ""
            fail(f"{len(refused.faults)} 处错误，未导入 errors, nothing was imported{more}")
    _print(found)
    if yes:
        out.print(f"[green]✓[/] 已导入 imported, revision {found.done.revision}")
    elif found.added or found.changed:
        out.print("未写入，加 --yes 执行 nothing was written; add --yes to do it")


def _progress(rows: Sequence[Row]) -> Iterator[Row]:
    yield from track(rows, description="检查 checking", console=err, transient=True)


def _print(found: bulk.Imported) -> None:
    lines = [("green", f"+ {device.id} {device.kind} {device.place}") for device in found.added]
    for changed in found.changed:
        told = ", ".join(f"{field.field} {_value(field.before)} → {_value(field.after)}" for field in changed.fields)
        lines.append(("yellow", f"~ {changed.id}: {told}"))
    for style, line in lines[:SHOWN]:
        out.print(line, style=style, markup=False, soft_wrap=True)
    if len(lines) > SHOWN:
        out.print(f"… 还有 {len(lines) - SHOWN} 行 more lines")
    for warning in found.done.warnings:
        out.print(f"提醒 warning: {warning}", style="yellow", markup=False, soft_wrap=True)
    counts = f"新增 new {len(found.added)}, 修改 changed {len(found.changed)}, 不变 unchanged {found.unchanged}"
    out.print(f"{found.rows} 行 rows: {counts}")


def _value(value: object) -> str:
    return "—" if value in (None, "") else str(value)
