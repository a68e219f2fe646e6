"""Rosters over the API and on the console: who is on duty at any instant, holes, overrides, hand-overs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.app import create_api
from gateway.api.auth import COOKIE
from gateway.state.human_tables import handovers
from gateway.web.console import add_console
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

HOUR = 3_600_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(rungs=FAR_LINE)
    document["people"] += [
        {"id": name, "name": name.title(), "contacts": [{"channel": "messenger", "to": name}]}
        for name in ("owl", "fox")
    ]
    document["people"] += [{"id": "mute", "name": "Mute"}]
    (everyday,) = document["rosters"]
    everyday["duties"] = [duty for duty in everyday["duties"] if duty["role"] != "grid_staff"]
    grid = {"role": "grid_staff", "place": "yuan", "rotation": {"order": ["grid", "owl"], "from": "2026-01-05"}}
    document["rosters"].append({"id": "grid", "duties": [grid]})
    document["roles"] = [{"id": "grid_staff", "name": {"zh": "网格员", "en": "grid staff"}}]
    async with open_house(tmp_path, document) as house:
        yield house


async def send(house: House, method: str, path: str, body: Any = None, code: int = 200, role: Any = "operator") -> Any:
    answer: httpx.Response = await house.client(role).request(method, f"/api/v1{path}", json=body)
    assert answer.status_code == code, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


async def on_duty(house: House, **query: Any) -> list[str]:
    (row,) = await house.get("/api/v1/on-duty", role="grid_staff", **query)
    assert (row["role_zh"], row["role_en"]) == ("网格员", "grid staff")
    return [one["person"] for one in row["people"]]


async def test_who_is_on_duty_now_in_a_week_and_at_a_door(house: House) -> None:
    now_ms = house.clock.now_ms()
    (first,), (second,) = await on_duty(house), await on_duty(house, at_ms=now_ms + 7 * 24 * HOUR)
    assert {first, second} == {"grid", "owl"}
    assert await on_duty(house, place="door-1") == [first], "at a door by whoever has the yard"
    (row,) = await house.get("/api/v1/on-duty", role="grid_staff")
    assert now_ms < row["until_ms"] <= now_ms + 7 * 24 * HOUR
    turns = await house.get("/api/v1/rosters", role="grid_staff", days=14)
    assert [turn["people"] for turn in turns][:2] == [[first], [second]]
    assert (await send(house, "GET", "/on-duty?place=nowhere", code=404))["code"] == "no_such_place"
    assert await house.get("/api/v1/rosters/holes") == []


async def test_an_override_holds_when_the_answer_comes_and_ends(house: House) -> None:
    now_ms, (first,) = house.clock.now_ms(), await on_duty(house)
    order = {
        "role": "grid_staff",
        "place": "yuan",
        "instead_of": first,
        "person": "fox",
        "begin_ms": now_ms,
        "until_ms": now_ms + 8 * HOUR,
        "reason": "生病",
    }
    await send(house, "POST", "/rosters/overrides", order, code=403, role="reader")
    done = await send(house, "POST", "/rosters/overrides", order)
    (made,) = done["overrides"]
    assert (made["actor"], made["reason"], done["warnings"]) == ("operator:operator", "生病", [])
    assert await on_duty(house) == ["fox"]
    assert await on_duty(house, at_ms=now_ms + 9 * HOUR) == [first]
    (listed,) = await house.get("/api/v1/rosters/overrides")
    assert listed["id"] == made["id"]
    ended = await send(house, "DELETE", f"/rosters/overrides/{made['id']}")
    assert ended["overrides"][0]["ended_by"] == "operator:operator"
    assert await on_duty(house) == [first]
    assert (await send(house, "DELETE", f"/rosters/overrides/{made['id']}", code=409))["code"] == "not_made"
    assert (await send(house, "DELETE", "/rosters/overrides/none", code=404))["code"] == "no_such_override"


async def test_what_an_override_brings_about_is_said(house: House) -> None:
    now_ms, (first,) = house.clock.now_ms(), await on_duty(house)
    span = {"begin_ms": now_ms, "until_ms": now_ms + HOUR}
    nobody = await send(house, "POST", "/rosters/overrides", {"instead_of": first, **span})
    assert [one["kind"] for one in nobody["warnings"]] == ["hole"]
    assert "无人值班" in nobody["warnings"][0]["zh"]
    (hole,) = await house.get("/api/v1/rosters/holes")
    assert (hole["begin_ms"], hole["until_ms"]) == (now_ms, now_ms + HOUR) or hole["until_ms"] == now_ms + HOUR


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"person": "foxx"}, "did you mean fox?"),
        ({"person": "mute"}, "no contacts"),
        ({"until_ms": 1}, "ends before it begins"),
        ({"instead_of": "desk"}, "is not on duty in that time"),
        ({"place": "moon"}, "there is no place moon"),
        ({"instead_of": None, "role": None}, "needs a role and a place"),
        ({"role": "admiral"}, "no roster has a duty"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_what_to_do(
    house: House, wrong: dict[str, Any], expected: str
) -> None:
    now_ms, (first,) = house.clock.now_ms(), await on_duty(house)
    order = {"role": "grid_staff", "place": "yuan", "instead_of": first, "person": "fox"}
    order |= {"begin_ms": now_ms, "until_ms": now_ms + HOUR} | wrong
    refused = await send(house, "POST", "/rosters/overrides", order, code=409)
    assert refused["code"] == "not_made" and expected in refused["en"]
    assert await house.get("/api/v1/rosters/overrides") == []


async def test_two_people_swap_and_both_halves_end_together(house: House) -> None:
    now_ms, (first,) = house.clock.now_ms(), await on_duty(house)
    other = "owl" if first == "grid" else "grid"
    week = 7 * 24 * HOUR
    (row,) = await house.get("/api/v1/on-duty", role="grid_staff")
    change = row["until_ms"]
    halves = {
        "first": {"instead_of": first, "begin_ms": now_ms, "until_ms": change},
        "second": {"instead_of": other, "begin_ms": change, "until_ms": change + week},
    }
    done = await send(house, "POST", "/rosters/swaps", halves)
    assert await on_duty(house) == [other]
    assert await on_duty(house, at_ms=change + HOUR) == [first]
    ended = await send(house, "DELETE", f"/rosters/overrides/{done['overrides'][0]['id']}")
    assert len(ended["overrides"]) == 2
    assert await on_duty(house) == [first]
    same = {"first": halves["first"], "second": halves["first"] | {"instead_of": other}}
    assert "overlap" in (await send(house, "POST", "/rosters/swaps", same, code=409))["en"]


async def test_a_receipt_is_given_once(house: House) -> None:
    with house.engine.begin() as connection:
        fields = {"id": "h:1", "role": "grid_staff", "place": "yuan", "outgoing": "[]", "incoming": "owl"}
        connection.execute(sa.insert(handovers).values(**fields, cases='["gone"]', at_ms=5, due_ms=None))
    (waiting,) = await house.get("/api/v1/rosters/handovers", waiting=True)
    assert waiting["incoming"] == "owl"
    first = await send(house, "POST", "/rosters/handovers/h:1/receipt")
    again = await send(house, "POST", "/rosters/handovers/h:1/receipt", role="admin")
    assert first["receipt_by"] == again["receipt_by"] == "operator:operator"
    assert await house.get("/api/v1/rosters/handovers", waiting=True) == []
    assert (await send(house, "POST", "/rosters/handovers/none/receipt", code=404))["code"] == "no_such_handover"


async def test_somebody_else_is_on_duty_with_two_taps(house: House) -> None:
    app = create_api(house.context)
    add_console(app)
    desk = house.client(None, app)
    desk.headers.update({"Accept": "text/html", "Origin": "http://gateway.test"})
    desk.cookies.set(COOKIE, house.tokens["operator"])
    (first,) = await on_duty(house)
    shown = (await desk.get("/duty")).text
    assert shown.index("谁在值班") < shown.index("网格员") < shown.index("没有空档"), "who is here now, before all else"
    first_tap = re.search(r'href="(/duty/instead\?role=grid_staff[^"]*)"', shown)
    assert first_tap is not None
    choice = (await desk.get(unescape(first_tap[1]))).text
    assert 'name="person" value="fox"' not in choice, "nobody who is on no roster"
    other = "owl" if first == "grid" else "grid"
    assert f'name="person" value="{other}"' in choice
    until = re.search(r'name="until" value="([^"]+)"', choice)
    assert until is not None
    form = {"role": "grid_staff", "place": "yuan", "person": other, "instead_of": first, "until": until[1]}
    answer = await desk.post("/duty/instead", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/duty")
    assert await on_duty(house) == [other]
    (made,) = await house.get("/api/v1/rosters/overrides")
    assert f"/duty/overrides/{made['id']}/end" in (await desk.get("/duty")).text
    assert (await desk.post(f"/duty/overrides/{made['id']}/end")).status_code == 303
    assert await on_duty(house) == [first]
    wrong = await desk.post("/duty/instead", data=form | {"until": "tomorrow"})
    assert wrong.status_code == 422 and "tomorrow" in wrong.text
    assert "没有排班" in (await desk.get("/duty", params={"q": "nowhere"})).text


async def test_a_hand_over_waits_on_the_page_until_it_is_confirmed(house: House) -> None:
    app = create_api(house.context)
    add_console(app)
    desk = house.client(None, app)
    desk.headers.update({"Accept": "text/html", "Origin": "http://gateway.test"})
    desk.cookies.set(COOKIE, house.tokens["operator"])
    with house.engine.begin() as connection:
        fields = {
            "id": "grid_staff:yuan:1:2",
            "role": "grid_staff",
            "place": "yuan",
            "outgoing": "[]",
            "incoming": "owl",
        }
        connection.execute(sa.insert(handovers).values(**fields, cases="[]", at_ms=5, due_ms=None))
    shown = (await desk.get("/duty")).text
    assert "交接班待确认" in shown and "Owl" in shown
    button = re.search(r'action="(/duty/handovers/[^"]+/receipt)"', shown)
    assert button is not None
    assert (await desk.post(button[1])).status_code == 303
    assert "交接班待确认" not in (await desk.get("/duty")).text
