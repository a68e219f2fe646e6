"""The simulated 120 centre and messengers over real HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from firmware_sim.world.app import World
from firmware_sim.world.server import HOST, serving
from tests.support.eventually import PATIENCE, eventually_async
from tests.support.world import running_world

CARD: dict[str, Any] = {
    "drill": True,
    "mark": "演练",
    "address": {"zh": "【演练】团结湖北里3号楼2单元501", "en": "Tuanjiehu"},
    "complaint": "【演练】紧急呼救",
    "call_back": "010-6500-0000",
}


def client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, timeout=5 * PATIENCE, trust_env=False)


async def call(http: httpx.AsyncClient, key: str = "k1", **changes: Any) -> httpx.Response:
    card = {name: value for name, value in {**CARD, **changes}.items() if value is not ...}
    return await http.post("/calls", json=card, headers={"Idempotency-Key": key})


async def test_answers_and_knows_the_same_key_again() -> None:
    async with running_world() as (world, url), client(url) as http:
        first, second = await call(http), await call(http)
        assert (first.status_code, first.json()["state"]) == (200, "answered")
        assert {"reference", "seat", "say_zh"} <= set(first.json())
        assert second.json()["reference"] == first.json()["reference"]
        assert second.json()["duplicates"] == 1
        other = await call(http, "k2")
        assert other.json()["reference"] != first.json()["reference"]
        assert (await http.get("/calls/by-key/k1")).json()["reference"] == first.json()["reference"]
        assert (await http.get("/calls/by-key/nobody")).status_code == 404
        log = (await http.get("/calls")).json()
        assert [entry["key"] for entry in log["calls"]] == ["k1", "k2"]
        assert log["duplicates"] == 1
        assert len(log["attempts"]) == 3
        assert world.centre.calls["k1"].card["complaint"] == CARD["complaint"]


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"drill": ...}, 403, "drill"),
        ({"drill": False}, 403, "drill"),
        ({"drill": "yes"}, 403, "drill"),
        ({"address": ...}, 422, "address"),
        ({"address": {"zh": "【演练】", "en": ""}}, 422, "address"),
        ({"address": "【演练】团结湖街道"}, 422, "address"),
        ({"complaint": ""}, 422, "complaint"),
        ({"call_back": ...}, 422, "call_back"),
        ({"call_back": "ask at the desk"}, 422, "call_back"),
    ],
)
async def test_reads_the_card_like_a_dispatcher(changes: dict[str, Any], status: int, field: str) -> None:
    async with running_world() as (world, url), client(url) as http:
        answer = await call(http, **changes)
        assert (answer.status_code, answer.json()["field"]) == (status, field)
        assert answer.json()["reason"]
        assert not world.centre.calls
        assert world.centre.attempts[0].field == field


async def test_needs_a_key_and_a_card() -> None:
    async with running_world() as (_, url), client(url) as http:
        assert (await http.post("/calls", json=CARD)).json()["field"] == "Idempotency-Key"
        answer = await http.post("/calls", content=b"[", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["field"]) == (422, "body")


async def test_busy_twice_then_answers() -> None:
    async with running_world() as (_, url), client(url) as http:
        assert (await http.put("/behaviour", json={"mode": "busy", "times": 2})).status_code == 200
        answers = [await call(http) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [503, 503, 200]
        assert "忙" in answers[0].json()["reason"]
        assert answers[2].json()["duplicates"] == 0


async def test_refuses_when_told_to_and_rejects_unknown_behaviours() -> None:
    async with running_world() as (_, url), client(url) as http:
        await http.put("/behaviour", json={"mode": "refuse"})
        assert (await call(http)).status_code == 422
        assert (await http.put("/behaviour", json={"mode": "sleepy"})).status_code == 422
        assert (await http.get("/behaviour")).json()["mode"] == "refuse"


async def test_hangs_without_taking_the_call() -> None:
    async with running_world() as (world, url), client(url) as http:
        await http.put("/behaviour", json={"mode": "hang", "times": 1})
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/calls", json=CARD, headers={"Idempotency-Key": "k1"}, timeout=0.3)
        assert (await http.get("/calls/by-key/k1")).status_code == 404
        assert world.centre.attempts[0].outcome == "hang"
        assert (await call(http)).status_code == 200


async def test_crash_after_accept_is_ambiguous_and_can_be_asked_about() -> None:
    async with running_world() as (_, url), client(url) as http:
        await http.put("/behaviour", json={"mode": "crash_after_accept", "times": 1})
        with pytest.raises(httpx.TransportError):
            await call(http)
        found = await http.get("/calls/by-key/k1")
        assert (found.status_code, found.json()["state"]) == (200, "answered")
        assert (await call(http)).json()["duplicates"] == 1


async def test_delay_is_kept() -> None:
    async with running_world() as (_, url), client(url) as http:
        await http.put("/behaviour", json={"mode": "answer", "delay_s": 0.3})
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/calls", json=CARD, headers={"Idempotency-Key": "k1"}, timeout=0.1)
        assert (await call(http, "k2")).status_code == 200


async def test_is_told_that_it_was_a_mistake() -> None:
    async with running_world() as (world, url), client(url) as http:
        reference = (await call(http)).json()["reference"]
        for _ in range(2):
            answer = await http.post(f"/calls/{reference}/cancel", json={"reason": "误按"})
            assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        noted = world.centre.calls["k1"]
        assert (noted.cancel_reason, noted.cancels) == ("误按", 2)
        assert (await http.post("/calls/120-999999/cancel", json={})).status_code == 404


async def test_token_is_asked_for_where_there_is_one() -> None:
    async with running_world(centre_token="s3cret") as (world, url), client(url) as http:
        assert (await call(http)).status_code == 401
        assert not world.centre.calls
        http.headers["Authorization"] = "Bearer s3cret"
        assert (await call(http)).status_code == 200


# --- messengers --------------------------------------------------------------------------------------------------


async def test_inbox_keeps_what_people_get_and_counts_repeats(tmp_path: Path) -> None:
    world = World(inbox_file=tmp_path / "inbox.jsonl")
    async with serving(world.app) as port, client(f"http://{HOST}:{port}") as http:
        apprise = {"version": "1.0", "title": "呼救", "message": "王桂兰 按下", "type": "warning"}
        await http.post("/inbox/daughter", json=apprise, headers={"X-Anju-Key": "a"})
        repeat = await http.post("/inbox/daughter", json=apprise, headers={"X-Anju-Key": "a"})
        assert repeat.json()["duplicate"] is True
        await http.post("/inbox/guard", json={"key": "b", "title": "t", "body": "words"})
        found = (await http.get("/inbox/daughter")).json()
        assert [(m["title"], m["body"]) for m in found["messages"]] == [("呼救", "王桂兰 按下")] * 2
        assert (found["duplicates"], found["attempts"]) == (1, 2)
        everybody = (await http.get("/inbox")).json()
        assert [m["who"] for m in everybody["messages"]] == ["daughter", "daughter", "guard"]
        assert everybody["messages"][2]["body"] == "words"
        lines = (tmp_path / "inbox.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["who"] for line in lines] == ["daughter", "daughter", "guard"]
        await http.delete("/inbox/daughter")
        assert [m["who"] for m in (await http.get("/inbox")).json()["messages"]] == ["guard"]
        await http.delete("/inbox")
        assert (await http.get("/inbox")).json() == {"messages": [], "duplicates": 0, "attempts": 0}


async def test_inbox_fails_as_often_as_it_is_told() -> None:
    async with running_world() as (_, url), client(url) as http:
        await http.put("/inbox/son/behaviour", json={"mode": "fail", "times": 2, "status": 502})
        codes = [(await http.post("/inbox/son", json={"body": "x"})).status_code for _ in range(3)]
        assert codes == [502, 502, 200]
        assert (await http.post("/inbox/guard", json={"body": "x"})).status_code == 200
        assert len((await http.get("/inbox/son")).json()["messages"]) == 1
        assert (await http.put("/inbox/son/behaviour", json={"mode": "fail", "status": 200})).status_code == 422


async def test_inbox_hangs_and_is_slow() -> None:
    async with running_world() as (world, url), client(url) as http:
        await http.put("/inbox/son/behaviour", json={"mode": "hang", "times": 1})
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/inbox/son", json={"body": "x"}, timeout=0.2)
        assert not world.inbox.messages
        await http.put("/inbox/son/behaviour", json={"mode": "slow", "delay_s": 0.3, "times": 1})
        slow = asyncio.create_task(http.post("/inbox/son", json={"body": "x"}))
        await eventually_async(lambda: world.inbox.attempts["son"] == 2)
        assert not world.inbox.messages
        assert (await slow).status_code == 200


async def test_text_that_is_no_json_arrives_as_text() -> None:
    async with running_world() as (_, url), client(url) as http:
        await http.post("/inbox/son", content="就这样".encode())
        assert (await http.get("/inbox/son")).json()["messages"][0]["body"] == "就这样"


async def test_a_caller_who_waits_does_not_hold_up_the_end() -> None:
    async with client("http://unused") as http:
        async with running_world() as (world, url):
            await http.put(f"{url}/behaviour", json={"mode": "hang"})
            waiting = asyncio.create_task(
                http.post(f"{url}/calls", json=CARD, headers={"Idempotency-Key": "k1"}, timeout=30)
            )
            await eventually_async(lambda: bool(world.centre.attempts) and world.centre.attempts[0].outcome == "hang")
        with pytest.raises(httpx.TransportError):
            await asyncio.wait_for(waiting, 5 * PATIENCE)
