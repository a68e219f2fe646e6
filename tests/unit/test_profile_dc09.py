"""What the events of alarm units mean, by the kind of the zone they come from."""

from __future__ import annotations

import pytest

from devices.observation import Refusal
from devices.profiles.dc09 import DC09, UNIT_ALIVE_MS, ZONE_ALIVE_MS
from tests.support.gear import Bench, device

UNIT = device("1002", "concentrator", id="unit")


def bench() -> Bench:
    return Bench(
        DC09,
        UNIT,
        device("1002#1", "sos_button", id="pendant"),
        device("1002#2", "smoke", id="smoke"),
        device("1002#3", "contact", id="door"),
        device("1002#4", "motion", id="hall"),
    )


def adm(event: str, zone: int = 0, sequence: int = 1) -> bytes:
    return f'"ADM-CID"{sequence:04d}L0#1002[#1002|{event} 01 {zone:03d}]'.encode()


def news(room: Bench, payload: bytes, **more: int) -> list[str]:
    heard = room.hear("", payload, **more)
    return [f"{one.device} {one.event}" for one in heard.observations if one.event not in (None, "online")]


@pytest.mark.parametrize("code", [100, 110, 111, 118, 130, 131, 150, 162, 641])
def test_whatever_alarm_a_smoke_detectors_zone_is_programmed_with_is_smoke(code: int) -> None:
    room = bench()
    assert news(room, adm(f"1{code}", 2)) == ["smoke smoke"]
    assert news(room, adm(f"6{code}", 2)) == [], "still there"
    assert news(room, adm(f"3{code}", 2)) == ["smoke smoke_cleared"]


@pytest.mark.parametrize(
    ("event", "zone", "expected"),
    [
        ("1101", 1, ["pendant press"]),
        ("6101", 1, []),
        ("3101", 1, []),
        ("1406", 9, ["pendant cancel"]),
        ("1131", 3, ["door opened"]),
        ("1132", 4, ["hall motion"]),
        ("1383", 3, ["door tamper"]),
        ("1384", 2, ["smoke low_battery"]),
        ("1380", 2, ["smoke fault"]),
        ("1381", 3, ["door offline"]),
        ("1601", 2, ["smoke self_test"]),
        ("1301", 0, ["unit power_lost"]),
        ("1302", 0, ["unit low_battery"]),
        ("1137", 0, ["unit tamper"]),
        ("1350", 0, ["unit fault"]),
        ("1401", 3, []),
        ("1570", 2, []),
        ("1602", 0, []),
    ],
)
def test_what_a_code_means_depends_on_who_says_it(event: str, zone: int, expected: list[str]) -> None:
    assert news(bench(), adm(event, zone)) == expected


def test_a_lost_zone_that_is_found_is_there_again() -> None:
    room = bench()
    assert news(room, adm("1381", 3)) == ["door offline"]
    room.hear("", b'"NULL"0002L0#1002[]', after_ms=ZONE_ALIVE_MS)
    heard = room.hear("", adm("3381", 3, 3))
    assert [one.event for one in heard.observations if one.device == "door" and one.event] == ["online"]


def test_link_tests_are_words_of_life_now_and_then() -> None:
    room = bench()
    null = b'"NULL"0001L0#1002[]'
    assert {one.event for one in room.hear("", null).observations} == {"online"}
    assert room.hear("", null).observations == []
    alive = room.hear("", null, after_ms=UNIT_ALIVE_MS).observations
    assert [(one.device, one.event, dict(one.metrics)) for one in alive] == [("unit", None, {})]
    everybody = room.hear("", null, after_ms=ZONE_ALIVE_MS).observations
    assert {one.device for one in everybody} == {"unit", "pendant", "smoke", "door", "hall"}


@pytest.mark.parametrize(
    ("payload", "address", "kind"),
    [
        (b'"ADM-CID"0001L0#BEEF[#BEEF|1111 01 003]', "BEEF", "concentrator"),
        (adm("1151", 77), "1002#77", "gas"),
        (adm("1120", 0), "1002#0", "sos_button"),
        (adm("1383", 55), "1002#55", None),
    ],
)
def test_strangers_are_offered_and_nothing_else_is_said(payload: bytes, address: str, kind: str | None) -> None:
    heard = bench().hear("", payload)
    assert [(one.address, one.kind, one.heard) for one in heard.announced] == [(address, kind, True)]
    assert heard.observations == [], "the unit must not think that it was taken"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'"SIA-DCS"0001L0#1002[|Nri1/ZX001]', "unknown_event"),
        (b'"ADM-CID"0001L0#1002[#1002|9999 1 1]', "malformed"),
        (b'"ACME"0001L0#1002[x]', "unknown_format"),
        (adm("1301", 2), "unknown_event"),
    ],
)
def test_what_nobody_understands_is_refused_with_a_reason(payload: bytes, reason: str) -> None:
    try:
        heard = bench().hear("", payload)
    except Refusal as refusal:
        assert refusal.reason == reason and refusal.hint
    else:
        assert [one.reason for one in heard.faults] == [reason] and heard.observations == []


def test_the_name_of_a_message_goes_with_what_it_says() -> None:
    room = bench()
    both = b'"SIA-DCS"0001L0#1002[|Nri1/FA002/BA003]_10:00:00,09-21-2026'
    heard = room.hear("1002-0001-1", both)
    assert heard.events == ["online", "smoke", "online", "opened", "online", "online", "online"]
    again = room.hear("1002-0001-1", both)
    assert again.observations == []
