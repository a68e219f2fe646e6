"""The whole story by the public doors only: MQTT and a serial line in; API, messengers and a 120 centre out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.support.eventually import eventually
from tests.support.gateway import RunningGateway
from tests.support.outside import FieldBus, OutsideWorld
from tests.support.radio import Radio

Home = Callable[[], int]
MARK = "【演练】"


def told(world: OutsideWorld, case_id: str) -> Counter[tuple[str, str]]:
    """How often each address got what about a case: ``(desk, alarm)``, by the key's occasion."""
    return Counter(
        (message.who, occasion(message.key)) for message in world.messages() if message.key.startswith(f"{case_id}:")
    )


def occasion(key: str) -> str:
    """``desk-and-grid``, ``family``, ``line-is-drill``, ``taken`` …: what a message's key says it is about."""
    return key.rsplit(":", 3)[0].rsplit(":", 1)[-1]


def outbox(detail: dict[str, Any], *statuses: str) -> Counter[tuple[str | None, str, str]]:
    return Counter(
        (row["person"], row["purpose"], row["key"])
        for row in detail["outbox"]
        if not statuses or row["status"] in statuses
    )


def all_is_said(gateway: RunningGateway, case_id: str) -> None:
    eventually(lambda: not outbox(gateway.case(case_id), "pending", "sending"), 5, "nothing left to say")


def test_a_press_nobody_answers_reaches_120_and_ends_as_a_closed_case(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    n = home()
    message = radio.say(f"sos-{n}", "press", battery=80.0)
    case = gateway.wait_for_case(f"sos-{n}")
    eventually(lambda: radio.lamps(f"sos-{n}") == ["green"], 5, "green lamp")

    # Nobody answers.
    case_id = case["id"]
    gateway.wait_for_line(case_id, "line_answered")
    eventually(lambda: told(world, case_id).total() == 6, 5, "three people told of the alarm and of the drill")

    # The 120 centre has everything a dispatcher asks for, and it is marked.
    (call,) = [call for call in world.calls if call.key.startswith(case_id)]
    card = call.card
    assert card["drill"] is True and card["mark"] == "演练" and card["text"].startswith(MARK)
    assert card["address"]["zh"] == f"{MARK}试验院3号楼{500 + n}室"
    assert card["patient"]["name"] == f"{MARK}李秀兰{n}" and card["patient"]["sex"] == "female"
    assert card["patient"]["conditions"] == ["冠心病"] and card["patient"]["allergies"] == ["青霉素"]
    assert 80 < card["patient"]["age"] < 100
    assert "紧急呼救" in card["complaint"] and card["complaint"].startswith(MARK)
    assert card["call_back"] == "000-1200-0001" and card["case_number"] == case["number"]
    assert (card["access"], card["meet_at"]) == (f"{MARK}门禁 0000", f"{MARK}东侧路口")
    assert {phone["relation"] for phone in card["phones"]} == {"本人", "女儿"}
    assert card["position"]["datum"] == "WGS-84"
    assert call.duplicates == 0

    # Somebody takes it, goes there, and brings it to its end.
    taken = gateway.act(case_id, "acknowledge", version=gateway.case(case_id)["case"]["version"])
    assert (taken["stage"], taken["owner"]) == ("acknowledged", "operator:night-desk")
    eventually(lambda: radio.lamps(f"sos-{n}") == ["green", "blue"], 5, "blue lamp")
    everybody = ("desk", "grid", f"daughter-{n}")
    for action, more in (
        ("dispatch", {"to": "person:grid"}),
        ("arrive", {"to": "person:grid"}),
        ("resolve", {"reason": "送医"}),
        ("verify", {"reason": "家属已确认"}),
        ("close", {}),
    ):
        gateway.act(case_id, action, **more)
        if action == "arrive":
            arrived = Counter({(who, "arrived"): 1 for who in everybody})
            eventually(lambda news=arrived: told(world, case_id) >= news, 5, "all know that somebody is there")
    eventually(lambda: radio.lamps(f"sos-{n}") == ["green", "blue", "off"], 5, "lamp off")

    # Each person was told exactly once at each step, and how it ended although the case was closed at once.
    steps = ("line-is-drill", "taken", "arrived", "resolved")
    expected = Counter({(who, what): 1 for who in everybody for what in steps})
    expected += Counter({("grid", "assigned"): 1})
    expected += Counter({("desk", "desk-and-grid"): 1, ("grid", "desk-and-grid"): 1, (f"daughter-{n}", "family"): 1})
    eventually(lambda: told(world, case_id) == expected, 5, "told once each")
    assert not [key for key in world.repeated_keys() if case_id in key]

    # All of it can be read afterwards.
    all_is_said(gateway, case_id)
    detail = gateway.case(case_id)
    assert detail["case"]["stage"] == "closed"
    assert set(outbox(detail)) == set(outbox(detail, "delivered")), "everything was delivered"
    whats = [line["what"] for line in detail["timeline"]]
    story = ["opened", "line_armed", "rung", "rung", "rung", "line_committed", "line_answered", "acknowledged"]
    story += ["dispatched", "arrived", "resolved", "verified", "closed"]
    assert [what for what in whats if what in story] == story
    assert detail["timeline"][0]["data"]["evidence"][0]["message_id"] == message
    assert [alarm["rule"] for alarm in detail["alarms"]] == ["sos-pressed"]
    assert detail["alarms"][0]["cleared_at_ms"] is not None
    times = detail["case"]["times"]
    order = ["triggered", "received", "raised", "notified", "line_answered", "answered", "dispatched", "arrived"]
    assert [times[name] for name in order] == sorted(times[name] for name in order)

    # A new press is a new case: closed never reopens.
    radio.say(f"sos-{n}", "press")
    again = eventually(lambda: gateway.wait_for_case(f"sos-{n}")["id"] != case_id, 5, "a second case")
    assert again and gateway.case(case_id)["case"]["stage"] == "closed"
    gateway.act(gateway.wait_for_case(f"sos-{n}")["id"], "cancel", reason="test")


def test_the_same_over_the_field_bus(gateway: RunningGateway, bus: FieldBus, world: OutsideWorld, home: Home) -> None:
    n = home()
    message = bus.say(f"sos-{n}", "press")
    case = gateway.wait_for_case(f"sos-{n}")
    eventually(lambda: message in bus.acknowledged, 5, "acknowledged on the line")
    eventually(lambda: bus.lamps(f"sos-{n}") == ["green"], 5, "green lamp over the line")
    gateway.act(case["id"], "acknowledge")
    eventually(lambda: bus.lamps(f"sos-{n}") == ["green", "blue"], 5, "blue lamp over the line")
    eventually(lambda: gateway.timeline(case["id"]).count("device_confirmed") == 2, 5, "the device said it did it")
    gateway.act(case["id"], "cancel", reason="本人接听，误按")
    eventually(lambda: told(world, case["id"])["desk", "cancelled"] == 1, 5, "told that it was a mistake")
    assert not [call for call in world.calls if call.key.startswith(case["id"])]


def test_a_mistake_is_taken_back_at_the_device(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    n = home()
    radio.say(f"sos-{n}", "press")
    case_id = gateway.wait_for_case(f"sos-{n}")["id"]
    radio.say(f"sos-{n}", "cancel")
    eventually(lambda: gateway.case(case_id)["case"]["stage"] == "cancelled", 5, "cancelled")
    eventually(lambda: radio.lamps(f"sos-{n}") == ["green", "off"], 5, "lamp off")
    all_is_said(gateway, case_id)
    # Who had been told is told that it was a mistake; nobody else ever hears of it.
    heard = told(world, case_id)
    alarmed = {who for who, what in heard if what in ("desk-and-grid", "family")}
    assert {"desk", "grid"} <= alarmed
    assert {who for who, what in heard if what == "cancelled"} == alarmed
    assert set(heard.values()) == {1}
    assert not [call for call in world.calls if call.key.startswith(case_id)]
    assert gateway.case(case_id)["timeline"][-1]["at_ms"] and "cancelled" in gateway.timeline(case_id)


def test_a_busy_120_centre_is_called_until_it_answers(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    world.centre(mode="busy", times=2)
    case_id = press_and_wait(gateway, radio, home(), "line_answered")
    assert "delivery_trouble" in gateway.timeline(case_id)
    assert calls_of(world, case_id) == [(1, 0)]


def test_a_120_centre_that_dies_after_accepting_is_asked_and_not_called_twice(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    world.centre(mode="crash_after_accept", times=1)
    case_id = press_and_wait(gateway, radio, home(), "line_answered")
    assert calls_of(world, case_id) == [(1, 0)]


def test_a_120_centre_that_refuses_is_told_to_everybody(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    world.centre(mode="refuse", times=1)
    n = home()
    case_id = press_and_wait(gateway, radio, n, "line_failed")
    for who in ("desk", "grid", f"daughter-{n}"):
        wait_until_told(world, case_id, who, "120")  # by the line of that number
    assert gateway.case(case_id)["case"]["emergency"]["state"] == "failed"
    assert calls_of(world, case_id) == []


def test_a_120_centre_that_never_answers_is_called_again(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    world.centre(mode="hang", times=1)
    case_id = press_and_wait(gateway, radio, home(), "line_answered", within_s=20)
    assert calls_of(world, case_id) == [(1, 0)]
    assert "delivery_trouble" in gateway.timeline(case_id)


def wait_until_told(world: OutsideWorld, case_id: str, who: str, what: str) -> None:
    eventually(lambda: told(world, case_id)[who, what] == 1, 5, f"{who} told {what}")


def press_and_wait(gateway: RunningGateway, radio: Radio, n: int, what: str, within_s: float = 15) -> str:
    radio.say(f"sos-{n}", "press")
    case_id: str = gateway.wait_for_case(f"sos-{n}")["id"]
    gateway.wait_for_line(case_id, what, within_s)
    return case_id


def calls_of(world: OutsideWorld, case_id: str) -> list[tuple[int, int]]:
    """One (1, repeats) per call that the centre took for a case."""
    return [(1, call.duplicates) for call in world.calls if call.key.startswith(f"{case_id}:")]


def test_one_broken_messenger_delays_nobody_and_the_next_channel_is_tried(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    n = home()
    world.messenger("grid", mode="fail", status=500, times=1)
    world.messenger(f"daughter-{n}", mode="hang")
    radio.say(f"sos-{n}", "press")
    case_id = gateway.wait_for_case(f"sos-{n}")["id"]
    eventually(lambda: told(world, case_id)["desk", "desk-and-grid"] == 1, 2, "the desk does not wait for others")
    eventually(lambda: told(world, case_id)["sms-grid", "desk-and-grid"] == 1, 3, "the grid by SMS")
    gateway.wait_for_line(case_id, "line_answered", 5)
    eventually(lambda: told(world, case_id)[f"sms-daughter-{n}", "family"] == 1, 10, "the family by SMS")
    gateway.act(case_id, "cancel", reason="test")

    def troubled() -> set[str]:
        lines = gateway.case(case_id)["timeline"]
        return {line["data"]["person"] for line in lines if line["what"] == "delivery_trouble"}

    eventually(lambda: {"grid", f"daughter-{n}"} <= troubled(), 5, "the trouble stands in the case")
    world.messenger(f"daughter-{n}", mode="ok")


def test_what_is_not_understood_is_kept_counted_and_shown(gateway: RunningGateway, radio: Radio, home: Home) -> None:
    n = home()

    def counted(reason: str) -> float:
        return gateway.metric("anju_quarantined_total", reason=reason) or 0

    before = {reason: counted(reason) for reason in REASONS}
    radio.say("nobody-1", "press")
    radio.publish(f"anju/v1/yuan/vitals-{n}/telemetry", b'{"v": 1, "boot": 1, "seq"', "malformed")
    radio.say(f"sos-{n}", "smoke")
    radio.publish(f"anju/v1/yuan/vitals-{n}/telemetry", b" " * 70_000, "oversize")
    radio.say(f"vitals-{n}", pulse=5000.0)
    eventually(lambda: [reason for reason in REASONS if counted(reason) <= before[reason]] == [], 5, "all counted")
    words = (*REASONS, "nobody-1", f"sos-{n}", "metrics.pulse")

    def not_shown() -> list[str]:
        shown = re.sub(r"\s", "", gateway.command("journal", "quarantine"))
        return [word for word in words if word not in shown]

    eventually(lambda: not_shown() == [], 10, "all of it can be read")
    # A press with a fault beside it is a press.
    radio.say(f"sos-{n}", "press", battery=999.0)
    gateway.act(gateway.wait_for_case(f"sos-{n}")["id"], "cancel", reason="test")


REASONS = ("unknown_device", "malformed", "unknown_event", "oversize", "out_of_range")


def test_smoke_and_a_press_of_one_home_are_one_case(
    gateway: RunningGateway, radio: Radio, world: OutsideWorld, home: Home
) -> None:
    n = home()
    radio.say(f"sos-{n}", "press")
    case_id = gateway.wait_for_case(f"sos-{n}")["id"]
    radio.say(f"smoke-{n}", "smoke")
    gateway.wait_for_line(case_id, "alarm_joined")
    gateway.act(case_id, "acknowledge")
    assert {alarm["type"] for alarm in gateway.case(case_id)["alarms"]} == {"personal_emergency", "smoke"}
    assert told(world, case_id)["desk", "desk-and-grid"] == 1
    refused = gateway.api.post(f"/api/v1/cases/{case_id}/verify", json={})
    assert refused.status_code == 409 and refused.json()["code"] == "wrong_stage"
    gateway.act(case_id, "cancel", reason="test")
