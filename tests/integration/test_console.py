"""The console's pages as a browser gets them from a running gateway."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from devices.native import PROTOCOL_VERSION, Message, encode, topic
from devices.observation import Channel
from firmware_sim.signals import ecg
from gateway.api.auth import COOKIE
from tests.support.broker import mosquitto
from tests.support.console import EVIL, guarded_yard, logged_in, make_token, visitor
from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.homes import COMMUNITY
from tests.support.outside import OutsideWorld
from tests.support.radio import Radio

pytestmark = pytest.mark.broker
HOMES = 8


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    directory = tmp_path_factory.mktemp("console")
    with OutsideWorld() as world, RunningGateway(directory, world, community=guarded_yard(HOMES)) as running:
        yield running


@pytest.fixture(scope="module")
def radio(gateway: RunningGateway) -> Iterator[Radio]:
    with gateway.radio() as radio:
        yield radio


@pytest.fixture(scope="module")
def desk(gateway: RunningGateway) -> Iterator[httpx.Client]:
    """The operator's browser."""
    with logged_in(gateway, gateway.token) as client:
        yield client


@pytest.fixture(scope="module")
def reader(gateway: RunningGateway) -> Iterator[httpx.Client]:
    with logged_in(gateway, make_token(gateway, "daughter", "reader")) as client:
        yield client


def press(gateway: RunningGateway, radio: Radio, device: str, key: str = "press") -> str:
    """The id of the case that a press opens."""
    radio.say(device, key)
    case_id: str = gateway.wait_for_case(device)["id"]
    return case_id


class Tags(HTMLParser):
    """Every tag of a page with its attributes, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))


def card(html: str, case_id: str) -> str:
    """The part of a page that is the card of one case."""
    found = re.search(rf'<article id="case-{case_id}".*?</article>', html, re.DOTALL)
    assert found is not None, f"no card of {case_id}"
    return found[0]


# --- who comes in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/cases", "/cases/2026-000001", "/devices", "/vitals", "/devices/sos-1"])
def test_without_a_cookie_every_page_is_the_login_page(gateway: RunningGateway, path: str) -> None:
    with visitor(gateway) as client:
        answer = client.get(path)
    assert answer.status_code == 401
    assert 'name="token"' in answer.text and "李秀兰" not in answer.text
    assert f'value="{path}"' in answer.text  # and back there after the login


@pytest.mark.parametrize("path", ["/board", "/side", "/cases/2026-000001/body"])
def test_parts_of_pages_are_closed_too_and_htmx_is_told_to_load_the_page_anew(
    gateway: RunningGateway, path: str
) -> None:
    with visitor(gateway) as client:
        answer = client.get(path, headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Refresh"], answer.text) == (401, "true", "")


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(gateway: RunningGateway) -> None:
    with visitor(gateway) as client:
        answer = client.post("/login", data={"token": f" {gateway.token} "})  # copied with its spaces
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=") and "HttpOnly" in cookie and "SameSite=strict" in cookie
        assert "Secure" not in cookie
        assert client.get("/").status_code == 200
        behind_tls = client.post("/login", data={"token": gateway.token}, headers={"X-Forwarded-Proto": "https"})
        assert "Secure" in behind_tls.headers["set-cookie"]


@pytest.mark.parametrize("then", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
def test_a_login_leads_nowhere_but_to_this_site(gateway: RunningGateway, then: str) -> None:
    with visitor(gateway) as client:
        answer = client.post("/login", data={"token": gateway.token, "then": then})
    assert answer.headers["location"] == "/"


def test_a_wrong_token_is_answered_late_and_logged_but_a_right_one_at_once(gateway: RunningGateway) -> None:
    with visitor(gateway) as client:
        begun = time.monotonic()
        answers = [client.post("/login", data={"token": "wrong", "then": "/cases"}) for _ in range(2)]
        took_s = time.monotonic() - begun
        assert [answer.status_code for answer in answers] == [401, 401] and took_s >= 1.5
        assert "令牌无效" in answers[0].text and 'value="/cases"' in answers[0].text and "wrong" not in answers[0].text
        right_s = []
        for _ in range(3):  # whatever else this machine does, it does not hold up all of them
            begun = time.monotonic()
            assert client.post("/login", data={"token": gateway.token}).status_code == 303
            right_s.append(time.monotonic() - begun)
        assert min(right_s) < took_s / 2, "no later than a wrong one"
    assert gateway.log.count("login with a wrong token from 127.0.0.1") >= 2


def test_another_sites_page_can_neither_log_in_nor_act_nor_log_out(gateway: RunningGateway, desk: httpx.Client) -> None:
    elsewhere = {"Origin": "https://evil.example"}
    for path in ("/login", "/logout", "/cases/2026-000001/act"):
        answer = desk.post(path, data={"token": gateway.token, "action": "note", "reason": "x"}, headers=elsewhere)
        assert answer.status_code == 403, path


def test_logging_out_takes_the_cookie_away(gateway: RunningGateway) -> None:
    with logged_in(gateway, gateway.token) as client:
        assert client.get("/session").status_code == 204
        client.post("/logout")
        assert COOKIE not in client.cookies
        assert client.get("/").status_code == 401


def test_every_answer_forbids_foreign_scripts_and_frames(desk: httpx.Client) -> None:
    for path in ("/", "/login", "/static/console.js", "/no-such-page", "/api/v1/cases"):
        headers = desk.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy, path
        assert headers["x-frame-options"] == "DENY" and headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(desk: httpx.Client) -> None:
    for path in ("/", "/cases", "/devices", "/vitals", "/devices/vitals-1"):
        tags = Tags(desk.get(path).text)
        loaded = [own.get("src") or own["href"] for tag, own in tags.all if tag in ("script", "link", "img")]
        assert loaded and all(address is not None and address.startswith("/static/") for address in loaded)
        assert not any(tag == "style" or "style" in own for tag, own in tags.all)
        assert not [name for _, own in tags.all for name in own if name.startswith(("on", "hx-on"))]
        for address in loaded:
            assert address is not None
            assert desk.get(address).status_code == 200


# --- what it shows --------------------------------------------------------------------------------------------


def test_a_press_is_a_card_with_who_where_what_comes_next_and_the_120_gate(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    case_id = press(gateway, radio, "sos-1")
    gateway.wait_for_line(case_id, "line_armed")
    html = card(desk.get("/board").text, case_id)
    for words in (
        "紧急呼救",
        "personal emergency",
        "李秀兰1",
        "试验院3号楼501室",
        "Building 3",
        "无人受理",
        "nobody has it",
    ):
        assert words in html
    assert re.search(r'120</b> <span class="drill">演练 drill</span> <time class="count" data-down="\d+"', html)
    actions = set(re.findall(r'data-act="(\w+)"', html))
    assert actions == {"dispatch", "arrive", "cancel", "take_back", "veto", "dial_now", "merge", "split", "note"}
    assert "我来受理" in html and "data-up=" in html


def test_an_action_is_carried_out_and_a_stale_one_is_explained(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    case_id = press(gateway, radio, "sos-2")
    seen = gateway.case(case_id)["case"]["version"]
    done = desk.post(f"/cases/{case_id}/act", data={"action": "acknowledge", "version": seen})
    assert (done.status_code, done.headers["HX-Trigger"]) == (204, "acted")
    assert gateway.case(case_id)["case"]["owner"] == "operator:night-desk"
    html = card(desk.get("/board").text, case_id)
    assert "night-desk" in html and "暂缓：已有人受理" in html and "无人受理" not in html

    late = desk.post(f"/cases/{case_id}/act", data={"action": "cancel", "reason": "误报", "version": seen})
    assert late.status_code == 409
    assert "请刷新" in late.text and "look again" in late.text
    unfounded = desk.post(f"/cases/{case_id}/act", data={"action": "cancel", "reason": "  "})
    assert (unfounded.status_code, "需要说明原因" in unfounded.text) == (409, True)
    assert desk.post("/cases/none/act", data={"action": "note", "reason": "x"}).status_code == 404
    odd = desk.post(f"/cases/{case_id}/act", data={"action": "explode"}, headers={"HX-Request": "true"})
    assert (odd.status_code, "填写有误" in odd.text) == (422, True)


def test_the_worst_comes_first_an_emergency_nobody_has_before_one_in_hand_before_work(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    work = press(gateway, radio, "service-3", "plumbing")
    taken = press(gateway, radio, "sos-3")
    gateway.act(taken, "acknowledge")
    burning = press(gateway, radio, "sos-4")
    order = re.findall(r'<article id="case-([\w-]+)"', desk.get("/board").text)
    assert order.index(burning) < order.index(taken) < order.index(work)


def test_a_reader_sees_everything_and_has_no_buttons(
    gateway: RunningGateway, radio: Radio, reader: httpx.Client
) -> None:
    case_id = press(gateway, radio, "sos-5")
    for path in ("/", f"/cases/{case_id}"):
        html = reader.get(path).text
        assert "李秀兰5" in html and "data-act" not in html and "hx-post" not in html
    refused = reader.post(f"/cases/{case_id}/act", data={"action": "acknowledge"}, headers={"HX-Request": "true"})
    assert (refused.status_code, "只读" in refused.text) == (403, True)
    assert gateway.case(case_id)["case"]["stage"] == "opened"


def test_the_page_of_a_case_tells_the_whole_story(gateway: RunningGateway, radio: Radio, desk: httpx.Client) -> None:
    radio.say("vitals-6", pulse=131.0, spo2=93.0)
    case_id = press(gateway, radio, "sos-6")
    eventually(lambda: "131" in desk.get(f"/cases/{case_id}").text, 10, "vitals on the page")
    gateway.act(case_id, "dial_now", reason="胸痛，出冷汗")
    gateway.wait_for_line(case_id, "line_answered")
    gateway.act(case_id, "arrive", to="120 救护车")
    html = unescape(desk.get(f"/cases/{case_id}").text)
    for words in (
        "立案",
        "升级步骤",
        "值班员",
        "网格员",
        "呼叫 120",
        "胸痛，出冷汗",
        "到场",
        "120 救护车",
        "已通知的人",
    ):
        assert words in html
    # the card as the centre got it
    for words in ("给 120 的急救卡", "【演练】李秀兰6", "冠心病", "青霉素", "东侧路口", "门禁 0000", "未知 unknown"):
        assert words in html
    # with the vitals that the line added when it called, and never without the mark
    assert re.search(r"最近体征</dt><dd>脉率 131 次/分；血氧 93 %", html)
    assert re.search(r'120 已应答</b>[^\n]*<span class="drill">', html)
    assert re.search(r'<span class="drill">演练 drill</span> 已应答', desk.get("/cases").text)
    # steps and channels in words
    assert re.search(r'升级步骤.*?<span class="actor">值班员|升级步骤.*?<span class="actor">值班室', html, re.DOTALL)
    assert "又有人到场" in html and "已接收 accepted by" not in html
    # every attempt, and the evidence
    assert "报警通知" in html and "messenger → desk" in html and " ms</td>" in html
    assert re.search(r"<summary>依据.*?sos-6.*?press", html, re.DOTALL)


def test_a_closed_case_shows_no_vitals_of_now_and_its_work_is_checked_before_it_is_closed(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    radio.say("vitals-7", pulse=77.0)
    case_id = press(gateway, radio, "sos-7")
    eventually(lambda: 'class="vitals"' in desk.get(f"/cases/{case_id}").text, 10, "vitals on the page")
    gateway.act(case_id, "acknowledge")
    gateway.act(case_id, "resolve")
    html = desk.get(f"/cases/{case_id}").text
    assert re.search(r'id="verify-[\w-]+" class="main"', html) and re.search(r'id="close-[\w-]+" class=""', html)
    gateway.act(case_id, "verify")
    gateway.act(case_id, "close")
    assert 'class="vitals"' not in desk.get(f"/cases/{case_id}").text


def test_a_dangerous_name_and_reason_are_text(gateway: RunningGateway, radio: Radio, desk: httpx.Client) -> None:
    case_id = press(gateway, radio, f"sos-{HOMES}")
    gateway.act(case_id, "note", reason=EVIL)
    for path in ("/", f"/cases/{case_id}", "/cases", "/devices", "/vitals", f"/devices/sos-{HOMES}"):
        html = desk.get(path).text
        assert "<img src=x" not in html and "<script>document" not in html
        if path not in ("/devices",):
            assert EVIL in unescape(html), path


def test_closed_cases_are_in_the_list_page_by_page(gateway: RunningGateway, radio: Radio, desk: httpx.Client) -> None:
    case_id = press(gateway, radio, "service-1", "drain")
    for action in ("acknowledge", "resolve", "close"):
        gateway.act(case_id, action)
    assert f"/cases/{case_id}" in desk.get("/cases").text and "已结案" in desk.get("/cases").text
    assert f"/cases/{case_id}" not in desk.get("/cases?open=true").text
    newest = gateway.cases()[0]["id"]
    assert f"/cases/{newest}" not in desk.get(f"/cases?before={newest}").text
    if newest != case_id:
        assert f"/cases/{case_id}" in desk.get(f"/cases?before={newest}").text


def test_devices_are_counted_filtered_and_shown_with_their_health(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    radio.say("smoke-1", obscuration=0.02, battery=7.0)
    eventually(lambda: "7 %" in desk.get("/devices?state=low").text, 10, "low battery listed")
    low = desk.get("/devices?state=low").text
    assert "smoke-1" in low and "smoke-2" not in low and "李秀兰1" in low
    smoke = desk.get("/devices?kind=smoke").text
    assert "smoke-2" in smoke and "camera-1" not in smoke and "从未上线" in smoke
    assert "camera-1" in desk.get("/devices?state=away").text
    side = desk.get("/side").text
    assert "电量低 1 台" in side and "通知发送" in side and "全部正常" in side


def test_a_monitors_page_has_lines_and_the_newest_ecg_on_millimetre_paper(
    gateway: RunningGateway, radio: Radio, desk: httpx.Client
) -> None:
    t = time.time_ns() // 1_000_000
    wave = ecg.strip(random.Random(7), 72)
    message = Message(v=PROTOCOL_VERSION, boot=9, seq=1, t=t, metrics={"pulse": 72.0, "spo2": 97.0}, wave=wave)
    radio.publish(topic(COMMUNITY, "vitals-7", Channel.TELEMETRY), encode(message, "json"), "strip")
    eventually(lambda: 'class="ecg"' in desk.get("/devices/vitals-7").text, 10, "ECG on the page")
    html = desk.get("/devices/vitals-7").text
    assert "25 mm/s" in html and "10 mm/mV" in html
    assert 'width="260mm"' in html.replace(".0mm", "mm")  # 10 s and the calibration mark
    assert "次/分" in html and 'class="chart"' in html
    vitals = desk.get("/vitals").text
    assert "李秀兰7" in vitals and "72" in vitals and "尚无数据" in vitals


def test_what_is_not_there_is_said_in_words(desk: httpx.Client) -> None:
    for path, words in (("/cases/2000-000001", "没有案卷"), ("/devices/none", "没有设备"), ("/nothing", "没有这一页")):
        answer = desk.get(path)
        assert answer.status_code == 404 and words in answer.text
    assert desk.get("/api/v1/cases/2000-000001").headers["content-type"] == "application/json"


def test_all_is_not_well_while_alarms_cannot_come_in(tmp_path: Path) -> None:
    with (
        OutsideWorld() as world,
        mosquitto(tmp_path / "broker") as broker,
        RunningGateway(tmp_path, world, community=guarded_yard(1), broker=broker) as running,
        logged_in(running, running.token) as desk,
    ):
        assert "一切平安" in desk.get("/board").text
        broker.stop()
        eventually(lambda: "网关故障，报警可能收不到" in desk.get("/board").text, 20, "the fault on the board")
        html = desk.get("/board").text
        assert "一切平安" not in html and "紧急通道" in html
        broker.start()
        eventually(lambda: "一切平安" in desk.get("/board").text, 30, "well again")
