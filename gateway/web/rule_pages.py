"""规则: all rules, one rule with its text, and what people do to it without a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup, escape

from devices.kinds import KINDS
from gateway.api import words
from gateway.api.auth import Caller
from gateway.api.context import Context, Gateway
from gateway.api.registering import as_problem, follow
from gateway.api.rule_models import RuleFault, RuleState, RuleSummary
from gateway.api.rules import HISTORY_SHOWN, RuleId
from gateway.api.ruling import (
    WHAT,
    draft_of,
    fault,
    in_words,
    library,
    life_line,
    registered,
    summaries,
    tried,
    type_words,
    validated,
)
from gateway.cases.wording import Words
from gateway.registry import desk, rule_desk, rule_history
from gateway.registry.rule_desk import RulePlan, Switch
from gateway.registry.rule_history import RuleLine
from gateway.registry.rule_text import TEXT_BYTES, written
from gateway.rules.document import EventRule, RuleDocument
from gateway.rules.library import library_rules
from gateway.rules.reference import in_short
from gateway.state.db import reading
from gateway.web.render import both, page
from gateway.web.session import Acting, Ruling, Seen, may_act, may_rule

router = APIRouter(prefix="/rules", include_in_schema=False)

Text = Annotated[str, Form(max_length=TEXT_BYTES)]
Version = Annotated[int, Form(ge=1, le=2**31 - 1)]
STATES: Mapping[RuleState, Words] = {
    "on": Words("启用", "on"),
    "trying": Words("试运行", "trying out"),
    "off": Words("停用", "off"),
}
SUBJECTS: Mapping[str, Words] = {
    "device": Words("每台设备", "each device"),
    "resident": Words("每位居民", "each resident"),
    "place": Words("每处地点", "each place"),
}
FORMS: Mapping[str, Words] = {
    "event": Words("事件", "event"),
    "threshold": Words("限值", "threshold"),
    "silence": Words("失联", "silence"),
    "condition": Words("组合条件", "condition"),
}
DONE: Mapping[str, Words] = {
    **{str(what): said for what, said in WHAT.items()},
    "edited": Words("已保存，立即生效", "saved, in force at once"),
    "created": Words("已新建", "created"),
    "same": Words("没有变化", "nothing had to be changed"),
}
"""What is said after something was done."""
TEMPLATE = """\
id: my-rule
zh: 规则名称
en: Name of the rule
form: threshold
kinds: [vitals_monitor]
subject: resident
when: spo2 < 88
readings: {count: 2, of: 3}
clear: spo2 >= 90
raises: {type: vitals_abnormal, severity: urgent, ladder: urgent}
examples:
  - name: 三次中两次偏低 low in two of three readings
    given:
      - {at: "08:00", metrics: {spo2: 87}}
      - {at: "08:05", metrics: {spo2: 86}}
    expect:
      - {move: raise, at: "08:05"}
"""


@router.get("")
def rules(request: Request, context: Gateway, caller: Seen, state: str = "", gone: str = "") -> HTMLResponse:
    """All rules; ``state``: only those that are on, tried out, or off. ``gone``: one that was just deleted."""
    every = sorted(summaries(context, registered(context)), key=_order)
    return page(
        request,
        "rules.html",
        caller=caller,
        rules=[one for one in every if not state or one.state == state],
        counts={name: sum(one.state == name for one in every) for name in STATES},
        all=len(every),
        state=state,
        states=STATES,
        may=may_rule(caller),
        gone=gone,
    )


def _order(one: RuleSummary) -> tuple[int, int, int, str]:
    """What is tried out or off first, which somebody has to decide about; then the gravest, and the busiest."""
    urgency = list(words.SEVERITIES).index(one.severity) if one.severity in words.SEVERITIES else len(words.SEVERITIES)
    return ("trying", "off", "on").index(one.state), urgency, -one.raised_week, one.id


@router.get("/new")
def new_rule(request: Request, context: Gateway, caller: Ruling, use: str = "") -> HTMLResponse:
    """The form for a rule that is not there yet; ``use``: with the text of a library's rule."""
    known = library_rules().get(use)
    text = written(known) if known is not None else TEMPLATE
    return _new(request, context, caller, text, use, [])


def _new(
    request: Request, context: Context, caller: Caller, text: str, use: str, faults: list[RuleFault], status: int = 200
) -> HTMLResponse:
    return page(
        request,
        "rule_new.html",
        status=status,
        caller=caller,
        text=text,
        use=use,
        library=library(context),
        rows=_rows(text),
        faults=faults,
        severities=("emergency", "urgent", "service", "notice"),
    )


@router.post("/new")
async def create(
    request: Request, context: Gateway, caller: Ruling, text: Text, how: Annotated[str, Form()] = "shadow"
) -> Response:
    """``how``: ``shadow`` only tries it out."""
    text = _lines(text)
    try:
        draft = await asyncio.to_thread(draft_of, text)
        rule = draft.rule.model_copy(update={"enabled": True, "shadow": how != "live"})
        tried_out = replace(draft, rule=rule, enabled=rule.enabled, shadow=rule.shadow)
        await _carry_out(context, rule_desk.create(tried_out), caller.actor)
    except rule_desk.RuleRefused as refused:
        faults = [fault(one) for one in refused.problems]
        return _new(request, context, caller, text, "", faults, status=422)
    return _back(draft.rule.id, "created")


@router.post("/check")
async def check(
    request: Request, context: Gateway, _: Acting, text: Text, rule: Annotated[str, Form(max_length=64)] = ""
) -> HTMLResponse:
    """What stands against a text, for the page that edits it. Nothing is changed."""
    found = await asyncio.to_thread(validated, context, _lines(text), rule or None)
    return page(request, "rule_checked.html", found=found)


@router.post("/try")
async def try_out(request: Request, _: Acting, text: Text) -> HTMLResponse:
    """The examples of a text, run."""
    found = await asyncio.to_thread(tried, _lines(text))
    return page(request, "rule_tried.html", found=found)


@router.get("/{rule_id}")
def one_rule(
    request: Request,
    context: Gateway,
    caller: Seen,
    rule_id: RuleId,
    done: str = "",
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> HTMLResponse:
    """``version``: with the text of an earlier one in the field. ``done``: what was just done."""
    return _page(request, context, caller, rule_id, done=done, version=version)


def _page(
    request: Request,
    context: Context,
    caller: Caller,
    rule_id: str,
    *,
    done: str = "",
    version: int | None = None,
    text: str | None = None,
    based_on: int | None = None,
    faults: list[RuleFault] | None = None,
    status: int = 200,
) -> HTMLResponse:
    with reading(context.engine) as connection:
        lines = rule_history.read(connection, rule_id, HISTORY_SHOWN)
        earlier = rule_history.document(connection, rule_id, version) if version is not None else None
    rule = next((rule for rule in registered(context) if rule.id == rule_id), None)
    if rule is None:
        if not lines:
            raise HTTPException(404, f"没有规则 {rule_id} · there is no rule {rule_id}")
        return page(request, "rule_gone.html", caller=caller, id=rule_id, history=_history(lines), may=may_rule(caller))
    (summary,) = summaries(context, [rule])
    if text is None:
        text = _text_of(earlier, rule)
    raises, ends = in_short(rule)
    return page(
        request,
        "rule.html",
        status=status,
        caller=caller,
        rule=rule,
        one=summary,
        state=STATES[summary.state],
        form=FORMS[rule.form],
        subject=SUBJECTS[rule.subject],
        kinds=[Words(KINDS[kind].zh, KINDS[kind].en) for kind in rule.kinds if kind in KINDS],
        raises=_coded(raises) if not isinstance(rule, EventRule) else _events(rule),
        ends=_coded(ends),
        type=type_words(rule.raises.type),
        text=text,
        rows=_rows(text),
        version=version,
        based_on=based_on or rule.version,
        history=_history(lines),
        faults=faults or [],
        done=DONE.get(done),
        acts=may_act(caller),
        may=may_rule(caller),
    )


def _events(rule: EventRule) -> Markup:
    """The events that raise it, as people know them."""
    known = {name: event for kind in rule.kinds for name, event in KINDS[kind].events.items()}
    return Markup("、").join(both(Words(known[name].zh, known[name].en)) for name in rule.events)


def _coded(said: str) -> Markup:
    """Markdown of the reference, with its conditions as code."""
    parts = said.replace("<br>", "; ").split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts)
    )


def _text_of(earlier: str | None, rule: RuleDocument) -> str:
    """The text to be edited: that of the rule, or an earlier one that goes on from it."""
    if earlier is None:
        return written(rule, switches=False)
    try:
        before = rule_history.rule_of(earlier)
    except ValueError:
        return written(rule, switches=False)
    return written(before.model_copy(update={"version": rule.version}), switches=False)


def _history(lines: list[RuleLine]) -> list[tuple[Any, bool]]:
    """Each line, and whether its text differs from that of the newest one, so that it can be restored."""
    newest = lines[0].version if lines else 0
    seen: set[int] = set()
    found = []
    for line in lines:
        first = line.version not in seen
        seen.add(line.version)
        found.append((life_line(line), first and (line.version != newest or lines[0].what == "deleted")))
    return found


def _rows(text: str) -> int:
    return min(24, max(10, text.count("\n") + 2))


def _lines(text: str) -> str:
    """Forms end lines with CR LF."""
    return text.replace("\r\n", "\n")


@router.post("/{rule_id}/text")
async def save(
    request: Request, context: Gateway, caller: Ruling, rule_id: RuleId, text: Text, based_on: Version
) -> Response:
    """Another text; what is wrong with it is said beside it, and nothing has to be typed again."""
    text = _lines(text)
    try:
        draft = await asyncio.to_thread(draft_of, text)
        done = await _carry_out(context, rule_desk.edit(rule_id, draft, based_on), caller.actor)
    except rule_desk.NoSuchRule as refused:
        raise HTTPException(404, f"没有规则 {rule_id} · {refused.problems[0].message}") from None
    except rule_desk.RuleRefused as refused:
        faults = [fault(one) for one in refused.problems]
        status = 409 if isinstance(refused, rule_desk.Stale) else 422
        return _page(request, context, caller, rule_id, text=text, based_on=based_on, faults=faults, status=status)
    return _back(rule_id, done or "same")


@router.post("/{rule_id}/switch")
async def switch(context: Gateway, caller: Ruling, rule_id: RuleId, how: Annotated[Switch, Form()]) -> Response:
    """The rule rules, is only tried out, or rests."""
    return await _done(context, rule_desk.switch(rule_id, how), caller.actor, rule_id)


@router.post("/{rule_id}/restore")
async def restore(context: Gateway, caller: Ruling, rule_id: RuleId, version: Version) -> Response:
    """An earlier version of the rule is in force again."""
    return await _done(context, rule_desk.restore(rule_id, version), caller.actor, rule_id)


@router.post("/{rule_id}/delete")
async def delete(context: Gateway, caller: Ruling, rule_id: RuleId) -> Response:
    """The rule is gone; its history stays."""
    await _in_words(context, rule_desk.delete(rule_id), caller.actor)
    return RedirectResponse(f"/rules?gone={quote(rule_id, safe='')}", status_code=303)


async def _done(context: Context, plan: RulePlan, actor: str, rule_id: str) -> Response:
    return _back(rule_id, await _in_words(context, plan, actor) or "same")


async def _in_words(context: Context, plan: RulePlan, actor: str) -> str | None:
    done = await in_words(lambda: rule_desk.carry_out(context.engine, plan, actor, context.clock.now_ms()))
    await follow(context, done.revision)
    return done.what


async def _carry_out(context: Context, plan: RulePlan, actor: str) -> str | None:
    """As `_in_words`, but raises RuleRefused."""
    now_ms = context.clock.now_ms()
    try:
        done = await asyncio.to_thread(rule_desk.carry_out, context.engine, plan, actor, now_ms)
    except desk.Refused as refused:
        problem = as_problem(refused)
        raise HTTPException(problem.status_code, f"{problem.zh} · {problem.en}") from None
    await follow(context, done.revision)
    return done.what


def _back(rule_id: str, done: str) -> Response:
    return RedirectResponse(f"/rules/{quote(rule_id, safe='')}?done={done}", status_code=303)
