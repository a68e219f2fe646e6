"""Rules as the API and the console show and change them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import sqlalchemy as sa

from gateway.alarms import ALARM_TYPES
from gateway.api.context import Context
from gateway.api.models import FieldFault
from gateway.api.problem import ApiProblem
from gateway.api.registering import FAULTS_SHOWN, as_problem, follow
from gateway.api.rule_models import (
    LibraryRule,
    RuleChanged,
    RuleFault,
    RuleLifeLine,
    RuleState,
    RuleSummary,
    Tried,
    TriedExample,
    TriedStep,
    Validated,
    WouldHave,
)
from gateway.cases.wording import Words
from gateway.decider import shadow_rows
from gateway.decider.shadow_rows import ShadowCount
from gateway.registry import desk, rule_desk, store
from gateway.registry.chinese import chinese
from gateway.registry.problem import Problem
from gateway.registry.rule_history import RuleLine, What
from gateway.registry.rule_text import Draft, Given, read_draft, read_rule, written
from gateway.rules.document import RuleDocument
from gateway.rules.library import library_rules
from gateway.rules.steps import steps_of
from gateway.rules.trial import run_examples
from gateway.state import tables as t
from gateway.state.db import reading

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
T = TypeVar("T")
WHAT: Mapping[What, Words] = {
    "applied": Words("按文件应用", "applied from files"),
    "created": Words("新建", "created"),
    "edited": Words("修改", "edited"),
    "enabled": Words("启用", "switched on"),
    "disabled": Words("停用", "switched off"),
    "shadowed": Words("开始试运行", "tried out"),
    "live": Words("正式启用", "in force"),
    "restored": Words("恢复旧版", "restored"),
    "deleted": Words("删除", "deleted"),
    "removed": Words("文件中已移除", "removed from the files"),
}


def state_of(rule: RuleDocument) -> RuleState:
    """Whether it rules, is only tried out, or rests."""
    return "off" if not rule.enabled else "trying" if rule.shadow else "on"


def type_words(type_: str) -> Words:
    """A type of alarm in words; its key where there is no such type any more."""
    known = ALARM_TYPES.get(type_)
    return Words(known.zh, known.en) if known is not None else Words(type_, type_)


# -- reading


def registered(context: Context) -> tuple[RuleDocument, ...]:
    """The rules as they stand in the registry, which the decider follows. Raises ApiProblem without a community."""
    community = store.load(context.engine)
    if community is None:
        raise ApiProblem(409, "no_community", "尚未配置社区", "no community has been applied yet")
    return community.rules


def summaries(context: Context, rules: Sequence[RuleDocument]) -> list[RuleSummary]:
    """Rules with what they did."""
    now_ms = context.clock.now_ms()
    ids = [rule.id for rule in rules]
    with reading(context.engine) as connection:
        made_here = set(store.made_at_desk(connection, "rules"))
        day, week = (raised(connection, ids, now_ms - span) for span in (DAY_MS, WEEK_MS))
    only = ids[0] if len(ids) == 1 else None
    would_day, would_week = (
        {one.rule: _would(one) for one in shadow_rows.counts(context.engine, now_ms - span, only)}
        for span in (DAY_MS, WEEK_MS)
    )
    skipped = _skipped(context)
    return [
        RuleSummary(
            id=rule.id,
            version=rule.version,
            zh=rule.zh,
            en=rule.en,
            form=rule.form,
            kinds=list(rule.kinds),
            subject=rule.subject,
            enabled=rule.enabled,
            shadow=rule.shadow,
            state=state_of(rule),
            origin="desk" if rule.id in made_here else "file",
            type=rule.raises.type,
            type_zh=type_words(rule.raises.type).zh,
            type_en=type_words(rule.raises.type).en,
            severity=rule.raises.severity.value,
            ladder=rule.raises.ladder,
            raised_day=day.get(rule.id, 0),
            raised_week=week.get(rule.id, 0),
            would_have_day=would_day.get(rule.id),
            would_have_week=would_week.get(rule.id),
            skipped=skipped.get(rule.id, {}),
        )
        for rule in rules
    ]


def raised(connection: sa.Connection, rules: Sequence[str], since_ms: int) -> dict[str, int]:
    """How many alarms each rule raised since then."""
    a = t.alarms.c
    mine = sa.and_(a.rule.in_(rules), a.raised_at_ms >= since_ms)
    query = sa.select(a.rule, sa.func.count().label("n")).where(mine).group_by(a.rule)
    return {row.rule: row.n for row in connection.execute(query)}


def _would(count: ShadowCount) -> WouldHave:
    return WouldHave(raised=count.raised, cleared=count.cleared, subjects=count.subjects)


def _skipped(context: Context) -> dict[str, dict[str, int]]:
    view = context.decider.view
    found: dict[str, dict[str, int]] = {}
    if view is not None:
        for (rule, why), count in dict(view.rules.skipped).items():
            found.setdefault(rule, {})[why] = count
    return found


def life_line(line: RuleLine) -> RuleLifeLine:
    """A line of the rule's history as the API gives it."""
    words = WHAT[line.what]
    return RuleLifeLine(
        id=line.id,
        version=line.version,
        at_ms=line.at_ms,
        actor=line.actor,
        what=line.what,
        zh=words.zh,
        en=words.en,
        summary=line.summary,
        document=json.loads(line.document),
    )


def library(context: Context) -> list[LibraryRule]:
    """The library's rules, and which of them are in use here."""
    directory = context.directory()
    here = {rule.id for rule in directory.community.rules} if directory is not None else set()
    return [
        LibraryRule(
            id=rule.id,
            zh=rule.zh,
            en=rule.en,
            form=rule.form,
            kinds=list(rule.kinds),
            type=rule.raises.type,
            type_zh=type_words(rule.raises.type).zh,
            type_en=type_words(rule.raises.type).en,
            severity=rule.raises.severity.value,
            ladder=rule.raises.ladder,
            in_use=rule.id in here,
            text=written(rule),
        )
        for rule in library_rules().values()
    ]


# -- looking at what somebody wrote


def fault(problem: Problem) -> RuleFault:
    """What is wrong with a rule, as the API gives it."""
    return RuleFault(
        level=problem.level,
        line=problem.line or None,
        column=problem.column,
        key=problem.key,
        zh=chinese(problem.message),
        en=problem.message,
    )


def draft_of(given: Given) -> Draft:
    """Raises RuleRefused with everything that is wrong with the text."""
    draft, problems = read_draft(given)
    if draft is None:
        raise rule_desk.RuleRefused(*problems)
    return draft


def validated(context: Context, given: Given, rule_id: str | None = None) -> Validated:
    """What would stand against a rule: by itself, and in this community. ``rule_id``: as another text for this one."""
    draft, problems = read_draft(given)
    if draft is None:
        return Validated(valid=False, id="", text="", problems=[fault(one) for one in problems])
    community = store.load(context.engine)
    known = {rule.id: rule for rule in community.rules} if community is not None else {}
    target = rule_id or draft.rule.id
    before = known.get(target)
    plan = rule_desk.create(draft) if before is None else rule_desk.edit(target, draft, before.version)
    try:
        done = rule_desk.carry_out(context.engine, plan, "", context.clock.now_ms(), dry_run=True)
        found, valid = [fault(one) for one in done.warnings], True
    except rule_desk.RuleRefused as refused:
        found, valid = [fault(one) for one in refused.problems], False
    except desk.NoCommunity:
        found, valid = [], True
    return Validated(valid=valid, id=draft.rule.id, text=written(draft.rule), problems=found)


def tried(given: Given) -> Tried:
    """The examples of a rule, run."""
    rule, problems = read_rule(given)
    elsewhere = [one for one in problems if not one.key.startswith("examples[") or rule is None]
    outcomes = run_examples(rule) if rule is not None and not elsewhere else []
    examples = [
        TriedExample(
            name=outcome.example.name,
            passed=not outcome.problem,
            problem=outcome.problem,
            steps=[TriedStep.model_validate(asdict(step)) for step in steps_of(outcome)],
        )
        for outcome in outcomes
    ]
    return Tried(passed=not problems, problems=[fault(one) for one in problems], examples=examples)


# -- changing


async def change_rule(context: Context, plan: rule_desk.RulePlan, rule_id: str, actor: str) -> RuleChanged:
    """Carry out ``plan``, and wait until the gateway decides by it. Raises ApiProblem."""
    now_ms = context.clock.now_ms()
    done = await in_words(lambda: rule_desk.carry_out(context.engine, plan, actor, now_ms))
    await follow(context, done.revision)
    return RuleChanged(
        id=rule_id,
        version=done.rule.version if done.rule is not None else None,
        what=done.what,
        state=state_of(done.rule) if done.rule is not None else None,
        revision=done.revision,
        warnings=[fault(one) for one in done.warnings],
    )


async def in_words(work: Callable[[], T]) -> T:
    """Do something to rules in a thread; what stands against it becomes an ApiProblem."""
    try:
        return await asyncio.to_thread(work)
    except rule_desk.RuleRefused as refused:
        raise refusal(refused) from None
    except desk.Refused as refused:
        raise as_problem(refused) from None


def refusal(refused: rule_desk.RuleRefused) -> ApiProblem:
    """Everything that stands against a change of a rule."""
    problems = refused.problems[:FAULTS_SHOWN]
    fields = [FieldFault(where=_where(one), expected=_sentence(one)) for one in problems]
    zh = "；".join(f"{_where(one)}：{chinese(one.message)} {one.message}" for one in problems)
    en = "; ".join(f"{_where(one)}: {one.message}" for one in problems)
    status, code, said = _kind(refused)
    return ApiProblem(status, code, f"{said}：{zh}", en, fields=fields)


def _kind(refused: rule_desk.RuleRefused) -> tuple[int, str, str]:
    if isinstance(refused, rule_desk.NoSuchRule):
        return 404, "no_such_rule", "没有这条规则或版本"
    if isinstance(refused, rule_desk.Taken):
        return 409, "rule_exists", "编号已被占用"
    if isinstance(refused, rule_desk.Stale):
        return 409, "rule_moved_on", "规则已被他人修改"
    return 422, "rule_does_not_fit", "规则有误，未保存"


def _where(problem: Problem) -> str:
    place = [f"line {problem.line}"] if problem.line else []
    return ": ".join([*place, problem.key or "rule"])


def _sentence(problem: Problem) -> str:
    return f"{chinese(problem.message)} {problem.message}".lstrip()


def as_given(data: bytes, media_type: str) -> Given:
    """The body of a request: a JSON document, or YAML text. Raises ApiProblem."""
    try:
        text = data.decode()
        if media_type.partition(";")[0].strip().endswith("json"):
            document: Any = json.loads(text)
            if not isinstance(document, dict):
                raise _unread("body", "a rule as a JSON object, or YAML text with Content-Type: text/yaml")
            return document
    except (ValueError, RecursionError) as error:
        raise _unread("body", f"UTF-8, YAML with Content-Type: text/yaml, or JSON ({error})"[:300]) from None
    return text


def _unread(where: str, expected: str) -> ApiProblem:
    fields = [FieldFault(where=where, expected=expected)]
    return ApiProblem(422, "invalid_request", "请求内容不正确", f"expected {expected}", fields=fields)
