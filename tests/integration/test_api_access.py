"""Who may do what: tokens, roles, cookies, other sites' pages; and what every answer has in common."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from gateway.api.auth import COOKIE, NameTaken, create_token, find_caller, revoke_token, still_valid
from gateway.api.door import MAX_BODY_BYTES
from gateway.health import Part
from gateway.registry import candidates
from gateway.registry.candidates import CandidateNote
from gateway.state import tables as t
from tests.support.house import House, open_house

PUBLIC = {"/healthz", "/readyz", "/metrics"}
NAMES = {
    "action": "acknowledge",
    "device_id": "sos-1",
    "bridge": "native",
    "address": "stranger-1",
    "place_id": "door-1",
    "resident_id": "r-1",
    "rule_id": "sos-pressed",
    "how": "disable",
    "backtest_id": "bt-1",
    "alarm_id": "1",
    "attachment_id": "att-1",
    "hand_over": "arc",
    "handover_id": "1",
    "override_id": "1",
    "drill_id": "drill-1",
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


def requests(house: House, case_id: str = "2026-000001") -> list[tuple[str, str]]:
    """Method and path of every endpoint, with something in the place of its parameters."""
    return [
        (method.upper(), path.format(case_id=case_id, **NAMES))
        for path, methods in house.app.openapi()["paths"].items()
        for method in methods
    ]


async def test_everything_but_the_health_of_the_machine_needs_a_token(house: House) -> None:
    client = house.client(None)
    asked = requests(house)
    assert len(asked) >= 11
    for method, path in asked:
        answer = await client.request(method, path)
        if path in PUBLIC:
            assert answer.status_code in (200, 503)
        else:
            assert answer.status_code == 401, path
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["code"] == "no_token"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "authorization", ["Bearer wrong", "Bearer ", "Bearer", "Basic YWRtaW46YWRtaW4=", "wrong", "Bearer ü", ""]
)
async def test_a_wrong_token_is_none(house: House, authorization: str) -> None:
    answer = await house.client(None).get("/api/v1/cases", headers={b"Authorization": authorization.encode("latin-1")})
    assert answer.status_code == 401


async def test_a_wrong_token_beside_a_right_cookie_is_wrong(house: House) -> None:
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["admin"])
    assert (await client.get("/api/v1/cases")).status_code == 200
    assert (await client.get("/api/v1/cases", headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_a_reader_sees_everything_but_who_looked_and_acts_on_nothing(house: House) -> None:
    case = await house.press("sos-1")
    now_ms = house.clock.now_ms()
    stranger = CandidateNote(bridge="native", address="stranger-1", profile="native", heard=True, at_ms=now_ms)
    with house.engine.begin() as connection:
        candidates.note(connection, [stranger], now_ms)
    reader = house.client("reader")
    questions = (
        "/observations",
        "/events",
        "/explanations",
        "/bt-1",
        "/att-1",
        "/where",
        "/simulate",
        "/disclosures",
        "/zones",
        "/drill-1",
    )  # which need more than a path, or another act, or more than a reader
    for method, path in requests(house, case["id"]):
        if method == "GET" and not path.endswith(questions):
            assert (await reader.get(path)).status_code in (200, 503), path
    # Who looked at whom is the business of few.
    for role, status in (("reader", 403), ("operator", 403), ("admin", 200)):
        assert (await house.client(role).get("/api/v1/disclosures")).status_code == status, role
    for action in ("acknowledge", "note", "dial_now"):
        answer = await house.act(case["id"], action, "reader", reason="x")
        assert (answer.status_code, answer.json()["code"]) == (403, "may_only_read")
    for role in ("operator", "admin"):
        assert (await house.act(case["id"], "note", role, reason="x")).status_code == 200


async def test_a_revoked_token_is_worthless_at_once(house: House) -> None:
    client = house.client("operator")
    assert (await client.get("/api/v1/health")).status_code == 200
    with house.engine.begin() as connection:
        assert revoke_token(connection, "operator", house.clock.now_ms())
        assert not revoke_token(connection, "operator", house.clock.now_ms())
    assert (await client.get("/api/v1/health")).status_code == 401


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://gateway.test", 200),
        ("http://evil.test", 403),
        ("http://gateway.test.evil.test", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_a_cookie_acts_from_its_own_pages_only(house: House, origin: str | None, status: int) -> None:
    case = await house.press("sos-1")
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["operator"])
    headers = {} if origin is None else {"Origin": origin}
    answer = await client.post(f"/api/v1/cases/{case['id']}/acknowledge", headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "other_site"
        assert (await house.get(f"/api/v1/cases/{case['id']}"))["case"]["stage"] == "opened"
    assert (await client.get("/api/v1/cases", headers=headers)).status_code == 200


def test_the_database_keeps_no_token(tmp_path: Path) -> None:
    house = House(tmp_path, None)
    with house.engine.begin() as connection:
        kept = str(connection.execute(sa.select(t.tokens)).all())
        for token in house.tokens.values():
            assert token not in kept
    house.engine.dispose()


def test_names_of_tokens(tmp_path: Path) -> None:
    house = House(tmp_path, None)
    with house.engine.begin() as connection:
        for wrong in ("", " x", "x\n", "a" * 65, "\x1b[31m"):
            with pytest.raises(ValueError, match="printable"):
                create_token(connection, wrong, "reader", 1)
        with pytest.raises(NameTaken):
            create_token(connection, "reader", "reader", 1)
        create_token(connection, "夜班值班员", "reader", 1)
    with house.engine.begin() as connection:
        assert revoke_token(connection, "reader", 2)
    old = house.tokens["reader"]
    with house.engine.begin() as connection:
        new = create_token(connection, "reader", "operator", 3)
    assert find_caller(house.engine, old) is None
    caller = find_caller(house.engine, new)
    assert caller is not None and caller.role == "operator"
    assert still_valid(house.engine, caller)
    house.engine.dispose()


async def test_what_is_not_there_and_what_cannot_be_read_has_one_shape(house: House) -> None:
    client = house.client("operator")
    asked: list[tuple[int, str, httpx.Response]] = [
        (404, "not_found", await client.get("/api/v1/nothing")),
        (404, "not_found", await client.get("/nothing")),
        (405, "method_not_allowed", await client.delete("/api/v1/cases")),
        (404, "no_such_device", await client.get("/api/v1/devices/nobody")),
        (422, "invalid_request", await client.get("/api/v1/cases?limit=0")),
        (422, "invalid_request", await client.get("/api/v1/cases?limit=nan")),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b"{")),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b"\xff")),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b"[" * 60_000)),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b'{"reason": "\\ud800"}')),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b'{"reason": "\\u0000"}')),
        (422, "invalid_request", await client.post("/api/v1/cases/x/note", content=b'{"version": NaN}')),
        (422, "invalid_request", await client.post("/api/v1/cases/%00/note", json={})),
        (413, "too_large", await client.post("/api/v1/cases/x/note", content=b" " * (MAX_BODY_BYTES + 1))),
        (413, "too_large", await client.post("/api/v1/cases/x/note", content=endless())),
        (413, "too_large", await house.client(None).post("/api/v1/cases/x/note", content=endless())),
    ]
    for status, code, answer in asked:
        problem = answer.json()
        assert set(problem) == {"code", "zh", "en", "fields"}, answer.text
        assert (answer.status_code, problem["code"]) in ((status, code), (400, "bad_request")), answer.text
        assert problem["zh"] and problem["en"]
        assert answer.headers["Cache-Control"] == "no-store"


async def endless() -> AsyncIterator[bytes]:
    for _ in range(1000):
        yield b" " * 1000


async def test_a_defect_shows_nothing_of_the_inside(house: House) -> None:
    def broken() -> list[Part]:
        raise RuntimeError("password=secret")

    house.parts = broken
    answer = await house.client("reader").get("/api/v1/health")
    assert (answer.status_code, answer.json()["code"]) == (500, "defect")
    assert "secret" not in answer.text


async def test_a_database_that_cannot_be_used_is_said_to_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any, **__: Any) -> None:
        raise sa.exc.OperationalError("SELECT name FROM people", {}, Exception("database is locked"))

    monkeypatch.setattr("gateway.api.reads.cases", locked)
    answer = await house.client("reader").get("/api/v1/cases")
    assert (answer.status_code, answer.json()["code"]) == (503, "no_database")
    assert "SELECT" not in answer.text


async def test_no_page_brings_scripts_from_elsewhere(house: House) -> None:
    for path in ("/docs", "/redoc"):
        assert (await house.client("admin").get(path)).status_code == 404
    assert (await house.client(None).get("/openapi.json")).status_code == 200
