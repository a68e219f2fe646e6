"""Rules at the console, in Chromium: read, tried out, edited with faults shown, restored, replayed on the past."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.console import chromium, guard, guarded_yard, make_token
from tests.support.eventually import PATIENCE, eventually
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = [pytest.mark.broker, pytest.mark.slow]
PHONE = (390, 844)
USED = ("sos-pressed", "smoke-alarm", "bin-full", "kiosk-call-staff")
WARD = {
    "id": "ward",
    "version": 1,
    "zh": "病房血氧",
    "en": "SpO2 in the ward",
    "form": "threshold",
    "kinds": ["vitals_monitor"],
    "when": "spo2 < 90",
    "clear": "spo2 >= 92",
    "subject": "resident",
    "raises": {"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"},
    "examples": [
        {
            "name": "偏低 low",
            "given": [
                {"at": "08:00", "metrics": {"spo2": 89}},
                {"at": "08:05", "metrics": {"spo2": 93}},
            ],
            "expect": [{"move": "raise", "at": "08:00"}, {"move": "clear", "at": "08:05"}],
        }
    ],
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    yard = guarded_yard(4) | {"rules": [*({"use": rule} for rule in USED), WARD]}
    with OutsideWorld() as world, RunningGateway(tmp_path_factory.mktemp("rules"), world, community=yard) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> str:
    return make_token(gateway, "chief", "admin")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def rule(gateway: RunningGateway, id_: str = "ward") -> dict[str, Any]:
    found: dict[str, Any] = gateway.api.get(f"/api/v1/rules/{id_}").json()
    return found


def replace(page: Page, old: str, new: str) -> None:
    field = page.locator("#text")
    text = field.input_value()
    assert old in text, text
    field.fill(text.replace(old, new))


def confirm(page: Page, what: str, button: str) -> None:
    page.locator("summary", has_text=what).first.click()
    page.locator("details[open]").get_by_role("button", name=button).click()


def test_a_rule_is_edited_on_a_phone_and_a_faulty_text_is_not_taken(
    gateway: RunningGateway, admin: str, browser: Browser
) -> None:
    with guard(browser, gateway, admin, *PHONE) as page:
        page.get_by_role("link", name="规则").click()
        page.get_by_role("link", name="病房血氧").click()
        replace(page, "spo2 < 90", "sp02 < 90")
        page.get_by_role("button", name="检查").click()
        fault = page.locator("#checked .fault")
        expect(fault).to_contain_text("did you mean spo2")
        fault.locator(".line").click()
        line = page.evaluate(
            "() => { const t = document.getElementById('text');"
            " return t.value.slice(t.selectionStart, t.selectionEnd) }"
        )
        assert line == "when: sp02 < 90"
        page.get_by_role("button", name="保存并生效").click()
        expect(page.locator(".refused")).to_contain_text("未保存")
        expect(page.locator("#text")).to_have_value(re.compile("sp02 < 90"))  # nothing has to be typed again
        assert rule(gateway)["version"] == 1
        replace(page, "sp02 < 90", "spo2 < 91")
        page.get_by_role("button", name="运行示例").click()
        expect(page.locator("#checked .done")).to_contain_text("1 个示例全部通过")
        expect(page.locator(".steps .decision").first).to_contain_text("spo2 89 < 91")
        page.get_by_role("button", name="保存并生效").click()
        expect(page.locator(".done")).to_contain_text("已保存")
        assert (rule(gateway)["version"], rule(gateway)["document"]["when"]) == (2, "spo2 < 91")
        assert rule(gateway)["history"][0]["actor"] == "operator:chief"


def test_who_edits_a_text_that_somebody_else_changed_is_told(
    gateway: RunningGateway, admin: str, browser: Browser
) -> None:
    with guard(browser, gateway, admin) as page:
        page.goto(f"{gateway.url}/rules/bin-full")
        text = rule(gateway, "bin-full")["text"]
        other = text.replace("\nzh: ", "\nzh: 新")
        answer = gateway.api.put(
            "/api/v1/rules/bin-full",
            content=other.encode(),
            headers={"Content-Type": "text/yaml", "Authorization": f"Bearer {admin}"},
        )
        assert answer.status_code == 200, answer.text
        replace(page, "\nen: ", "\nen: New ")
        page.get_by_role("button", name="保存并生效").click()
        expect(page.locator(".fault")).to_contain_text("is in force, this goes on from")
        expect(page.locator("h1")).to_contain_text("新")
        assert "New" not in rule(gateway, "bin-full")["en"]


def test_tried_out_put_in_force_switched_off_and_restored(
    gateway: RunningGateway, radio: Radio, admin: str, browser: Browser
) -> None:
    with guard(browser, gateway, admin) as page:
        page.goto(f"{gateway.url}/rules/ward")
        confirm(page, "试运行", "改为试运行")
        expect(page.locator("h1 .rule-state")).to_contain_text("试运行")
        radio.say("vitals-1", spo2=80.0, pulse=70.0)
        eventually(lambda: rule(gateway)["would_have_week"], 15, "it was counted")
        page.goto(f"{gateway.url}/rules?state=trying")
        expect(page.locator("tr.trying")).to_contain_text("1 处")
        page.get_by_role("link", name="病房血氧").click()
        confirm(page, "正式启用", "正式启用")
        expect(page.locator("h1 .rule-state")).to_contain_text("启用")
        radio.say("vitals-1", spo2=80.0, pulse=70.0)
        eventually(lambda: rule(gateway)["raised_week"] == 1, 15, "it raised")
        confirm(page, "停用", "停用")
        expect(page.locator("h1 .rule-state")).to_contain_text("停用")
        before = rule(gateway)["version"]
        page.locator(".timeline li", has_text="按文件应用").get_by_role("button", name="恢复这一版").click()
        expect(page.locator(".done")).to_contain_text("恢复旧版")
        found = rule(gateway)
        assert (found["version"], found["document"]["when"], found["state"]) == (before + 1, "spo2 < 90", "off")


def test_a_new_rule_comes_from_the_library_and_is_only_tried_out(
    gateway: RunningGateway, admin: str, browser: Browser
) -> None:
    with guard(browser, gateway, admin, *PHONE) as page:
        page.goto(f"{gateway.url}/rules")
        page.get_by_role("link", name="新建规则").click()
        page.locator("#use").select_option("water-leak")
        page.get_by_role("button", name="填入下面").click()
        replace(page, "id: water-leak", "id: leak-cellar")
        page.get_by_role("button", name="新建并试运行").click()
        expect(page.locator("h1")).to_contain_text("试运行")
        assert rule(gateway, "leak-cellar")["state"] == "trying"
        confirm(page, "删除", "删除")
        expect(page.locator(".done")).to_contain_text("leak-cellar")
        page.locator(".done a").click()
        page.get_by_role("button", name="恢复这一版").click()
        expect(page.locator("h1")).to_contain_text("试运行")


def test_the_text_is_replayed_on_the_past(gateway: RunningGateway, radio: Radio, admin: str, browser: Browser) -> None:
    radio.say("vitals-2", spo2=85.0, pulse=70.0)
    with guard(browser, gateway, admin, *PHONE) as page:
        page.goto(f"{gateway.url}/rules/ward")
        replace(page, "spo2 < 90", "spo2 < 89.5")
        page.get_by_role("button", name="试算上面的内容").click()
        expect(page.locator("#backtest .rule-state")).to_contain_text("已完成", timeout=60_000 * PATIENCE)
        expect(page.locator("#backtest")).to_contain_text("会报警")
        expect(page.locator("#backtest")).to_contain_text("与实际报过的警相比")
        expect(page.locator("#backtest .list").last).to_contain_text("spo2 8")


def test_who_may_not_change_rules_reads_them(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        page.goto(f"{gateway.url}/rules/ward")
        expect(page.locator("#text")).not_to_be_editable()
        expect(page.get_by_role("button", name="保存并生效")).to_have_count(0)
        expect(page.get_by_role("button", name="运行示例")).to_have_count(1)
        expect(page.locator("main")).to_contain_text("需要 admin 令牌")
        answer = page.request.post(f"{gateway.url}/rules/ward/switch", form={"how": "disable"})
        assert answer.status == 403
