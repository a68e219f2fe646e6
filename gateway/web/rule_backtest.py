"""A rule on the past, at the console: it is started, how far it has come, and what it would have done."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.api.backtests import BacktestId, BacktestOrder, start_backtest
from gateway.api.context import Context, Gateway
from gateway.api.problem import ApiProblem
from gateway.api.rule_models import RuleFault
from gateway.api.ruling import fault
from gateway.backtest.jobs import Job
from gateway.backtest.model import Result
from gateway.cases.wording import Words
from gateway.registry.rule_text import TEXT_BYTES, read_rule
from gateway.web.render import Show, page
from gateway.web.session import Acting, Seen, may_act

router = APIRouter(prefix="/rules", include_in_schema=False)

SHOWN = 50
STATES: dict[str, Words] = {
    "waiting": Words("排队中", "waiting"),
    "running": Words("正在试算", "running"),
    "done": Words("已完成", "done"),
    "failed": Words("未完成", "failed"),
    "cancelled": Words("已取消", "cancelled"),
}
AGAINST: dict[str, Words] = {
    "rules_in_force": Words("与现行规则相比", "beside the rules in force"),
    "really_raised": Words("与实际报过的警相比", "beside what was really raised"),
}
THEIRS: dict[str, Words] = {
    "rules_in_force": Words("现行规则会报", "the rules in force"),
    "really_raised": Words("实际报过", "really raised"),
}


@router.post("/backtest")
async def start(
    request: Request,
    context: Gateway,
    caller: Acting,
    text: Annotated[str, Form(max_length=TEXT_BYTES)],
    start: Annotated[date, Form()],
    end: Annotated[date, Form()],
    rule: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Days of the community's own; the last one counts whole."""
    text = text.replace("\r\n", "\n")
    faults = _faults(text)
    if faults:
        return page(request, "rule_backtest.html", status=422, caller=caller, job=None, faults=faults, rule=rule)
    now_ms = context.clock.now_ms()
    try:
        from_ms, until_ms = _midnight_ms(context, start), min(_midnight_ms(context, end, after=True), now_ms)
    except OverflowError:
        from_ms, until_ms = 0, 0
    if not 0 <= from_ms < until_ms:
        raise HTTPException(
            422, "起始日期应早于结束日期，且已过去 · expected a first day that is past, and before the last"
        )
    order = BacktestOrder(rules=text, from_ms=from_ms, until_ms=until_ms)
    line = await start_backtest(context, caller, order)
    return RedirectResponse(f"/rules/backtests/{line.id}?rule={rule}", status_code=303)


def _midnight_ms(context: Context, day: date, *, after: bool = False) -> int:
    """When a day of the community begins, or the one after it."""
    at = datetime.combine(day + timedelta(days=int(after)), time(), Show(context).zone)
    return int(at.timestamp() * 1000)


def _faults(text: str) -> list[RuleFault]:
    return [fault(one) for one in read_rule(text)[1]]


@router.get("/backtests/{backtest_id}")
async def show(
    request: Request, context: Gateway, caller: Seen, backtest_id: BacktestId, rule: str = ""
) -> HTMLResponse:
    """One back-test; the page renews itself until it is over."""
    job = _found(context, backtest_id)
    return page(
        request,
        "rule_backtest.html",
        caller=caller,
        job=job,
        rule=rule,
        faults=[],
        state=STATES[job.state],
        acts=may_act(caller),
        result=job.result,
        most=_most(job.result),
        against=AGAINST,
        theirs=THEIRS,
        shown=SHOWN,
    )


def _most(result: Result | None) -> int:
    """What the longest bar stands for."""
    days = [day.alarms for day in result.days] if result is not None else []
    return max([1, *days])


@router.post("/backtests/{backtest_id}/cancel")
async def cancel(context: Gateway, _: Acting, backtest_id: BacktestId) -> Response:
    """Nobody wants to know any more."""
    context.backtests.cancel(_found(context, backtest_id))
    return RedirectResponse("/rules", status_code=303)


def _found(context: Context, backtest_id: str) -> Job:
    job = context.backtests.find(backtest_id)
    if job is None:
        zh, en = f"没有试算 {backtest_id}（重启后不保留）", f"there is no back-test {backtest_id} (any more)"
        raise ApiProblem(404, "no_such_backtest", zh, en)
    return job
