"""Cases as outside systems see them: told in the transaction that decides, and fetched from the API."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa
import xmlschema

from gateway.cases.effects import Purpose, Send
from gateway.state import tables as t
from gateway.state.db import reading
from tests.support.homes import community
from tests.support.house import House, open_house

XSD = xmlschema.XMLSchema(str(Path(__file__).parents[1] / "golden" / "cap" / "CAP-v1.2.xsd"))
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
ATOM = "{http://www.w3.org/2005/Atom}"


def with_outsiders(mode: str = "live") -> dict[str, Any]:
    document = copy.deepcopy(community(2))
    document["channels"] += [
        {"id": "district", "type": "cap", "url": "http://127.0.0.1:9/cap", "secret": "DISTRICT_SECRET"},
        {"id": "hotline", "type": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "HOTLINE_SECRET"},
        {"id": "arc", "type": "dc09", "account": "abcd", "poll_s": 0, "receivers": [{"host": "127.0.0.1", "port": 9}]},
    ]
    document["hand_over"] = [
        {"id": "district", "channel": "district", "mode": mode, "severities": ["emergency"]},
        {"id": "city", "channel": "hotline", "mode": mode, "types": ["staff_call"]},
        {"id": "arc", "channel": "arc", "mode": mode, "zones": {"sos-1": {"zone": 7}}},
    ]
    return document


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, with_outsiders()) as house:
        yield house


def handed(house: House) -> list[Send]:
    with reading(house.engine) as connection:
        rows = connection.execute(sa.select(t.outbox.c.body).order_by(t.outbox.c.created_at_ms, t.outbox.c.key))
        sends = [Send.model_validate_json(body) for body in rows.scalars()]
    return [one for one in sends if one.purpose is Purpose.HAND_OVER]


async def test_outsiders_are_told_in_the_transaction_that_decides(house: House) -> None:
    case = await house.press("sos-1")
    assert [(one.channel, one.to) for one in handed(house)] == [("arc", ""), ("district", "")]
    await house.act(case["id"], "acknowledge")
    await house.act(case["id"], "cancel", reason="误按")
    told = handed(house)
    assert [one.data["document"]["event"] for one in told if one.channel == "district"] == [  # type: ignore[index]
        "opened",
        "updated",
        "cancelled",
    ]
    codes = [f"{one.data['qualifier']}{one.data['code']}" for one in told if one.channel == "arc"]
    assert codes[:2] == ["1101", "6101"] and sorted(codes[2:]) == ["1406", "3101"]
    with reading(house.engine) as connection:
        withdrawn = sa.select(t.outbox.c.key).where(t.outbox.c.status == "withdrawn")
        assert not [key for key in connection.execute(withdrawn).scalars() if "hand_over" in key]


async def test_the_cap_message_of_a_case_is_valid_and_names_nobody(house: House) -> None:
    case = await house.press("sos-1")
    await house.act(case["id"], "acknowledge")
    async with house.client("reader") as client:
        answer = await client.get(f"/api/v1/cases/{case['number']}/cap")
    assert answer.headers["content-type"].startswith("application/cap+xml")
    XSD.validate(answer.text)
    root = ElementTree.fromstring(answer.text)
    assert [root.findtext(CAP + name) for name in ("status", "msgType", "scope")] == ["Actual", "Update", "Restricted"]
    assert "李秀兰" not in answer.text
    [info, _] = root.findall(f"{CAP}info")
    assert info.findtext(f".//{CAP}areaDesc") == "试验院3号楼501室"
    document = await house.get(f"/api/v1/cases/{case['id']}/document")
    assert (document["schema"], document["revision"], document["stage"]) == ("anju/case/1", 2, "acknowledged")
    assert document["resident"] is None


async def test_the_feed_leads_to_what_is_open_and_to_what_ended_today(house: House) -> None:
    first = await house.press("sos-1")
    await house.act(first["id"], "cancel", reason="误按")
    second = await house.press("sos-2")
    async with house.client("reader") as client:
        feed = await client.get("/api/v1/cap.atom")
        root = ElementTree.fromstring(feed.text)
        links = [one.get("href") or "" for one in root.findall(f"{ATOM}entry/{ATOM}link")]
        assert links == [f"/api/v1/cases/{one['id']}/cap" for one in (second, first)]
        for link in links:
            XSD.validate((await client.get(link)).text)
    house.clock.at += 25 * 3_600_000
    async with house.client("reader") as client:
        later = ElementTree.fromstring((await client.get("/api/v1/cap.atom")).text)
    assert len(later.findall(f"{ATOM}entry")) == 1
    async with house.client(None) as client:
        assert (await client.get("/api/v1/cap.atom")).status_code == 401


async def test_without_a_live_outsider_everything_is_an_exercise(tmp_path: Path) -> None:
    async with open_house(tmp_path, with_outsiders("drill")) as house:
        case = await house.press("sos-1")
        codes = [f"{one.data['qualifier']}{one.data['code']}" for one in handed(house) if one.channel == "arc"]
        assert codes == ["1601"]
        async with house.client("reader") as client:
            answer = await client.get(f"/api/v1/cases/{case['id']}/cap")
        assert ElementTree.fromstring(answer.text).findtext(f"{CAP}status") == "Exercise"


async def test_the_zones_that_a_centre_has_to_be_given(house: House) -> None:
    zones = {one["device"]: one for one in await house.get("/api/v1/hand-over/arc/zones")}
    assert (zones["sos-1"]["account"], zones["sos-1"]["zone"]) == ("ABCD", 7)
    assert all(1 <= one["zone"] <= 999 for one in zones.values())
    async with house.client() as client:
        assert (await client.get("/api/v1/hand-over/district/zones")).status_code == 404
        assert (await client.get("/api/v1/cases/2026-999999/cap")).status_code == 404
