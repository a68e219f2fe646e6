"""Drills over HTTP and at the console: ordered, carried out, ended, told apart from what is real."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.auth import COOKIE
from gateway.decider import drill_rows
from gateway.state.db import reading
from gateway.web.console import add_console
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house
from tests.unit.test_live_permit import AGREEMENT

ORDER: dict[str, Any] = {"key": "d-1", "reason": "夜班培训 training", "subjects": [{"resident": "r-1"}], "minutes": 5}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        add_console(house.app)
        yield house


async def post(house: House, path: str = "", **changes: Any) -> Any:
    return await house.client("operator").post(f"/api/v1/drills{path}", json=ORDER | changes)


def at_console(house: House) -> httpx.AsyncClient:
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["operator"])
    return client


async def reached(house: House, drill: str, *states: str) -> None:
    def now() -> bool:
        with reading(house.engine) as connection:
            found = drill_rows.load(connection, drill)
        return found is not None and found.state in states

    await eventually_async(now, what=f"{drill} {states}")


async def test_a_drill_is_ordered_once_runs_and_is_ended_with_a_report(house: House) -> None:
    first = (await post(house)).json()
    assert (await post(house)).json()["id"] == first["id"]
    assert (await post(house, reason="another")).status_code == 409

    await reached(house, first["id"], "running")
    [summary] = await house.get("/api/v1/cases")
    case = summary["case"]
    detail = await house.get(f"/api/v1/cases/{case['id']}")
    assert detail["case"]["drill"] is True
    assert all("演练" in row["title"] for row in detail["outbox"] if row["person"])
    page = (await at_console(house).get("/drills")).text
    assert "夜班培训" in page and "进行中" in page
    assert (await post(house, f"/{first['id']}/end")).status_code == 200

    await reached(house, first["id"], "ending", "ended")
    figures, own = await house.get("/api/v1/figures"), await house.get("/api/v1/figures", drills="true")
    assert (figures["figures"]["n"], own["figures"]["n"]) == (0, 1)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"subjects": []}, "invalid_request"),
    ({"reason": ""}, "invalid_request"),
    ({"minutes": 241}, "invalid_request"),
    ({"subjects": [{"resident": "r-1", "device": "sos-1"}]}, "invalid_request"),
    ({"subjects": [{"resident": "nobody"}]}, "cannot_drill"),
    ({"subjects": [{"device": "nothing"}]}, "cannot_drill"),
    ({"alarm": "rain"}, "cannot_drill"),
    ({"tell": "instead"}, "cannot_drill"),
    ({"tell": "instead", "instead": {"desk": "stranger"}}, "cannot_drill"),
    ({"ladder": "none"}, "cannot_drill"),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
async def test_what_is_wrong_is_said(house: House, changes: dict[str, Any], code: str) -> None:
    answer = await post(house, **changes)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await house.get("/api/v1/drills") == []


async def test_readers_order_nothing(house: House) -> None:
    answer = await house.client("reader").post("/api/v1/drills", json=ORDER)
    assert answer.status_code == 403
    assert (await house.client("operator").post("/api/v1/drills/none/end")).status_code == 404


@pytest.mark.parametrize("mode", ["drill", "live"])
async def test_the_console_calls_the_line_what_it_is(tmp_path: Path, mode: str) -> None:
    """What dials is never called a drill, and what reaches nobody never looks as if it did."""
    document = community(1, rungs=FAR_LINE)
    if mode == "live":
        agreed = AGREEMENT | {"valid_until": "2030-12-31", "automatic": True}
        document["emergency_line"] = {"mode": "live", "live": agreed}
    async with open_house(tmp_path, document) as house:
        add_console(house.app)
        case = await house.press("sos-1")
        client = at_console(house)
        for path in ("/", "/cases", f"/cases/{case['id']}"):
            text = (await client.get(path)).text
            main = text[text.index("<main") :]
            assert ('class="drill"' in main) == (mode == "drill"), path
            assert ('class="live"' in main) == (mode == "live"), path
