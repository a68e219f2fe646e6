"""The form of a new case: what the place means is seen before it is sent, with scripts and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.auth import COOKIE
from gateway.web.console import add_console
from tests.integration.test_record import yard
from tests.support.house import House, open_house

REPORT = {"key": "k-1", "work": "street_lamp", "text": "路灯不亮", "source": "phone"}
AT_POLE = "39.92245,116.45689"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, yard()) as house:
        add_console(house.app)
        yield house


def desk(house: House) -> httpx.AsyncClient:
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["operator"])
    client.headers.update({"Accept": "text/html", "Origin": "http://gateway.test"})
    return client


async def send(house: House, **more: str) -> httpx.Response:
    return await desk(house).post("/cases/new", data=REPORT | more)


async def filed(house: House, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 303, answer.text[:300]
    case: dict[str, Any] = (await house.get(f"/api/v1{answer.headers['location']}"))["case"]
    return case


TYPED: tuple[tuple[dict[str, str], tuple[str, ...]], ...] = (
    ({"where": "502室"}, ("试验院3号楼502室", "门禁 0000", "李秀兰2", "值班员", "0272号杆")),
    ({"pole": "272"}, ("0272号杆", "cam-north", "网格员")),
    ({"where": AT_POLE}, ("0272号杆", "GCJ-02", "cam-north")),
    ({"where": "室"}, ("2 处可能", 'value="door-1"', 'value="door-2"')),
    ({"where": "室", "chosen": "door-2"}, ("试验院3号楼502室", 'type="hidden" name="chosen"')),
    ({"where": "月亮"}, ("没有找到", "alert")),
    ({"where": "0,0"}, ("坐标不在本社区",)),
    ({}, ("这里显示",)),
)


async def test_what_is_typed_means_this(house: House) -> None:
    for typed, there in TYPED:
        at_once = await desk(house).get("/cases/new/spot", params=typed)
        looked = await send(house, look="true", **typed)
        for answer in (at_once, looked):
            assert answer.status_code == 200
            for said in there:
                assert said in answer.text, (typed, said)
        assert "路灯不亮" in looked.text
    assert await house.get("/api/v1/cases") == [], "a look opens nothing"


async def test_of_several_places_the_one_that_was_chosen(house: House) -> None:
    answer = await send(house, where="室")
    assert answer.status_code == 422 and "请在下面选一个" in answer.text
    assert (await send(house, where="室", chosen="yuan")).status_code == 422, "this is not what is written"
    assert (await filed(house, await send(house, where="室", chosen="door-2")))["place"] == "door-2"


async def test_coordinates_are_of_their_datum(house: House) -> None:
    case = await filed(house, await send(house, where=AT_POLE, datum="GCJ-02"))
    assert case["position"] == {"lat": 39.92245, "lon": 116.45689, "datum": "GCJ-02"}
    other = await filed(house, await send(house, key="k-2", where=AT_POLE))
    assert (other["position"]["datum"], other["place"]) == ("WGS-84", "pole-0272")


async def test_a_pole_far_from_the_place_is_said(house: House) -> None:
    far = await desk(house).get("/cases/new/spot", params={"where": "39.9300,116.4569", "pole": "0272"})
    assert "相距" in far.text
    near = await desk(house).get("/cases/new/spot", params={"where": AT_POLE, "pole": "0272"})
    assert "相距" not in near.text


async def test_a_place_that_was_looked_up_leads_to_the_form(house: House) -> None:
    found = await desk(house).get("/where", params={"q": "0272"})
    assert "/cases/new?where=0272" in found.text
    form = await desk(house).get("/cases/new", params={"where": "0272"})
    assert 'value="0272"' in form.text and "cam-north" in form.text
