"""Work over HTTP: reports that open one case, what people do with it, and the words it is refused with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.house import House, open_house

LAMP = {"key": "k-1", "work": "street_lamp", "text": "路灯不亮", "source": "hotline", "place": "door-1"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def report(house: House, **more: Any) -> dict[str, Any]:
    answer = await house.client("operator").post("/api/v1/cases", json=LAMP | more)
    assert answer.status_code == 200, answer.text
    case: dict[str, Any] = answer.json()["case"]
    return case


async def test_a_report_opens_one_case_however_often_it_is_posted(house: House) -> None:
    who = {"name": "张女士", "phone": "000-138", "channel": "12345"}
    case = await report(house, reporter=who)
    assert (case["source"], case["type"], case["place"]) == ("hotline", "street_lamp", "door-1")
    assert await report(house, reporter=who) == case
    [summary] = await house.get("/api/v1/cases")
    assert (summary["type_zh"], summary["type_en"]) == ("路灯不亮", "street lamp out")
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    assert detail["timeline"][0]["actor"] == "operator:operator"
    assert {row["person"] for row in detail["outbox"]} == {"desk"}, "who holds the role hears of it, once"
    other = await house.client("operator").post("/api/v1/cases", json=LAMP | {"text": "另一件事"})
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")


async def test_where_it_is_may_be_said_in_several_ways(house: House) -> None:
    position = {"lat": 39.9301, "lon": 116.4601, "datum": "WGS-84"}
    by_position = await report(house, key="k-2", place=None, position=position)
    assert by_position["place"] == "yuan"
    by_resident = await report(house, key="k-3", place=None, resident="r-2")
    assert by_resident["place"] == "door-2"
    nowhere = await report(house, key="k-4", place=None)
    assert nowhere["place"] is None


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"work": "dancing"}, 409, "no_such_work"),
    ({"place": "mars"}, 409, "no_such_place"),
    ({"resident": "nobody"}, 409, "no_such_resident"),
    ({"pole": "9999"}, 409, "no_such_pole"),
    ({"text": ""}, 422, "invalid_request"),
    ({"key": ""}, 422, "invalid_request"),
    ({"source": "alarm"}, 422, "invalid_request"),
    ({"position": {"lat": 39, "lon": 116, "datum": "unknown"}}, 422, "invalid_request"),
    ({"colour": "red"}, 422, "invalid_request"),
]


@pytest.mark.parametrize(("wrong", "status", "code"), REFUSED)
async def test_what_is_wrong_with_a_report_is_said(house: House, wrong: dict[str, Any], status: int, code: str) -> None:
    answer = await house.client("operator").post("/api/v1/cases", json=LAMP | wrong)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["zh"] and answer.json()["en"]
    assert await house.get("/api/v1/cases") == []


async def test_only_who_may_act_may_report(house: House) -> None:
    assert (await house.client("reader").post("/api/v1/cases", json=LAMP)).status_code == 403
    assert (await house.client(None).post("/api/v1/cases", json=LAMP)).status_code == 401


async def test_forms_know_the_work_there_is_and_the_causes(house: House) -> None:
    types = {row["id"]: row for row in await house.get("/api/v1/work-types")}
    assert types["exposed_rubbish"]["limits_zh"][2] == "处置 4 个工作小时"
    assert types["burst_pipe"]["severity"] == "urgent"
    causes = {row["code"]: row["zh"] for row in await house.get("/api/v1/cancel-causes")}
    assert causes["pressed_by_mistake"] == "误按"


async def test_a_case_of_work_from_its_report_to_its_rating(house: House) -> None:
    case = await report(house)
    later = house.clock.now_ms() + 40 * 86_400_000
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("operator", "acknowledge", {}),
        ("operator", "dispatch", {"to": "person:grid"}),
        ("operator", "ask_time", {"reason": "等灯具", "until_ms": later}),
        ("admin", "grant_time", {"reason": "同意"}),
        ("operator", "suspend", {"reason": "停电检修", "until_ms": later}),
        ("operator", "resume", {}),
        ("operator", "resolve", {"reason": "已更换"}),
        ("admin", "rework", {"reason": "仍闪烁"}),
        ("operator", "resolve", {}),
        ("admin", "verify", {}),
        ("admin", "close", {}),
        ("operator", "call_back", {"done": True, "way": "电话", "to": "张女士"}),
        ("operator", "rate", {"score": 5, "way": "电话"}),
    ]
    for role, action, said in steps:
        answer = await house.act(case["id"], action, role, **said)  # type: ignore[arg-type]
        assert answer.status_code == 200, (action, answer.text)
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    done = [line["what"] for line in detail["timeline"] if line["actor"].startswith("operator:")]
    assert done == [
        *("opened", "acknowledged", "dispatched", "time_asked", "time_granted", "suspended", "resumed", "resolved"),
        *("reworked", "resolved", "verified", "closed", "called_back", "rated"),
    ]
    assert all(line["zh"] != line["what"] for line in detail["timeline"])
    assert detail["case"]["ratings"][0]["score"] == 5
    assert detail["case"]["pauses"][0]["reason"] == "停电检修"


async def test_who_handled_it_does_not_check_it(house: House) -> None:
    case = await report(house)
    for action in ("acknowledge", "resolve"):
        await house.act(case["id"], action)
    answer = await house.act(case["id"], "verify")
    assert (answer.status_code, answer.json()["code"]) == (409, "own_work")
    answer = await house.act(case["id"], "close")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_verified")


async def test_merge_split_and_reopen_link_cases(house: House) -> None:
    first, second = await report(house), await report(house, key="k-2", text="同一盏路灯不亮")
    for _ in range(2):  # twice is once
        answer = await house.act(second["id"], "merge", into=first["number"])
        assert answer.status_code == 200, answer.text
        assert answer.json()["case"]["stage"] == "merged"
    split = {"reason": "灯杆倾斜", "work": "road_damage", "key": "s-1"}
    for _ in range(2):
        answer = await house.act(first["id"], "split", **split)
        assert answer.status_code == 200, answer.text
    links = answer.json()["case"]["links"]
    assert [link["kind"] for link in links] == ["merged_from", "split_into"]
    part = (await house.get(f"/api/v1/cases/{links[1]['case']}"))["case"]
    assert (part["type"], part["text"], part["links"][0]["case"]) == ("road_damage", "灯杆倾斜", first["id"])
    await house.act(first["id"], "cancel", cause="nothing_found")
    answer = await house.act(first["id"], "reopen", reason="又灭了")
    following = answer.json()["case"]["links"][-1]
    assert following["kind"] == "followed_by"
    assert (await house.get(f"/api/v1/cases/{following['case']}"))["case"]["episode"] == 2
    answer = await house.act(first["id"], "reopen", reason="又灭了")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_reopened")
    answer = await house.act(part["id"], "merge", into="2020-000001")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_such_case")
