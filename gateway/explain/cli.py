"""``anju explain``: why there was an alarm, and why there was none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.markup import escape

from gateway.clock import SystemClock
from gateway.explain.explainer import Explainer, Explanation, NothingToExplain
from gateway.journal.file import JournalError
from gateway.registry import store as registry_store
from gateway.rules.story import NOTE_WORDS, StoryStep
from gateway.terminal import DataDirOption, SettingsOption, fail, open_state, read_settings

out = Console(highlight=False)
_HOLDS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]?[/]"}
STEPS_SHOWN = 20


def explain(
    what: Annotated[
        str | None,
        typer.Argument(help="案卷或报警 · The number of a case or of an alarm.", show_default=False),
    ] = None,
    rule: Annotated[str | None, typer.Option(help="规则 · Why did this rule not raise (or raise)?")] = None,
    subject: Annotated[
        str | None, typer.Option(help="对象 · resident:ID, place:ID, device:ID; an id or a resident's name.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="时刻 · Local time such as 2026-10-01T08:30; now where it is left out.")
    ] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=744, help="往前看 · So many hours before it.")] = 24.0,
    every: Annotated[bool, typer.Option("--all", help="每一步 · Every step, not the newest alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """解释 · Why was there an alarm, and why was there none?

    `anju explain 20261128-0007` tells why the alarms of a case were raised. `anju explain --rule spo2-low --subject
    resident:wang --at 2026-11-27T03:00` tells why there was none.
    """
    loaded = read_settings(settings, data_dir)
    engine = open_state(loaded)
    try:
        community = registry_store.load(engine)
        zone = ZoneInfo(community.community.timezone if community is not None else "Asia/Shanghai")
        explainer = Explainer(engine, loaded)
        if rule is not None and subject is not None and what is None:
            found = [explainer.rule(rule, subject, _instant(at, zone), int(hours * 3600))]
        elif what is not None and rule is None and subject is None:
            found = [explainer.alarm(int(what))] if what.isdecimal() else explainer.case(what)
        else:
            fail("要解释什么 what is to be explained", "give a case or an alarm, or --rule and --subject", 2)
    except NothingToExplain as nothing:
        fail(nothing.zh, nothing.en, 2)
    except JournalError as error:
        fail("日志读不出 the journal cannot be read", error, 2)
    finally:
        engine.dispose()
    if as_json:
        out.print_json("[" + ",".join(one.model_dump_json() for one in found) + "]")
        return
    for one in found:
        _show(one, zone, every)


def _instant(text: str | None, zone: ZoneInfo) -> int:
    if text is None:
        return SystemClock().now_ms()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        fail(f"时间有误 --at {text}", "expected a local time such as 2026-10-01T08:30", 2)
    return int((at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp() * 1000)


def _show(one: Explanation, zone: ZoneInfo, every: bool) -> None:
    story = one.story
    verdict = "[bold red]报警成立 raised[/]" if story.raised else "[bold]没有报警 no alarm[/]"
    out.print(
        f"\n[bold]{escape(story.zh)} {escape(story.en)}[/] ({story.rule} v{story.rule_version}) · {story.subject}"
    )
    out.print(f"{_clock(story.until_ms, zone)}  {verdict}")
    if one.decided is not None:
        decided = one.decided
        out.print(f"  当时的判断 decided then (v{decided.rule_version}): {escape(decided.explanation)}", soft_wrap=True)
        if decided.zh:
            out.print(f"  {escape(decided.zh)} · {escape(decided.en)}", soft_wrap=True)
    for why in (*story.why, *one.around):
        out.print(f"  • {escape(why.zh)}\n    {escape(why.en)}", soft_wrap=True)
    if one.journal_begins_ms is not None and one.journal_begins_ms > story.from_ms:
        begins = _clock(one.journal_begins_ms, zone)
        out.print(f"  [dim]日志始于 the journal begins at {begins}: what came before is not known[/]")
    shown = story.steps if every else story.steps[-STEPS_SHOWN:]
    left = len(story.steps) - len(shown) + story.steps_left_out
    more = f", {left} 步未列出 steps not shown (--all)" if left else ""
    out.print(f"  共看了 {story.observations} 条消息 messages looked at{more}")
    for step in shown:
        _step(step, zone)


def _step(step: StoryStep, zone: ZoneInfo) -> None:
    if step.device is None:
        said = "时间到 time passed"
    else:
        values = ", ".join(f"{name} {value:g}" for name, value in sorted(step.metrics.items()))
        said = f"{step.device} {step.event or ''} {values}".replace("  ", " ")
    moved = "".join(f"  [bold red]{move.move.value}[/]" for move in step.moves)
    notes = "".join(f"  [yellow]{NOTE_WORDS[n].zh if n in NOTE_WORDS else n} ({n})[/]" for n in step.notes)
    out.print(f"  {_clock(step.observed_at_ms, zone)}  {escape(said)}{moved}{notes}", soft_wrap=True)
    for part in step.conditions:
        out.print(f"      {_HOLDS[part.holds]} {escape(part.values)}", soft_wrap=True)


def _clock(at_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).isoformat(sep=" ", timespec="seconds")[:19]
