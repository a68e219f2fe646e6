"""What people do with the record of a case in a real browser: a photo, a recording, an export; figures; where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.integration.test_record import GB28181, photo, yard
from tests.support.console import chromium, guard, make_token
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    directory = tmp_path_factory.mktemp("browser")
    with OutsideWorld() as world, RunningGateway(directory, world, community=yard()) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_a_photo_and_a_recording_are_added_and_all_is_exported(
    gateway: RunningGateway, radio: Radio, browser: Browser, tmp_path: Path
) -> None:
    radio.say("sos-1", "press")
    case = gateway.wait_for_case("sos-1")
    scene = tmp_path / "现场.jpg"
    scene.write_bytes(photo(gps=True))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo()[:200])
    with guard(browser, gateway, gateway.token) as page:
        page.goto(f"{gateway.url}/cases/{case['id']}")
        shown = page.locator(".attachments")
        expect(shown).to_contain_text("没有")
        page.set_input_files("#attach-file", scene)
        expect(shown.locator("img")).to_be_visible()
        assert shown.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 320
        expect(shown).to_contain_text("39.92225")
        page.locator("#attach-clip").click()
        expect(shown).to_contain_text(GB28181)
        expect(page.locator(".timeline")).to_contain_text("添加附件")
        page.set_input_files("#attach-file", broken)
        expect(page.locator("#refused-text")).to_contain_text("照片已损坏")
        page.locator("#refused [data-close]").click()
        with page.expect_download() as pdf:
            page.get_by_role("link", name="导出 PDF").click()
        assert Path(pdf.value.path()).read_bytes().startswith(b"%PDF-")
        assert pdf.value.suggested_filename == f"case-{case['number']}.pdf"
        with page.expect_download() as exported:
            page.get_by_role("link", name="导出 JSON").click()
        document = json.loads(Path(exported.value.path()).read_bytes())
        assert document["verdict"]["whole"] and len(document["attachments"]) == 2


def test_who_may_only_read_adds_nothing(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    radio.say("sos-2", "press")
    case = gateway.wait_for_case("sos-2")
    with guard(browser, gateway, make_token(gateway, "visitor", "reader")) as page:
        page.goto(f"{gateway.url}/cases/{case['id']}")
        expect(page.get_by_role("link", name="导出 PDF")).to_be_visible()
        expect(page.locator("#attach-file")).to_have_count(0)
        answer = page.request.post(f"{gateway.url}/cases/{case['id']}/clips", headers={"Origin": gateway.url})
        assert answer.status == 403


def test_a_number_that_somebody_reads_out_is_found(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        page.get_by_role("searchbox").or_(page.locator(".find input")).first.fill("272")
        page.keyboard.press("Enter")
        page.wait_for_url("**/where?q=272")
        spot = page.locator(".spot")
        expect(spot).to_contain_text("0272号杆")
        expect(spot).to_contain_text("GCJ-02")
        expect(spot).to_contain_text("值班员")
        spot.get_by_role("link", name="试验院", exact=True).first.click()
        expect(page.locator(".spot h2")).to_contain_text("试验院")


def test_the_figures_are_seen_and_printed(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    radio.say("sos-2", "press")  # of the same case as before, where that one stands
    case = gateway.wait_for_case("sos-2")
    gateway.act(case["id"], "acknowledge")
    with guard(browser, gateway, gateway.token) as page:
        page.get_by_role("link", name="指标").click()
        expect(page.locator("h1")).to_contain_text("指标")
        expect(page.locator(".shares")).to_contain_text("97.5 %")
        expect(page.locator(".bars rect.all")).to_have_count(30)
        page.get_by_role("link", name="近 7 天").click()
        expect(page.locator(".bars rect.all")).to_have_count(7)
        with page.expect_download() as table:
            page.get_by_role("link", name="CSV").click()
        assert "life_safety" in Path(table.value.path()).read_text(encoding="utf-8-sig")
        page.emulate_media(media="print")
        expect(page.locator("header.top")).to_be_hidden()
        expect(page.locator(".period")).to_be_hidden()
        expect(page.locator(".shares")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_new_pages_fit_a_telephone(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token, width=390, height=844) as page:
        for path in ("/figures", "/where?q=0272", "/where?q=室"):
            page.goto(f"{gateway.url}{path}")
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
