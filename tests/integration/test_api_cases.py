"""Cases over HTTP: lists, pages, details, decisions, and what is refused with which words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.api.auth import Role
from gateway.cases.commands import HumanAction
from gateway.cases.model import Case
from gateway.state import tables as t
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def test_a_press_is_a_case_with_names_and_words(house: House) -> None:
    case = await house.press("sos-1")
    [summary] = await house.get("/api/v1/cases")
    assert summary["case"] == case
    assert (summary["type_zh"], summary["type_en"]) == ("紧急呼救", "personal emergency")
    assert summary["resident_name"] == "李秀兰1"
    assert (summary["place_zh"], summary["place_en"]) == ("试验院3号楼501室", "Test Yard, Building 3, 501室")
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    assert {key: detail[key] for key in summary} == summary
    assert [line["seq"] for line in detail["timeline"]] == list(range(1, len(detail["timeline"]) + 1))
    assert detail["timeline"][0]["what"] == "opened"
    assert detail["timeline"][0]["zh"] and detail["timeline"][0]["en"]
    [alarm] = detail["alarms"]
    assert (alarm["subject"], alarm["case_id"]) == ("resident:r-1", case["id"])
    assert alarm["evidence"][0]["event"] == "press"
    assert {row["person"] for row in detail["outbox"] if row["channel"] == "messenger"} == {"desk", "grid"}
    assert {row["status"] for row in detail["outbox"]} == {"pending"}


async def test_the_list_is_newest_first_and_pages_never_lose_a_case_of_the_same_millisecond(house: House) -> None:
    for device in ("sos-1", "sos-2", "kiosk-1"):
        await house.say(device, "press" if device != "kiosk-1" else "call_staff")
    await house.decided()
    with house.engine.begin() as connection:  # as many alarms decided in one transaction are
        connection.execute(sa.update(t.cases).values(opened_at_ms=house.clock.now_ms()))
    every = [one["case"]["id"] for one in await house.get("/api/v1/cases")]
    assert len(every) == 3
    assert every == sorted(every, reverse=True)
    paged: list[str] = []
    while True:
        query = {"before": paged[-1]} if paged else {}
        page = await house.get("/api/v1/cases", limit=1, **query)
        if not page:
            break
        paged += [one["case"]["id"] for one in page]
    assert paged == every
    number = (await house.get("/api/v1/cases"))[0]["case"]["number"]
    assert [one["case"]["id"] for one in await house.get("/api/v1/cases", before=number)] == every[1:]


async def test_open_leaves_out_what_is_over(house: House) -> None:
    first, second = await house.press("sos-1"), await house.press("sos-2")
    assert (await house.act(first["id"], "cancel", reason="误按")).status_code == 200
    assert [one["case"]["id"] for one in await house.get("/api/v1/cases", open=True)] == [second["id"]]
    assert len(await house.get("/api/v1/cases")) == 2


async def test_a_case_from_its_opening_to_its_end(house: House) -> None:
    case = await house.press("sos-1")
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("acknowledge", {}, "acknowledged"),
        ("note", {"reason": "本人能说话"}, "acknowledged"),
        ("dispatch", {"to": "person:grid"}, "dispatched"),
        ("arrive", {"to": "person:grid"}, "arrived"),
        ("resolve", {"reason": "已服药"}, "resolved"),
        ("verify", {}, "verified"),
        ("close", {}, "closed"),
    ]
    for action, decision, stage in steps:
        role: Role = "admin" if action == "verify" else "operator"  # somebody else checks
        answer = await house.act(case["id"], action, role, **decision)
        assert answer.status_code == 200, answer.text
        assert answer.json()["case"]["stage"] == stage
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    assert detail["case"]["owner"] == "operator:operator"
    said = [line["what"] for line in detail["timeline"] if line["actor"] == "operator:operator"]
    assert said == ["acknowledged", "note", "dispatched", "arrived", "resolved", "closed"]


async def test_a_decision_is_in_the_database_when_it_is_answered_and_needs_no_body(house: House) -> None:
    case = await house.press("sos-1")
    answer = await house.client("operator").post(f"/api/v1/cases/{case['id']}/acknowledge")
    assert answer.status_code == 200, answer.text
    with house.engine.connect() as connection:
        stage = connection.execute(sa.select(t.cases.c.stage).where(t.cases.c.id == case["id"])).scalar_one()
    assert stage == "acknowledged"


REFUSALS: list[tuple[list[tuple[str, str]], str, dict[str, Any], str]] = [
    ([], "cancel", {}, "reason_needed"),
    ([], "cancel", {"reason": "  "}, "reason_needed"),
    ([], "veto", {}, "reason_needed"),
    ([], "note", {}, "reason_needed"),
    ([], "verify", {}, "wrong_stage"),
    ([], "close", {}, "wrong_stage"),
    ([("cancel", "误按")], "acknowledge", {}, "wrong_stage"),
    ([("veto", "本人拒绝")], "veto", {"reason": "再次"}, "line_not_armed"),
    ([("dial_now", "")], "dial_now", {}, "line_busy"),
    ([("dispatch", "")], "resolve", {"version": 1}, "stale"),
]


async def test_what_is_refused_says_why_and_changes_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, community(len(REFUSALS), rungs=FAR_LINE)) as house:
        for home, (before, action, decision, code) in enumerate(REFUSALS, start=1):
            case = await house.press(f"sos-{home}")
            for done, reason in before:
                answer = await house.act(case["id"], done, reason=reason)
                assert answer.status_code == 200, answer.text
            was = await house.get(f"/api/v1/cases/{case['id']}")
            answer = await house.act(case["id"], action, **decision)
            assert answer.status_code == 409, (action, answer.text)
            problem = answer.json()
            assert set(problem) == {"code", "zh", "en", "fields"}
            assert problem["code"] == code
            assert problem["zh"] and problem["en"]
            now = await house.get(f"/api/v1/cases/{case['id']}")
            for kept in ("stage", "owner", "changed_in"):
                assert now["case"][kept] == was["case"][kept]
            for line in now["timeline"][len(was["timeline"]) :]:
                assert line["actor"] == "system", "nothing is written of what was not done"


async def test_the_version_that_was_seen_is_not_stale(house: House) -> None:
    case = await house.press("sos-1")
    answer = await house.act(case["id"], "acknowledge", version=case["version"])
    assert answer.status_code == 200, answer.text


async def test_two_hands_at_once_one_of_them_takes_it(house: House) -> None:
    case = await house.press("sos-1")
    answers = await asyncio.gather(*(house.act(case["id"], "acknowledge", role) for role in ("operator", "admin")))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refused["code"] == "already_taken"
    assert "受理" in refused["zh"]


async def test_not_life_safety_calls_no_line(house: House) -> None:
    await house.say("kiosk-1", "call_staff")
    case = await house.case_of("kiosk-1")
    answer = await house.act(case["id"], "dial_now")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_life_safety")


@pytest.mark.parametrize("path", ["/api/v1/cases/2026-999999", "/api/v1/cases?before=2026-999999"])
async def test_an_unknown_case_is_said_to_be_unknown(house: House, path: str) -> None:
    answer = await house.client("reader").get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_case")
    assert "2026-999999" in answer.json()["en"]


async def test_a_decision_on_an_unknown_case(house: House) -> None:
    answer = await house.act("2026-999999", "acknowledge")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_case")


async def test_an_action_nobody_knows_and_fields_nobody_asked_for(house: House) -> None:
    case = await house.press("sos-1")
    answer = await house.act(case["id"], "explode")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    answer = await house.act(case["id"], "note", raeson="x", version=0, reason="李秀兰的病情" * 1000)
    assert answer.status_code == 422
    problem = answer.json()
    assert sorted(fault["where"] for fault in problem["fields"]) == ["body.raeson", "body.reason", "body.version"]
    assert "李秀兰" not in answer.text, "what was sent is not repeated"


async def test_a_case_of_a_type_that_is_no_more_can_still_be_read(house: House) -> None:
    case = await house.press("sos-1")
    with house.engine.begin() as connection:
        body = connection.execute(sa.select(t.cases.c.body)).scalar_one().replace("personal_emergency", "old_type")
        connection.execute(sa.update(t.cases).values(body=body))
    [summary] = await house.get("/api/v1/cases")
    assert summary["type_zh"] == summary["type_en"] == "old_type"
    assert (await house.get(f"/api/v1/cases/{case['id']}"))["type_zh"] == "old_type"


async def test_a_decider_that_does_not_answer_is_no_fault_of_the_caller(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await house.press("sos-1")
    asked: list[Future[Case]] = []

    def never(_: str, __: HumanAction) -> Future[Case]:
        asked.append(Future())
        return asked[0]

    monkeypatch.setattr(house.decider, "act", never)
    monkeypatch.setattr("gateway.api.cases.DECIDE_WITHIN_S", 0.05)
    answer = await house.act(case["id"], "acknowledge")
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert asked[0].cancelled(), "what was answered with 'not done' is not done later behind one's back"
