"""`anju figures`: the figures of a period on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from devices.targets import LIFE, ON_SITE, OTHER, Target
from gateway.api.figures import INSTANTS, LIMITS, BadPeriod, Worded, as_csv, gather
from gateway.api.words import duration, words
from gateway.cases.figures import Group, Share, Spread
from gateway.clock import SystemClock
from gateway.registry import store as registry_store
from gateway.registry.directory import CommunityDirectory
from gateway.registry.evaluating import Evaluated, Rating
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

out = Console(highlight=False)
ROWS = 15


def figures(
    begin: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day; 30 days before the last.")
    ] = None,
    end: Annotated[datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="Last day; today.")] = None,
    place: Annotated[str | None, typer.Option(help="A place with all inside it.")] = None,
    drills: Annotated[bool, typer.Option("--drills", help="演练 · Of drills, and of nothing else.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write all of them as a table for a spreadsheet.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """指标 · How soon people answered, how long each stage took, by place, person, type and cause."""
    engine = open_state(read_settings(settings, data_dir))
    community = registry_store.load(engine)
    directory = None if community is None else CommunityDirectory(community)
    if place is not None and (directory is None or directory.place(place) is None):
        fail(f"没有地点 there is no place {place!r}", "`anju where NAME` finds its id")
    days: list[date | None] = [None if day is None else day.date() for day in (begin, end)]
    try:
        found = gather(
            engine,
            directory,
            begin=days[0],
            end=days[1],
            place=place,
            now_ms=SystemClock().now_ms(),
            drills=drills,
        )
    except BadPeriod as error:
        fail(f"时段不正确 these days make no period: {error}", "--from must not be after --until, five years at most")
    if csv is not None:
        try:
            csv.write_bytes(as_csv(found))
        except OSError as error:
            fail(f"无法写入 {csv} cannot be written", error.strerror or error)
        out.print(f"{csv}")
        return
    _print(found, drills=drills)


def _print(found: Worded, *, drills: bool) -> None:
    of = found.figures
    others = f"并案 merged {of.merged}" if drills else f"演练 drills {of.drills}、并案 merged {of.merged}"
    out.print(
        f"{'演练 drills ' if drills else ''}"
        f"[bold]{found.begin} – {found.end}[/]  案卷 cases {of.n}（报警 alarms {of.alarms}，上报 reports {of.reports}）"
        f"  未结 open {of.open}，超时 overdue {len(of.overdue)}；{others} 不计"
    )
    table = Table("指标 measure", "达到 share", "n", "目标 target", box=None, pad_edge=False)
    _shares(table, "生命安全受理 life safety answered", of.life, LIFE)
    _shares(table, "其他报警受理 other alarms answered", of.other, OTHER)
    _shares(table, "到场 on site", of.on_site, ON_SITE)
    table.add_row("误报 false alarms", _percent(of.false), str(of.false.n), "")
    table.add_row("返工 sent back", _percent(of.reworked), str(of.reworked.n), "")
    out.print(table)
    steps = Table("阶段 step", "n", "p50", "p90", "p95", "最长 most", box=None, pad_edge=False)
    for step in of.steps:
        zh = f"{INSTANTS[step.begin].zh}→{INSTANTS[step.end].zh}"
        steps.add_row(zh, str(step.spread.n), *_times(step.spread, "p50", "p90", "p95", "most"))
    out.print(steps)
    for title, groups in (("地点 place", of.places), ("人员 person", of.people), ("类型 type", of.types)):
        _groups(found, title, groups)
    if of.causes:
        out.print(
            "误报原因 causes of false alarms: "
            + "、".join(f"{escape(found.names[key].zh)} {count}" for key, count in of.causes.items())
        )
    for evaluated in found.evaluation:
        _evaluated(evaluated)
    for one in of.overdue[:ROWS]:
        out.print(f"[red]超时 overdue[/] {one.number} {found.names[one.type].zh} {words(LIMITS, one.stage).zh}")


def _shares(table: Table, what: str, shares: Sequence[Share], targets: Sequence[Target]) -> None:
    for share, target in zip(shares, targets, strict=True):
        colour = {True: "green", False: "red", None: "dim"}[share.met]
        limit = f"{target.within_s} s" if target.within_s < 600 else f"{target.within_s // 60} min"
        table.add_row(f"{what} ≤ {limit}", f"[{colour}]{_percent(share)}[/]", str(share.n), f"≥ {target.share:.1%}")


def _groups(found: Worded, title: str, groups: Sequence[Group]) -> None:
    if not groups:
        return
    head = ("案卷 cases", "≤60 s", "n", "受理 p50", "p90", "到场 p50", "处置 p50", "误报 false")
    table = Table(title, *head, box=None, pad_edge=False)
    for group in groups[:ROWS]:
        name = found.names[group.key].zh if group.key in found.names else group.key
        table.add_row(
            escape(name),
            str(group.n),
            _percent(group.answered_60),
            str(group.answered_60.n),
            *_times(group.answer, "p50", "p90"),
            *_times(group.arrive, "p50"),
            *_times(group.resolve, "p50"),
            f"{_percent(group.false)} ({group.false.n})",
        )
    out.print(table)
    if len(groups) > ROWS:
        out.print(f"  … 另有 {len(groups) - ROWS} 行 more; --csv has all")


def _evaluated(one: Evaluated) -> None:
    if not one.rows:
        return
    parties = [f"{part.name.zh} {part.weight:g}%" for part in one.rows[0].rating.parts]
    table = Table(
        f"评价 {escape(one.name.zh)}",
        *("得分 score", *map(escape, parties), "评价/结案 rated/closed"),
        box=None,
        pad_edge=False,
    )
    for row in one.rows[:ROWS]:
        table.add_row(
            escape(row.name.zh),
            _score(row.rating),
            *("– (0)" if part.mean is None else f"{part.mean:.2f} ({part.n})" for part in row.rating.parts),
            f"{row.cases}/{row.closed}",
        )
    out.print(table)
    if len(one.rows) > ROWS:
        out.print(f"  … 另有 {len(one.rows) - ROWS} 行 more; --csv has all")


def _score(rating: Rating) -> str:
    if rating.score is not None:
        return f"{rating.score:.2f}"
    if rating.least is None or rating.most is None:
        return "–"
    missing = "、".join(part.name.zh for part in rating.missing)
    return f"{rating.least:.2f}–{rating.most:.2f}，缺 missing {escape(missing)}"


def _percent(share: Share) -> str:
    return "–" if share.share is None else f"{share.share:.1%}"


def _times(spread: Spread, *names: str) -> list[str]:
    return [duration(getattr(spread, name)) for name in names]
