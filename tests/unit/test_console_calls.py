"""The emergency card on the page of a case: its vitals are known only from what came of the call."""

from __future__ import annotations

import pytest

from gateway.api.reads import AttemptRow, OutboxRow
from gateway.cases.effects import LINE_CHANNEL, Purpose, Send
from gateway.web.calls import call_of, said_of

SEND = Send(key="k", channel=LINE_CHANNEL, to="120", purpose=Purpose.EMERGENCY_CALL, data={"complaint": "胸痛"})
ANSWERED = "【演练】席位 2 已接听 answered by seat 2"


def row(status: str, *details: str) -> OutboxRow:
    tries = [
        AttemptRow(attempt=n, started_at_ms=n * 1000, ended_at_ms=n * 1000, result="delivered", detail=detail)
        for n, detail in enumerate(details, 1)
    ]
    return OutboxRow(
        key="k",
        case_id="c",
        channel=LINE_CHANNEL,
        to="120",
        person=None,
        purpose=Purpose.EMERGENCY_CALL.value,
        title="",
        status=status,
        attempts=len(tries),
        created_at_ms=0,
        next_attempt_ms=0,
        tries=tuple(tries),
    )


def test_vitals_that_were_added_at_the_call_are_on_the_card_and_in_its_text() -> None:
    call = call_of(
        row("delivered", f"{ANSWERED}；体征 vitals: pulse 122 /min、systolic 140 mm[Hg]、oddity 3 x"), SEND, drill=True
    )
    assert dict(call.fields)["最近体征"] == "脉率 122 次/分；收缩压 140 mmHg；oddity 3 x"
    assert "最近体征：pulse 122.0 /min" in call.text
    assert call.tries == [(1000, f"{ANSWERED}；体征 vitals 脉率 122 次/分；收缩压 140 mmHg；oddity 3 x")]


@pytest.mark.parametrize(
    ("status", "details", "says"),
    [
        ("delivered", [ANSWERED], ""),
        ("pending", [], "added at the call"),
        ("delivered", ["no answer within 10 s", ANSWERED], "no copy kept"),
    ],
)
def test_without_them_it_is_said_what_is_known(status: str, details: list[str], says: str) -> None:
    shown = dict(call_of(row(status, *details), SEND, drill=True).fields)["最近体征"]
    assert says in shown and bool(says) == bool(shown)
    assert said_of(ANSWERED) == ANSWERED and said_of(None) == ""
