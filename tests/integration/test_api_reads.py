"""Devices, readings, alarms, what was said, and the gateway's own health over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from gateway.api import reads
from gateway.health import Part
from gateway.state import tables as t
from gateway.store.protocol import StoreUnavailable
from tests.support.house import House, open_house
from tests.support.journal import NOON


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


async def ids(house: House, **query: Any) -> list[str]:
    return [device["id"] for device in await house.get("/api/v1/devices", **query)]


async def test_devices_are_found_by_kind_place_and_resident(house: House) -> None:
    every = await ids(house)
    assert every == sorted(every)
    assert len(every) == 13
    assert await ids(house, kind="sos_button") == ["sos-1", "sos-2"]
    home = ["contact-1", "service-1", "smoke-1", "sos-1", "vitals-1"]
    assert await ids(house, resident="r-1") == await ids(house, place="door-1") == home
    assert set(await ids(house, place="b-1")) == {*home, *(one.replace("-1", "-2") for one in home), "kiosk-1"}
    assert await ids(house, kind="smoke", place="yuan", limit=1, offset=1) == ["smoke-2"]
    assert await ids(house, kind="teapot") == await ids(house, place="nowhere") == []


async def test_a_device_that_was_heard_is_not_silent_until_its_time_is_up(house: House) -> None:
    assert await ids(house, silent=False) == []
    await house.say("sos-1", battery=80.0)
    await house.decided()
    assert await ids(house, silent=False) == ["sos-1"]
    assert "sos-1" not in await ids(house, silent=True)
    [sos] = await house.get("/api/v1/devices", kind="sos_button", resident="r-1")
    assert sos["state"]["last_seen_ms"] == NOON
    assert sos["state"]["battery"] == 80.0
    assert (sos["kind_zh"] != "", sos["place_zh"], sos["silent"]) == (True, "试验院3号楼501室", False)
    house.clock.at += (sos["supervision_s"] + 1) * 1000
    assert "sos-1" in await ids(house, silent=True)


async def test_a_device_comes_with_its_newest_readings(house: House) -> None:
    await house.read("vitals-1", "vitals_monitor", NOON, spo2=97.0, pulse=71.0)
    await house.read("vitals-1", "vitals_monitor", NOON + 1000, spo2=91.0)
    detail = await house.get("/api/v1/devices/vitals-1")
    latest = {one["metric"]: one for one in detail["latest"]}
    assert (latest["spo2"]["value"], latest["spo2"]["at_ms"], latest["spo2"]["unit"]) == (91.0, NOON + 1000, "%")
    assert latest["pulse"]["value"] == 71.0
    assert detail["state"] is None


async def test_readings_raw_and_in_buckets(house: House) -> None:
    for second in range(10):
        await house.read("vitals-1", "vitals_monitor", NOON + second * 1000, spo2=90.0 + second)
    asked = {"device": "vitals-1", "metric": "spo2", "start_ms": NOON, "end_ms": NOON + 10_000}
    raw = await house.get("/api/v1/observations", **asked)
    assert [point["value"] for point in raw["points"]] == [90.0 + second for second in range(10)]
    assert raw["unit"] == "%"
    assert len((await house.get("/api/v1/observations", **asked, limit=3))["points"]) == 3
    buckets = await house.get("/api/v1/observations", **asked, width_s=5)
    assert [(one["at_ms"] - NOON, one["count"], one["low"], one["high"]) for one in buckets["points"]] == [
        (0, 5, 90.0, 94.0),
        (5000, 5, 95.0, 99.0),
    ]


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"device": "nobody"}, 404, "nobody"),
        ({"metric": "mood"}, 422, "spo2"),
        ({"end_ms": 0}, 422, "not before start_ms"),
        ({"width_s": 1, "end_ms": NOON * 2}, 422, "width_s"),
        ({"width_s": 0}, 422, "width_s"),
        ({"end_ms": 2**60}, 422, "end_ms"),
    ],
)
async def test_a_range_that_cannot_be_answered_says_why(
    house: House, change: dict[str, Any], status: int, said: str
) -> None:
    asked: dict[str, Any] = {"device": "vitals-1", "metric": "spo2", "start_ms": NOON, "end_ms": NOON + 10_000}
    asked |= change
    answer = await house.client("reader").get("/api/v1/observations", params=asked)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["en"]


async def test_a_store_that_is_away_is_said_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("connection refused")

    monkeypatch.setattr(house.store, "latest", away)
    monkeypatch.setattr(house.store, "readings", away)
    for path in (
        "/api/v1/devices/sos-1",
        "/api/v1/observations?device=vitals-1&metric=spo2&start_ms=0&end_ms=1",
    ):
        answer = await house.client("reader").get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "no_store"), path


async def test_alarms_and_messages_page_by_page(house: House) -> None:
    cases = [await house.press(device) for device in ("sos-1", "sos-2")]
    alarms = await house.get("/api/v1/alarms")
    assert [alarm["case_id"] for alarm in alarms] == [case["id"] for case in reversed(cases)]
    assert await house.get("/api/v1/alarms", before=alarms[0]["id"]) == alarms[1:]
    assert await house.get("/api/v1/alarms", case_id=cases[0]["id"]) == alarms[1:]
    said = await house.get("/api/v1/outbox")
    assert len(said) >= 4
    paged: list[dict[str, Any]] = []
    while page := await house.get("/api/v1/outbox", limit=1, **({"before": paged[-1]["key"]} if paged else {})):
        paged += page
    assert paged == said
    assert {row["case_id"] for row in await house.get("/api/v1/outbox", case_id=cases[0]["id"])} == {cases[0]["id"]}
    assert await house.get("/api/v1/outbox", status="delivered") == []
    answer = await house.client("reader").get("/api/v1/outbox?before=nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_message")
    answer = await house.client("reader").get("/api/v1/outbox?status=lost")
    assert answer.status_code == 422
    assert "withdrawn" in answer.json()["en"]


async def test_alarms_that_hold_and_that_are_over(house: House) -> None:
    case = await house.press("sos-1")
    assert len(await house.get("/api/v1/alarms", open=True)) == 1
    assert (await house.act(case["id"], "cancel", reason="误按")).status_code == 200
    assert await house.get("/api/v1/alarms", open=True) == []
    [over] = await house.get("/api/v1/alarms")
    assert over["cleared_at_ms"] is not None


def test_as_many_keys_as_there_may_be_are_read(tmp_path: Path) -> None:
    """Databases limit how many values one query may have; a long case has more messages."""
    house = House(tmp_path, None)
    with house.engine.begin() as connection:
        rows = [{"device": f"d-{n}", "last_seen_ms": n, "online": True} for n in range(40_000)]
        connection.execute(sa.insert(t.device_states), rows)
    assert len(reads.device_states(house.engine, [f"d-{n}" for n in range(40_000)])) == 40_000
    house.engine.dispose()


async def test_a_gateway_without_a_community_answers_all_the_same(tmp_path: Path) -> None:
    async with open_house(tmp_path, empty=True) as house:
        assert await house.get("/api/v1/devices") == await house.get("/api/v1/cases") == []
        assert (await house.client("reader").get("/api/v1/devices/sos-1")).status_code == 404
        answer = await house.act("2026-000001", "acknowledge")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_community")


async def test_alive_and_ready_are_two_things(house: House) -> None:
    client = house.client(None)
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "failed": ["mqtt-urgent", "mqtt-routine"]})
    house.parts = lambda: [
        Part(name="store", state="failed", critical=False, zh="", en=""),
        Part(name="outbox", state="degraded", critical=True, zh="", en=""),
    ]
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "failed": []})


async def test_health_is_in_words_of_both_languages(house: House) -> None:
    parts = await house.get("/api/v1/health")
    assert [part["name"] for part in parts] == [
        "mqtt-urgent",
        "mqtt-routine",
        "serial-bus",
        "journal",
        "decider",
        "outbox",
        "channels",
        "store",
    ]
    assert all(part["zh"] and part["en"] for part in parts)


async def test_metrics_are_figures_and_nobodys_name(house: House) -> None:
    await house.press("sos-1")
    await house.read("vitals-1", "vitals_monitor", NOON, spo2=97.0)
    answer = await house.client(None).get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    decided = {sample.labels["lane"]: sample.value for sample in families["anju_decided"].samples}
    assert decided == {"urgent": 1.0, "routine": 0.0}
    for personal in ("李秀兰", "r-1", "sos-1", "desk", "daughter", "000-"):
        assert personal not in answer.text
