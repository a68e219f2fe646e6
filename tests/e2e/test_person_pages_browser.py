"""The pages of people in a real browser on a telephone's screen, without scripts: from the message that arrives to the
tap, the family's page and the grid staff's."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.console import chromium
from tests.support.eventually import PATIENCE, eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import FAR_LINE, community
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = [pytest.mark.broker, pytest.mark.slow]
HOMES = 4
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def world() -> Iterator[OutsideWorld]:
    with OutsideWorld() as world:
        yield world


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, world: OutsideWorld) -> Iterator[RunningGateway]:
    yard = community(HOMES, rungs=FAR_LINE, lease_s=600)
    for number, person in enumerate(yard["people"]):
        person["phone"] = f"1380000{number:04d}"
    for resident in yard["residents"][:2]:
        resident["family"][0]["consent"] = "2026-01-15"
    made = RunningGateway(tmp_path_factory.mktemp("people"), world, community=yard)
    made.env["ANJU_API__PUBLIC_URL"] = made.url
    with made as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextlib.contextmanager
def telephone(browser: Browser) -> Iterator[Page]:
    """A telephone whose browser runs no scripts. What is drawn is as wide as the screen, and large enough to tap."""
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(10_000 * PATIENCE)
    try:
        yield page
    finally:
        context.close()


def drawn(page: Page, name: str) -> None:
    """Nothing sticks out of the screen, buttons are for thumbs; a picture into ``$ANJU_PICTURES`` for whoever looks."""
    for box in (one.bounding_box() for one in page.locator("main *:visible").all()):
        assert box is not None and box["x"] + box["width"] <= PHONE["width"] + 1, f"{name} is too wide"
    for button in page.locator("main button:visible, main a.button:visible, main summary:visible").all():
        box = button.bounding_box()
        assert box is not None and box["height"] >= 44, f"{name}: {button.inner_text()} is too small for a thumb"
    if "ANJU_PICTURES" in os.environ:
        page.screenshot(path=str(Path(os.environ["ANJU_PICTURES"]) / f"{name}.png"), full_page=True)


def link_of(world: OutsideWorld, who: str, about: str) -> str:
    """The link in the newest message about somebody."""

    def find() -> str:
        for message in reversed(world.messages(who)):
            found = re.search(r"https?://\S+/a/\S+", message.body)
            if about in message.title + message.body and found is not None:
                return found[0]
        return ""

    return eventually(find, 15, f"a link for {who}")


def log_in(page: Page, gateway: RunningGateway, world: OutsideWorld, who: str, number: str) -> None:
    page.goto(f"{gateway.url}/me")
    drawn(page, "phone-login")
    page.fill("#number", number)
    page.get_by_role("button", name="发送验证码").click()

    def code() -> str:
        found = [re.search(r"\b\d{6}\b", one.body) for one in world.messages(who) if "验证码" in one.title]
        return found[-1][0] if found and found[-1] is not None else ""

    page.fill("#code", eventually(code, 15, f"a code for {who}"))
    page.get_by_role("button", name="登录").click()
    page.wait_for_url(f"{gateway.url}/me")


def test_from_the_message_to_the_tap(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, browser: Browser
) -> None:
    radio.say("sos-1", "press")
    link = link_of(world, "grid", "李秀兰1")
    with telephone(browser) as page:
        page.goto(link)
        expect(page.locator("h1")).to_contain_text("紧急呼救")
        expect(page.locator("main")).to_contain_text("还没有人受理")
        drawn(page, "phone-answer")
        assert gateway.wait_for_case("sos-1")["owner"] is None
        page.get_by_role("button", name="我来处理").click()
        expect(page.get_by_role("status")).to_contain_text("已由您受理")
        drawn(page, "phone-answered")
        assert gateway.wait_for_case("sos-1")["owner"] == "person:grid"
        page.locator("summary", has_text="误报").click()
        page.get_by_role("button", name="确定误报").click()
        assert gateway.wait_for_case("sos-1")["stage"] == "acknowledged"  # the browser asks for the reason
        page.get_by_role("button", name="已到现场").click()
        expect(page.get_by_role("status")).to_contain_text("已到场")
        page.locator("summary", has_text="误报").click()
        page.select_option("#cause", "pressed_by_mistake")
        page.locator("details[open] textarea").fill("老人按错了")
        page.get_by_role("button", name="确定误报").click()
        expect(page.locator("main")).to_contain_text("已撤销（误报），谢谢您")
        drawn(page, "phone-ended")


def test_the_familys_page(gateway: RunningGateway, radio: Radio, world: OutsideWorld, browser: Browser) -> None:
    radio.say("sos-2", "press")
    case_id = gateway.wait_for_case("sos-2")["id"]
    eventually(lambda: "daughter-2" in str(gateway.case(case_id)["case"]["told"]), 15, "the daughter is told")
    with telephone(browser) as page:
        log_in(page, gateway, world, "daughter-2", "13800000004")
        expect(page.locator("main")).to_contain_text("李秀兰2")
        expect(page.locator("main")).not_to_contain_text("李秀兰1")
        drawn(page, "phone-family")
        page.locator("a.case").first.click()
        page.get_by_role("button", name="我正在赶来").click()
        expect(page.get_by_role("status")).to_contain_text("值班室")
        gateway.act(case_id, "dispatch", to="person:grid")
        page.get_by_role("link", name="刷新").click()
        expect(page.locator(".steps")).to_contain_text("派遣")
        drawn(page, "phone-family-case")
        gateway.act(case_id, "arrive", to="person:grid")
        gateway.act(case_id, "cancel", reason="误按")
        page.goto(f"{gateway.url}/me")
        expect(page.locator(".calm")).to_contain_text("平安")
        page.get_by_role("link", name="近 30 天").click()
        expect(page.locator(".cases")).to_contain_text("紧急呼救")
        drawn(page, "phone-family-days")


def test_the_grid_staffs_page(gateway: RunningGateway, radio: Radio, world: OutsideWorld, browser: Browser) -> None:
    radio.say("sos-3", "press")
    case_id = gateway.wait_for_case("sos-3")["id"]
    with telephone(browser) as page:
        log_in(page, gateway, world, "grid", "13800000001")
        drawn(page, "phone-staff")
        page.locator("a.case", has_text="李秀兰3").click()
        expect(page.locator("main")).to_contain_text("门禁 0000")
        for button in ("我来处理", "我在路上", "已到现场"):
            page.get_by_role("button", name=button).click()
            expect(page.get_by_role("status")).to_be_visible()
        drawn(page, "phone-staff-case")
        page.locator("summary", has_text="处置完成").click()
        page.locator("details[open] textarea").fill("老人摔倒，已扶起，无碍")
        page.get_by_role("button", name="确定处置完成").click()
        expect(page.get_by_role("status")).to_contain_text("处置情况")
    assert gateway.case(case_id)["case"]["stage"] == "resolved"
    ways = {line["data"].get("via") for line in gateway.case(case_id)["timeline"] if line["actor"] == "person:grid"}
    assert ways == {"page"}
