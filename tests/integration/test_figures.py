"""Figures and where through their public doors: API, CSV, command line, pages."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from gateway.api.auth import COOKIE
from gateway.cli import app as cli
from gateway.state import tables as t
from gateway.web.console import add_console
from tests.integration.test_record import yard
from tests.support.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    # Only presses: time is moved here, and silent devices are cases as well.
    async with open_house(tmp_path, yard() | {"rules": [{"use": "sos-pressed"}]}) as house:
        add_console(house.app)
        yield house


def anju(house: House, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, [*arguments, "--data-dir", str(house.context.settings.data_dir)])
    return result.exit_code, result.output


def day(house: House, *, back: int = 0) -> str:
    """The local day of the house's clock."""
    local = datetime.fromtimestamp(house.clock.now_ms() / 1000, UTC) + timedelta(hours=8)
    return (local.date() - timedelta(days=back)).isoformat()


async def page(house: House, path: str, **query: str) -> str:
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens["reader"])
    answer = await client.get(path, params=query, headers={"Accept": "text/html"})
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
    return answer.text


async def two_cases(house: House) -> dict[str, Any]:
    """One is answered after 40 s, and somebody is there after 5 minutes; the other was a mistake."""
    first = await house.press("sos-1")
    house.clock.at += 40_000
    for action, wait_s in (("acknowledge", 0), ("arrive", 260), ("resolve", 300)):
        house.clock.at += wait_s * 1000
        answer = await house.act(first["id"], action)
        assert answer.status_code == 200, answer.text
    second = await house.press("sos-2")
    house.clock.at += 90_000
    answer = await house.act(second["id"], "cancel", reason="误按", cause="pressed_by_mistake")
    assert answer.status_code == 200, answer.text
    return first


async def test_the_figures_of_what_happened(house: House) -> None:
    await two_cases(house)
    found = await house.get("/api/v1/figures")
    of = found["figures"]
    assert (found["end"], found["begin"]) == (day(house), day(house, back=29))
    assert (of["n"], of["alarms"], of["drills"], of["open"]) == (2, 2, 0, 1)
    assert of["life"] == [
        {"count": 1, "n": 2, "target": 0.975},
        {"count": 1, "n": 1, "target": 0.99},
    ]
    steps = {(one["begin"], one["end"]): one["spread"] for one in of["steps"]}
    assert (steps["raised", "answered"]["p50"], steps["raised", "answered"]["n"]) == (40.0, 1)
    assert steps["raised", "arrived"]["p50"] == 300.0
    assert of["causes"] == {"pressed_by_mistake": 1}
    assert (of["false"]["count"], of["false"]["n"]) == (1, 1)
    assert found["names"]["pressed_by_mistake"]["zh"] == "误按"
    assert found["names"]["personal_emergency"]["zh"] == "紧急呼救"
    assert [group["key"] for group in of["people"]] == ["operator:operator"]
    assert sum(slot["n"] for slot in of["slots"]) == 2 and len(of["slots"]) == 30


async def test_a_period_a_place_and_a_drill(house: House) -> None:
    first = await two_cases(house)
    for query, n in (
        ({"place": "yuan"}, 2),
        ({"place": first["place"]}, 1),
        ({"from": day(house, back=9), "until": day(house, back=3)}, 0),
        ({"from": day(house), "until": day(house)}, 2),
    ):
        assert (await house.get("/api/v1/figures", **query))["figures"]["n"] == n, query
    c = t.cases.c
    with house.engine.begin() as connection:  # drills are made elsewhere; here only that they do not count
        body = json.loads(connection.execute(sa.select(c.body).where(c.id == first["id"])).scalar_one())
        drill = json.dumps(body | {"drill": True})
        connection.execute(sa.update(t.cases).where(c.id == first["id"]).values(body=drill))
    found = (await house.get("/api/v1/figures"))["figures"]
    assert (found["n"], found["drills"]) == (1, 1)
    for query, status, code in (
        ({"place": "nowhere"}, 404, "no_such_place"),
        ({"from": day(house), "until": day(house, back=1)}, 422, "bad_period"),
        ({"from": "yesterday"}, 422, "invalid_request"),
    ):
        answer = await house.client("reader").get("/api/v1/figures", params=query)
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_table_for_a_spreadsheet(house: House) -> None:
    await two_cases(house)
    answer = await house.client("reader").get("/api/v1/figures", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    life = [row for row in rows if (row["section"], row["key"]) == ("answered", "life_safety")]
    assert [(row["value"], row["n"], row["target"]) for row in life] == [("0.5", "2", "0.975"), ("1", "1", "0.99")]
    assert any(row["section"] == "causes" and row["名称 name"] == "误按" and row["value"] == "1" for row in rows)
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
    assert all(row["n"] for row in rows if row["unit"] == "share"), "no share without its n"


async def test_the_command_line(house: House, tmp_path: Path) -> None:
    await two_cases(house)
    days = ("--from", day(house), "--until", day(house))
    code, said = anju(house, "figures", *days)
    assert code == 0 and "生命安全受理" in said and "50.0%" in said and "误按 1" in said
    code, said = anju(house, "figures", *days, "--drills")
    assert code == 0 and "演练 drills" in said and "案卷 cases 0" in said
    to = tmp_path / "figures.csv"
    assert anju(house, "figures", *days, "--csv", str(to))[0] == 0
    assert "life_safety" in to.read_text(encoding="utf-8-sig")
    assert anju(house, "figures", "--place", "nowhere")[0] != 0
    assert anju(house, "figures", "--from", day(house), "--until", day(house, back=1))[0] != 0
    code, said = anju(house, "where", "272")
    assert code == 0 and "0272号杆" in said and "GCJ-02" in said and "cam-north" in said
    code, said = anju(house, "where", "39.92245,116.45689", "--datum", "WGS-84", "--json")
    assert code == 0 and json.loads(said)["place"]["id"] == "pole-0272"
    code, said = anju(house, "where", "39.92245,116.45689")
    assert code != 0 and "WGS-84" in said
    code, said = anju(house, "where", "501")
    assert code == 2 or "501" in said


async def test_the_pages(house: House) -> None:
    first = await two_cases(house)
    html = await page(house, "/figures")
    for said in ("指标", "97.5", "误按", "50.0 %", '<th scope="row">operator</th>', "CSV"):
        assert said in html
    assert await page(house, "/figures", **{"from": day(house), "until": day(house), "place": "yuan"})
    assert "0272号杆" in await page(house, "/where", q="0272")
    assert "没有找到" in await page(house, "/where", q="月亮")
    assert "place" in await page(house, "/where")
    case = await page(house, f"/cases/{first['id']}")
    assert "导出 PDF" in case and "attach-file" not in case, "who may only read adds nothing"


async def test_ratings_become_an_evaluation(tmp_path: Path) -> None:
    document = yard() | {"rules": [{"use": "sos-pressed"}]}
    document["organisations"] = [
        {"id": "committee", "name": {"zh": "居委会", "en": "committee"}, "kind": "committee", "people": ["chief"]},
        {"id": "pipes", "name": "管道公司", "kind": "contractor", "people": ["grid"]},
    ]
    document["work"] = [{"id": "pipe", "zh": "水管爆裂", "en": "burst pipe", "organisation": "pipes"}]
    raters = [{"by": "committee", "weight": 50, "at_least": 50}, {"by": "residents", "weight": 50}]
    document["evaluation"] = [{"id": "yearly", "name": "年度评价", "of": ["contractor"], "raters": raters}]
    async with open_house(tmp_path, document) as house:
        add_console(house.app)
        operator = house.client("operator")
        said = {"key": "k", "work": "pipe", "text": "漏水", "source": "hotline", "place": "door-1"}
        case = (await operator.post("/api/v1/cases", json=said)).json()["case"]
        for action, more in (("acknowledge", {}), ("resolve", {}), ("close", {}), ("rate", {"score": 4, "to": "李"})):
            answer = await house.act(case["id"], action, **more)
            assert answer.status_code == 200, answer.text
        answer = await house.act(case["id"], "rate", score=5, by="comittee")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_such_rater")
        html = await page(house, "/figures")
        for there in ("年度评价", "2.50 – 4.50", "缺", "居委会"):
            assert there in html, there
        answer = await house.act(case["id"], "rate", score=2, by="committee")
        assert [one["by"] for one in answer.json()["case"]["ratings"]] == ["residents", "committee"]
        (found,) = (await house.get("/api/v1/figures"))["evaluation"]
        (row,) = found["rows"]
        assert (row["key"], row["rating"]["score"], row["cases"], row["closed"]) == ("organisation:pipes", 3.0, 1, 1)
        answer = await house.client("reader").get("/api/v1/figures", params={"format": "csv"})
        cells = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
        score = [
            (one["value"], one["n"]) for one in cells if (one["section"], one["measure"]) == ("evaluation", "score")
        ]
        assert score == [("3", "1")]
        code, told = anju(house, "figures", "--from", day(house), "--until", day(house))
        assert code == 0 and "评价 年度评价" in told and "3.00" in told
        assert (await house.get("/api/v1/figures", drills="true"))["evaluation"] == []
        html = await page(house, f"/cases/{case['id']}")
        assert "2 / 5" in html and "居委会" in html


async def test_where_of_the_api(house: House) -> None:
    found = await house.get("/api/v1/where", q="0272")
    assert found["place"]["id"] == "pole-0272"
    assert found["position"]["wgs84"]["datum"] == "WGS-84"
    assert found["position"]["gcj02"]["lat"] != found["position"]["wgs84"]["lat"]
    assert {one["id"] for one in found["cameras"]} == {"cam-north", "camera-1"}
    assert any(duty["people"] for duty in found["on_duty"])
    for query, code in (({"q": "月亮"}, "nothing_found"), ({"q": "39.9,116.4"}, "datum_needed")):
        answer = await house.client("reader").get("/api/v1/where", params=query)
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_year_of_6000_cases(house: House) -> None:
    """How long it takes stands in docs/figures.md; here only that it is no matter of minutes."""
    first = await two_cases(house)
    c = t.cases.c
    with house.engine.begin() as connection:
        row = connection.execute(sa.select(t.cases).where(c.id == first["id"])).one()._mapping
        body = json.loads(row["body"])
        rows = []
        for number in range(6000):
            shift = number * 5_000_000
            times = {name: at - shift for name, at in body["times"].items()}
            one = body | {"id": f"x{number}", "number": f"2025-{number:06}", "times": times}
            more = {"id": one["id"], "number": one["number"], "body": json.dumps(one), "opened_at_ms": times["raised"]}
            rows.append(dict(row) | more)
        connection.execute(sa.insert(t.cases), rows)
    began = time.process_time()
    found = await house.get("/api/v1/figures", **{"from": day(house, back=365), "until": day(house)})
    took_s = time.process_time() - began
    assert found["figures"]["n"] == 6002 and len(found["figures"]["slots"]) == 13
    assert took_s < 15, f"{took_s:.1f} s"
