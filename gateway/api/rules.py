"""Rules over the API: what is in force, what it did, and how it is changed without a restart."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response

from gateway.api.auth import Admin, Operator, Reader
from gateway.api.context import Gateway
from gateway.api.problem import ApiProblem, described
from gateway.api.rule_models import (
    LibraryRule,
    Restoration,
    RuleChanged,
    RuleDetail,
    RuleLifeLine,
    RuleSummary,
    Tried,
    Validated,
)
from gateway.api.ruling import (
    as_given,
    change_rule,
    draft_of,
    in_words,
    library,
    life_line,
    registered,
    summaries,
    tried,
    validated,
)
from gateway.registry import rule_desk, rule_history, store
from gateway.registry.rule_desk import Switch
from gateway.registry.rule_schema import json_schema
from gateway.registry.rule_text import TEXT_BYTES, Given, written, written_all
from gateway.state.db import reading

router = APIRouter(prefix="/rules", tags=["rules"])

RuleId = Annotated[str, Path(max_length=64, pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", examples=["spo2-low"])]
BasedOn = Annotated[
    int | None,
    Query(ge=1, le=2**31 - 1, description="the version that you changed; else `version` in the document"),
]
HISTORY_SHOWN = 50
_DOCUMENT = {
    "type": "object",
    "description": "A rule, or `use: …` of the library with what is different. Schema: `GET /api/v1/rules/schema`.",
    "example": {"use": "glucose-low", "id": "glucose-low-ward", "when": "glucose < 3.3", "clear": "glucose >= 4.2"},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _DOCUMENT}, "text/yaml": {"schema": _DOCUMENT}},
    }
}
_SECTION = {
    "type": "object",
    "required": ["rules"],
    "properties": {"rules": {"type": "array", "items": {"type": "object"}}},
}
_YAML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/yaml": {"schema": _SECTION}}}}


async def _given(request: Request) -> Given:
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > TEXT_BYTES:
            raise ApiProblem(413, "too_large", f"最多 {TEXT_BYTES} 字节", f"expected at most {TEXT_BYTES} bytes")
    return as_given(data, request.headers.get("content-type", ""))


@router.get("", responses=described(409))
def list_rules(context: Gateway, _: Reader) -> list[RuleSummary]:
    """All rules, with what they raised lately, and what those that are only tried out would have done."""
    return summaries(context, registered(context))


@router.post("", responses=described(409, 413), openapi_extra=_BODY)
async def create_rule(context: Gateway, caller: Admin, request: Request) -> RuleChanged:
    """A new rule, from a document, or from the library with `use`. It is in force at once; applying files keeps it."""
    given = await _given(request)
    draft = await in_words(lambda: draft_of(given))
    return await change_rule(context, rule_desk.create(draft), draft.rule.id, caller.actor)


@router.post("/validate", responses=described(413), openapi_extra=_BODY)
async def validate_rule(context: Gateway, _: Operator, request: Request) -> Validated:
    """Whether a rule could be used here, with everything that is wrong with it. Nothing is changed."""
    given = await _given(request)
    return await asyncio.to_thread(validated, context, given)


@router.post("/test", responses=described(413), openapi_extra=_BODY)
async def test_rule(_: Operator, request: Request) -> Tried:
    """The examples of a rule, run by the engine that decides: each step, and what was decided why."""
    given = await _given(request)
    return await asyncio.to_thread(tried, given)


@router.get("/library")
def rule_library(context: Gateway, _: Reader) -> list[LibraryRule]:
    """The rules that come with the gateway, to be taken with `use`."""
    return library(context)


@router.get("/export", response_class=Response, responses=_YAML | described(409))
def export_rules(
    context: Gateway,
    _: Reader,
    made_here: Annotated[bool, Query(description="only what was made or changed at the running gateway")] = False,
) -> Response:
    """All rules as the section `rules:` of a community's files."""
    rules = registered(context)
    if made_here:
        with reading(context.engine) as connection:
            here = set(store.made_at_desk(connection, "rules"))
        rules = tuple(rule for rule in rules if rule.id in here)
    headers = {"Content-Disposition": 'attachment; filename="rules.yaml"'}
    return Response(written_all(rules), media_type="text/yaml; charset=utf-8", headers=headers)


@router.get("/schema")
def rule_schema(_: Reader) -> dict[str, Any]:
    """The JSON Schema of a rule, for editors and programs."""
    return json_schema()


@router.get("/{rule_id}", responses=described(404, 409))
def get_rule(context: Gateway, _: Reader, rule_id: RuleId) -> RuleDetail:
    """One rule: its document, the text to edit, what it did, who changed it."""
    rule = next((rule for rule in registered(context) if rule.id == rule_id), None)
    if rule is None:
        raise _no_such(rule_id)
    (summary,) = summaries(context, [rule])
    with reading(context.engine) as connection:
        lines = rule_history.read(connection, rule_id, HISTORY_SHOWN)
    return RuleDetail(
        **dict(summary),
        document=rule,
        text=written(rule, switches=False),
        history=[life_line(line) for line in lines],
    )


@router.get("/{rule_id}/history", responses=described(404))
def rule_life(
    context: Gateway,
    _: Reader,
    rule_id: RuleId,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=0, le=2**53, description="the last line you have")] = None,
) -> list[RuleLifeLine]:
    """Who gave the rule which text when, the newest first: also of one that was deleted."""
    with reading(context.engine) as connection:
        lines = rule_history.read(connection, rule_id, limit, before)
        if not lines and not rule_history.latest_version(connection, rule_id):
            raise _no_such(rule_id)
    return [life_line(line) for line in lines]


@router.put("/{rule_id}", responses=described(404, 409, 413), openapi_extra=_BODY)
async def edit_rule(
    context: Gateway, caller: Admin, rule_id: RuleId, request: Request, based_on: BasedOn = None
) -> RuleChanged:
    """Another text for a rule. Refused (409) where somebody else changed it meanwhile.

    It gets the next version by itself. `enabled` and `shadow` stay as they are where the document does not name them.
    """
    given = await _given(request)
    draft = await in_words(lambda: draft_of(given))
    return await change_rule(context, rule_desk.edit(rule_id, draft, based_on), rule_id, caller.actor)


@router.delete("/{rule_id}", responses=described(404, 409))
async def delete_rule(context: Gateway, caller: Admin, rule_id: RuleId) -> RuleChanged:
    """The rule is gone, and what it had raised ends. Its history stays, and `restore` brings it back."""
    return await change_rule(context, rule_desk.delete(rule_id), rule_id, caller.actor)


@router.post("/{rule_id}/restore", responses=described(404, 409))
async def restore_rule(
    context: Gateway, caller: Admin, rule_id: RuleId, wanted: Annotated[Restoration, Body()]
) -> RuleChanged:
    """What an earlier version said, as a new version. Also of a rule that was deleted."""
    plan = rule_desk.restore(rule_id, wanted.version, wanted.based_on)
    return await change_rule(context, plan, rule_id, caller.actor)


@router.post("/{rule_id}/{how}", responses=described(404, 409))
async def switch_rule(context: Gateway, caller: Admin, rule_id: RuleId, how: Switch) -> RuleChanged:
    """`enable`, `disable`; `shadow`: it decides and is counted, and nobody is told; `live`: it is in force."""
    return await change_rule(context, rule_desk.switch(rule_id, how), rule_id, caller.actor)


def _no_such(rule_id: str) -> ApiProblem:
    return ApiProblem(404, "no_such_rule", f"没有规则 {rule_id}", f"there is no rule {rule_id!r}")
