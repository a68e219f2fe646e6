"""A back-test's result for people: on the terminal, Chinese first."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway.alarms import ALARM_TYPES
from gateway.backtest.model import Alarm, Comparison, Count, Result
from gateway.backtest.span import shown

ENDS = {
    "cleared": "解除 cleared",
    "cancelled": "取消 cancelled",
    "case_over": "案卷结束 case over",
    "stands": "仍在 stands",
}
AGAINST = {
    "rules_in_force": "与现行规则相比 beside the rules in force",
    "really_raised": "与实际报警相比 beside what was really raised",
}
DAYS_SHOWN = 40
MOST_SHOWN = 10


def show(out: Console, result: Result, *, alarms: int) -> None:
    """Print ``result``; ``alarms``: at most so many rows of each list of alarms."""
    zone = ZoneInfo(result.timezone)
    rules = ", ".join(f"{rule.zh} {rule.id} v{rule.version}" for rule in result.rules)
    out.print(f"[bold]回测 Back-test[/]  {escape(rules)}", soft_wrap=True)
    out.print(
        f"{escape(result.source)}  {shown(result.from_ms, zone)} — {shown(result.until_ms, zone)} {result.timezone}  "
        f"{result.observations:,} 条 observations, {result.devices:,} 台设备 devices, "
        f"{result.took_s:,.1f} s ({result.observations_per_s:,.0f}/s)",
        soft_wrap=True,
    )
    _alarms(out, "将会产生的报警 Alarms it would have raised", result.alarms, zone, alarms, result.summary.alarms)
    summary = result.summary
    out.print(
        f"[bold]{summary.alarms:,} 次报警 alarms[/], 每天 per day {summary.alarms_per_day:g}, "
        f"最多一天 most on one day {summary.most_on_one_day}, 对象 subjects {summary.subjects:,}, "
        f"重复 repeats {summary.repeats:,}, 仍在 open at end {summary.open_at_end:,}, "
        f"持续 stood {_span(summary.median_stood_s)} (中位 median), {_span(summary.longest_stood_s)} (最长 longest)",
        soft_wrap=True,
    )
    if summary.alarms:
        _days(out, result)
        _counts(out, "对象 subject", result.subjects)
        _counts(out, "设备 device", result.devices_most)
        if len(result.rules) > 1:
            _counts(out, "规则 rule", result.rules_most)
    for comparison in result.comparisons:
        _comparison(out, comparison, zone, alarms)
    _remarks(out, result, zone)


def _alarms(
    out: Console, title: str, rows: Sequence[Alarm], zone: ZoneInfo, limit: int, total: int, style: str = "bold"
) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style=style, box=None, pad_edge=False)
    table.add_column("时间 raised", no_wrap=True)
    table.add_column("对象 about", overflow="fold")
    table.add_column("类型 type", overflow="fold")
    table.add_column("持续 stood", no_wrap=True)
    table.add_column("依据 why", overflow="fold", ratio=1)
    for alarm in rows[:limit]:
        kind = ALARM_TYPES.get(alarm.type)
        repeats = f" (+{alarm.repeats})" if alarm.repeats else ""
        name = alarm.subject if alarm.subject_zh in alarm.subject else f"{alarm.subject_zh} {alarm.subject}"
        table.add_row(
            shown(alarm.raised_at_ms, zone),
            escape(name),
            escape(f"{kind.zh if kind else ''} {alarm.type}{repeats}".strip()),
            f"{_span(alarm.stood_s)} {ENDS[alarm.end]}",
            escape(f"{alarm.zh} {alarm.explanation}".strip()),
        )
    out.print(table)
    if total > min(limit, len(rows)):
        out.print(f"… 还有 {total - min(limit, len(rows)):,} 条 more (--show, --json)")


def _days(out: Console, result: Result) -> None:
    most = max(result.summary.most_on_one_day, 1)
    table = Table(box=None, pad_edge=False)
    for name in ("日期 day", "次数 alarms", ""):
        table.add_column(name, justify="right" if "alarms" in name else "left")
    for day in result.days[-DAYS_SHOWN:]:
        table.add_row(day.date, str(day.alarms), "█" * round(30 * day.alarms / most))
    out.print(table)
    if len(result.days) > DAYS_SHOWN:
        out.print(f"… 前面还有 {len(result.days) - DAYS_SHOWN} 天 days before (--json)")


def _counts(out: Console, title: str, counts: Sequence[Count]) -> None:
    if len(counts) < 2:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(title, overflow="fold")
    table.add_column("次数 alarms", justify="right")
    for count in counts[:MOST_SHOWN]:
        name = count.id if count.zh in count.id else f"{count.zh} {count.id}"
        table.add_row(escape(name), f"{count.alarms:,}")
    out.print(table)
    if len(counts) > MOST_SHOWN:
        out.print(f"… 还有 {len(counts) - MOST_SHOWN} 个 more (--json)")


def _comparison(out: Console, comparison: Comparison, zone: ZoneInfo, limit: int) -> None:
    rules = ", ".join(f"{rule.id} v{rule.version}" for rule in comparison.rules)
    out.print(
        f"[bold]{AGAINST[comparison.against]}[/]{f' ({escape(rules)})' if rules else ''}: "
        f"{comparison.alarms:,} 次 alarms; 两者都有 both {comparison.both:,}, "
        f"仅新规则 only the new {comparison.only_new:,}, 仅原有 only the current {comparison.only_current:,}",
        soft_wrap=True,
    )
    _alarms(out, "仅新规则 only the new", comparison.only_new_alarms, zone, limit, comparison.only_new, style="yellow")
    _alarms(
        out,
        "仅原有 only the current",
        comparison.only_current_alarms,
        zone,
        limit,
        comparison.only_current,
        style="yellow",
    )


def _remarks(out: Console, result: Result, zone: ZoneInfo) -> None:
    for outage in result.outages[:MOST_SHOWN]:
        out.print(
            f"[yellow]网关未运行 the gateway did not run[/] {shown(outage.from_ms, zone)} — "
            f"{shown(outage.until_ms, zone)} (无任何设备有消息 nobody was heard)",
            soft_wrap=True,
        )
    if result.outages:
        out.print(
            "  网关未运行期间不作判断；若其实在运行 nothing is decided over these times; "
            "if the gateway did run: --gateway-off 0",
            soft_wrap=True,
        )
    for rule, reasons in result.skipped.items():
        said = ", ".join(f"{reason} {count:,}" for reason, count in reasons.items())
        out.print(f"未计入 not considered by {escape(rule)}: {said}", soft_wrap=True)
    for note in result.notes:
        out.print(f"[yellow]注意 note[/] {escape(note.zh)} {escape(note.en)}", soft_wrap=True)
    if result.bad_rows:
        out.print(f"[bold red]{result.bad_rows:,} 行有误 of {result.rows:,} rows are wrong[/], 未采用 not used:")
        for bad in result.bad[:MOST_SHOWN]:
            where = f"第 {bad.line} 行 line {bad.line}" + (f", {bad.column}" if bad.column else "")
            found = f"; 实为 found {bad.found!r}" if bad.found else ""
            out.print(f"  {where}: 应为 expected {bad.expected}{found}", markup=False, soft_wrap=True)
        if result.bad_rows > MOST_SHOWN:
            out.print(f"  … 还有 {result.bad_rows - MOST_SHOWN:,} 行 more (--json)")
    for one in result.expectations:
        mark = "[red]✗ 不符 broken[/]" if one.broken else "[green]✓[/]"
        out.print(f"{mark} {escape(one.text)} ({one.value:g})")


def _span(seconds: float) -> str:
    """A length of time as people say it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
