"""What people report, by the doors they have: a kiosk and the hotline, from 立案 to 评价."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.api.auth import COOKIE
from gateway.web.console import add_console
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

LAMP, COVER = "3号楼门口路灯不亮", "东门井盖碎了"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(1, rungs=FAR_LINE) | {"rules": [{"use": "kiosk-problem"}, {"use": "kiosk-call-staff"}]}
    document["organisations"] = [{"id": "committee", "name": "居委会", "kind": "committee", "people": ["chief"]}]
    raters = [{"by": "residents", "weight": 50}, {"by": "committee", "weight": 50, "at_least": 50}]
    document["evaluation"] = [{"id": "yearly", "name": "年度评价", "of": ["handlers"], "raters": raters}]
    async with open_house(tmp_path, document) as house:
        add_console(house.app)
        yield house


async def messages(house: House, case: dict[str, Any]) -> list[tuple[str, str]]:
    """Whom it was told, with the whole message."""
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["operator"])
    page = await client.get(f"/cases/{case['id']}", headers={"Accept": "text/html"})
    assert page.status_code == 200
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    return [(row["person"], page.text) for row in detail["outbox"]]


async def handle(house: House, case: dict[str, Any]) -> None:
    """Taken, done, checked by another, closed, asked, rated by both parties."""
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("operator", "acknowledge", {}),
        ("operator", "dispatch", {"to": "person:grid"}),
        ("operator", "arrive", {}),
        ("operator", "resolve", {"reason": "已修好"}),
        ("admin", "verify", {}),
        ("admin", "close", {}),
        ("admin", "call_back", {"done": True, "way": "电话"}),
        ("admin", "rate", {"score": 5, "by": "residents"}),
        ("admin", "rate", {"score": 4, "by": "committee"}),
    ]
    for role, action, said in steps:
        answer = await house.act(case["id"], action, role, **said)  # type: ignore[arg-type]
        assert answer.status_code == 200, (action, answer.text)


async def test_a_problem_at_a_kiosk_from_the_case_to_the_rating(house: House) -> None:
    await house.say("kiosk-1", "problem_report", data={"text": f" {LAMP}\n"})
    case = await house.case_of("kiosk-1")
    assert (case["source"], case["work"]["id"], case["place"]) == ("kiosk", "resident_report", "b-1")
    assert case["limit"]["stage"] == "accept", "it has the time limits of what is reported"
    told = await messages(house, case)
    assert told and all(f"居民报修：“{LAMP}”" in text for _, text in told), "who is told hears what for"
    await handle(house, case)
    (found,) = (await house.get("/api/v1/figures"))["evaluation"]
    assert [(row["key"], row["rating"]["score"]) for row in found["rows"]] == [("person:grid", 4.5)]


async def test_another_problem_at_the_same_kiosk_is_told_and_not_only_written_down(house: House) -> None:
    await house.say("kiosk-1", "problem_report", data={"text": LAMP})
    case = await house.case_of("kiosk-1")
    assert (await house.act(case["id"], "acknowledge")).status_code == 200

    async def alarms() -> int:
        await house.decided()
        detail = await house.get(f"/api/v1/cases/{case['id']}")
        return sum(row["purpose"] == "alarm" for row in detail["outbox"])

    once = await alarms()
    house.clock.at += 600_000
    await house.say("kiosk-1", "problem_report", data={"text": LAMP})
    assert await alarms() == once, "the same again is the same"
    house.clock.at += 600_000
    await house.say("kiosk-1", "problem_report", data={"text": COVER})
    assert await alarms() == 2 * once
    assert all(COVER in text for _, text in await messages(house, case))
    said = {"reason": COVER, "work": "well_cover", "key": "s-1"}
    assert (await house.act(case["id"], "split", **said)).status_code == 200, "it becomes a case of its own"


async def test_a_call_to_the_hotline_from_the_form_to_the_rating(house: House) -> None:
    desk = house.client(None)
    desk.cookies.set(COOKIE, house.tokens["operator"])
    desk.headers.update({"Accept": "text/html", "Origin": "http://gateway.test"})
    form = {"key": "12345-77", "work": "street_lamp", "source": "hotline", "text": LAMP, "where": "3号楼"}
    for _ in range(2):  # pressed twice
        answer = await desk.post("/cases/new", data=form | {"name": "张女士", "phone": "000-138", "channel": "12345"})
        assert answer.status_code == 303
    (summary,) = await house.get("/api/v1/cases")
    case = summary["case"]
    assert (case["source"], case["place"], case["reporter"]["name"]) == ("hotline", "b-1", "张女士")
    await handle(house, case)
    detail = (await house.get(f"/api/v1/cases/{case['id']}"))["case"]
    assert [one["who"] for one in detail["ratings"]] == ["张女士", "张女士"], "she was asked, where nobody says whom"
    assert detail["stage"] == "closed" and detail["call_backs"][0]["done"] is True
