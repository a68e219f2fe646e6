"""The door for gear that can only push over HTTP: its key, its answer after the disk, and commands by hand."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from devices.observation import Lane
from gateway.api.door import MAX_PUSH_BYTES
from gateway.gear.keys import create_key, revoke_key, use_key
from gateway.gear.push import SAY_EVERY_MS
from gateway.journal.entry import Outcome
from gateway.outbox import rows
from gateway.state import tables as t
from gateway.state.db import reading, writing
from tests.support.eventually import eventually_async
from tests.support.homes import community
from tests.support.house import House, open_house

PRESS = b'{"v":1,"boot":1,"seq":1,"event":"press"}'


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(1)
    document["devices"].append({"id": "valve-1", "kind": "valve", "place": "door-1"})
    async with open_house(tmp_path, document) as house:
        yield house


def key_of(house: House, sender: str) -> str:
    with writing(house.engine) as connection:
        return create_key(connection, sender, house.clock.now_ms())


async def push(house: House, path: str, body: bytes = PRESS, **request: Any) -> tuple[int, Any]:
    answer = await house.client(None).post(f"/push/{path}", content=body, **request)
    return answer.status_code, answer.json()


async def test_a_press_is_answered_when_it_is_on_disk(house: House) -> None:
    key = key_of(house, "sos-1")
    assert await push(house, f"sos-1/event?key={key}") == (200, {"outcome": "stored"})
    (entry,) = house.journal.read(Lane.URGENT, 0, 10)
    assert (entry.observation.event, entry.observation.message_id) == ("press", "sos-1:1:1")
    assert (await house.case_of("sos-1"))["device"] == "sos-1"
    assert await push(house, f"sos-1/event?key={key}") == (200, {"outcome": "duplicate"})


async def test_the_key_comes_wherever_the_gear_has_a_place_for_it(house: House) -> None:
    key = key_of(house, "sos-1")
    basic = base64.b64encode(f"anju:{key}".encode()).decode()
    for headers in ({"Authorization": f"Bearer {key}"}, {"Authorization": f"Basic {basic}"}, {"X-Anju-Key": key}):
        assert (await push(house, "sos-1/event", headers=headers))[0] == 200


async def test_nobody_else_is_admitted(house: House) -> None:
    key = key_of(house, "sos-1")
    key_of(house, "vitals-1")
    for path in ("sos-1/event", "sos-1/event?key=wrong", f"vitals-1/event?key={key}", f"nobody/event?key={key}"):
        status, problem = await push(house, path)
        assert (status, problem["code"]) == (401, "not_admitted"), path
    for broken in (b"Basic %%%", b"Basic /w==", "Basic 密钥".encode(), b"Bearer \xff", b"Basic"):
        status, problem = await push(house, "sos-1/event", headers=[(b"Authorization", broken)])
        assert (status, problem["code"]) == (401, "not_admitted"), broken
    answer = await house.client(None).post("/push/sos-1/event", content=PRESS)
    assert answer.headers["WWW-Authenticate"].startswith("Basic "), "some gear waits to be asked"
    with writing(house.engine) as connection:
        assert revoke_key(connection, "sos-1", house.clock.now_ms())
    assert (await push(house, f"sos-1/event?key={key}"))[0] == 401
    new = key_of(house, "sos-1")
    assert (await push(house, f"sos-1/event?key={new}"))[0] == 200
    assert house.journal.last_position(Lane.URGENT) == 1


async def test_a_device_with_a_wrong_key_does_not_go_unnoticed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    key_of(house, "sos-1")
    for path in ("sos-1/event?key=old", "sos-1/event?key=old", "nobody/event?key=x"):
        assert (await push(house, path))[0] == 401
    named = [record.getMessage() for record in caplog.records if "wrong key" in record.getMessage()]
    assert len(named) == 1 and "anju devices key sos-1" in named[0], "once in a while, and not for names made up"
    (http,) = [one for one in house.receipts.stats() if one.transport == "http"]
    assert (http.offered, http.faults) == (0, {"not_admitted": 3})
    house.clock.at += SAY_EVERY_MS
    await push(house, "sos-1/event?key=old")
    assert sum("wrong key" in record.getMessage() for record in caplog.records) == 2


async def test_a_key_that_both_sides_were_given_is_taken_once(house: House) -> None:
    shared = "k" * 24
    with writing(house.engine) as connection:
        assert use_key(connection, "sos-1", shared, house.clock.now_ms())
        assert not use_key(connection, "sos-1", shared, house.clock.now_ms() + 1)
        assert connection.execute(sa.select(t.push_keys.c.created_at_ms)).scalar_one() == house.clock.now_ms()
        for guessable in ("short", "k" * 23 + " ", ""):
            with pytest.raises(ValueError, match="24 or more"):
                use_key(connection, "sos-1", guessable, house.clock.now_ms())
    assert (await push(house, f"sos-1/event?key={shared}"))[0] == 200
    key_of(house, "sos-1")
    assert (await push(house, f"sos-1/event?key={shared}"))[0] == 401


async def test_a_key_is_kept_as_a_digest(house: House) -> None:
    key = key_of(house, "sos-1")
    with reading(house.engine) as connection:
        kept = connection.execute(sa.select(t.push_keys)).all()
    assert key not in repr(kept)


async def test_what_cannot_be_understood_is_kept_and_answered(house: House) -> None:
    key = key_of(house, "sos-1")
    assert await push(house, f"sos-1/telemetry?key={key}", b"{") == (200, {"outcome": "quarantined"})
    (kept,) = house.journal.quarantined(10)
    assert (kept.transport, kept.source, kept.device) == ("http", "/push/sos-1/telemetry", "sos-1")
    status, problem = await push(house, f"sos-1/alarm?key={key}")
    assert (status, problem["code"]) == (404, "wrong_path")


async def test_a_picture_fits_and_a_film_does_not(house: House) -> None:
    key = key_of(house, "sos-1")
    picture = b"x" * (MAX_PUSH_BYTES - 1)
    assert (await push(house, f"sos-1/telemetry?key={key}", picture))[1] == {"outcome": "quarantined"}
    assert (await push(house, f"sos-1/telemetry?key={key}", b"x" * (MAX_PUSH_BYTES + 1)))[0] == 413


async def test_what_could_not_be_written_is_to_be_sent_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    key = key_of(house, "sos-1")
    monkeypatch.setattr(house.journal, "submit", lambda observation, done: done(Outcome.REFUSED))
    answer = await house.client(None).post(f"/push/sos-1/event?key={key}", content=PRESS)
    assert (answer.status_code, answer.json()["code"]) == (503, "not_written")
    assert int(answer.headers["Retry-After"]) > 0


async def order(house: House, device: str, body: dict[str, Any], **query: Any) -> tuple[int, Any]:
    client = house.client("operator")
    answer = await client.post(f"/api/v1/devices/{device}/commands", json=body, params=query)
    return answer.status_code, answer.json()


async def test_a_command_by_hand_waits_for_the_devices_own_word(house: House) -> None:
    asked = asyncio.create_task(order(house, "valve-1", {"command": "close"}, wait_s=20))
    await eventually_async(lambda: _waiting(house) != [])
    (key,) = _waiting(house)
    await house.say("valve-1", "command_result", data={"id": rows.command_id(key), "ok": True})
    status, row = await asked
    assert (status, row["status"], row["to"], row["case_id"]) == (200, "delivered", "valve-1", "")
    with reading(house.engine) as connection:
        (line,) = connection.execute(sa.select(t.device_history).where(t.device_history.c.what == "command")).all()
    assert (line.device, line.actor) == ("valve-1", "operator:operator")
    assert '"command": "close"' in line.detail
    assert not house.decider.health.undecidable, "what belongs to no case troubles no case"


def _waiting(house: House) -> list[str]:
    with reading(house.engine) as connection:
        query = sa.select(t.outbox.c.key).where(t.outbox.c.key.like("by-hand:%"), t.outbox.c.status == "pending")
        return list(connection.execute(query).scalars())


@pytest.mark.parametrize(
    ("device", "body", "status", "said"),
    [
        ("valve-1", {"command": "explode"}, 409, "it can: "),
        ("valve-1", {"command": "close", "args": {"force": "10"}}, 409, "not 'force'"),
        ("sos-1", {"command": "indicate", "args": {"lamp": "pink"}}, 409, "not 'pink'"),
        ("nobody", {"command": "close"}, 404, "no device 'nobody'"),
    ],
)
async def test_what_cannot_be_obeyed_is_refused_at_once(
    house: House, device: str, body: dict[str, Any], status: int, said: str
) -> None:
    got, problem = await order(house, device, body)
    assert (got, said in problem["en"]) == (status, True), problem
    assert _waiting(house) == []


async def test_a_reader_gives_no_commands(house: House) -> None:
    answer = await house.client("reader").post("/api/v1/devices/valve-1/commands", json={"command": "close"})
    assert answer.status_code == 403
