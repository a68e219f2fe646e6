"""`anju roster`: who is on duty, where nobody will be, and somebody instead of somebody."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from gateway.registry import coverage, handing, overrides
from gateway.registry.coverage import SERIOUS, Trouble
from gateway.registry.directory import CommunityDirectory
from gateway.registry.duty import DAY_MS, Key, Stretch
from gateway.registry.load import read_community
from gateway.registry.opened import Opened, actor, listing, opened, out
from gateway.registry.overrides import Made, NotMade, Order
from gateway.state.db import reading, writing
from gateway.terminal import DataDirOption, SettingsOption, fail

roster_app = typer.Typer(
    no_args_is_help=True,
    help="""值班 · Who is on duty: now, at any time, and where nobody will be.

    [bold]Somebody is ill[/]: [cyan]override --instead-of wang --person li --from "2026-03-02 08:00" --until …[/].
    """,
)

RoleOption = Annotated[str | None, typer.Option("--role", help="Only this role.")]
PlaceOption = Annotated[str | None, typer.Option("--place", help="Only this place.")]
AtOption = Annotated[str | None, typer.Option("--at", help='When, by the community\'s clock: "2026-03-02 22:00".')]
FileOption = Annotated[Path | None, typer.Option("--file", help="A community's files, instead of the gateway's.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why; it stands beside the override.")]
FromOption = Annotated[str, typer.Option("--from", help='From when: "2026-03-02 08:00", or "now".')]
UntilOption = Annotated[str, typer.Option("--until", help='Until when: "2026-03-02 20:00".')]


def instant_of(text: str, zone: ZoneInfo, now_ms: int) -> int:
    """``2026-03-02 08:00`` by the community's clock, ``08:00`` of today, or ``now``. Raises ValueError."""
    text = text.strip()
    if text == "now":
        return now_ms
    today = datetime.fromtimestamp(now_ms / 1000, zone).date().isoformat()
    try:
        at = datetime.fromisoformat(f"{today} {text}" if len(text) == 5 else text)
    except ValueError:
        raise ValueError(f'expected a time such as "2026-03-02 08:00", "08:00" or "now", got {text!r}') from None
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def _instant(text: str, option: str, room: Opened) -> int:
    try:
        return instant_of(text, room.zone, room.now_ms)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _names(directory: CommunityDirectory, people: Sequence[str]) -> str:
    known = [(name, directory.person(name)) for name in people]
    return "、".join(name if person is None else f"{person.name} ({name})" for name, person in known)


def _where(directory: CommunityDirectory, place: str) -> str:
    known = directory.place(place)
    return place if known is None else f"{known.name.zh} ({place})"


@roster_app.command("now")
def now(
    role: RoleOption = None,
    place: PlaceOption = None,
    at: AtOption = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """谁在值班 · Who is on duty, and when that changes. With --place: for that place, wherever it is written."""
    with opened(settings, data_dir) as room:
        at_ms = room.now_ms if at is None else _instant(at, "--at", room)
        directory = room.directory
        if place is not None and directory.place(place) is None:
            fail(f"没有地点 {place}", f"there is no place {place!r}")
        table = listing("角色 role", "地点 place", "值班 on duty", "到 until", whole=0)
        for key in _keys(directory, role, place):
            people = directory.on_duty(key[0], key[1], at_ms)
            change = directory.duties.next_change_ms(key, at_ms) if key in directory.duties.lines else None
            told = _names(directory, people) or "[red]无人 nobody[/]"
            table.add_row(directory.role_name(key[0], "zh"), _where(directory, key[1]), told, room.instant(change)[:16])
        out.print(table)


def _keys(directory: CommunityDirectory, role: str | None, place: str | None) -> list[Key]:
    roles = sorted({key[0] for key in directory.duties.lines if role in (None, key[0])})
    if place is not None:
        return [(one, place) for one in roles]
    return sorted(key for key in directory.duties.lines if role in (None, key[0]))


@roster_app.command("show")
def show(
    role: RoleOption = None,
    place: PlaceOption = None,
    person: Annotated[str | None, typer.Option("--person", help="Only when this person is on duty.")] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days from now.")] = 7,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """排班 · The coming days, as they are with the overrides; and the overrides."""
    with opened(settings, data_dir) as room:
        directory, until_ms = room.directory, room.now_ms + days * DAY_MS
        table = listing("从 from", "到 until", "角色 role", "地点 place", "值班 on duty", whole=0)
        lines = {k: v for k, v in directory.duties.lines.items() if role in (None, k[0]) and place in (None, k[1])}
        rows: list[tuple[Stretch, Key]] = [
            (stretch, key)
            for key, line in lines.items()
            for stretch in line.between(room.now_ms, until_ms)
            if person is None or person in stretch.people
        ]
        for stretch, key in sorted(rows, key=lambda row: (row[0].begin_ms, row[1])):
            begin, end = room.instant(stretch.begin_ms)[:16], room.instant(stretch.until_ms)[:16]
            told = _names(directory, stretch.people) or "[red]无人 nobody[/]"
            table.add_row(begin, end, directory.role_name(key[0], "zh"), _where(directory, key[1]), told)
        out.print(table)
        for made in directory.overrides:
            if made.until_ms > room.now_ms and isinstance(made, Made):
                out.print(f"替班 override {made.id}: {told_of(made, directory)}", markup=False, soft_wrap=True)


def told_of(made: Made, directory: CommunityDirectory) -> str:
    """An override in a line."""
    span = coverage.when(made.begin_ms, made.until_ms, directory.duties.zone)
    who = _names(directory, [made.person]) if made.person else "无人 nobody"
    stead = f" 替 instead of {_names(directory, [made.instead_of])}" if made.instead_of else " 增加 as well"
    where = " · ".join(part for part in (made.role, made.place) if part)
    why = f"（{made.reason}）" if made.reason else ""
    return f"{who}{stead}, {span.zh} {where} {why} {made.actor}".replace("  ", " ").strip()


@roster_app.command("holes")
def holes(
    days: Annotated[int, typer.Option(min=1, max=366, help="So many days from now.")] = 28,
    file: FileOption = None,
    at: AtOption = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """空档 · When nobody will be on duty where somebody must, whom no channel reaches, who has left, who is doubly
    booked.

    Exit code 1 when there is any but the last. With --file: of a community's files, before they are applied.
    """
    if file is not None:
        from gateway.clock import SystemClock

        result = read_community(file)
        if result.community is None:
            fail(f"{file} 有误，先运行 anju config check", f"{file} has errors: run `anju config check` first")
        directory, now_ms = CommunityDirectory(result.community), SystemClock().now_ms()
        zone = directory.duties.zone
        try:
            from_ms = now_ms if at is None else instant_of(at, zone, now_ms)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--at") from None
        _show_holes(directory, from_ms, days)
        return
    with opened(settings, data_dir) as room:
        from_ms = room.now_ms if at is None else _instant(at, "--at", room)
        _show_holes(room.directory, from_ms, days)


def _show_holes(directory: CommunityDirectory, from_ms: int, days: int) -> None:
    found = coverage.troubles(directory, from_ms, from_ms + days * DAY_MS)
    for one in found:
        span, said = coverage.when(one.begin_ms, one.until_ms, directory.duties.zone), coverage.in_words(one, directory)
        style = "red" if one.kind in SERIOUS else "yellow"
        out.print(f"{span.zh} {said.zh} · {span.en} {said.en}", style=style, markup=False, soft_wrap=True)
    serious = [one for one in found if one.kind in SERIOUS]
    if serious:
        out.print(f"[red]✗[/] {days} 天内 {len(serious)} 处 within {days} days")
        raise typer.Exit(1)
    out.print(f"[green]✓[/] {days} 天内没有空档 no holes within {days} days")


@roster_app.command("override")
def override(
    until: UntilOption,
    from_: FromOption = "now",
    person: Annotated[str | None, typer.Option("--person", help="Who is on duty; without it nobody.")] = None,
    instead_of: Annotated[str | None, typer.Option("--instead-of", help="Instead of whom; without it as well.")] = None,
    role: RoleOption = None,
    place: PlaceOption = None,
    why: WhyOption = "",
    end: Annotated[bool, typer.Option("--check", help="Only say what would be then.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """替班 · Somebody is on duty instead of somebody, for a time. A running gateway goes by it at once; applying files
    leaves it."""
    with opened(settings, data_dir) as room:
        order = _order(
            role=role,
            place=place,
            instead_of=instead_of,
            person=person,
            begin_ms=_instant(from_, "--from", room),
            until_ms=_instant(until, "--until", room),
        )
        _make(room, lambda: (order,), why, only_check=end)


@roster_app.command("swap")
def swap(
    one: Annotated[str, typer.Argument(metavar="ONE", help="Who gives the first time away, and takes the second.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Who takes the first, and gives the second away.")],
    first: Annotated[tuple[str, str], typer.Option("--first", help="ONE's time: from and until.")],
    second: Annotated[tuple[str, str], typer.Option("--second", help="OTHER's time: from and until.")],
    role: RoleOption = None,
    place: PlaceOption = None,
    why: WhyOption = "",
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """换班 · Two people take each other's duty."""
    with opened(settings, data_dir) as room:
        orders = [
            _order(
                role=role,
                place=place,
                instead_of=person,
                begin_ms=_instant(span[0], hint, room),
                until_ms=_instant(span[1], hint, room),
            )
            for person, span, hint in ((one, first, "--first"), (other, second, "--second"))
        ]
        _make(room, lambda: overrides.swap(room.directory, orders[0], orders[1]), why)


@roster_app.command("end")
def end(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the override, as `show` names it.")],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """结束替班 · Take an override back: from now on the roster holds again. Both halves of a swap end together."""
    with opened(settings, data_dir) as room:
        try:
            with writing(room.engine) as connection:
                made, revision = overrides.end(connection, id_, actor=actor(), now_ms=room.now_ms)
        except KeyError:
            fail(f"没有替班 {id_}", f"there is no override {id_!r}; `anju roster show` lists them")
        except NotMade as error:
            fail(error.said.zh, error.said.en)
        out.print(f"[green]✓[/] 已结束 ended: {', '.join(one.id for one in made)}, revision {revision}")


@roster_app.command("handover")
def handover(
    confirm: Annotated[str | None, typer.Option("--confirm", help="The hand-over with this id is confirmed.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """交接班 · Hand-overs of open cases, the newest first; --confirm gives the receipt."""
    with opened(settings, data_dir) as room:
        if confirm is not None:
            with writing(room.engine) as connection:
                done = handing.confirm(connection, confirm, actor(), room.now_ms)
            if done is None:
                fail(f"没有交接 {confirm}", f"there is no hand-over {confirm!r}")
            out.print(f"[green]✓[/] 已确认接班 confirmed: {confirm}", soft_wrap=True)
            return
        with reading(room.engine) as connection:
            found = handing.recent(connection, 50)
        table = listing("编号 id", "时间 at", "接班 incoming", "案卷 cases", "确认 confirmed", whole=1)
        for one in found:
            state = room.instant(one.receipt_ms)[:16] if one.receipt_ms is not None else "—"
            if one.escalated_ms is not None and one.receipt_ms is None:
                state = f"[red]未确认，已报主管 not confirmed, told on[/] {room.instant(one.escalated_ms)[:16]}"
            who = _names(room.directory, [one.incoming]) if one.incoming else "无人 nobody"
            table.add_row(one.id, room.instant(one.at_ms)[:16], who, ", ".join(one.numbers), state)
        out.print(table)


def _order(**fields: object) -> Order:
    try:
        return Order.model_validate(fields)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _make(room: Opened, orders: Callable[[], tuple[Order, ...]], why: str, *, only_check: bool = False) -> None:
    try:
        wanted = orders()
        if only_check:
            overrides.check(room.directory, wanted, room.now_ms)
            after = overrides.with_orders(room.directory, wanted)
        else:
            with writing(room.engine) as connection:
                made, revision = overrides.make(
                    connection, room.directory, wanted, actor=actor(), reason=why, now_ms=room.now_ms
                )
            for one in made:
                out.print(f"[green]✓[/] {one.id}: {told_of(one, room.directory)}", soft_wrap=True)
            out.print(f"revision {revision}")
            after = overrides.with_orders(room.directory, made)
    except NotMade as error:
        fail(error.said.zh, error.said.en)
    begin_ms, until_ms = min(one.begin_ms for one in wanted), max(one.until_ms for one in wanted)
    for trouble in _new(room.directory, after, begin_ms, until_ms):
        said = coverage.in_words(trouble, after)
        span = coverage.when(trouble.begin_ms, trouble.until_ms, after.duties.zone)
        out.print(f"提醒 warning: {span.zh} {said.zh} · {said.en}", style="yellow", markup=False, soft_wrap=True)


def _new(before: CommunityDirectory, after: CommunityDirectory, begin_ms: int, until_ms: int) -> list[Trouble]:
    """What is wrong with the rosters only because of what was just made."""
    known = set(coverage.troubles(before, begin_ms, until_ms))
    return [one for one in coverage.troubles(after, begin_ms, until_ms) if one not in known]
