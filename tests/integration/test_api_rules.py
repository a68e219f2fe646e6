"""Rules over the API: read, tried, changed at the running gateway, and never replaced by bad ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.api import reads
from tests.support.eventually import eventually_async
from tests.support.homes import FAR_LINE, community
from tests.support.house import House, open_house

RULES = "/api/v1/rules"
USED = ("sos-pressed", "smoke-alarm", "bin-full", "temperature-high")
YAML = {"Content-Type": "text/yaml"}
COLD = """\
id: cold-kiosk
zh: 信息机低温
en: Kiosk too cold
form: threshold
kinds: [kiosk]
when: temperature < -20
clear: temperature > -15
raises: {type: device_fault, severity: service, ladder: maintenance}
examples:
  - name: cold
    given:
      - {at: "08:00", metrics: {temperature: -21}}
      - {at: "08:10", metrics: {temperature: -14}}
    expect:
      - {move: raise, at: "08:00"}
      - {move: clear, at: "08:10"}
"""
WARD = """\
id: ward
zh: 病房血氧
en: SpO2 in the ward
form: threshold
kinds: [vitals_monitor]
when: spo2 < 90
readings: {count: 2, of: 3}
clear: spo2 >= 92
subject: resident
raises: {type: vitals_abnormal, severity: urgent, ladder: urgent}
"""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    document = community(rungs=FAR_LINE) | {"rules": [{"use": rule} for rule in USED]}
    async with open_house(tmp_path, document) as house:
        assert (await send(house, "POST", "", WARD)).status_code == 200
        yield house


async def send(house: House, method: str, path: str, text: str, **params: Any) -> httpx.Response:
    return await house.client("admin").request(method, RULES + path, content=text.encode(), headers=YAML, params=params)


async def do(house: House, path: str, **body: Any) -> dict[str, Any]:
    answer = await house.client("admin").post(RULES + path, json=body or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def rule(house: House, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = await house.get(f"{RULES}/{id_}")
    return found


async def alarms_of(house: House, id_: str, *, open: bool = True) -> list[dict[str, Any]]:
    await house.decided()
    return [one for one in await house.get("/api/v1/alarms", open=open) if one["rule"] == id_]


async def ended(house: House, id_: str) -> None:
    """What the rule had raised has ended, which the decider does after it has followed."""

    def stands() -> bool:
        return any(row.rule == id_ for row in reads.alarms(house.engine, open_only=True, case_id=None, limit=100))

    await eventually_async(lambda: not stands(), 10, f"alarms of {id_} end")


async def test_a_rule_is_made_tried_out_put_in_force_and_decides_at_once(house: House) -> None:
    made = await send(house, "POST", "", COLD + "shadow: true\n")
    assert made.status_code == 200, made.text
    assert (made.json()["version"], made.json()["state"]) == (1, "trying")
    await house.say("kiosk-1", temperature=-25.0)
    assert await alarms_of(house, "cold-kiosk") == []
    trying = await rule(house, "cold-kiosk")
    assert trying["would_have_week"] == {"raised": 1, "cleared": 0, "subjects": 1}
    assert (await do(house, "/cold-kiosk/live"))["state"] == "on"
    await house.say("kiosk-1", temperature=-25.0)
    assert len(await alarms_of(house, "cold-kiosk")) == 1
    found = await rule(house, "cold-kiosk")
    assert (found["origin"], found["raised_day"], found["raised_week"], found["version"]) == ("desk", 1, 1, 1)
    assert [line["what"] for line in found["history"]] == ["live", "created"]
    assert found["history"][0]["actor"] == "operator:admin"


async def test_another_rule_leaves_the_memory_of_the_others_alone(house: House) -> None:
    """Two of three readings: the first was before the change, the second is after it."""
    await house.say("vitals-1", spo2=88.0, pulse=70.0)
    await house.decided()
    assert (await send(house, "POST", "", COLD)).status_code == 200
    await house.say("vitals-1", spo2=88.0, pulse=70.0)
    assert len(await alarms_of(house, "ward")) == 1
    # The rule itself: with another condition it counts anew, and what it raised stays raised until that clears it.
    text = (await rule(house, "ward"))["text"].replace("spo2 < 90", "spo2 < 89").replace("2, of: 3", "2, of: 4")
    edited = await send(house, "PUT", "/ward", text)
    assert edited.json()["version"] == 2
    (alarm,) = await alarms_of(house, "ward")
    assert alarm["rule_version"] == 1
    assert (await do(house, "/ward/disable"))["state"] == "off"
    await ended(house, "ward")


async def test_an_edit_is_another_version_and_says_what_differs(house: House) -> None:
    before = await rule(house, "ward")
    edited = await send(house, "PUT", "/ward", before["text"].replace("spo2 < 90", "spo2 < 88"))
    assert (edited.json()["what"], edited.json()["version"]) == ("edited", 2)
    (newest, first) = await house.get(f"{RULES}/ward/history")
    assert newest["summary"] == 'when "spo2 < 90" → "spo2 < 88"'
    assert (newest["document"]["when"], first["document"]["when"]) == ("spo2 < 88", "spo2 < 90")
    same = await send(house, "PUT", "/ward", (await rule(house, "ward"))["text"])
    assert (same.json()["what"], same.json()["version"]) == (None, 2)
    back = await do(house, "/ward/restore", version=1, based_on=2)
    assert (back["what"], back["version"]) == ("restored", 3)
    assert (await rule(house, "ward"))["document"]["when"] == "spo2 < 90"


async def test_who_was_late_is_refused_and_nothing_is_lost(house: House) -> None:
    text = (await rule(house, "ward"))["text"]
    assert (await send(house, "PUT", "/ward", text.replace("< 90", "< 88"))).status_code == 200
    late = await send(house, "PUT", "/ward", text.replace("< 90", "< 86"))
    assert (late.status_code, late.json()["code"]) == (409, "rule_moved_on")
    assert "version 2 is in force, this goes on from 1" in late.json()["en"]
    assert (await rule(house, "ward"))["document"]["when"] == "spo2 < 88"
    none = await send(house, "PUT", "/ward", text.replace("version: 1\n", ""))
    assert "add version: 2" in none.json()["en"]
    named = await send(house, "PUT", "/ward", text.replace("version: 1\n", "").replace("< 90", "< 86"), based_on=2)
    assert named.json()["version"] == 3


async def test_an_edit_leaves_the_switches_alone_unless_it_names_them(house: House) -> None:
    await do(house, "/ward/shadow")
    text = (await rule(house, "ward"))["text"]
    assert "shadow" not in text
    await send(house, "PUT", "/ward", text.replace("< 90", "< 88"))
    assert (await rule(house, "ward"))["state"] == "trying"
    named = await send(house, "PUT", "/ward", (await rule(house, "ward"))["text"] + "shadow: false\n")
    assert (named.json()["what"], named.json()["version"], named.json()["state"]) == ("live", 2, "on")


@pytest.mark.parametrize(
    ("change", "line", "key", "said"),
    [
        (("temperature < -20", "temprature < -20"), 6, "when", "did you mean temperature"),
        (("[kiosk]", "[kiosks]"), 5, "kinds", "did you mean kiosk?"),
        (("maintenance", "maintainance"), 8, "raises.ladder", "did you mean maintenance?"),
        (
            ('{move: raise, at: "08:00"}', '{move: raise, at: "08:05"}'),
            10,
            "examples[0]",
            "the rule gives raise at 08:00",
        ),
        (("form: threshold", "from: threshold"), 1, "form", "missing"),
        (("-15\n", "-15\n- x\n"), 8, "", "not valid YAML"),
        (("temperature > -15", "temperature > -25"), 7, "clear", "would raise the alarm and clear it"),
    ],
)
async def test_a_bad_rule_is_refused_with_line_and_key_and_the_good_one_stays(
    house: House, change: tuple[str, str], line: int, key: str, said: str
) -> None:
    assert (await send(house, "POST", "", COLD)).status_code == 200
    bad = COLD.replace(*change)
    checked = (await send(house, "POST", "/validate", bad)).json()
    assert checked["valid"] is False
    first = checked["problems"][0]
    assert (first["line"], first["key"], first["level"]) == (line, key, "error")
    assert said in " ".join(one["en"] for one in checked["problems"])
    assert all("\u4e00" <= (one["zh"] or one["en"])[0] <= "\u9fff" for one in checked["problems"])
    refused = await send(house, "PUT", "/cold-kiosk", bad, based_on=1)
    assert (refused.status_code, refused.json()["code"]) == (422, "rule_does_not_fit")
    assert refused.json()["fields"][0]["where"].startswith(f"line {line}: {key}")
    assert (await rule(house, "cold-kiosk"))["document"]["when"] == "temperature < -20"
    assert [line["what"] for line in (await rule(house, "cold-kiosk"))["history"]] == ["created"]


async def test_validate_changes_nothing_and_says_the_column(house: House) -> None:
    good = (await send(house, "POST", "/validate", COLD)).json()
    assert good == {"valid": True, "id": "cold-kiosk", "text": good["text"], "problems": []}
    assert yaml.safe_load(good["text"])["examples"][0]["name"] == "cold"
    assert (await house.client("reader").get(f"{RULES}/cold-kiosk")).status_code == 404
    bad = (await send(house, "POST", "/validate", COLD.replace("< -20", "< -20 and humdity > 3"))).json()
    assert bad["problems"][0]["column"] == 23
    document = {"use": "bin-full", "id": "Ward"}
    answer = (await house.client("operator").post(f"{RULES}/validate", json=document)).json()
    assert (answer["valid"], answer["problems"][0]["line"], answer["problems"][0]["key"]) == (False, None, "id")


async def test_examples_are_run_and_told_step_by_step(house: House) -> None:
    tried = (await send(house, "POST", "/test", COLD)).json()
    assert tried["passed"] is True
    (example,) = tried["examples"]
    assert [(step["at"], step["says"], step["move"]) for step in example["steps"]] == [
        ("08:00", "temperature -21", ""),
        ("08:00", "", "raise"),
        ("08:10", "temperature -14", ""),
        ("08:10", "", "clear"),
    ]
    assert "temperature -21 < -20" in example["steps"][1]["explanation"]
    failing = (await send(house, "POST", "/test", COLD.replace("metrics: {temperature: -21}", "event: fault"))).json()
    assert failing["passed"] is False
    assert "expected raise at 08:00" in failing["examples"][0]["problem"]
    broken = (await send(house, "POST", "/test", COLD.replace("< -20", "<< -20"))).json()
    assert (broken["passed"], broken["examples"], broken["problems"][0]["key"]) == (False, [], "when")


async def test_the_library_is_taken_with_what_is_different(house: House) -> None:
    document = {"use": "bin-full", "id": "bin-nearly-full", "when": "fill >= 70", "examples": []}
    made = await house.client("admin").post(RULES, json=document)
    assert made.status_code == 200, made.text
    found = await rule(house, "bin-nearly-full")
    assert found["document"]["readings"] == {"count": 2, "of": 3}
    listed = {one["id"]: one for one in await house.get(f"{RULES}/library")}
    assert listed["bin-full"]["in_use"] and yaml.safe_load(listed["bin-full"]["text"])["when"] == "fill >= 85"
    again = await house.client("admin").post(RULES, json=document)
    assert (again.status_code, again.json()["code"]) == (409, "rule_exists")


async def test_a_deleted_rule_ends_its_alarm_keeps_its_history_and_comes_back_with_the_next_version(
    house: House,
) -> None:
    assert (await send(house, "POST", "", COLD)).status_code == 200
    await house.say("kiosk-1", temperature=-25.0)
    assert len(await alarms_of(house, "cold-kiosk")) == 1
    gone = (await house.client("admin").delete(f"{RULES}/cold-kiosk")).json()
    assert (gone["what"], gone["version"], gone["state"]) == ("deleted", None, None)
    await ended(house, "cold-kiosk")
    assert (await house.client("reader").get(f"{RULES}/cold-kiosk")).status_code == 404
    assert [one["what"] for one in await house.get(f"{RULES}/cold-kiosk/history")] == ["deleted", "created"]
    other = await send(house, "POST", "", COLD.replace("< -20", "< -21"))
    assert other.status_code == 422, "its example says otherwise"
    other = await send(house, "POST", "", COLD.replace("< -20", "< -19"))
    assert other.json()["version"] == 2
    back = await do(house, "/cold-kiosk/restore", version=1)
    assert back["version"] == 3
    assert (await rule(house, "cold-kiosk"))["document"]["when"] == "temperature < -20"


async def test_taking_life_safety_out_of_force_is_said(house: House) -> None:
    for how in ("disable", "shadow"):
        warned = (await do(house, f"/sos-pressed/{how}"))["warnings"]
        await do(house, "/sos-pressed/live")
        assert warned[0]["level"] == "warning"
        assert "nobody is told of it by rule sos-pressed" in warned[0]["en"]
    assert await house.press("sos-1")


async def test_who_may_do_what(house: House) -> None:
    reader, operator = house.client("reader"), house.client("operator")
    assert (await reader.get(RULES)).status_code == 200
    assert (await reader.post(f"{RULES}/validate", json={})).status_code == 403
    refused = await operator.post(f"{RULES}/ward/disable")
    assert (refused.status_code, refused.json()["code"]) == (403, "needs_admin")
    assert (await operator.delete(f"{RULES}/ward")).status_code == 403
    assert (await rule(house, "ward"))["state"] == "on"


async def test_all_rules_are_listed_and_written_as_the_files_want_them(house: House) -> None:
    listed = await house.get(RULES)
    await do(house, "/ward/shadow")
    assert [one["id"] for one in listed] == sorted([*USED, "ward"])
    assert {(one["state"], one["origin"]) for one in listed if one["id"] != "ward"} == {("on", "file")}
    export = await house.client("reader").get(f"{RULES}/export")
    rules = {one["id"]: one for one in yaml.safe_load(export.text)["rules"]}
    assert len(rules) == len(listed) and rules["ward"]["shadow"] is True
    here = yaml.safe_load((await house.client("reader").get(f"{RULES}/export?made_here=true")).text)
    assert [one["id"] for one in here["rules"]] == ["ward"]


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("application/json", b"[1]", 422),
        ("application/json", b"{", 422),
        ("application/json", b'{"id": "\\ud800"}', 422),
        ("text/yaml", b"\xff\xfe", 422),
        ("text/yaml", b"", 422),
        ("text/yaml", b"a" * 300_000, 413),
        ("text/yaml", COLD.replace("temperature: -21", "temperature: .nan").encode(), 422),
        ("text/yaml", COLD.replace('"08:00"', "9999-12-31 08:00").encode(), 422),
        ("text/yaml", COLD.replace("id: cold-kiosk", "id: cold-kiosk\nversion: 4000000000").encode(), 422),
    ],
)
async def test_what_is_no_rule_is_refused_in_words(house: House, media: str, body: bytes, status: int) -> None:
    answer = await house.client("admin").post(RULES, content=body, headers={"Content-Type": media})
    assert answer.status_code == status, answer.text
    assert answer.json()["zh"] and answer.json()["en"]


async def test_before_a_community_there_are_no_rules_to_change(tmp_path: Path) -> None:
    async with open_house(tmp_path, empty=True) as house:
        assert (await house.client("reader").get(RULES)).status_code == 409
        answer = await send(house, "POST", "", COLD)
        assert (answer.status_code, answer.json()["code"]) == (409, "no_community")
