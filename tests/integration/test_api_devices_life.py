"""The life of a device over the API: who may, what is answered, and that the gateway works by it when it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from gateway.journal.entry import Quarantined
from gateway.registry import candidates, store
from gateway.registry.candidates import CandidateNote
from gateway.state import tables as t
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

DAY = 86_400_000


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(rungs=FAR_LINE) | {"bridges": [{"id": "z2m", "profile": "zigbee2mqtt"}]}
    async with open_house(tmp_path, document) as house:
        yield house


def stranger(house: House, address: str = "front door", **more: Any) -> None:
    now_ms = house.clock.now_ms()
    fields = {"bridge": "z2m", "profile": "zigbee2mqtt", "kind": "contact", "heard": True, "at_ms": now_ms} | more
    with house.engine.begin() as connection:
        candidates.note(connection, [CandidateNote(address=address, **fields)], now_ms)


async def send(house: House, method: str, path: str, body: Any = None, code: int = 200, role: Any = "operator") -> Any:
    answer: httpx.Response = await house.client(role).request(method, f"/api/v1{path}", json=body)
    assert answer.status_code == code, f"{method} {path}: {answer.status_code} {answer.text}"
    return answer.json()


async def test_a_stranger_is_adopted_and_listened_to_when_the_answer_comes(house: House) -> None:
    stranger(house)
    (seen,) = await house.get("/api/v1/candidates")
    assert (seen["bridge"], seen["address"], seen["kind"], seen["heard"]) == ("z2m", "front door", "contact", 1)
    done = await send(house, "POST", "/candidates/z2m/front door/adopt", {"place": "door-1", "resident": "r-1"})
    (device,) = done["devices"]
    assert (device["id"], device["address"], device["bridge"]) == ("contact-door-1", "front door", "z2m")
    assert done["revision"] == store.revision(house.engine) == 2
    assert house.views.directory is not None
    assert house.views.directory.device("contact-door-1") is not None
    assert await house.get("/api/v1/candidates") == []
    found = await house.get("/api/v1/devices/contact-door-1")
    assert (found["profile"], found["bridge"], found["status"]) == ("zigbee2mqtt", "z2m", "active")
    (line,) = await house.get("/api/v1/devices/contact-door-1/history")
    assert (line["what"], line["actor"], line["zh"]) == ("added", "operator:operator", "登记：接入")


async def test_addresses_with_slashes_and_signs_are_addresses(house: House) -> None:
    for address in ("hall/door", "门 1", "a#2", "100%", "x?y=1"):
        stranger(house, address)
        quoted = quote(address, safe="/")
        assert (await send(house, "POST", f"/candidates/z2m/{quoted}/dismiss"))["address"] == address
    assert await house.get("/api/v1/candidates") == []
    assert len(await house.get("/api/v1/candidates", dismissed=True)) == 5


async def test_what_a_stranger_said_is_shown_as_it_was_put_aside(house: House) -> None:
    stranger(house)
    for device, payload in (("z2m/front door", b'{"contact":false}'), ("z2m/other", b"x")):
        item = Quarantined(
            received_at_ms=house.clock.now_ms(),
            transport="gear:z2m",
            source="zigbee2mqtt/front door",
            device=device,
            reason="unknown_device",
            field="address",
            expected="a device",
            hint="adopt it",
            payload=payload,
        )
        house.journal.quarantine(item, lambda _: None)
    await eventually_async(lambda: len(house.journal.quarantined(9)) == 2, 5, "both are put aside")
    (said,) = await house.get("/api/v1/candidates/z2m/front door/said")
    assert (said["reason"], said["payload"]) == ("unknown_device", '{"contact":false}')


async def test_a_device_is_added_changed_replaced_and_retired(house: House) -> None:
    await send(house, "POST", "/devices", {"id": "sos-9", "kind": "sos_button", "place": "door-2"})
    await send(house, "PATCH", "/devices/sos-9", {"resident": "r-2", "name": {"zh": "床头", "en": "bed"}})
    done = await send(house, "POST", "/devices/sos-9/replace", {"address": "sos-9b", "serial": "B2"})
    (device,) = done["devices"]
    assert (device["address"], device["serial"], device["resident"]) == ("sos-9b", "B2", "r-2")
    assert house.views.native("sos-9") is None, "the old hardware is a stranger"
    assert house.views.native("sos-9b") is not None
    await send(house, "PATCH", "/devices/sos-9", {"resident": None})
    await send(house, "POST", "/devices/sos-9/retire", {"reason": "搬走"})
    assert "sos-9" not in [one["id"] for one in await house.get("/api/v1/devices")]
    (retired,) = await house.get("/api/v1/devices", retired=True)
    assert (retired["id"], retired["resident"], retired["silent"]) == ("sos-9", None, False)
    what = [line["what"] for line in await house.get("/api/v1/devices/sos-9/history")]
    assert what == ["retired", "changed", "replaced", "changed", "added"]
    same = await send(house, "POST", "/devices/sos-9/retire", {"reason": "again"})
    assert same["devices"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/devices", {"id": "x", "kind": "toaster", "place": "door-1"}, 422, "invalid_request"),
        ("POST", "/devices", {"id": "x", "kind": "smoke", "place": "door-9"}, 409, "does_not_fit"),
        ("POST", "/devices", {"id": "sos-1", "kind": "smoke", "place": "door-1"}, 409, "does_not_fit"),
        ("PATCH", "/devices/sos-9", {"place": "door-1"}, 404, "no_such_device"),
        ("PATCH", "/devices/sos-1", {"place": "door-9"}, 409, "does_not_fit"),
        ("PATCH", "/devices/sos-1", {"id": "sos-2"}, 422, "invalid_request"),
        ("PATCH", "/devices/sos-1", {"supervision_s": 1}, 409, "does_not_fit"),
        ("POST", "/devices/sos-1/replace", {"address": "sos-1"}, 409, "does_not_fit"),
        ("POST", "/devices/sos-1/retire", {"reason": ""}, 422, "invalid_request"),
        ("POST", "/candidates/z2m/nobody/adopt", {"place": "door-1"}, 404, "no_such_candidate"),
        ("POST", "/candidates/z2m/front door/adopt", {"place": "door-9"}, 409, "does_not_fit"),
        ("PUT", "/devices/sos-1/care", {"mode": "test", "for_s": 7201, "reason": "x"}, 409, "too_long"),
        ("PUT", "/devices/sos-1/care", {"mode": "test", "for_s": 60, "reason": " "}, 409, "no_reason"),
        ("PUT", "/devices/sos-9/care", {"mode": "test", "for_s": 60, "reason": "x"}, 404, "no_such_device"),
        ("DELETE", "/devices/sos-1/care", None, 404, "not_worked_on"),
        ("GET", "/devices/sos-9/history", None, 404, "no_such_device"),
    ],
)
async def test_what_cannot_be_done_is_answered_with_the_reason(
    house: House, method: str, path: str, body: Any, status: int, code: str
) -> None:
    stranger(house)
    problem = await send(house, method, path, body, status)
    assert problem["code"] == code
    assert problem["zh"]
    assert problem["en"]
    if code == "does_not_fit":
        assert problem["fields"]
    assert store.revision(house.engine) == 1


async def test_who_may_only_read_changes_nothing(house: House) -> None:
    stranger(house)
    for method, path, body in (
        ("POST", "/devices", {"id": "x", "kind": "smoke", "place": "door-1"}),
        ("PATCH", "/devices/sos-1", {"place": "door-2"}),
        ("POST", "/devices/sos-1/replace", {"address": "y"}),
        ("POST", "/devices/sos-1/retire", {"reason": "x"}),
        ("POST", "/devices/import", None),
        ("POST", "/candidates/z2m/front door/adopt", {"place": "door-1"}),
        ("POST", "/candidates/z2m/front door/dismiss", None),
        ("PUT", "/devices/sos-1/care", {"mode": "test", "for_s": 60, "reason": "x"}),
        ("DELETE", "/devices/sos-1/care", None),
    ):
        assert (await send(house, method, path, body, 403, "reader"))["code"] == "may_only_read"
    assert store.revision(house.engine) == 1


async def test_a_walk_test_over_the_api(house: House) -> None:
    await send(house, "PUT", "/devices/sos-1/care", {"mode": "test", "for_s": 600, "reason": "年检"})
    (running,) = await house.get("/api/v1/care")
    assert (running["device"], running["mode"], running["actor"]) == ("sos-1", "test", "operator:operator")
    house.clock.at += 1000
    await house.say("sos-1", "press")
    await house.decided()
    assert await house.get("/api/v1/cases") == []
    what = [line["what"] for line in await house.get("/api/v1/devices/sos-1/history")]
    assert what == ["hidden", "tried", "test"]
    await send(house, "DELETE", "/devices/sos-1/care")
    house.clock.at += 1000
    assert (await house.press("sos-1"))["type"] == "personal_emergency"
    assert await house.get("/api/v1/care") == []


async def test_a_table_is_shown_and_imported(house: House) -> None:
    client = house.client()
    exported = await client.get("/api/v1/devices.csv")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert exported.content.startswith(b"\xef\xbb\xbfid,kind,place")
    table = exported.content + b"smoke-9,smoke,door-1\r\n"
    plan = (await client.post("/api/v1/devices/import", content=table)).json()
    assert (plan["dry_run"], plan["added"], plan["changed"], plan["revision"]) == (True, ["smoke-9"], {}, 1)
    done = (await client.post("/api/v1/devices/import", params={"dry_run": False}, content=table)).json()
    assert (done["rows"], done["unchanged"], done["revision"]) == (plan["rows"], plan["rows"] - 1, 2)
    assert (await house.get("/api/v1/devices/smoke-9"))["kind"] == "smoke"
    changed = await client.post("/api/v1/devices/import", content="id,supervision_s\nsos-1,900\n")
    assert changed.json()["changed"] == {"sos-1": {"supervision_s": [None, 900]}}


async def test_a_bad_table_names_rows_and_columns_and_a_large_one_is_taken(house: House) -> None:
    client = house.client()
    bad = await client.post("/api/v1/devices/import", content="id,kind,place\na,smok,door-1\nb,smoke,door-9\n")
    assert (bad.status_code, bad.json()["code"]) == (409, "table_refused")
    assert [fault["where"] for fault in bad.json()["fields"]] == ["row 2 kind", "row 3 place"]
    rows = "".join(f"smoke-{n},smoke,door-1\n" for n in range(100, 5100))
    assert len(rows) > 65_536
    large = await client.post("/api/v1/devices/import", content="id,kind,place\n" + rows)
    assert len(large.json()["added"]) == 5000
    huge = await client.post("/api/v1/devices/import", content=b"x" * 10_000_001)
    assert (huge.status_code, huge.json()["code"]) == (413, "too_large")
    nobody = await house.client(None).post("/api/v1/devices/import", content=rows)
    assert nobody.status_code == 401


async def test_firmware_and_batteries_of_the_fleet(house: House) -> None:
    rows = [
        {"device": name, "last_seen_ms": 1, "online": True, "firmware": version, "model": "AJ-S"}
        for name, version in (("sos-1", "1.9"), ("sos-2", "1.10"))
    ]
    with house.engine.begin() as connection:
        connection.execute(t.device_states.insert(), rows)
    newest, older = [one for one in await house.get("/api/v1/firmware", kind="sos_button") if one["model"]]
    assert (newest["firmware"], newest["outdated"], newest["devices"]) == ("1.10", False, ["sos-2"])
    assert older["outdated"]
    assert len(await house.get("/api/v1/firmware", outdated=True)) == 1
    now_ms = house.clock.now_ms()
    for n in range(30):
        await house.read("sos-1", "sos_button", now_ms - (29 - n) * DAY, battery=80.0 - n, rssi=-70.0)
    found = await house.get("/api/v1/batteries")
    (line,) = found["lines"]
    assert (line["device"], line["verdict"], line["level"], line["link"]) == ("sos-1", "falling", 52.0, "rssi")
    assert line["earliest_ms"] <= line["at_ms"] <= line["latest_ms"]
    assert found["computed_ms"] == now_ms


async def test_the_device_behind_a_change_of_hardware_has_no_old_states(house: House) -> None:
    await house.say("smoke-1", battery=40.0)
    await house.decided()
    await send(house, "POST", "/devices/smoke-1/replace", {"address": "smoke-7F"})
    with house.engine.connect() as connection:
        query = sa.select(t.device_states.c.battery).where(t.device_states.c.device == "smoke-1")
        assert connection.execute(query).scalar_one() is None


async def test_a_home_is_armed_and_rules_go_by_it_when_the_answer_comes(house: House) -> None:
    done = await send(house, "PUT", "/places/door-1/attributes", {"armed": True, "floor": 5})
    assert done == {"attributes": {"armed": True, "floor": 5.0}, "revision": 2, "warnings": []}
    info = house.views.device("sos-1")
    assert info is not None
    assert (info.facts["place.armed"], info.facts["place.floor"]) == (True, 5.0)
    await send(house, "PUT", "/residents/r-1/attributes", {"mobility": "轮椅"}, role="admin")
    await send(house, "PUT", "/places/door-1/attributes", {"armed": False})
    info = house.views.device("sos-1")
    assert info is not None
    assert (info.facts["place.armed"], "place.floor" in info.facts) == (False, False)
    assert info.facts["resident.mobility"] == "轮椅"


async def test_what_cannot_be_known_of_a_place_or_a_resident_is_answered_with_the_reason(house: House) -> None:
    for path, body, code, what in (
        ("/places/door-9/attributes", {}, 404, "no_such_place"),
        ("/residents/r-9/attributes", {}, 404, "no_such_resident"),
        ("/places/door-1/attributes", {"level": "a"}, 409, "does_not_fit"),
        ("/places/door-1/attributes", {"Armed": True}, 422, "invalid_request"),
        ("/places/door-1/attributes", {"armed": None}, 422, "invalid_request"),
        ("/places/door-1/attributes", [1], 422, "invalid_request"),
    ):
        answer = await send(house, "PUT", path, body, code)
        assert answer["code"] == what, path
        assert answer["zh"] and answer["en"]
    await send(house, "PUT", "/places/door-1/attributes", {"armed": True}, 403, role="reader")
    assert store.revision(house.engine) == 1


async def test_a_device_is_given_a_carrier_and_attributes(house: House) -> None:
    hub = {"id": "hub-1", "kind": "concentrator", "place": "door-1", "attributes": {"floor": 1}}
    await send(house, "POST", "/devices", hub)
    done = await send(house, "PATCH", "/devices/sos-1", {"via": "hub-1", "attributes": {"role": "bedside"}})
    (device,) = done["devices"]
    assert (device["via"], device["attributes"]) == ("hub-1", {"role": "bedside"})
    done = await send(house, "PATCH", "/devices/sos-1", {"via": None, "attributes": None})
    (device,) = done["devices"]
    assert (device["via"], device["attributes"]) == (None, {})
    refused = await send(house, "PATCH", "/devices/hub-1", {"via": "hub-1"}, 409)
    assert "carried by itself" in refused["en"]
