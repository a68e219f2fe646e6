"""Ladders in a running gateway: the simulation over HTTP and as a page, the voice check, codes, what is withdrawn."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api.auth import COOKIE
from gateway.web.console import add_console
from tests.support.homes import community
from tests.support.house import House, open_house

CLOCK = (
    {"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]},
    {"id": "grid", "after_s": 600, "notify": [{"role": "grid_staff"}]},
    {"id": "line", "after_s": 3600, "call": "120", "arm_s": 60, "countdown_s": 30},
)
MORE = {
    "branches": [{"id": "family", "rungs": [{"id": "family", "after_s": 0, "notify": [{"family": True}]}]}],
    "lines": [{"types": ["smoke"], "number": "119", "within_s": 600, "ask": True}],
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(2, rungs=CLOCK, **MORE)
    document["residents"][0] |= {"cancel_code": "4711", "duress_code": "4712"}
    async with open_house(tmp_path, document) as house:
        yield house


async def what(house: House, case: dict[str, Any]) -> list[str]:
    document = await house.get(f"/api/v1/cases/{case['id']}")
    return [line["what"] for line in document["timeline"]]


async def said(house: House, case: dict[str, Any], purpose: str) -> list[str]:
    document = await house.get(f"/api/v1/cases/{case['id']}")
    return [row["person"] or row["to"] for row in document["outbox"] if row["purpose"] == purpose]


async def test_who_would_be_told_when_over_http(house: House) -> None:
    played = await house.get("/api/v1/ladders/simulate", type="personal_emergency", resident="r-1")
    assert played["life_safety"] and played["reached"] == ["值班员", "女儿1", "网格员"]
    assert played["line_after_s"] == 4200
    assert played["runs"][0]["id"] == "nobody" and len(played["runs"]) > 4
    short = await house.get("/api/v1/ladders/simulate", type="smoke", device="smoke-2", answers=False, for_s=700)
    assert [one["zh"] for one in short["runs"][0]["happenings"] if one["what"] == "line"] == ["呼叫 119"]
    for query, expected in (({"resident": "r-9"}, "resident"), ({"type": "smok", "place": "yuan"}, "type")):
        answer = await house.client("reader").get("/api/v1/ladders/simulate", params=query)
        assert answer.status_code == 422 and expected in answer.text
    assert (await house.get("/api/v1/cases")) == [], "nothing is opened, and nobody is told"


async def test_the_page_shows_it(house: House) -> None:
    app = house.with_context()
    add_console(app)
    client = house.client("reader", app)
    client.cookies.set(COOKIE, house.tokens["reader"])
    page = await client.get("/ladders/simulate")
    assert page.status_code == 200 and "升级推演" in page.text and "值班员" not in page.text
    page = await client.get("/ladders/simulate", params={"type": "personal_emergency", "resident": "r-1"})
    assert "女儿1" in page.text and "4200 秒呼叫急救（演练）" in page.text and "无人应答" in page.text
    for wrong in ({"resident": "<b>r-9</b>"}, {"resident": "r-1", "at": "noon"}):
        page = await client.get("/ladders/simulate", params={"type": "smoke", **wrong})
        assert page.status_code == 422 and 'role="alert"' in page.text and "<b>r-9" not in page.text


async def test_the_key_that_cancels_answers_the_question_of_the_smoke_alarm(house: House) -> None:
    await house.say("smoke-1", "smoke")
    case = await house.case_of("smoke-1")
    assert "voice_asked" in await what(house, case)
    assert set(await said(house, case, "indicate")) == {"sos-1", "service-1"}, "all that has a voice at home"
    await house.say("sos-2", "cancel")  # somebody else's
    await house.decided()
    assert "voice_fine" not in await what(house, case)
    await house.say("sos-1", "cancel")
    await house.decided()
    assert "voice_fine" in await what(house, case)
    document = await house.get(f"/api/v1/cases/{case['id']}")
    assert document["case"]["emergency"]["voice"] == "fine" and document["case"]["stage"] == "opened"


async def test_a_code_typed_at_the_device_that_means_duress(house: House) -> None:
    case = await house.press("sos-1")
    await house.say("sos-1", "cancel", data={"code": "4712"})
    await house.decided()
    document = await house.get(f"/api/v1/cases/{case['id']}")
    assert document["case"]["stage"] == "opened" and document["case"]["duress"]
    assert set(await said(house, case, "duress")) == {"desk", "daughter-1"}


async def test_a_code_said_on_the_telephone(house: House) -> None:
    case = await house.press("sos-1")
    wrong = await house.act(case["id"], "take_back", code="1111")
    assert wrong.status_code == 409 and wrong.json()["code"] == "wrong_code"
    right = await house.act(case["id"], "take_back", code="4711")
    assert right.status_code == 200 and right.json()["case"]["stage"] == "cancelled"


async def test_what_need_not_be_said_any_more_is_withdrawn_but_not_from_the_family(house: House) -> None:
    case = await house.press("sos-1")
    await house.act(case["id"], "acknowledge")
    document = await house.get(f"/api/v1/cases/{case['id']}")
    alarms = {row["person"]: row["status"] for row in document["outbox"] if row["purpose"] == "alarm"}
    assert alarms == {"desk": "withdrawn", "daughter-1": "pending"}
