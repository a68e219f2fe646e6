"""Residents who are away, through every door: said with an end, ended by it, taken back; and what rules make of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
import sqlalchemy as sa

from gateway.answers import rows
from gateway.api.auth import COOKIE as DESK_COOKIE
from gateway.api.auth import Role, create_token
from gateway.explain.explainer import Explainer
from gateway.registry import away, desk, store
from gateway.registry.away import Absence
from gateway.registry.load import load_community
from gateway.state import tables as t
from gateway.web.console import add_console
from tests.integration.test_person_pages import document, phone, seen, session
from tests.support.deciding import DecidingRoom, deciding
from tests.support.drilling import set_clock
from tests.support.homes import write_community
from tests.support.house import House, open_house

ROLES: tuple[Role, ...] = ("operator", "reader")
FRONT_DOOR = {"role": "front_door"}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[DecidingRoom]:
    """A home with a motion sensor and a front door, in which little has to be seen for `inactivity` to ask."""
    with deciding(tmp_path) as made:
        made.document["rules"] = [{"use": "inactivity", "limits": {"signs_known": 3}}, {"use": "sos-pressed"}]
        made.document["devices"][4]["attributes"] = FRONT_DOOR
        made.document["devices"].append({"id": "hall", "kind": "motion", "place": "door-1", "resident": "r-1"})
        set_clock(made, "2026-11-29 07:00")
        made.apply(made.document)
        yield made


def say(room: DecidingRoom, until: str, why: str = "hospital", by: str = "person:daughter-1") -> desk.Done:
    now_ms = room.clocks.now_ms()
    return desk.carry_out(room.engine, away.say("r-1", why=why, until=until, by=by, now_ms=now_ms), by, now_ms)


def away_now(room: DecidingRoom) -> list[Absence]:
    community = store.load(room.engine)
    assert community is not None
    return away.absences(community)


def revisions(engine: sa.Engine) -> list[tuple[str, str]]:
    r = t.registry_revisions.c
    with engine.connect() as connection:
        return [
            (row.actor, row.summary) for row in connection.execute(sa.select(r.actor, r.summary).order_by("revision"))
        ]


def morning(room: DecidingRoom) -> None:
    """She is seen, and then nothing."""
    room.say("contact-1", "contact", "closed")
    for _ in range(3):
        room.clocks.forward(600)
        room.say("hall", "motion", "motion")
        room.cycle()


def hours(room: DecidingRoom, count: int) -> None:
    """Time passes; the sensors say that they work, and nothing else."""
    for _ in range(2 * count):
        room.run(1800, step_s=1800)
        for device, kind in (("hall", "motion"), ("contact-1", "contact")):
            room.say(device, kind, metrics={"battery": 90.0})
        room.cycle()


def test_who_is_away_is_not_watched_and_is_again_when_the_day_is_over(room: DecidingRoom) -> None:
    morning(room)
    say(room, "2026-11-29 18:00")
    hours(room, 10)
    assert [one.until for one in away_now(room)] == ["2026-11-29T18:00:00"]
    assert room.cases() == []
    hours(room, 1)
    assert away_now(room) == []
    hours(room, 11)
    assert room.cases() == [], "her silence counts from the end: at midnight nobody is called for the days before"
    hours(room, 2)
    assert [case.type for case in room.cases()] == ["inactivity"]


def test_a_key_is_heard_from_who_is_away(room: DecidingRoom) -> None:
    say(room, "2026-12-05")
    room.press()
    room.cycle()
    assert [case.type for case in room.cases()] == ["personal_emergency"]


def test_an_alarm_that_stands_ends_when_the_daughter_says_where_she_is(room: DecidingRoom) -> None:
    morning(room)
    hours(room, 8)
    [case] = room.cases()
    say(room, "2026-12-05")
    hours(room, 1)
    [case] = room.cases()
    assert "alarm_cleared" in room.timeline(case)


def test_the_end_comes_also_where_the_gateway_was_down_over_it_and_once(room: DecidingRoom) -> None:
    say(room, "2026-12-05")
    room.cycle()
    set_clock(room, "2026-12-05 23:59")
    room.cycle()
    assert len(away_now(room)) == 1, "the day itself belongs to it"
    set_clock(room, "2026-12-08 09:00")
    for _ in range(3):
        room.restart()
        room.cycle()
    assert away_now(room) == []
    ended = [one for one in revisions(room.engine) if "ended by its date" in one[1]]
    assert ended == [("system", "residents ~1 (r-1: away (hospital) ended by its date, 2026-12-05)")]


def test_an_end_that_was_put_off_meanwhile_holds(room: DecidingRoom) -> None:
    say(room, "2026-12-05")
    room.cycle()
    say(room, "2026-12-20", why="在女儿家")
    set_clock(room, "2026-12-06 09:00")
    room.cycle()
    assert [(one.why, one.until) for one in away_now(room)] == [("在女儿家", "2026-12-20")]


def test_nobody_is_away_without_a_reason_or_for_ever(room: DecidingRoom) -> None:
    for why, until, said in (
        ("hospital", "", "请写明到哪天"),
        ("hospital", "next week", "请写明到哪天"),
        ("hospital", "2026-11-28", "结束时间已过"),
        ("hospital", "2027-02-28", "at most 90 days, until 2027-02-27"),
        ("  ", "2026-12-05", "请写明原因"),
    ):
        with pytest.raises(desk.Refused, match=said):
            say(room, until, why)
    assert say(room, "2027-02-27").entries, "ninety days, the last included"
    say(room, "2026-12-05T06:00:00+00:00")
    assert [one.until for one in away_now(room)] == ["2026-12-05T14:00:00"], "by the community's clock"


def test_files_keep_all_but_the_absence_and_have_it_back_when_it_is_over(room: DecidingRoom) -> None:
    room.document["residents"][0]["attributes"] = {"mobility": "轮椅"}
    room.apply(room.document)
    say(room, "2026-12-05")
    room.document["residents"][0]["attributes"] = {"mobility": "拐杖", "floor": 3}
    path = write_community(room.directory / "community.yaml", room.document)
    done = store.apply(room.engine, load_community(path), "test", room.clocks.now_ms())
    [kept] = done.kept
    assert {field.field for field in kept.fields} == {
        f"attributes.{name}" for name in ("away", "away_why", "away_until", "away_by")
    }
    community = store.load(room.engine)
    assert community is not None
    assert community.residents[0].attributes["mobility"] == "拐杖" and len(away_now(room)) == 1
    set_clock(room, "2026-12-06 09:00")
    room.cycle()
    assert not store.plan(room.engine, load_community(path)), "it is as in the files again"
    assert not store.plan(room.engine, load_community(path)).kept


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Homes 1 to 3; of the daughters only that of home 1 may see how her mother is."""
    async with open_house(tmp_path, document()) as made:
        add_console(made.app)
        yield made


def day(house: House, ahead: int) -> str:
    directory = house.views.directory
    assert directory is not None
    at = datetime.fromtimestamp(house.clock.now_ms() / 1000, UTC).astimezone(directory.calendar.zone)
    return (at + timedelta(days=ahead)).date().isoformat()


async def test_it_is_said_over_the_api_and_rules_know_it_when_the_answer_comes(house: House) -> None:
    client, until = house.client(), day(house, 6)
    answer = await client.put("/api/v1/residents/r-1/away", json={"reason": "hospital", "until": until})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["resident"], said["reason"], said["until"], said["by"]) == (
        "r-1",
        "hospital",
        until,
        "operator:operator",
    )
    assert said["zh"] == f"住院，至 {until[5:]}；此间不看有无活动；紧急按钮、体征、烟雾、燃气照常"
    assert await house.get("/api/v1/away") == [said]
    info = house.views.device("sos-1")
    assert info is not None and info.facts["resident.away"] is True
    assert (await client.delete("/api/v1/residents/r-1/away")).json() == []
    info = house.views.device("sos-1")
    assert info is not None and "resident.away" not in info.facts
    assert (await client.delete("/api/v1/residents/r-1/away")).status_code == 200, "said twice, it is as it is"


async def test_the_explanation_says_that_she_is_away_and_who_said_so(house: House) -> None:
    until = day(house, 6)
    await house.client().put("/api/v1/residents/r-1/away", json={"reason": "hospital", "until": until})
    explainer = Explainer(house.engine, house.context.settings)
    [said] = [one for one in explainer.rule("no-return", "r-1", house.clock.now_ms()).around if "登记外出" in one.zh]
    assert f"住院，至 {until[5:]}" in said.zh and "said by operator:operator" in said.en
    around = explainer.rule("sos-pressed", "r-1", house.clock.now_ms()).around
    assert not any("外出" in one.zh for one in around), "this rule is for her as ever"


async def test_what_makes_no_sense_is_refused_with_the_reason(house: House) -> None:
    for role, path, body, status, code in (
        ("operator", "r-1", {"reason": "travel"}, 422, "invalid_request"),
        ("operator", "r-1", {"reason": "travel", "until": day(house, 91)}, 409, "does_not_fit"),
        ("operator", "r-1", {"reason": "travel", "until": day(house, -1)}, 409, "does_not_fit"),
        ("operator", "r-9", {"reason": "travel", "until": day(house, 3)}, 404, "no_such_resident"),
        ("reader", "r-1", {"reason": "travel", "until": day(house, 3)}, 403, "may_only_read"),
    ):
        answer = await house.client(role).put(f"/api/v1/residents/{path}/away", json=body)  # type: ignore[arg-type]  # one of the roles
        assert answer.status_code == status, f"{body}: {answer.text}"
        assert answer.json()["code"] == code and answer.json()["zh"]
    assert await house.get("/api/v1/away") == []


async def test_bare_attributes_have_no_end_and_the_page_and_a_warning_say_so(house: House) -> None:
    answer = await house.client().put("/api/v1/residents/r-1/attributes", json={"away": True})
    [warning] = answer.json()["warnings"]
    assert "nobody said until when" in warning["en"]
    [one] = await house.get("/api/v1/away")
    assert (one["until"], one["until_ms"], one["by"]) == (None, None, "") and "未写明到哪天" in one["zh"]
    refused = await house.client().put("/api/v1/residents/r-1/attributes", json={"away": True, "away_until": "soon"})
    assert refused.status_code == 409 and "away_until" in refused.text


async def test_the_daughter_says_it_the_grid_worker_sees_it_and_one_tap_takes_it_back(house: House) -> None:
    daughter, grid = phone(house, session(house, "daughter-1")), phone(house, session(house, "grid"))
    assert "/me/away?resident=r-1" in await seen(daughter, "/me/residents/r-1")
    form = await seen(daughter, "/me/away?resident=r-1")
    assert '<option value="r-1" selected>' in form and "r-2" not in form
    said = {"resident": "r-1", "why": "hospital", "other": "", "day": day(house, 6), "hour": ""}
    assert (await daughter.post("/me/away", data=said)).status_code == 303
    for client, path in ((daughter, "/me"), (daughter, "/me/residents/r-1"), (grid, "/me"), (grid, "/me/away")):
        page = await seen(client, path)
        assert "住院，至" in page and "此间不看有无活动" in page, path
    [one] = await house.get("/api/v1/away")
    assert one["by"] == "person:daughter-1"
    case = await house.press("sos-1")
    assert "住院，至" in await seen(grid, f"/me/cases/{case['id']}")
    seen_by = {(one.person, one.what) for one in rows.disclosures_of(house.engine, resident="r-1")}
    assert ("grid", "away") in seen_by
    wrong = await daughter.post("/me/away", data=said | {"day": day(house, 400)})
    assert wrong.status_code == 409 and "at most 90 days" in wrong.text
    assert (await grid.post("/me/away/r-1/back")).status_code == 303
    assert await house.get("/api/v1/away") == []
    assert revisions(house.engine)[-1][0] == "person:grid"


async def test_nobody_says_it_of_other_peoples_mothers(house: House) -> None:
    other = phone(house, session(house, "daughter-2"))
    said = {"resident": "r-1", "why": "travel", "day": day(house, 6)}
    for method, path, data in (
        ("GET", "/me/away", None),
        ("GET", "/me/away?resident=r-1", None),
        ("POST", "/me/away", said),
        ("POST", "/me/away", said | {"resident": "r-2"}),
        ("POST", "/me/away/r-1/back", None),
    ):
        answer = await other.request(method, path, data=data)
        assert answer.status_code == 404, f"{method} {path}"
        assert (await phone(house).request(method, path, data=data)).status_code == 401
    assert await house.get("/api/v1/away") == []


async def test_the_guard_says_it_at_the_console_and_a_reader_only_sees_it(house: House) -> None:
    with house.engine.begin() as connection:
        tokens = {role: create_token(connection, f"the-{role}", role, house.clock.now_ms()) for role in ROLES}
    guard, reader = phone(house), phone(house)
    guard.cookies.set(DESK_COOKIE, tokens["operator"])
    reader.cookies.set(DESK_COOKIE, tokens["reader"])
    assert "没有登记外出的居民" in await seen(guard, "/away?resident=r-2")
    said = {"resident": "r-2", "why": "hospital", "other": "在女儿家", "day": day(house, 6), "hour": "14:00"}
    wrong = await guard.post("/away", data=said | {"day": day(house, -2)})
    assert wrong.status_code == 409 and "结束时间已过" in wrong.text
    assert (await reader.post("/away", data=said)).status_code == 403
    assert (await guard.post("/away", data=said)).status_code == 303
    brief = f"在女儿家，至 {day(house, 6)[5:]} 14:00"
    sentence = f"{brief}；此间不看有无活动；紧急按钮、体征、烟雾、燃气照常"
    assert brief in await seen(reader, "/away") and sentence in await seen(reader, "/devices/sos-2")
    assert "外出 1 人" in await seen(reader, "/board") and "李秀兰2" in await seen(reader, "/board")
    assert "回来了" not in await seen(reader, "/away") and "the-operator" in await seen(reader, "/away")
    case = await house.press("sos-2")
    assert sentence in await seen(reader, f"/cases/{case['id']}")
    assert (await guard.post("/away/r-2/back")).status_code == 303
    assert await house.get("/api/v1/away") == []


def test_what_the_files_say_of_it_is_taken_back_for_good_and_ends_by_its_date(room: DecidingRoom) -> None:
    room.document["residents"][0]["attributes"] = {"away": True, "away_until": "2026-12-05"}
    room.apply(room.document)
    room.cycle()
    assert [(one.until, one.by) for one in away_now(room)] == [("2026-12-05", "")]
    set_clock(room, "2026-12-06 00:00")
    room.cycle()
    assert away_now(room) == []
    room.apply(room.document)
    room.cycle()
    assert away_now(room) == [], "the files are as they were: they take nobody away again"
    assert desk.carry_out(room.engine, away.back("r-1"), "operator:wang", room.clocks.now_ms()).entries == ()
