"""`anju rules list|show|history|export|library|schema|validate|test`: look at rules, and try them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import sqlalchemy as sa
import typer
from pydantic import ValidationError
from rich.markup import escape
from rich.table import Table

from gateway.api.ruling import DAY_MS, WEEK_MS, WHAT, raised, state_of
from gateway.decider import shadow_rows
from gateway.decider.shadow_rows import ShadowCount
from gateway.registry import desk, rule_desk, rule_history, store
from gateway.registry.opened import Opened, listing, opened, out, shown
from gateway.registry.problem import Problem
from gateway.registry.rule_schema import text as schema_text
from gateway.registry.rule_text import Draft, read_drafts, written, written_all
from gateway.rules.document import RuleDocument
from gateway.rules.errors import RuleError
from gateway.rules.library import library_rules
from gateway.rules.steps import steps_of
from gateway.rules.trial import Outcome, run_examples
from gateway.state.db import open_database, reading
from gateway.terminal import DataDirOption, SettingsOption, fail, read_settings

RuleArgument = Annotated[str, typer.Argument(metavar="ID", help="The rule's id.", show_default=False)]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A rule, or several under rules:, as YAML.", show_default=False)
]
STATES: Mapping[str, str] = {
    "on": "[green]启用 on[/]",
    "trying": "[yellow]试运行 trying out[/]",
    "off": "[dim]停用 off[/]",
}
_MOVES = {"raise": "报警 raise", "repeat": "重复 repeat", "clear": "解除 clear", "cancel": "取消 cancel"}


def add_to(app: typer.Typer) -> None:
    """Hang the commands into ``app``."""
    app.command("list")(list_rules)
    app.command("show")(show)
    app.command("history")(show_history)
    app.command("validate")(validate)
    app.command("test")(test)
    app.command("library")(show_library)
    app.command("export")(export)
    app.command("schema")(schema)


def list_rules(
    state: Annotated[
        Literal["on", "trying", "off"] | None, typer.Option("--state", help="Only those that are so.")
    ] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """规则列表 · All rules: whether they are in force, what they raised, and what those tried out would have done."""
    with opened(settings, data_dir) as registry:
        rules = [rule for rule in registry.directory.community.rules if state is None or state_of(rule) == state]
        since_ms = registry.now_ms - WEEK_MS
        with reading(registry.engine) as connection:
            made_here = set(store.made_at_desk(connection, "rules"))
            ids = [rule.id for rule in rules]
            day, week = (raised(connection, ids, registry.now_ms - span) for span in (DAY_MS, WEEK_MS))
        would = {one.rule: one for one in shadow_rows.counts(registry.engine, since_ms)}
    # Without lines between, so that it can be read on a terminal of 80 columns.
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(("规则 id", "状态 state", "v", "24h", "7d", "名称 name")):
        table.add_column(name, no_wrap=number < 5, overflow="fold", justify="right" if number in (2, 3, 4) else "left")
    for rule in rules:
        more = [f"{rule.raises.type}, {rule.raises.severity}"]
        if rule.id in would:
            more.append(f"试运行 would have: {_would(would[rule.id])}")
        if rule.id in made_here:
            more.append("在网关上修改 made here")
        table.add_row(
            rule.id,
            STATES[state_of(rule)],
            str(rule.version),
            str(day.get(rule.id, 0)),
            str(week.get(rule.id, 0)),
            escape(f"{rule.zh} {rule.en}\n") + f"[dim]{'; '.join(more)}[/]",
        )
    out.print(table if rules else "没有规则 no rules")


def _would(count: ShadowCount) -> str:
    return f"{count.raised} × ({count.subjects} 处 subjects)"


def show(rule: RuleArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """查看规则 · A rule as YAML: change it in a file, and bring it back with `anju rules edit FILE`.

    Example: `anju rules show spo2-low > spo2-low.yaml`
    """
    with opened(settings, data_dir) as registry:
        found = find(registry, rule)
    typer.echo(written(found), nl=False)


def find(registry: Opened, rule: str) -> RuleDocument:
    """A registered rule; ends the command with a sentence where there is none."""
    try:
        return rule_desk.find(registry.directory.community, rule)
    except rule_desk.RuleRefused as refused:
        fail("未执行 not done", f"{refused.problems[0].message}")


def show_history(
    rule: RuleArgument,
    version: Annotated[int | None, typer.Option("--version", help="Print what this version said.")] = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """规则履历 · Who gave a rule which text when; also of one that was deleted."""
    with opened(settings, data_dir) as registry:
        with reading(registry.engine) as connection:
            if version is not None:
                _print_version(connection, rule, version)
                return
            lines = rule_history.read(connection, rule, 1000)
        if not lines:
            find(registry, rule)
        for line in lines:
            words = WHAT[line.what]
            by = escape(line.actor)
            out.print(f"[bold]{registry.instant(line.at_ms)}  v{line.version}  {words.zh} {words.en}[/]  {by}")
            for change in _changes(line.summary):
                out.print(f"    {escape(change)}", soft_wrap=True)


def _changes(summary: str) -> list[str]:
    """What differed, one a line; of examples only that they did."""
    changes = re.split(r"; (?=[a-z_]+[\[. ])", summary) if summary else []
    others = [one for one in changes if not one.startswith("examples")]
    return others if len(others) == len(changes) else [*others, "examples 示例有改动 changed"]


def _print_version(connection: sa.Connection, rule: str, version: int) -> None:
    document = rule_history.document(connection, rule, version)
    if document is None:
        fail(f"没有这一版 there is no version {version} of rule {rule}", f"see: anju rules history {rule}")
    try:
        typer.echo(written(rule_history.rule_of(document)), nl=False)
    except ValidationError:  # of an older release, which knew other keys
        typer.echo(json.dumps(json.loads(document), ensure_ascii=False, indent=2))


def validate(file: FileArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """检查规则 · Everything that is wrong with the rules of FILE: line, key, what was expected. Nothing is changed.

    Where a gateway's data is at hand, they are also checked in its community: ladder, people, other rules.
    Exit code 1 when there are errors.
    """
    drafts, problems = read_file(file)
    engine = _at_hand(settings, data_dir)
    if engine is not None:
        try:
            for draft in drafts:
                if not problems:
                    problems += _in_community(engine, draft)
        finally:
            engine.dispose()
    say(*problems)
    wrong = sum(problem.level == "error" for problem in problems)
    if wrong:
        fail(f"{wrong} 处错误 errors")
    where = "" if engine is not None else "；未在社区中检查 not checked in a community (give --data-dir)"
    out.print(f"[green]✓[/] {len(drafts)} 条规则 rules{where}", soft_wrap=True)


def read_file(file: Path) -> tuple[tuple[Draft, ...], list[Problem]]:
    """The rules of a file, and what is wrong with them; ends the command where it cannot be read."""
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        fail(f"文件无法读取 {file} cannot be read", error.strerror or error)
    except UnicodeDecodeError:
        fail(f"文件无法读取 {file} cannot be read", "expected UTF-8 text; save the file as UTF-8")
    drafts, problems = read_drafts(text, str(file))
    return drafts, list(problems)


def say(*problems: Problem) -> None:
    """Problems, each on its line."""
    for problem in problems:
        colour = "red" if problem.level == "error" else "yellow"
        out.print(f"[{colour}]{'错误 error' if problem.level == 'error' else '提醒 warning'}[/] ", end="")
        out.print(str(problem).removeprefix(":0: "), markup=False, soft_wrap=True)


def _at_hand(settings: Path | None, data_dir: Path | None) -> sa.Engine | None:
    loaded = read_settings(settings, data_dir)
    if loaded.database_url is None and not (loaded.data_dir / "state.db").exists():
        return None
    return open_database(loaded.database)


def _in_community(engine: sa.Engine, draft: Draft) -> list[Problem]:
    community = store.load(engine)
    known = {rule.id: rule for rule in community.rules} if community is not None else {}
    before = known.get(draft.rule.id)
    plan = rule_desk.create(draft) if before is None else rule_desk.edit(before.id, draft, before.version)
    try:
        return list(rule_desk.carry_out(engine, plan, "", 0, dry_run=True).warnings)
    except rule_desk.RuleRefused as refused:
        return list(refused.problems)
    except desk.NoCommunity:
        return []


def test(
    file: FileArgument,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Every step, also of examples that pass.")] = False,
) -> None:
    """运行示例 · Run the examples of the rules of FILE by the engine that decides, and show every decision and why.

    Exit code 1 when an example does not come as expected, or a rule cannot run.
    """
    drafts, problems = read_file(file)
    failing = [problem for problem in problems if not _of_example(problem)]
    say(*failing)
    passed = failed = 0
    for draft in drafts:
        out.print(f"[bold]{draft.rule.id}[/] {escape(draft.rule.zh)} {escape(draft.rule.en)}")
        for outcome in _outcomes(draft.rule):
            passed, failed = passed + (not outcome.problem), failed + bool(outcome.problem)
            _tell(outcome, verbose)
        if not draft.rule.examples:
            out.print("  没有示例 no examples: add examples: […] (docs/rules.md)")
    if failed or failing:
        fail(f"{failed} 个示例不符 examples fail, {len(failing)} 处错误 errors; {passed} 个通过 pass")
    out.print(f"[green]✓[/] {passed} 个示例通过 examples pass")


def _of_example(problem: Problem) -> bool:
    return "examples[" in problem.key and problem.message.startswith("example “")


def _outcomes(rule: RuleDocument) -> list[Outcome]:
    try:
        return run_examples(rule)
    except RuleError:  # which has been said with the other problems
        return []


def _tell(outcome: Outcome, verbose: bool) -> None:
    mark = "[red]✗[/]" if outcome.problem else "[green]✓[/]"
    out.print(f"  {mark} {escape(outcome.example.name)}")
    for step in steps_of(outcome):
        if step.move:
            odd = "" if step.expected else "[red]未预期 not expected[/] "
            out.print(f"      {step.at} [bold]{_MOVES[step.move]}[/] {odd}{escape(step.explanation)}", soft_wrap=True)
            if step.zh or step.en:
                out.print(f"        “{escape(' '.join(dict.fromkeys((step.zh, step.en))))}”", soft_wrap=True)
        elif verbose or outcome.problem:
            out.print(f"      {step.at} {escape(step.device)} {escape(step.says)}", style="dim", soft_wrap=True)
    if outcome.problem:
        out.print(f"      {outcome.problem}", style="red", markup=False, soft_wrap=True)


def show_library(
    rule: Annotated[str, typer.Argument(metavar="[ID]", help="Print this one as YAML.")] = "",
) -> None:
    """规则库 · The rules that come with the gateway; take one with `use: ID` in a file for `anju rules add`."""
    rules = library_rules()
    if rule and rule not in rules:
        fail(f"规则库中没有 the library has no rule {rule}", "see: anju rules library")
    if rule:
        typer.echo(written(rules[rule]), nl=False)
        return
    table = listing("规则 id", "名称 name", "形式 form", "报警 alarm", "设备 kinds")
    for one in rules.values():
        kinds = ", ".join(one.kinds[:4]) + (" …" if len(one.kinds) > 4 else "")
        alarm = f"{one.raises.type}, {one.raises.severity}"
        table.add_row(one.id, escape(f"{one.zh} {one.en}"), one.form, alarm, shown(kinds))
    out.print(table)


def export(
    made_here: Annotated[
        bool, typer.Option("--made-here", help="Only what was made or changed at the running gateway.")
    ] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """导出规则 · All rules as the section rules: of a community's files."""
    with opened(settings, data_dir) as registry:
        rules = registry.directory.community.rules
        if made_here:
            with reading(registry.engine) as connection:
                here = set(store.made_at_desk(connection, "rules"))
            rules = tuple(rule for rule in rules if rule.id in here)
    typer.echo(written_all(rules), nl=False)


def schema() -> None:
    """编辑器用的模式 · Print the JSON Schema of rules, for editors that complete and check while one types."""
    typer.echo(schema_text(), nl=False)
