"""Why there was an alarm, and why there was none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Path, Query

from gateway.api.auth import Reader
from gateway.api.context import Context, Gateway
from gateway.api.models import ID
from gateway.api.problem import ApiProblem, described
from gateway.explain.explainer import LOOKBACK_MOST_S, USUAL_LOOKBACK_S, Explainer, Explanation, NothingToExplain
from gateway.journal.file import JournalError

router = APIRouter(tags=["rules"], responses=described(404))

_T = TypeVar("_T")


@router.get("/alarms/{alarm_id}/explanation")
def explain_alarm(context: Gateway, _: Reader, alarm_id: Annotated[int, Path(ge=0, le=2**53)]) -> Explanation:
    """Why this alarm was raised: as it was decided, and the story of the day before it, step by step."""
    return asked(context, lambda explainer: explainer.alarm(alarm_id))


@router.get("/cases/{case_id}/explanation")
def explain_case(
    context: Gateway, _: Reader, case_id: Annotated[str, Path(max_length=64, pattern=ID)]
) -> list[Explanation]:
    """Why each alarm of a case was raised."""
    return asked(context, lambda explainer: explainer.case(case_id))


@router.get("/explanations")
def explain_rule(
    context: Gateway,
    _: Reader,
    rule: Annotated[str, Query(max_length=64, pattern=ID)],
    subject: Annotated[
        str, Query(max_length=210, pattern=ID, description="`resident:…`, `place:…`, `device:…`, or a device's id")
    ],
    at_ms: Annotated[int | None, Query(ge=0, le=2**53, description="the instant; now where it is left out")] = None,
    lookback_s: Annotated[int, Query(ge=1, le=LOOKBACK_MOST_S)] = USUAL_LOOKBACK_S,
) -> Explanation:
    """Why a rule did, or did not, raise an alarm about somebody: what was considered, and what each condition was."""
    now_ms = context.clock.now_ms()
    at = now_ms if at_ms is None else min(at_ms, now_ms)
    return asked(context, lambda explainer: explainer.rule(rule, subject, at, lookback_s))


def asked(context: Context, question: Callable[[Explainer], _T]) -> _T:
    """The answer; raises ApiProblem where there is none."""
    explainer = Explainer(context.engine, context.settings)
    try:
        return question(explainer)
    except NothingToExplain as nothing:
        raise ApiProblem(404, "nothing_to_explain", nothing.zh, nothing.en) from None
    except JournalError as error:
        raise ApiProblem(503, "journal_unreadable", "日志读不出", f"the journal cannot be read: {error}") from None
