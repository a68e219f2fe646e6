"""Back-tests over the API: rules are tried on what this gateway has heard, in a process of their own."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, ConfigDict, Field

from gateway.api.auth import Operator, Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID, NO_NUL, FieldFault
from gateway.api.problem import ApiProblem, described
from gateway.backtest.jobs import QUEUE_LENGTH, Job, QueueFull, State
from gateway.backtest.model import Note, Progress, Result
from gateway.backtest.order import Order, Source
from gateway.backtest.plan import CASE_LASTS_S, WARM_UP_S
from gateway.registry.load import read_rules
from gateway.registry.problem import Problem

router = APIRouter(prefix="/backtests", tags=["rules"])

LATEST_MS = 9_000_000_000_000
USUAL_MS = 7 * 86_400_000
RULES_BYTES = 256 * 1024
RULES_MOST = 50
FAULTS_SHOWN = 100

Millis = Annotated[int, Field(ge=0, le=LATEST_MS)]


class BacktestOrder(BaseModel):
    """What is to be tried, on which part of the past."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={
            "examples": [
                {"rules": {"use": "spo2-low", "for_s": 60}},
                {"rules": "- use: bin-full\n  when: fill >= 70\n", "source": "store", "from_ms": 1790000000000},
            ]
        },
    )

    rules: dict[str, Any] | list[dict[str, Any]] | Annotated[str, Field(max_length=RULES_BYTES, pattern=NO_NUL)]
    """A rule document, a list of them, or the same as YAML text; `use` takes one from the library."""
    source: Source = "journal"
    """`journal`: what devices said, as it came. `store`: readings and events as the telemetry store kept them."""
    from_ms: Millis | None = None
    """Seven days before `until_ms` where it is left out."""
    until_ms: Millis | None = None
    """Now where it is left out."""
    warm_up_s: Annotated[int, Field(ge=0, le=60 * 86_400)] = WARM_UP_S
    """So much before `from_ms` is read for rules to remember; alarms of that time are not counted."""
    devices: Annotated[list[Annotated[str, Field(pattern=ID)]], Field(max_length=1000)] | None = None
    """Only these."""
    compare: bool = True
    """Also replay the rules in force of the same id or alarm type, and look at what was really raised."""
    case_lasts_s: Annotated[int, Field(ge=60, le=7 * 86_400)] = CASE_LASTS_S
    """A press ends with its case: it is taken to last so long."""


class BacktestLine(BaseModel):
    """A back-test that waits, runs or is over."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    id: str
    actor: str
    state: State
    created_ms: int
    ended_ms: int | None
    source: Literal["journal", "store"]
    from_ms: int
    until_ms: int
    progress: Progress
    error: Note | None
    """Why it failed."""


class BacktestDetail(BacktestLine):
    """One trial on history, with what came of it."""

    result: Result | None
    """When it is done."""


BacktestId = Annotated[str, Path(max_length=64, pattern=ID, examples=["bt-1"])]


@router.post("", responses=described(409, 413))
async def start_backtest(context: Gateway, caller: Operator, order: Annotated[BacktestOrder, Body()]) -> BacktestLine:
    """Try rules on the past. It runs beside the gateway at the lowest priority, one at a time; a few may wait."""
    if context.directory() is None:
        raise ApiProblem(409, "no_community", "尚未配置社区", "no community has been applied yet")
    until_ms = context.clock.now_ms() if order.until_ms is None else order.until_ms
    from_ms = max(0, until_ms - USUAL_MS) if order.from_ms is None else order.from_ms
    if from_ms >= until_ms:
        raise _unfit(FieldFault(where="body.from_ms", expected="before until_ms"))
    text = order.rules if isinstance(order.rules, str) else json.dumps(order.rules, ensure_ascii=False)
    await asyncio.to_thread(_check, text)
    wanted = Order(
        settings=context.settings,
        rules=text,
        source=order.source,
        from_ms=from_ms,
        until_ms=until_ms,
        warm_up_s=order.warm_up_s,
        compare=order.compare,
        devices=None if order.devices is None else frozenset(order.devices),
        cases_last_s=order.case_lasts_s,
    )
    try:
        return _line(context.backtests.add(wanted, caller.actor))
    except QueueFull:
        raise ApiProblem(
            409,
            "queue_full",
            f"已有 {QUEUE_LENGTH} 个回测在等待，请稍后再试",
            f"{QUEUE_LENGTH} back-tests are waiting already; try again later, or cancel one",
        ) from None


def _check(text: str) -> None:
    """Raises ApiProblem for rules that cannot be used."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > RULES_BYTES:
        raise _unfit(FieldFault(where="body.rules", expected=f"at most {RULES_BYTES} bytes"))
    rules, problems = read_rules("rules", data)
    if problems:
        raise _unfit(*(_fault(one) for one in problems[:FAULTS_SHOWN]))
    if len(rules) > RULES_MOST:
        raise _unfit(FieldFault(where="body.rules", expected=f"at most {RULES_MOST} rules"))


def _fault(problem: Problem) -> FieldFault:
    return FieldFault(where=f"body.rules:{problem.line} {problem.key}".strip(), expected=problem.message)


def _unfit(*faults: FieldFault) -> ApiProblem:
    said = "; ".join(f"{fault.where}: {fault.expected}" for fault in faults)
    return ApiProblem(422, "invalid_request", f"请求内容不正确：{said}", said, fields=faults)


@router.get("")
async def list_backtests(context: Gateway, _: Reader) -> list[BacktestLine]:
    """The back-tests that wait, run, and the last that are over, the newest first. They are forgotten at a restart."""
    return [_line(job) for job in context.backtests.all()]


@router.get("/{backtest_id}", responses=described(404))
async def get_backtest(context: Gateway, _: Reader, backtest_id: BacktestId) -> BacktestDetail:
    """One back-test: how far it has come, and its result when it is done."""
    job = _found(context, backtest_id)
    return BacktestDetail(**dict(_line(job)), result=job.result)


@router.delete("/{backtest_id}", responses=described(404))
async def cancel_backtest(context: Gateway, _: Operator, backtest_id: BacktestId) -> BacktestLine:
    """End a back-test that waits or runs; forget one that is over."""
    job = _found(context, backtest_id)
    context.backtests.cancel(job)
    return _line(job)


def _found(context: Context, backtest_id: str) -> Job:
    job = context.backtests.find(backtest_id)
    if job is None:
        raise ApiProblem(
            404, "no_such_backtest", f"没有回测 {backtest_id}", f"there is no back-test {backtest_id!r} (any more)"
        )
    return job


def _line(job: Job) -> BacktestLine:
    return BacktestLine(
        id=job.id,
        actor=job.actor,
        state=job.state,
        created_ms=job.created_ms,
        ended_ms=job.ended_ms,
        source=job.order.source,
        from_ms=job.order.from_ms,
        until_ms=job.order.until_ms,
        progress=job.progress,
        error=job.error,
    )
