"""Pages of people who are not at the console: links in messages, grid staff, families. Who may see what is tried over
every address there is."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
import sqlalchemy as sa
from fastapi.routing import APIRoute
from PIL import Image

from gateway.answers import links, logins, rows
from gateway.answers.invitations import Inviter
from gateway.api import reads
from gateway.cases.effects import Purpose, Send
from gateway.cases.model import Case
from gateway.outbox.channel import Heard
from gateway.registry import store as registry_store
from gateway.registry.load import load_community
from gateway.state import tables as t
from gateway.web import my_away, my_pages
from gateway.web.console import add_console
from gateway.web.my_pages import COOKIE
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE, community, write_community
from tests.support.house import House, open_house
from tests.support.outbox import make_send

HOMES = 3
WAYS_IN = {("POST", "/me/code"), ("POST", "/me/login"), ("POST", "/me/logout")}


def document() -> dict[str, Any]:
    """In home 1 the resident agreed that her daughter sees how she is; elsewhere nobody did."""
    made = community(HOMES, rungs=FAR_LINE)
    made["residents"][0]["family"][0]["consent"] = "2026-01-15"
    for number, person in enumerate(made["people"]):
        person["phone"] = f"1380000{number:04d}"
    return made


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path, document()) as made:
        add_console(made.app)
        yield made


def phone(house: House, cookie: str | None = None) -> httpx.AsyncClient:
    """Somebody's telephone; with a session of theirs."""
    client = house.client(None)
    client.headers["Accept"] = "text/html"
    client.headers["Origin"] = "http://gateway.test"
    if cookie is not None:
        client.cookies.set(COOKIE, cookie)
    return client


def link(house: House, case: dict[str, Any], person: str, *, key: str = "k") -> str:
    """The link that a message to a person would carry, as a path."""
    secret = house.context.settings.secrets.ensure(links.SECRET)
    send = make_send(f"{key}:{person}:{case['id']}", "sms", person=person)
    with house.engine.begin() as connection:
        made = Inviter(secret, "https://help.example.cn")(connection, case["id"], send, house.clock.now_ms())
    assert made is not None
    return made.link.removeprefix("https://help.example.cn")


def number_of(house: House, person: str) -> str:
    directory = house.views.directory
    assert directory is not None
    known = directory.person(person)
    assert known is not None
    return known.phone


def session(house: House, person: str) -> str:
    """A session, as one gets it with the code."""
    directory = house.views.directory
    assert directory is not None
    number, now_ms = number_of(house, person), house.clock.now_ms()
    assert logins.send_code(house.engine, directory, number, now_ms)
    token = logins.log_in(house.engine, directory.community.people, number, sent_code(house, person), now_ms)
    assert token is not None
    return token


def sent_code(house: House, person: str) -> str:
    """The newest code that was sent to a person."""
    with house.engine.connect() as connection:
        bodies = connection.execute(sa.select(t.outbox.c.body).order_by(t.outbox.c.created_at_ms)).scalars()
        sends = [Send.model_validate_json(body) for body in bodies]
    send = next(one for one in reversed(sends) if one.purpose is Purpose.LOGIN_CODE and one.person == person)
    found = re.search(r"\b\d{6}\b", send.body)
    assert found is not None
    assert found[0] not in send.title
    return found[0]


def form(html: str, answer: str, **more: str) -> dict[str, str]:
    """The form of a button as a browser sends it."""
    forms = re.findall(r'<form method="post".*?</form>', html, re.DOTALL)
    mine = next((one for one in forms if f'name="answer" value="{answer}"' in one), None)
    assert mine is not None, f"no button {answer}"
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', mine))
    return {key: unescape(value) for key, value in found.items()} | more


async def seen(client: httpx.AsyncClient, path: str, status: int = 200) -> str:
    answer = await client.get(path)
    assert answer.status_code == status, f"GET {path}: {answer.status_code} {answer.text[:300]}"
    return unescape(answer.text)


async def the_case(house: House, case_id: str) -> dict[str, Any]:
    return dict((await house.get(f"/api/v1/cases/{case_id}"))["case"])


# --- links ------------------------------------------------------------------------------------------------------


async def test_opening_a_link_never_acts_and_is_written_down(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    assert "grid" not in path and case["number"] not in path
    for _ in range(3):
        html = await seen(client, path)
        await client.head(path)
    assert (await the_case(house, case["id"]))["version"] == case["version"]
    assert rows.answers_of(house.engine) == []
    looks = rows.disclosures_of(house.engine, case_id=case["id"])
    assert [(one.person, one.way, one.basis, one.resident) for one in looks] == [("grid", "link", "duty", "r-1")] * 3
    for there in ("紧急呼救", "李秀兰1", "3号楼501室", "门禁 0000", "东侧路口", "我来处理", "tel:000-5001"):
        assert there in html, there
    for not_there in ("冠心病", "青霉素", "1940", case["explanation"], "<script"):
        assert not_there not in html, not_there


async def test_one_tap_takes_it_and_is_confirmed(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    accept = form(await seen(client, path), "accept")
    for _ in range(3):  # a thumb that trembles
        answer = await client.post(path, data=accept)
        assert answer.status_code == 303
        html = await seen(client, answer.headers["location"])
        assert "✓ 已收到" in html and "已由您受理" in html
    document = await house.get(f"/api/v1/cases/{case['id']}")
    assert document["case"]["owner"] == "person:grid"
    taken = [line for line in document["timeline"] if line["what"] in ("acknowledged", "lease_renewed")]
    assert [(line["what"], line["data"]["via"]) for line in taken] == [("acknowledged", "link")]


async def test_two_taps_at_once_and_one_has_it(house: House) -> None:
    case = await house.press("sos-1")
    client = phone(house)
    paths = [link(house, case, person) for person in ("desk", "grid")]
    forms = [form(await seen(client, path), "accept") for path in paths]
    answers = [await client.post(path, data=data) for path, data in zip(paths, forms, strict=True)]
    html = [await seen(client, answer.headers["location"]) for answer in answers]
    assert "已由您受理" in html[0] and "已由 值班员 受理，谢谢" in html[1]
    assert "我来处理" not in html[1], "there is no button for what somebody else has"
    assert (await the_case(house, case["id"]))["owner"] == "person:desk"


async def test_a_link_that_is_none(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    data = form(await seen(client, path), "accept")
    for other in (path[:-1] + ("0" if path[-1] != "0" else "1"), "/a/x", "/a/" + "é" * 48, path[:-2], "/a/" + "A" * 48):
        assert "链接无效" in await seen(client, other, 404)
        assert (await client.post(other, data=data)).status_code == 404
    assert (await the_case(house, case["id"]))["owner"] is None
    for _ in range(40):
        last = await client.get("/a/x")
    assert last.status_code == 429
    await seen(client, path)


async def test_a_link_runs_out(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    data = form(await seen(client, path), "accept")
    house.clock.at += links.LIFE_MS
    html = await seen(client, path, 410)
    assert "已过期" in html and "李秀兰" not in html
    assert (await client.post(path, data=data)).status_code == 410
    assert (await the_case(house, case["id"]))["owner"] is None


async def test_a_link_of_a_case_that_is_over_says_kindly_how_it_ended(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    data = form(await seen(client, path), "accept")
    await house.act(case["id"], "cancel", reason="误按")
    assert "已撤销（误报），谢谢您" in await seen(client, path)
    answer = await client.post(path, data=data)
    assert "已撤销（误报）" in answer.text
    assert (await the_case(house, case["id"]))["stage"] == "cancelled"
    house.clock.at += links.TOLD_MS
    assert "李秀兰" not in await seen(client, path, 410)


async def test_a_link_is_for_its_case_and_its_person(house: House) -> None:
    one, other = await house.press("sos-1"), await house.press("sos-2")
    client = phone(house)
    mine = form(await seen(client, link(house, one, "grid")), "accept")
    await client.post(link(house, one, "grid"), data=mine | {"case_id": other["id"], "person": "desk"})
    assert (await the_case(house, one["id"]))["owner"] == "person:grid"
    assert (await the_case(house, other["id"]))["owner"] is None


async def test_forms_of_other_sites_and_too_many_taps_are_refused(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    data = form(await seen(client, path), "accept")
    answer = await client.post(path, data=data, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert (await the_case(house, case["id"]))["owner"] is None
    codes = [(await client.post(path, data=data | {"once": f"again-{n:04d}"})).status_code for n in range(25)]
    assert codes[0] == 303 and codes[-1] == 429


async def test_a_false_alarm_needs_its_reason_and_keeps_its_cause(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    html = await seen(client, path)
    assert 'name="reason" rows="3" maxlength="1000" required' in html
    await client.post(path, data=form(html, "false_alarm", reason="孙子按的", cause="child"))
    after = await the_case(house, case["id"])
    assert (after["stage"], after["cause"]) == ("cancelled", "child")


# --- the family -------------------------------------------------------------------------------------------------


async def told(house: House, device: str, person: str) -> dict[str, Any]:
    """A case of which a person has been told by its ladder."""
    case = await house.press(device)
    house.clock.at += 1500
    house.decider.wake()

    def known() -> bool:
        found = [one for one in house_cases(house) if one.id == case["id"]]
        return any(target.person == person for target in found[0].told)

    await eventually_async(known, 10, f"{person} is told")
    return await the_case(house, case["id"])


def house_cases(house: House) -> list[Case]:
    return reads.cases(house.engine, open_only=False, limit=100)


async def test_the_family_sees_the_stages_and_says_that_it_is_coming(house: House) -> None:
    case = await told(house, "sos-1", "daughter-1")
    client = phone(house, session(house, "daughter-1"))
    home = await seen(client, "/me")
    assert "李秀兰1" in home and "紧急呼救" in home and "李秀兰2" not in home
    path = f"/me/cases/{case['id']}"
    html = await seen(client, path)
    assert "我正在赶来" in html and "门禁" not in html and "还没有人受理" in html
    await client.post(path, data=form(html, "coming"))
    await house.act(case["id"], "dial_now", reason="听不到回答")
    await house.act(case["id"], "dispatch", to="王师傅")
    html = await seen(client, path)
    for there in ("女儿1 正在赶来", "已派人", "呼叫 120（演练）", "派遣"):
        assert there in html, there
    assert "请您自己打 120" in html and 'href="tel:120"' in html, "the line of this site reaches nobody"
    after = await the_case(house, case["id"])
    assert after["owner"] == "operator:operator"


async def test_the_last_thirty_days_and_all_is_well(house: House) -> None:
    case = await house.press("sos-1")
    await house.act(case["id"], "cancel", reason="误按了")
    client = phone(house, session(house, "daughter-1"))
    assert "平安" in await seen(client, "/me")
    assert "紧急呼救" in await seen(client, "/me/residents/r-1")
    assert "误按了" in await seen(client, f"/me/cases/{case['id']}")
    house.clock.at += 31 * 86_400_000
    assert "紧急呼救" not in await seen(client, "/me/residents/r-1")
    looks = rows.disclosures_of(house.engine, resident="r-1")
    assert {(one.what, one.basis) for one in looks} >= {
        ("state", "consent"),
        ("history", "consent"),
        ("case", "consent"),
    }


async def test_the_family_says_how_satisfied_it_is(house: House) -> None:
    case = await told(house, "sos-1", "daughter-1")
    client, path = phone(house, session(house, "daughter-1")), f"/me/cases/{case['id']}"
    assert (await client.post(f"{path}/rating", data={"score": "5"})).status_code == 404, "it is not over yet"
    for action, more in (("acknowledge", {}), ("resolve", {}), ("close", {"reason": "已送医"})):
        assert (await house.act(case["id"], action, **more)).status_code == 200, action
    assert "请您评价" in await seen(client, "/me") and "非常满意" in await seen(client, path)
    assert (await client.post(f"{path}/rating", data={"score": "6"})).status_code == 422
    for score, words in (("2", ""), ("5", "来得很快")):
        assert (await client.post(f"{path}/rating", data={"score": score, "words": words})).status_code == 303
    assert "请您评价" not in await seen(client, "/me") and "您的评价：非常满意" in await seen(client, path)
    ratings = (await the_case(house, case["id"]))["ratings"]
    assert [(one["by"], one["who"], one["score"]) for one in ratings] == [
        ("residents", "女儿1", 2),
        ("residents", "女儿1", 5),
    ]
    staff = phone(house, session(house, "grid"))
    assert "非常满意" not in await seen(staff, path), "who stands for the work does not rate it"
    assert (await staff.post(f"{path}/rating", data={"score": "5"})).status_code == 404


async def test_the_committee_rates_the_work_of_contractors(tmp_path: Path) -> None:
    made = document()
    made["organisations"] = [
        {"id": "committee", "name": "居委会", "kind": "committee", "people": ["chief"], "places": ["b-1"]},
        {"id": "pipes", "name": "管道公司", "kind": "contractor", "people": ["grid"]},
    ]
    made["work"] = [{"id": "pipe", "zh": "水管爆裂", "en": "burst pipe", "organisation": "pipes"}]
    raters = [{"by": "committee", "weight": 50}, {"by": "residents", "weight": 50}]
    made["evaluation"] = [{"id": "yearly", "name": "年度", "of": ["contractor"], "raters": raters}]
    async with open_house(tmp_path, made) as house:
        add_console(house.app)
        chief, paths = phone(house, session(house, "chief")), []
        for key, place in (("here", "door-1"), ("elsewhere", "yuan")):
            said = {"key": key, "work": "pipe", "text": "漏水", "place": place}
            case = (await house.client("operator").post("/api/v1/cases", json=said)).json()["case"]
            for action in ("acknowledge", "resolve", "close"):
                assert (await house.act(case["id"], action)).status_code == 200
            paths.append(f"/me/cases/{case['id']}")
        home = await seen(chief, "/me")
        assert "请您评价" in home and paths[0] in home and paths[1] not in home
        assert "门禁" not in await seen(chief, paths[0])
        await seen(chief, paths[1], 404)
        assert (await chief.post(f"{paths[0]}/rating", data={"score": "3"})).status_code == 303
        (rating,) = (await the_case(house, paths[0].rpartition("/")[2]))["ratings"]
        assert (rating["by"], rating["score"]) == ("committee", 3)
        worker = phone(house, session(house, "grid"))
        assert "请您评价" not in await seen(worker, "/me")
        assert "非常满意" not in await seen(worker, paths[0]), "nobody rates their own work"


async def test_without_consent_only_an_emergency_they_were_told_of(house: House) -> None:
    client = phone(house, session(house, "daughter-2"))
    assert "尚未登记同意" in await seen(client, "/me")
    await seen(client, "/me/residents/r-2", 404)
    case = await house.press("sos-2")
    if not any(target["person"] == "daughter-2" for target in case["told"]):
        await seen(client, f"/me/cases/{case['id']}", 404)
    house.clock.at += 1500
    house.decider.wake()
    await eventually_async(
        lambda: any(target.person == "daughter-2" for one in house_cases(house) for target in one.told), 10, "told"
    )
    assert "李秀兰2" in await seen(client, f"/me/cases/{case['id']}")
    (look,) = [one for one in rows.disclosures_of(house.engine, case_id=case["id"]) if one.what == "case"]
    assert look.basis == "emergency"
    await house.act(case["id"], "cancel", reason="误按")
    await seen(client, f"/me/cases/{case['id']}", 404)


# --- grid staff -------------------------------------------------------------------------------------------------


async def test_staff_accept_arrive_and_report(house: House) -> None:
    case = await house.press("sos-1")
    client = phone(house, session(house, "grid"))
    assert "李秀兰1" in await seen(client, "/me") and "还没有人受理" in await seen(client, "/me")
    path = f"/me/cases/{case['id']}"
    for answer, stage, more in (
        ("accept", "acknowledged", {}),
        ("coming", "dispatched", {}),
        ("arrived", "arrived", {}),
        ("report", "resolved", {"reason": "老人摔倒，已扶起，无碍"}),
    ):
        html = await seen(client, path)
        assert "门禁 0000" in html
        done = await client.post(path, data=form(html, answer, **more))
        assert done.status_code == 303
        assert (await the_case(house, case["id"]))["stage"] == stage
    document = await house.get(f"/api/v1/cases/{case['id']}")
    ways = [(line["what"], line["data"].get("via")) for line in document["timeline"] if line["actor"] == "person:grid"]
    assert ways == [("acknowledged", "page"), ("dispatched", "page"), ("arrived", "page"), ("resolved", "page")]


async def test_a_photo_from_the_spot_is_for_those_whose_work_it_is(house: House) -> None:
    case = await told(house, "sos-1", "daughter-1")
    path, picture = f"/me/cases/{case['id']}/attachments", io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(picture, "PNG")
    photo = {"file": ("hall.png", picture.getvalue(), "image/png")}
    client = phone(house, session(house, "grid"))
    assert f'action="{path}"' in await seen(client, f"/me/cases/{case['id']}")
    assert (await client.post(path, files=photo)).status_code == 303
    refused = await client.post(path, files={"file": ("x.png", b"no picture", "image/png")})
    assert refused.status_code == 422 and "不能显示" in refused.text
    daughter = phone(house, session(house, "daughter-1"))
    assert (await daughter.post(path, files=photo)).status_code == 404
    (kept,) = await house.get(f"/api/v1/cases/{case['id']}/attachments")
    assert (kept["actor"], kept["name"]) == ("person:grid", "hall.png")


# --- logging in -------------------------------------------------------------------------------------------------


async def test_logging_in_by_a_code_to_the_registered_contact(house: House) -> None:
    client = phone(house)
    assert "手机号" in await seen(client, "/me", 401)
    known = await client.post("/me/code", data={"number": number_of(house, "grid")})
    unknown = await client.post("/me/code", data={"number": "13999999999"})
    assert known.status_code == unknown.status_code == 200
    number = r'value="\d+"'
    assert re.sub(number, "", known.text) == re.sub(number, "", unknown.text), "the answer tells who is registered"
    number = number_of(house, "grid")
    wrong = await client.post("/me/login", data={"number": number, "code": "000000"})
    assert wrong.status_code == 401 and "验证码不对" in wrong.text
    other = await client.post("/me/login", data={"number": "13999999999", "code": sent_code(house, "grid")})
    assert other.status_code == 401
    right = await client.post("/me/login", data={"number": f"+86 {number}", "code": sent_code(house, "grid")})
    assert right.status_code == 303
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/me" in cookie
    assert "网格员" in await seen(client, "/me")
    again = await phone(house).post("/me/login", data={"number": number, "code": sent_code(house, "grid")})
    assert again.status_code == 401, "a code is good for once"
    await client.post("/me/logout")
    await seen(client, "/me", 401)


async def test_codes_run_out_and_cannot_be_guessed(house: House) -> None:
    directory, number = house.views.directory, number_of(house, "grid")
    assert directory is not None
    people, now_ms = directory.community.people, house.clock.now_ms()
    assert logins.send_code(house.engine, directory, number, now_ms)
    assert not logins.send_code(house.engine, directory, number, now_ms + 59_999), "not another one within a minute"
    code = sent_code(house, "grid")
    assert logins.log_in(house.engine, people, number, code, now_ms + logins.CODE_MS) is None
    for n in range(logins.TRIES_MOST):
        assert logins.log_in(house.engine, people, number, f"x{n}", now_ms) is None
    assert logins.log_in(house.engine, people, number, code, now_ms) is None, "tried too often"


async def test_a_session_ends_with_time_and_with_the_registry(house: House, tmp_path: Path) -> None:
    token = session(house, "grid")
    client = phone(house, token)
    await seen(client, "/me")
    assert logins.session_of(house.engine, token, house.clock.now_ms() + logins.SESSION_MS) is None
    gone = document()
    gone["people"] = [one for one in gone["people"] if one["id"] != "grid"]
    for duty in gone["rosters"][0]["duties"]:
        duty["people"] = ["desk" if one == "grid" else one for one in duty["people"]]
    file = write_community(tmp_path / "gone.yaml", gone)
    registry_store.apply(house.engine, load_community(file), "test", house.clock.now_ms())
    house.decider.wake()
    await eventually_async(lambda: house.views.directory.person("grid") is None, 10, "the registry is taken over")  # type: ignore[union-attr]
    await seen(client, "/me", 401)


# --- who may see what -------------------------------------------------------------------------------------------


def addresses() -> list[tuple[str, str]]:
    """Every address that a person's pages have."""
    return [
        (method, route.path)
        for route in (*my_pages.router.routes, *my_away.router.routes)
        if isinstance(route, APIRoute)
        for method in route.methods
    ]


async def test_every_address_wants_a_session_and_shows_nobody_elses(house: House) -> None:
    own, other = await told(house, "sos-1", "daughter-1"), await told(house, "sos-3", "daughter-3")
    found = addresses()
    assert len(found) >= 7
    stranger, grid = phone(house), phone(house, session(house, "grid"))
    tap = {"answer": "coming", "version": "1", "once": "abcdefgh1234", "score": "5"}
    secret = ("李秀兰1", own["id"], own["number"], "501室")
    for daughter in ("daughter-2", "daughter-3"):
        client = phone(house, session(house, daughter))
        for method, path in found:
            if (method, path) in WAYS_IN:
                continue
            full = path.replace("{case_id}", own["id"]).replace("{resident_id}", "r-1")
            for client_ in (stranger, client):
                files = {"file": ("x.png", b"x")} if "attachments" in path else None
                answer = await client_.request(method, full, data=tap if method == "POST" else None, files=files)
                page = unescape(answer.text)
                if client_ is stranger:
                    assert answer.status_code == 401, f"{method} {full}"
                elif "{" in path:
                    assert answer.status_code == 404, f"{method} {full} as {daughter}"
                assert not any(word in page.replace(full, "") for word in secret), f"{method} {full} as {daughter}"
    assert (await the_case(house, own["id"]))["version"] == own["version"]
    assert "李秀兰1" in await seen(grid, "/me")
    await seen(grid, "/me/residents/r-1", 404)
    assert other["id"] != own["id"]


async def test_a_person_is_nobody_at_the_console_and_at_the_api(house: House) -> None:
    case = await house.press("sos-1")
    token = session(house, "grid")
    client = phone(house)
    for name in (COOKIE, "anju_token"):
        client.cookies.set(name, token)
    client.headers["Authorization"] = f"Bearer {token}"
    for path in ("/", "/cases", f"/cases/{case['id']}", "/vitals", "/api/v1/cases", f"/api/v1/cases/{case['id']}"):
        answer = await client.get(path)
        assert answer.status_code == 401, path
        assert "李秀兰" not in answer.text
    operator = phone(house)
    operator.cookies.set(COOKIE, house.tokens["operator"])
    await seen(operator, "/me", 401)


async def test_the_console_shows_who_answered_how_and_who_looked(house: House) -> None:
    case = await house.press("sos-1")
    path, client = link(house, case, "grid"), phone(house)
    await client.post(path, data=form(await seen(client, path), "accept"))
    unknown = Heard(id="m-1", channel="sms", sender="13999999999", text="1 <b>", at_ms=house.clock.now_ms())
    assert await house.context.answers(unknown) == ""
    answers = await house.get("/api/v1/answers")
    assert [(one["sender"], one["result"]) for one in answers] == [
        ("13999999999", "unknown_sender"),
        ("grid", "acted"),
    ]
    assert (await house.client("reader").get("/api/v1/disclosures")).status_code == 403
    looks = (await house.client("admin").get("/api/v1/disclosures", params={"resident": "r-1"})).json()
    assert {(one["person"], one["way"], one["basis"]) for one in looks} == {("grid", "link", "duty")}
    desk = phone(house)
    desk.cookies.set("anju_token", house.tokens["operator"])
    page = await seen(desk, "/answers")
    assert "13999999999" in page and "陌生号码" in page
    page = await seen(desk, f"/cases/{case['id']}")
    assert "消息链接" in page and "网格员 看过" in page
