"""The console in a real browser: it is live, it acts, it says when it is blind, and it runs nobody else's code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import EVIL, chromium, guard, guarded_yard, make_token
from tests.support.eventually import PATIENCE, eventually
from tests.support.gateway import RunningGateway
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = [pytest.mark.broker, pytest.mark.slow]
HOMES = 11


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    directory = tmp_path_factory.mktemp("browser")
    with OutsideWorld() as world, RunningGateway(directory, world, community=guarded_yard(HOMES)) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def pressed(gateway: RunningGateway, radio: Radio, device: str) -> str:
    """The case of a key that is pressed now."""
    radio.say(device, "press")
    case_id: str = gateway.wait_for_case(device)["id"]
    return case_id


def test_the_link_logs_in_and_the_token_leaves_the_address(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        assert page.url == f"{gateway.url}/"
        assert page.evaluate("document.cookie") == ""  # out of reach of scripts
        expect(page.locator("h1")).to_contain_text("一切平安")
        page.get_by_role("button", name="退出").click()
        expect(page.locator("#token")).to_be_visible()
        page.goto(f"{gateway.url}/cases")
        expect(page.locator("#token")).to_be_visible()
        page.fill("#token", gateway.token)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{gateway.url}/cases")
        expect(page.locator("h1")).to_contain_text("案卷")


def test_a_press_appears_by_itself_and_is_taken_with_one_click(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    with guard(browser, gateway, gateway.token) as page:
        page.evaluate("window.same = true")  # gone if the page were loaded anew
        radio.say("sos-1", "press")
        card = page.locator("article", has_text="李秀兰1")
        expect(card).to_contain_text("无人受理")
        expect(page.locator("h1")).to_contain_text("件紧急，无人受理")
        eventually(lambda: "【紧急】" in page.title() or "nobody has it" in page.title(), 5, "the title flashes")

        left = card.locator(".gate time")
        before = left.inner_text()
        expect(left).not_to_have_text(before)  # the countdown runs
        assert before.startswith(("59:", "1:00:"))

        card.get_by_role("button", name="我来受理").click()
        expect(card).to_contain_text("night-desk")
        expect(card).to_contain_text("暂缓：已有人受理")
        assert gateway.wait_for_case("sos-1")["owner"] == "operator:night-desk"
        assert page.evaluate("window.same") is True
        eventually(lambda: "nobody" not in page.title() and "【紧急】" not in page.title(), 5, "the title is calm")


def test_what_takes_something_away_asks_for_a_reason_first(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, "sos-2")
    with guard(browser, gateway, gateway.token) as page:
        card = page.locator(f"#case-{case_id}")
        card.get_by_role("button", name="不打 120").click()
        dialog = page.locator("dialog#act")
        expect(dialog).to_contain_text("李秀兰2")
        dialog.get_by_role("button", name="确定").click()
        expect(dialog).to_be_visible()  # a reason is needed
        assert gateway.case(case_id)["case"]["emergency"]["state"] == "armed"
        dialog.locator("textarea").fill("本人接电话，无恙")
        dialog.get_by_role("button", name="确定").click()
        expect(dialog).to_be_hidden()
        expect(card).to_contain_text("已决定不打")
        assert gateway.wait_for_line(case_id, "line_vetoed")["reason"] == "本人接电话，无恙"


def test_somebody_is_sent_and_a_stale_answer_is_explained_in_the_dialog(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, "sos-3")
    with guard(browser, gateway, gateway.token) as page:
        card = page.locator(f"#case-{case_id}")
        card.get_by_role("button", name="派人前往").click()
        dialog = page.locator("dialog#act")
        expect(dialog.locator("[name=to]")).to_be_focused()
        page.keyboard.type("王师傅")
        gateway.act(case_id, "acknowledge")  # somebody else was faster
        expect(card).to_contain_text("night-desk")  # the page lives on behind the dialog
        dialog.get_by_role("button", name="确定").click()
        expect(dialog).to_contain_text("请刷新")
        dialog.get_by_role("button", name="返回").click()
        card.get_by_role("button", name="派人前往").click()
        page.keyboard.type("王师傅")
        page.keyboard.press("Enter")
        expect(card).to_contain_text("已派人")
        assert gateway.wait_for_line(case_id, "dispatched")["data"]["to"] == "王师傅"


def test_evidence_stays_open_while_the_page_of_a_case_renews_itself(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, "sos-4")
    with guard(browser, gateway, gateway.token) as page:
        page.goto(f"{gateway.url}/cases/{case_id}")
        page.locator("#line-1 summary").click()
        expect(page.locator("#line-1 table")).to_be_visible()
        gateway.act(case_id, "note", reason="已致电家属")
        expect(page.locator(".timeline")).to_contain_text("已致电家属")
        expect(page.locator("#line-1 table")).to_be_visible()


def test_a_reader_has_no_buttons(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    case_id = pressed(gateway, radio, "sos-5")
    with guard(browser, gateway, make_token(gateway, "daughter", "reader")) as page:
        expect(page.locator(f"#case-{case_id}")).to_contain_text("李秀兰5")
        assert page.locator("main button").count() == 0
        assert page.locator("dialog").count() == 0
        status = page.evaluate(
            "id => fetch(`/cases/${id}/act`, {method: 'POST', body: new URLSearchParams({action: 'acknowledge'})})"
            ".then(answer => answer.status)",
            case_id,
        )
        assert status == 403
    assert gateway.case(case_id)["case"]["stage"] == "opened"


def test_a_name_and_a_reason_that_are_programs_are_shown_and_not_run(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, f"sos-{HOMES}")
    gateway.act(case_id, "note", reason=EVIL)
    with guard(browser, gateway, gateway.token) as page:
        expect(page.locator(f"#case-{case_id} .name")).to_have_text(EVIL)
        page.locator(f"#case-{case_id}").get_by_role("button", name="备注").click()
        expect(page.locator("#act-about")).to_contain_text(EVIL)
        for path in (f"/cases/{case_id}", "/cases", "/vitals", f"/devices/sos-{HOMES}"):
            page.goto(gateway.url + path)
            expect(page.locator("main")).to_contain_text(EVIL)
            assert page.title() != "owned" and page.locator("main img").count() == 0


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1366, 768), (390, 844)])
def test_no_page_is_wider_than_its_screen(
    gateway: RunningGateway, radio: Radio, browser: Browser, width: int, height: int
) -> None:
    case_id = pressed(gateway, radio, "sos-6")
    with guard(browser, gateway, gateway.token, width, height) as page:
        for path in ("/", f"/cases/{case_id}", "/cases", "/devices", "/vitals", "/devices/vitals-6"):
            page.goto(gateway.url + path)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_on_a_phone_what_to_do_is_on_the_first_screen_before_the_readings(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    radio.say("vitals-6", pulse=131.0, spo2=93.0)
    case_id = pressed(gateway, radio, "sos-6")
    with guard(browser, gateway, gateway.token, 390, 844) as page:
        page.goto(f"{gateway.url}/cases/{case_id}")
        button, readings = page.locator(f"#acknowledge-{case_id}"), page.locator(".vitals")
        expect(button).to_be_in_viewport(ratio=1)
        places = button.bounding_box(), readings.bounding_box()
        assert places[0] is not None and places[1] is not None and places[0]["y"] < places[1]["y"]


def test_that_sound_is_off_is_said_until_somebody_decides(gateway: RunningGateway, browser: Browser) -> None:
    with guard(browser, gateway, gateway.token) as page:
        banner = page.locator("#sound-off")
        expect(banner).to_contain_text("声音未开")
        banner.get_by_role("button", name="不用").click()
        expect(banner).to_be_hidden()
        page.reload()
        expect(page.locator("#sound")).to_contain_text("声音：关")
        expect(banner).to_be_hidden()  # remembered
        page.evaluate("localStorage.removeItem('anju-sound')")
        page.reload()
        banner.get_by_role("button", name="声音未开").click()
        expect(page.locator("#sound")).to_contain_text("声音：开")
        expect(banner).to_be_hidden()


def test_everything_is_reached_by_the_keyboard(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    case_id = pressed(gateway, radio, "sos-7")
    with guard(browser, gateway, gateway.token) as page:
        button = page.locator(f"#acknowledge-{case_id}")
        button.focus()
        radio.say("smoke-7", obscuration=0.01)
        gateway.act(case_id, "note", reason="renews the card")
        noted = gateway.case(case_id)["case"]["version"]
        # The renewed button has the focus that the one before it had; a key between the two would reach neither.
        page.wait_for_function(
            "noted => document.activeElement && document.activeElement.id.startsWith('acknowledge-')"
            " && JSON.parse(document.activeElement.getAttribute('hx-vals')).version >= noted",
            arg=noted,
        )
        page.keyboard.press("Enter")
        eventually(lambda: gateway.case(case_id)["case"]["owner"] == "operator:night-desk", 5, "taken by keyboard")


def test_a_button_does_what_it_says_from_the_moment_it_is_shown(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, "sos-9")
    with guard(browser, gateway, gateway.token) as page:
        page.evaluate(
            """id => document.addEventListener("htmx:afterSwap", (event) => {
                if (event.target.id === "board") setTimeout(() => document.getElementById(id).click());
            }, {once: true})""",
            f"acknowledge-{case_id}",
        )
        gateway.act(case_id, "note", reason="renews the card")
        eventually(lambda: gateway.case(case_id)["case"]["owner"] == "operator:night-desk", 5, "taken at once")


def test_a_renewal_waits_while_the_space_bar_is_down(gateway: RunningGateway, radio: Radio, browser: Browser) -> None:
    case_id = pressed(gateway, radio, "sos-10")
    with guard(browser, gateway, gateway.token) as page:
        page.locator(f"#acknowledge-{case_id}").focus()
        page.keyboard.down(" ")
        with page.expect_response(lambda response: response.url.endswith("/board")):
            gateway.act(case_id, "note", reason="renews the card")
        page.evaluate("() => new Promise((then) => setTimeout(then))")  # the page has had its answer
        page.keyboard.up(" ")
        eventually(lambda: gateway.case(case_id)["case"]["owner"] == "operator:night-desk", 5, "taken by the space bar")


def test_a_key_that_is_let_go_in_another_window_does_not_hold_the_page(
    gateway: RunningGateway, radio: Radio, browser: Browser
) -> None:
    case_id = pressed(gateway, radio, "sos-8")
    with guard(browser, gateway, gateway.token) as page:
        page.locator(f"#acknowledge-{case_id}").focus()
        page.keyboard.down(" ")
        page.evaluate("window.dispatchEvent(new Event('blur'))")
        gateway.act(case_id, "note", reason="renews the card")
        noted = gateway.case(case_id)["case"]["version"]
        expect(page.locator(f"#acknowledge-{case_id}")).to_have_attribute("hx-vals", re.compile(f'"version": ?{noted}'))


def test_a_page_that_hears_nothing_says_so_and_recovers(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> None:
    directory = tmp_path_factory.mktemp("lost")
    with (
        OutsideWorld() as world,
        RunningGateway(directory, world, community=guarded_yard(2)) as gateway,
        guard(browser, gateway, gateway.token) as page,
    ):
        lost = page.locator("#lost")
        expect(lost).to_be_hidden()
        gateway.stop()
        expect(lost).to_be_visible()
        expect(lost).to_contain_text("连接中断")
        expect(lost).to_contain_text("what you see may be old")
        gateway.start()
        expect(lost).to_be_hidden(timeout=30_000 * PATIENCE)
        with gateway.radio() as radio:
            radio.say("sos-1", "press")
            expect(page.locator("article", has_text="李秀兰1")).to_be_visible()
