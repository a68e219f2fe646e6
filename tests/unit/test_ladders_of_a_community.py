"""Ladders in a community's files: what `check` finds, whom the directory names, quiet hours, codes, sirens near by."""

from __future__ import annotations

import copy
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.cases.policy import Recipient
from gateway.registry import check_ladders
from gateway.registry.directory import CommunityDirectory
from gateway.registry.load import read_community
from tests.support.homes import community, write_community

ZONE = ZoneInfo("Asia/Shanghai")
LINE = {"id": "line", "after_s": 60, "call": "120"}
DESK = {"id": "desk", "after_s": 0, "notify": [{"role": "control_room"}]}


def said(tmp_path: Path, document: dict[str, Any]) -> list[str]:
    problems = read_community(write_community(tmp_path / "community.yaml", document)).problems
    return [f"{problem.level} {problem.key}: {problem.message}" for problem in problems]


def directory(tmp_path: Path, document: dict[str, Any]) -> CommunityDirectory:
    reading = read_community(write_community(tmp_path / "community.yaml", document))
    assert reading.community is not None, reading.errors
    return CommunityDirectory(reading.community)


def at(hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 2, 17, hour, minute, tzinfo=ZONE).timestamp() * 1000)


@pytest.mark.parametrize(
    ("rungs", "more", "expected"),
    [
        (({**DESK, "after_s": 30}, LINE), {}, "nobody is told for 30 s"),
        ((DESK, {**LINE, "after_s": 10}), {}, "the line is called after 10 s, before the cancel window of 20 s ends"),
        ((DESK, LINE, {"id": "grid", "after_s": 9, "notify": [{"role": "grid_staff"}]}), {}, "grid is told only after"),
        ((DESK, {**LINE, "arm_s": 90}), {}, "the line is armed 90 s before it is called"),
        ((DESK, {**LINE, "arm_s": 20, "countdown_s": 30}), {}, "the countdown of 30 s begins before the line is armed"),
        ((DESK, LINE), {"lines": [{"rules": ["cardiac"], "within_s": 0}]}, "no rule is called cardiac"),
        ((DESK,), {}, "or a fallback at least"),
    ],
)
def test_an_order_that_makes_no_sense_is_warned_of(
    tmp_path: Path, rungs: tuple[dict[str, Any], ...], more: dict[str, Any], expected: str
) -> None:
    lines = said(tmp_path, community(1, rungs=rungs, **more))
    assert [line for line in lines if line.startswith("warning") and expected in line], lines


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"kinds": ["sirn"], "command": "sound"}, "unknown kind sirn; did you mean siren?"),
        ({"kinds": ["siren"], "command": "shout"}, "unknown command shout of siren; it knows: sound, silence, say"),
        ({"kinds": ["siren"], "command": "sound", "args": {"tone": "jazz"}}, "for tone of sound, found jazz"),
        ({"kinds": ["siren"], "command": "silence", "args": {"tone": "fire"}}, "expected one of no tone"),
    ],
)
def test_devices_that_cannot_do_what_a_rung_asks_are_errors(
    tmp_path: Path, order: dict[str, Any], expected: str
) -> None:
    lines = said(tmp_path, community(1, rungs=({**DESK, "devices": [order]}, LINE)))
    assert [line for line in lines if line.startswith("error") and expected in line], lines


def test_whom_branches_and_the_fallback_name_must_exist(tmp_path: Path) -> None:
    more = {
        "branches": [{"id": "family", "rungs": [{"id": "f", "after_s": 0, "notify": [{"person": "daughter-7"}]}]}],
        "fallback": {"notify": [{"role": "directr"}]},
    }
    document = community(1, rungs=(DESK, LINE), **more)
    document["rosters"][0]["duties"].append({"role": "director", "place": "yuan", "people": ["chief"]})
    document["residents"][0]["neighbours"] = ["nobody"]
    document["people"][0]["quiet"] = {"hours": "22:00-07:00", "channels": ["pigeon"]}
    text = "\n".join(said(tmp_path, document))
    assert "there is no person daughter-7" in text
    assert "role directr is in no roster; did you mean director?" in text
    assert "there is no person nobody" in text and "there is no channel pigeon" in text


@pytest.mark.parametrize(
    ("ladder", "expected"),
    [
        ({"rungs": [LINE, {**LINE, "id": "again"}]}, "one rung calls the line"),
        ({"rungs": [DESK], "lines": [{"number": "119"}]}, "lines and a fallback that calls need a rung with call"),
        ({"rungs": [DESK, LINE], "lines": [{"types": ["smok"], "number": "119"}]}, "unknown alarm type"),
        ({"rungs": [DESK, LINE], "lines": [{"types": ["smoke"], "ask": True}]}, "give within_s as well"),
        (
            {"rungs": [DESK, LINE], "branches": [{"id": "b", "rungs": [{**LINE}]}]},
            "called by the ladder itself, not by a",
        ),
        ({"rungs": [DESK, copy.deepcopy(DESK)]}, "rung ids must differ"),
        ({"rungs": [{**DESK, "countdown_s": 5}]}, "belong to a rung with call"),
    ],
)
def test_a_ladder_that_contradicts_itself_is_an_error(tmp_path: Path, ladder: dict[str, Any], expected: str) -> None:
    document = community(1)
    document["ladders"][0] = {"id": "life-safety", "life_safety": True, **ladder}
    assert expected in "\n".join(said(tmp_path, document))


def test_ladders_that_reach_nobody_now_are_named(tmp_path: Path) -> None:
    document = community(2, rungs=({"id": "grid", "after_s": 0, "notify": [{"role": "grid_staff"}]}, LINE))
    duty = document["rosters"][0]["duties"][1]
    del duty["people"]
    duty["shifts"] = [{"hours": "08:00-20:00", "people": ["grid"]}]
    known = directory(tmp_path, document)
    assert check_ladders.now(known, at(10)) == []
    (night,) = [words for words in check_ladders.now(known, at(2)) if "life-safety" in words.en]
    assert "door-1" in night.zh and "reaches nobody at door-1 and" in night.en


def test_the_family_in_parts_neighbours_and_the_doctor(tmp_path: Path) -> None:
    document = community(2)
    document["residents"][0] |= {
        "family": [{"person": "daughter-1", "relation": "女儿"}, {"person": "daughter-2", "relation": "侄女"}],
        "neighbours": ["grid"],
        "doctor": "chief",
    }
    known = directory(tmp_path, document)

    def people(**recipient: Any) -> list[str]:
        found = known.resolve(Recipient(**recipient), place="door-1", resident="r-1", at_ms=at(10))
        return [target.person for target in found]

    assert people(family=True) == ["daughter-1", "daughter-2"]
    assert people(family="first") == ["daughter-1"] and people(family="further") == ["daughter-2"]
    assert people(neighbours=True) == ["grid"] and people(doctor=True) == ["chief"]
    (neighbour,) = known.resolve(Recipient(neighbours=True), place="door-1", resident="r-1", at_ms=at(10))
    assert neighbour.discreet
    assert known.resolve(Recipient(doctor=True), place="door-2", resident="r-2", at_ms=at(10)) == []


def test_quiet_hours_over_midnight_end_in_the_morning(tmp_path: Path) -> None:
    document = community(1)
    document["people"][0]["quiet"] = {"hours": "20:00-24:00,00:00-07:00", "channels": ["sms"]}
    known = directory(tmp_path, document)
    assert known.quiet("desk", at(12)) is None and known.quiet("grid", at(22)) is None
    night = known.quiet("desk", at(22))
    assert night is not None and night.channels == ("sms",)
    assert night.until_ms == at(7) + 86_400_000
    early = known.quiet("desk", at(3))
    assert early is not None and early.until_ms == at(7)


def test_codes_are_the_residents_own(tmp_path: Path) -> None:
    document = community(2)
    document["residents"][0] |= {"cancel_code": "4711", "duress_code": "4712"}
    known = directory(tmp_path, document)
    assert known.cancels("r-1", "4711") == "cancel" and known.cancels("r-1", "4712") == "duress"
    assert known.cancels("r-1", "0000") is None and known.cancels("r-2", "4711") is None
    assert known.cancels("r-2", "") is None and known.cancels(None, "4711") is None
    document["residents"][0]["duress_code"] = "4711"
    assert "duress_code: must differ from cancel_code" in "\n".join(said(tmp_path, document))


def test_devices_at_home_come_before_those_of_the_yard(tmp_path: Path) -> None:
    document = community(2)
    document["devices"] += [
        {"id": "siren-yard", "kind": "siren", "place": "yuan"},
        {"id": "siren-2", "kind": "siren", "place": "door-2", "resident": "r-2"},
    ]
    known = directory(tmp_path, document)
    assert known.obeying(("siren",), "sound", place="door-1", resident="r-1") == ["siren-yard"], "not the neighbour's"
    assert known.obeying(("siren",), "sound", place="door-2", resident="r-2") == ["siren-2"]
    assert known.obeying((), "indicate", place="door-1", resident="r-1")[0] == "sos-1"
    assert known.obeying(("gas",), "sound", place="door-1", resident="r-1") == []
