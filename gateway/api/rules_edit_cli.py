"""`anju rules add|edit|enable|disable|shadow|live|restore|delete`: change rules without a restart.

The running gateway follows within a second; its rules keep what they remember.
"""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from gateway.api.rules_cli import FileArgument, RuleArgument, read_file, say
from gateway.registry import desk, rule_desk
from gateway.registry.opened import Opened, actor, opened, out, refuse
from gateway.registry.rule_desk import RuleDone, RulePlan, Switch
from gateway.registry.rule_text import Draft
from gateway.terminal import DataDirOption, SettingsOption, fail

BasedOnOption = Annotated[
    int | None, typer.Option("--based-on", help="The version that you changed; else version: in FILE.")
]


def add_to(app: typer.Typer) -> None:
    """Hang the commands into ``app``."""
    app.command("add")(add)
    app.command("edit")(edit)
    app.command("enable")(enable)
    app.command("disable")(disable)
    app.command("shadow")(shadow)
    app.command("live")(live)
    app.command("restore")(restore)
    app.command("delete")(delete)


def add(
    file: FileArgument,
    trying: Annotated[bool, typer.Option("--shadow", help="Only try it out: decide and count, tell nobody.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """新建规则 · Take the rules of FILE into force, each at once; `use: ID` takes one from the library.

    Example: `anju rules add cold-kiosk.yaml --shadow`, and some days later `anju rules live cold-kiosk`
    """
    drafts = _drafts(file)
    with opened(settings, data_dir) as registry:
        for draft in drafts:
            if trying:
                draft = _trying(draft)
            done = _carried_out(registry, rule_desk.create(draft))
            _changed(done, "已新建 created", draft.rule.id)


def _trying(draft: Draft) -> Draft:
    return Draft(
        draft.rule.model_copy(update={"shadow": True}), draft.entry, draft.version, enabled=draft.enabled, shadow=True
    )


def edit(
    file: FileArgument,
    based_on: BasedOnOption = None,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """修改规则 · Another text for the rule of FILE, as `anju rules show ID > FILE` wrote it. It gets the next version.

    Refused where somebody else changed it meanwhile, where an example fails, or where it does not fit the community.
    """
    drafts = _drafts(file)
    with opened(settings, data_dir) as registry:
        for draft in drafts:
            done = _carried_out(registry, rule_desk.edit(draft.rule.id, draft, based_on))
            _changed(done, "已修改 edited", draft.rule.id)


def enable(rule: RuleArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """启用 · Switch a rule on, as it was before: in force, or tried out."""
    with opened(settings, data_dir) as registry:
        _switch(registry, rule, "enable", "已启用 on")


def disable(rule: RuleArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """停用 · Switch a rule off; what it had raised ends."""
    with opened(settings, data_dir) as registry:
        _switch(registry, rule, "disable", "已停用 off")


def shadow(rule: RuleArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """试运行 · Only try a rule out: it decides and is counted, nobody is told and nothing is done."""
    with opened(settings, data_dir) as registry:
        _switch(registry, rule, "shadow", "试运行 trying out")


def live(rule: RuleArgument, settings: SettingsOption = None, data_dir: DataDirOption = None) -> None:
    """正式启用 · Take a rule into force that was tried out, or was off."""
    with opened(settings, data_dir) as registry:
        _switch(registry, rule, "live", "已正式启用 in force")


def restore(
    rule: RuleArgument,
    version: Annotated[int, typer.Argument(min=1, help="As `anju rules history ID` shows it.")],
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """恢复旧版 · What an earlier version said, as a new version; also of a rule that was deleted."""
    with opened(settings, data_dir) as registry:
        done = _carried_out(registry, rule_desk.restore(rule, version))
    _changed(done, f"已恢复版本 {version} restored", rule)


def delete(
    rule: RuleArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    settings: SettingsOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """删除规则 · A rule is gone, and what it had raised ends; its history stays. `disable` only switches it off."""
    with opened(settings, data_dir) as registry:
        if not yes and not typer.confirm(f"删除规则 {rule}? Delete it?"):
            raise typer.Exit(3)
        done = _carried_out(registry, rule_desk.delete(rule))
    _changed(done, "已删除 deleted", rule)


def _drafts(file: FileArgument) -> tuple[Draft, ...]:
    drafts, problems = read_file(file)
    if problems:
        say(*problems)
        fail(f"未执行 not done: {len(problems)} 处错误 errors")
    return drafts


def _switch(registry: Opened, rule: str, how: Switch, said: str) -> None:
    _changed(_carried_out(registry, rule_desk.switch(rule, how)), said, rule)


def _carried_out(registry: Opened, plan: RulePlan) -> RuleDone:
    try:
        return rule_desk.carry_out(registry.engine, plan, actor(), registry.now_ms)
    except rule_desk.RuleRefused as refused:
        _refuse(refused)
    except desk.Refused as refused:
        refuse(refused)


def _refuse(refused: rule_desk.RuleRefused) -> NoReturn:
    say(*refused.problems)
    fail("未执行 not done")


def _changed(done: RuleDone, what: str, rule: str) -> None:
    say(*done.warnings)
    if done.what is None:
        out.print(f"{rule}: 没有变化 nothing to change")
        return
    version = f" v{done.rule.version}" if done.rule is not None else ""
    out.print(f"[green]✓[/] {what}: {rule}{version}, revision {done.revision}", soft_wrap=True)
