"""`anju where`: a pole's number, a door and coordinates find each other."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway.api.where import NotFound, PlaceFound, Where
from gateway.api.where import where as look
from gateway.clock import SystemClock
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.geo import Datum
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

out = Console(highlight=False)


def where(
    asked: Annotated[str, typer.Argument(help="0272, 3号楼2单元501, 39.93,116.46, or who lives there.")],
    datum: Annotated[Datum | None, typer.Option(help="Of coordinates: WGS-84 (GPS) or GCJ-02 (maps).")] = None,
    json_: Annotated[bool, typer.Option("--json", help="As the API answers.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """在哪里 · Where it is: coordinates, grid, the cameras that see it, and who is on duty there now."""
    community = registry_store.load(open_state(read_settings(settings, data_dir)))
    if community is None:
        fail("尚未配置社区 no community has been applied yet", "run `anju apply FILE`")
    try:
        found = look(CommunityDirectory(community), asked, datum, SystemClock().now_ms())
    except NotFound as missing:
        fail(f"{missing.zh} ({missing.code})", missing.en)
    if json_:
        typer.echo(found.model_dump_json(indent=2))
    elif found.place is None:
        out.print(f"有 {len(found.others) + found.more} 处 places may be meant; name one of them:")
        for one in found.others:
            out.print(f"  {escape(one.zh)}  [dim]{one.id}[/]")
        if found.more:
            out.print(f"  … 另有 {found.more} 处 and {found.more} more")
        raise typer.Exit(2)
    else:
        _print(found, found.place)


def _print(found: Where, place: PlaceFound) -> None:
    out.print(f"[bold]{escape(place.zh)}[/]  {escape(place.en)}  [dim]{place.level} {place.id}[/]")
    if found.position is not None:
        of = "" if found.position.of in (None, place.id) else f"  取自 taken from {found.position.of}"
        for one in (found.position.wgs84, found.position.gcj02):
            out.print(f"  {one.datum}  {one.lat:.6f}, {one.lon:.6f}{of}")
    organised = [one for one in found.way if not one.in_address] or found.way[:1]
    for label, value in (
        ("所属 belongs to", "、".join(f"{one.zh} ({one.id})" for one in organised)),
        ("门禁 access", found.access),
        ("接车 meet at", found.meet_at),
        ("住户 lives here", "、".join(found.lives)),
        ("最近 nearest", "；".join(f"{one.zh} {one.distance_m:.0f} m" for one in found.nearest)),
        (
            "摄像机 cameras",
            "、".join(
                f"{one.zh} {one.id}"
                + ("" if one.distance_m is None else f" {one.distance_m:.0f} m")
                + ("" if one.sees else "（最近，看不到 nearest, does not see it）")
                for one in found.cameras
            ),
        ),
    ):
        if value:
            out.print(f"  {label}  {escape(value)}")
    for duty in found.on_duty:
        people = "、".join(f"{one['name']} {one['phone']}".strip() for one in duty.people)
        out.print(f"  值班 on duty  {escape(duty.zh)}: {escape(people)}")
