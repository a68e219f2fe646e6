"""Work at the console in a real browser: a report is filed, handled by one person and checked by another."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.clock import SystemClock
from tests.support.console import EVIL, chromium, guard, guarded_yard
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    directory = tmp_path_factory.mktemp("work")
    with OutsideWorld() as world, RunningGateway(directory, world, community=guarded_yard(3)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def decide(page: Page, button: str, stage: str, **fields: str) -> None:
    """Press a button of the case, fill in what its dialog asks for, and see the stage it leads to."""
    page.locator("article.head").get_by_role("button", name=button).click()
    dialog = page.locator("#act")
    if dialog.is_visible():
        for name, value in fields.items():
            field = dialog.locator(f'[name="{name}"]')
            if field.evaluate("one => one.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(value)
        page.locator("#act-go").click()
        expect(dialog).to_be_hidden()
    expect(page.locator("article.head .stage")).to_contain_text(stage)


def test_a_report_is_filed_handled_checked_and_rated(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        page.goto(f"{gateway.url}/cases")
        page.get_by_role("link", name="新建案卷").click()
        page.select_option("#work", "exposed_rubbish")
        page.select_option("#source", "hotline")
        page.fill("#text", f"楼下垃圾堆了三天 {EVIL}")
        page.fill("#where", "502室")
        page.fill("#name", "张女士")
        page.fill("#phone", "000-1380-0001")
        page.get_by_role("button", name="立案").click()
        page.wait_for_url("**/cases/2*")
        where = page.url
        head = page.locator("article.head")
        expect(head).to_contain_text("暴露垃圾")
        expect(head).to_contain_text("受理时限")
        expect(page.locator("#work")).to_contain_text("张女士")
        expect(page.locator("ol.timeline")).to_contain_text("楼下垃圾堆了三天")
        decide(page, "我来受理", "已受理")
        decide(page, "派人前往", "已派人", to="person:grid")
        expect(page.locator("#work")).to_contain_text("网格员")
        next_week = (datetime.fromtimestamp(SystemClock().now_ms() / 1000, UTC) + timedelta(days=7)).strftime(
            "%Y-%m-%dT09:00"
        )
        decide(page, "挂账", "已派人", reason="等垃圾车", until=next_week)
        expect(head).to_contain_text("等垃圾车")
        decide(page, "恢复办理", "已派人")
        decide(page, "处置完成", "已处置", reason="已清运")
        head.get_by_role("button", name="核查属实").click()
        page.locator("#act-go").click()
        expect(page.locator("#act-error")).to_contain_text("请由其他人核查")
    with guard(browser, gateway, gateway.checker) as page:
        page.goto(where)
        decide(page, "核查属实", "已核查")
        decide(page, "结案", "已结案")
        decide(page, "回访", "已结案", done="true", way="电话", to="张女士")
        decide(page, "评价", "已结案", score="5", way="电话", reason="很快")
        expect(page.locator("#work")).to_contain_text("5 / 5")
        assert page.title() != "owned"


def test_what_is_meant_is_asked_for_and_nothing_written_is_lost(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        page.goto(f"{gateway.url}/cases/new")
        page.fill("#text", "路灯不亮")
        page.fill("#where", "火星")
        page.get_by_role("button", name="立案").click()
        expect(page.get_by_role("alert").last).to_contain_text("没有找到“火星”")
        expect(page.locator("#text")).to_have_value("路灯不亮")
        page.fill("#where", "室")
        page.locator("#spot").get_by_text("502室").click()
        expect(page.locator("#spot h2")).to_contain_text("502室")
        page.fill("#where", "试验院")
        expect(page.locator("#spot h2")).to_contain_text("试验院")
        expect(page.locator("#spot")).to_contain_text("值班员")
        page.select_option("#work", "street_lamp")
        page.get_by_role("button", name="立案").click()
        page.wait_for_url("**/cases/2*")
        first = page.locator("article.head .number").inner_text()
        decide(page, "误报撤销", "已撤销", cause="nothing_found")
        expect(page.locator("#work")).to_contain_text("现场未发现异常")
        decide(page, "重新立案", "已撤销", reason="晚上确实不亮")
        page.locator("#work").get_by_role("link").click()
        expect(page.locator("article.head .stage")).to_contain_text("待受理")
        expect(page.locator("#work")).to_contain_text(first)
