"""Devices at the console, in Chromium: adoption on a phone, a walk test, other hardware, retirement, batteries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gateway.clock import SystemClock
from gateway.registry import candidates
from gateway.registry.candidates import CandidateNote
from gateway.state.db import open_database
from tests.support.console import chromium, guard, guarded_yard, make_token
from tests.support.eventually import PATIENCE, eventually
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PHONE = (390, 844)
HOMES = 6


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    yard = guarded_yard(HOMES) | {"bridges": [{"id": "z2m", "profile": "zigbee2mqtt"}]}
    with OutsideWorld() as world, RunningGateway(tmp_path_factory.mktemp("devices"), world, community=yard) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def stranger(gateway: RunningGateway, address: str, **more: Any) -> None:
    now_ms = SystemClock().now_ms()
    fields = {"bridge": "z2m", "profile": "zigbee2mqtt", "kind": "contact", "heard": True, "at_ms": now_ms} | more
    engine = open_database(f"sqlite:///{gateway.data_dir / 'state.db'}")
    try:
        with engine.begin() as connection:
            candidates.note(connection, [CandidateNote(address=address, **fields)], now_ms)
    finally:
        engine.dispose()


def device(gateway: RunningGateway, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.api.get(f"/api/v1/devices/{id_}").json()
    return found


def open_page(page: Page, gateway: RunningGateway, path: str) -> None:
    page.goto(gateway.url + path)


def test_a_stranger_is_adopted_on_a_phone_and_the_next_one_takes_two_taps(
    gateway: RunningGateway, browser: Browser
) -> None:
    stranger(gateway, "0x00158d0001a2b3c4", vendor="Aqara", model="MCCGQ11LM")
    stranger(gateway, "0x54ef44100006e7df", vendor="Heiman", model="HS1SA-E", kind="smoke")
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        open_page(page, gateway, "/devices")
        page.get_by_role("link", name="接入设备").click()
        page.locator(".stranger", has_text="Aqara").click()
        page.locator("#place-search").press_sequentially("李秀兰2")
        place = page.locator("#places .option")
        expect(place).to_have_count(1)
        expect(place.locator("input")).to_be_checked()  # the only one that fits
        expect(page.locator("#resident-box")).to_contain_text("李秀兰2")
        expect(page.locator("#resident-box input[value='r-2']")).to_be_checked()
        expect(page.locator("#kind")).to_have_value("contact")
        page.get_by_role("button", name="接入").click()
        expect(page.locator(".done")).to_contain_text("contact-door-2")
        made = device(gateway, "contact-door-2")
        assert (made["place"], made["resident"], made["address"]) == ("door-2", "r-2", "0x00158d0001a2b3c4")

        page.locator(".stranger", has_text="Heiman").click()
        page.get_by_role("button", name="接入").click()
        expect(page.locator(".done")).to_contain_text("smoke-door-2")
        assert device(gateway, "smoke-door-2")["resident"] == "r-2"
        page.locator(".done a").click()
        expect(page.locator("#life")).to_contain_text("登记：接入")


def test_what_is_typed_before_the_scripts_came_is_looked_up(gateway: RunningGateway, browser: Browser) -> None:
    stranger(gateway, "0x00158d00000000bb", vendor="Aqara")
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        held: list[Route] = []
        page.route("**/htmx.min.js", lambda route: held.append(route))  # a slow line
        page.goto(f"{gateway.url}/devices/adopt/one?bridge=z2m&address=0x00158d00000000bb", wait_until="commit")
        page.locator("#place-search").press_sequentially("李秀兰2")
        for script in held:
            script.continue_()
        expect(page.locator("#places .option")).to_have_count(1)


def test_a_place_that_is_not_chosen_or_an_id_that_is_taken_is_said_in_the_form(
    gateway: RunningGateway, browser: Browser
) -> None:
    stranger(gateway, "0x00158d00000000aa", vendor="Aqara")
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        open_page(page, gateway, "/devices/adopt/one?bridge=z2m&address=0x00158d00000000aa&place=door-1")
        page.locator("summary", has_text="更多").click()
        page.fill("#id", "sos-1")
        page.fill("#name", "门厅")
        page.get_by_role("button", name="接入").click()
        expect(page.locator(".refused")).to_contain_text("there is a device of this id")
        expect(page.locator("#name")).to_have_value("门厅")  # nothing has to be typed again
        page.fill("#id", "")
        page.get_by_role("button", name="接入").click()
        expect(page.locator(".done")).to_contain_text("contact-door-1")
        assert gateway.api.get("/api/v1/devices/contact-door-1/history").json()[0]["actor"] == "operator:night-desk"


def test_a_label_finds_its_stranger_or_says_what_it_is(gateway: RunningGateway, browser: Browser) -> None:
    stranger(gateway, "0x54ef44100006e700", vendor="Tuya", kind="leak")
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        open_page(page, gateway, "/devices/adopt")
        page.fill("#label", "G$M:69775$S:680S$D:0017%Z$A:54EF44100006E700$I:3313A005E177A647FC7925620AB207C4BEF5")
        page.keyboard.press("Enter")
        page.locator(".stranger", has_text="Tuya").click()
        page.locator("summary", has_text="更多").click()
        expect(page.locator("#serial")).to_have_value("680S")
        open_page(page, gateway, "/devices/adopt?label=MT:Y.K9042C00KA0648G00")
        expect(page.locator(".refused")).to_contain_text("Matter")
        open_page(page, gateway, "/devices/adopt?label=anju:smoke:smoke-7F%3Fsn=A1&place=door-3")
        page.get_by_role("link", name="先登记").click()
        page.get_by_role("button", name="接入").click()
        expect(page.locator(".done")).to_contain_text("smoke-7F")
        assert device(gateway, "smoke-7F")["serial"] == "A1"
        open_page(page, gateway, "/devices/adopt?label=SN:A1")
        expect(page.locator(".warn")).to_contain_text("smoke-7F")


def test_a_native_stranger_shows_what_it_said_and_can_be_dismissed(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    radio.say("nobody-1", "press")
    eventually(lambda: gateway.api.get("/api/v1/candidates").text.count("nobody-1"), 10, "it is noted")
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        open_page(page, gateway, "/devices/adopt")
        page.locator(".stranger", has_text="nobody-1").click()
        page.locator("summary", has_text="它说过什么").click()
        expect(page.locator("pre").first).to_contain_text('"press"')
        page.get_by_role("button", name="忽略").click()
        expect(page.locator("h1")).to_contain_text("接入设备")
        expect(page.locator(".strangers")).not_to_contain_text("nobody-1")
        page.get_by_role("link", name="看已忽略的").click()
        expect(page.locator(".strangers")).to_contain_text("nobody-1")


def test_a_walk_test_is_seen_everywhere_tells_nobody_and_ends(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        open_page(page, gateway, "/devices/sos-4")
        page.locator("summary", has_text="测试").click()
        page.get_by_role("button", name="开始测试").click()  # a reason is needed
        expect(page.locator(".care.test")).to_have_count(0)
        page.locator("details[open] [name=reason]").fill("年检")
        page.get_by_role("button", name="开始测试").click()
        expect(page.locator(".care.test").first).to_contain_text("测试中")
        radio.say("sos-4", "press")
        expect(page.locator("#life")).to_contain_text("测试中收到：按下")
        expect(page.locator("#life")).to_contain_text("未报警：紧急呼救")
        with guard(browser, gateway, make_token(gateway, "watcher", "reader")) as desk:
            expect(desk.locator("#board .care")).to_contain_text("试验院3号楼504室")
            expect(desk.locator("#board .care a")).to_have_attribute("href", "/devices/sos-4")
            desk.goto(f"{gateway.url}/devices?state=worked_on")
            expect(desk.locator("tbody tr")).to_have_count(1)
            expect(desk.locator("tbody")).to_contain_text("测试中")
        page.get_by_role("button", name="结束").click()
        expect(page.locator(".care")).to_have_count(0)
        expect(page.locator("#life")).to_contain_text("提前结束")
    assert gateway.api.get("/api/v1/cases").json() == []
    radio.say("sos-4", "press")
    assert gateway.wait_for_case("sos-4")["type"] == "personal_emergency"


def test_other_hardware_a_new_name_and_retirement(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        open_page(page, gateway, "/devices/contact-5")
        page.locator("summary", has_text="更换硬件").click()
        page.fill("#new-address", "contact-5")
        page.get_by_role("button", name="更换", exact=False).last.click()
        expect(page.locator(".refused")).to_contain_text("地址没有变化")
        page.go_back()
        page.locator("summary", has_text="更换硬件").click()
        page.fill("#new-address", "contact-5b")
        page.fill("#new-serial", "B2")
        page.locator("details[open] button.main").click()
        expect(page.locator("#life")).to_contain_text("更换硬件：address contact-5 → contact-5b")
        radio.say("contact-5b", "opened")
        eventually(lambda: device(gateway, "contact-5")["state"] is not None, 10, "the new hardware is heard")
        page.locator("summary", has_text="修改").click()
        page.fill("#c-name", "阳台门")
        page.locator("details[open] button.main").click()
        expect(page.locator("h1")).to_contain_text("阳台门")
        page.locator("summary", has_text="停用").click()
        page.fill("#r-reason", "拆除")
        page.get_by_role("button", name="不再接收").click()
        expect(page.locator(".warn")).to_contain_text("已停用")
        page.goto(f"{gateway.url}/devices?state=retired")
        expect(page.locator("tbody")).to_contain_text("阳台门")
        page.get_by_role("link", name="阳台门").click()
        page.get_by_role("button", name="恢复使用").click()
        expect(page.locator("#life")).to_contain_text("恢复使用")
        expect(page.locator("main")).not_to_contain_text("已停用")


def test_a_device_obeys_at_a_press_and_says_so_itself(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token, *PHONE) as page:
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept())[-1])
        open_page(page, gateway, "/devices/sos-6")
        page.locator(".orders select[name=lamp]").select_option("blue")
        page.locator(".orders button").click()
        expect(page.locator("#ordered")).to_contain_text("设备已确认完成", timeout=20_000 * PATIENCE)
        assert len(asked) == 1 and asked[0].endswith("灯光与语音提示？"), "one is asked first, in words"
        assert radio.lamps("sos-6") == ["blue"]
        open_page(page, gateway, "/devices/smoke-6")
        expect(page.locator(".orders")).to_have_count(0)
    with guard(browser, gateway, make_token(gateway, "niece", "reader")) as page:
        open_page(page, gateway, "/devices/sos-6")
        expect(page.locator(".orders")).to_have_count(0)


def test_who_may_only_read_sees_devices_and_changes_nothing(gateway: RunningGateway, browser: Browser) -> None:
    stranger(gateway, "0x00158d00000000bb")
    with guard(browser, gateway, make_token(gateway, "son", "reader")) as page:
        for path in ("/devices/sos-1", "/devices/adopt", "/devices/adopt/one?bridge=z2m&address=0x00158d00000000bb"):
            open_page(page, gateway, path)
            expect(page.locator("h1")).to_be_visible()
            assert page.locator("main form[method=post] button").count() == 0, path
        status = page.evaluate(
            "fetch('/devices/sos-1/care', {method: 'POST', body: new URLSearchParams("
            "{mode: 'test', for_s: '600', reason: 'x'})}).then(answer => answer.status)"
        )
        assert status == 403
    assert gateway.api.get("/api/v1/care").json() == []


@pytest.mark.parametrize(("width", "height"), [(1366, 768), PHONE])
def test_no_page_of_devices_is_wider_than_its_screen(
    gateway: RunningGateway, radio: Radio, browser: Browser, width: int, height: int
) -> None:
    stranger(gateway, "0x00158d00000000cc", vendor="A" * 60, name="n" * 120)
    radio.say("smoke-1", battery=55.0)
    with guard(browser, gateway, gateway.token, width, height) as page:
        for path in (
            "/devices",
            "/devices/adopt",
            "/devices/adopt/one?bridge=z2m&address=0x00158d00000000cc&place=door-6",
            "/devices/batteries",
            "/devices/firmware",
            "/devices/smoke-1",
        ):
            open_page(page, gateway, path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_batteries_are_worked_out_while_one_looks(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    radio.say("smoke-2", battery=9.0)
    eventually(lambda: "battery" in str(device(gateway, "smoke-2")["latest"]), 10, "the reading is stored")
    with guard(browser, gateway, gateway.token) as page:
        open_page(page, gateway, "/devices/batteries")
        expect(page.locator("#batteries")).to_contain_text("计算", timeout=30_000 * PATIENCE)
        expect(page.locator("#working")).to_have_count(0, timeout=30_000 * PATIENCE)
        expect(page.locator("h1")).to_contain_text("电池")
        open_page(page, gateway, "/devices/firmware")
        expect(page.locator("tbody tr").first).to_be_visible()
