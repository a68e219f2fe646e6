"""The control room's boards on the gateway's own pages: every panel drawn from the embedded store's answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from dashboards.answer import Look
from dashboards.board import Board, Panel
from dashboards.boards import BOARDS
from dashboards.boards.wall import WALL
from gateway.api.auth import COOKIE, Role
from gateway.settings import StoreSettings
from gateway.store.influx import InfluxStore
from gateway.web.asked import Drawn, Named, draw, drawn, unnamed
from gateway.web.console import add_console
from gateway.web.pictures import marks
from tests.support.control_week import DAY_OFFSET_MS, END_MS, START_MS, control_week, write_into
from tests.support.house import House, open_house
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose store holds the simulated week. No test changes it."""
    async with open_house(tmp_path_factory.mktemp("room")) as house:
        add_console(house.app)
        house.clock.at = END_MS
        await write_into(house.store, control_week())
        yield house


async def page(house: House, path: str, role: Role = "operator", status: int = 200) -> str:
    client = house.client(None)
    client.cookies.set(COOKIE, house.tokens[role])
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == status, answer.text
    return answer.text


async def test_every_panel_of_every_board_is_drawn(room: House) -> None:
    for board in BOARDS:
        html = await page(room, f"/boards/{board.uid}?range=7d")
        assert board.title.zh in html and board.title.en in html
        assert "读取失败" not in html
        for panel in board.panels():
            found = re.search(rf'<section [^>]*id="panel-{panel.key}".*?</section>', html, re.DOTALL)
            assert found is not None, f"{board.uid}/{panel.key}"
            body = found[0]
            assert panel.title.zh in body
            drawn_ = any(mark in body for mark in ("<svg", 'class="bars', 'class="big', "<table", 'class="said"'))
            assert drawn_ or (panel.empty is not None and panel.empty.zh in body), f"{board.uid}/{panel.key}: {body}"
            assert f'<details class="about" id="about-{panel.key}">' in body
            shown = re.sub(r"<details.*?</details>", "", body, flags=re.DOTALL)
            assert "None" not in re.sub(r"<[^>]+>", "", shown).replace("None", "", shown.count('lang="en">None<'))


async def test_the_list_and_who_may_see_what(room: House) -> None:
    html = await page(room, "/boards")
    assert all(f'href="/boards/{board.uid}"' in html for board in BOARDS)
    reader = await page(room, "/boards", "reader")
    assert "/boards/anju-elder-care" not in reader and "/boards/anju-wall" in reader
    assert "operator" in await page(room, "/boards/anju-elder-care", "reader", 403)
    assert "anju-wall" in await page(room, "/boards/anju-nothing", status=404)
    for span in ("soon", "0d", "367d", "9999999d"):
        assert "24h" in await page(room, f"/boards/anju-wall?range={span}", status=422)


async def test_a_choice_narrows_the_panels_and_the_links_carry_it(room: House) -> None:
    everything = await page(room, "/boards/anju-response?range=7d")
    grids = re.search(r'<select name="grid">(.*?)</select>', everything, re.DOTALL)
    assert grids is not None
    values = re.findall(r'value="([^"]+)"', grids[1])
    assert len(values) == len(set(values)) >= 3
    one = await page(room, f"/boards/anju-response?range=7d&grid={values[0]}")
    assert f'<option value="{values[0]}" selected>' in one
    assert f"/boards/anju-response/panels?range=7d&amp;grid={values[0]}" in one

    def grids_named(html: str) -> int:
        table = re.search(r'id="panel-grids".*?</section>', html, re.DOTALL)
        assert table is not None
        return table[0].count("<tr>")

    assert grids_named(one) < grids_named(everything)


async def test_the_panels_alone_are_asked_for_again(room: House) -> None:
    part = await page(room, "/boards/anju-wall/panels")
    assert "<html" not in part and 'id="panel-burning"' in part


def of(board: Board, key: str) -> Panel:
    return next(panel for panel in board.panels() if panel.key == key)


async def look_at(house: House, uid: str, key: str, named: Named = unnamed, **chosen: str | None) -> Drawn:
    board = next(board for board in BOARDS if board.uid == uid)
    variables = dict.fromkeys((variable.name for variable in board.variables), None) | chosen
    at = Look(
        language="zh",
        start_ms=START_MS,
        end_ms=END_MS,
        variables=variables,
        width_ms=3_600_000,
        day_offset_ms=DAY_OFFSET_MS,
    )
    return await drawn(house.store, board, of(board, key), at, named)


async def test_the_walls_first_number_is_what_is_open(room: House) -> None:
    seen = await look_at(room, "anju-wall", "life")
    open_lives = [
        point
        for point in control_week().points
        if point.measurement == "case" and point.tags["drill"] == "0" and point.fields.get("open") == 1.0
        and point.fields.get("life") == 1.0 and point.fields.get("merged") == 0.0
        and point.fields.get("stage") not in ("resolved", "verified")
    ]  # fmt: skip
    assert open_lives
    assert [one.text for one in seen.figures] == [str(len(open_lives))]
    assert seen.figures[0].colour == "red"


async def test_a_store_that_cannot_be_read_is_said_on_the_panel(room: House) -> None:
    settings = StoreSettings(kind="influxdb", url=f"http://127.0.0.1:{free_port()}", bucket="anju")
    away = InfluxStore(settings, "")
    try:
        app = room.with_context(store=away)
        add_console(app)
        cookies = {COOKIE: room.tokens["reader"]}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://a", cookies=cookies
        ) as client:
            answer = await client.get("/boards/anju-wall/panels", headers={"Accept": "text/html"})
    finally:
        await away.close()
    assert answer.text.count("读取失败") == sum(panel.kind != "text" for panel in WALL.panels())


async def test_silence_of_the_gateway_is_red_and_no_alarm_is_not() -> None:
    at = Look(language="zh", start_ms=0, end_ms=3_600_000, variables={})
    nothing = {panel.key: draw(WALL, panel, (), at) for panel in WALL.panels()}
    assert nothing["gateway"].empty and nothing["gateway"].calm == "bad"
    assert nothing["answered-60"].calm == nothing["life"].calm == nothing["burning"].calm == "good"


async def test_marks_of_time_are_round_in_the_communitys_day() -> None:
    hour = 3_600_000
    day = [at for _, at in marks(START_MS, START_MS + 24 * hour, DAY_OFFSET_MS)]
    assert len(day) <= 7 and all((at - DAY_OFFSET_MS) % (4 * hour) == 0 for at in day)
    week = [at for _, at in marks(START_MS, START_MS + 7 * 24 * hour, DAY_OFFSET_MS)]
    assert all((at - DAY_OFFSET_MS) % (24 * hour) == 0 for at in week)


async def test_a_dot_of_the_wall_leads_to_its_case(room: House) -> None:
    seen = await look_at(room, "anju-wall", "map")
    assert seen.map is not None
    assert all(re.fullmatch(r"/cases/[0-9-]+", dot.href or "") and dot.label for dot in seen.map.dots)
    assert all(0 < dot.x < seen.map.width and 0 < dot.y < seen.map.height for dot in seen.map.dots)


async def test_places_and_devices_are_called_by_their_names_and_namesakes_are_told_apart(room: House) -> None:
    words = {"g-1": "第1网格", "kiosk-1": "信息机", "kiosk-2": "信息机", "sign-1": "诱导屏", "road-1": "1号路口"}

    def names(tag: str, id: str) -> str:
        return words.get(id, id) if tag in ("grid", "device", "place") else id

    gas = await look_at(room, "anju-fire-gas", "gas", names)
    assert gas.chart is not None
    assert {curve.name for curve in gas.chart.curves} == {"第1网格", "g-2", "g-3"}
    least = await look_at(room, "anju-kiosks", "by-kiosk", names)
    assert {bar.name for bar in least.bars} == {"信息机（kiosk-1）", "信息机（kiosk-2）", "kiosk-3"}
    signs = await look_at(room, "anju-traffic", "signs", names)
    assert signs.table is not None
    sign = next(row for row in signs.table.rows if row[0].text == "诱导屏")
    assert (sign[0].href, sign[1].text, sign[1].href) == ("/devices/sign-1", "1号路口", "/where?q=road-1")


async def test_sums_over_time_are_bars_on_top_of_each_other(room: House) -> None:
    seen = await look_at(room, "anju-security", "by-hour")
    assert seen.chart is not None and not any(curve.columns for curve in seen.chart.curves), "lines where it says lines"
    seen = await look_at(room, "anju-fire-gas", "over-time")
    assert seen.chart is not None
    bars = [bar for curve in seen.chart.curves for bar in curve.columns]
    assert len(bars) > 5 and not any(curve.paths or curve.dots for curve in seen.chart.curves)
    floor = max(y + height for _, y, _, height in bars)
    for x in {x for x, *_ in bars}:
        column = sorted((y, height) for left, y, _, height in bars if left == x)
        ends = [*(y for y, _ in column[1:]), floor]
        assert [round(y + height, 1) for y, height in column] == pytest.approx(ends, abs=0.2), "no gap, no overlap"
