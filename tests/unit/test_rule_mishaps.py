"""What goes wrong around rules: clocks that are set, registries that change, gateways that begin again."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice
from gateway.rules.trial import ZONE
from tests.unit.test_rule_conditions import (
    DOOR,
    HOUR,
    MINUTE,
    OPEN,
    PULSE,
    SIGN,
    Home,
    carried,
    moves,
    rule,
    silence,
)

YEAR = 365 * 24 * HOUR
_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)


def made(**parts: Any) -> RuleDocument:
    raises = {"type": "water_leak", "severity": "urgent", "ladder": "l"}
    return _adapter.validate_python({"id": "r", "version": 1, "zh": "规则", "en": "rule", "raises": raises, **parts})


LEAK = {"form": "event", "kinds": ["leak"], "events": ["leak"], "clear_events": ["leak_cleared"], "subject": "place"}


def away(is_away: bool) -> dict[str, KnownDevice]:
    facts = {"resident.away": is_away}
    return {"m": KnownDevice("m", "motion", "home", "li", supervision_s=90 * 86_400, facts=facts)}


def registered(home: Home, **devices: KnownDevice | None) -> None:
    """The registry changes: these are added or changed, those with None are gone."""
    for name, device in devices.items():
        if device is None:
            del home.devices[name]
        else:
            home.devices[name] = device
    home.engine.watch(home.devices, home.now_ms)


def set_back(home: Home, ahead_ms: int, then_ms: int = HOUR) -> None:
    """The clock was ahead by so much, and is set right; then some time passes."""
    home.now_ms += then_ms - ahead_ms


# -- the gateway's clock was ahead, as one that keeps local time is taken for UTC until there is a network


@pytest.mark.parametrize("ahead_ms", [8 * HOUR, YEAR])
def test_a_door_is_heard_to_be_shut_after_the_clock_was_set_back(ahead_ms: int) -> None:
    home = Home(rule("any == 1", {"any": OPEN}))
    home.now_ms += ahead_ms
    home.says("d", "opened")
    set_back(home, ahead_ms)
    assert moves(home.says("d", "closed"))[-1][0] == "cleared"


def test_a_rest_does_not_last_until_the_clock_that_was_ahead() -> None:
    home = Home(made(**LEAK, rest_s=600), devices=(KnownDevice("k", "leak", "home", supervision_s=86_400),))
    home.now_ms += 8 * HOUR
    home.says("k", "leak")
    home.says("k", "leak_cleared")
    set_back(home, 8 * HOUR)
    assert home.says("k", battery=80.0) == []
    home.after(11 * MINUTE)
    assert [change.move.value for change in home.says("k", "leak")] == ["raised"]


def test_low_readings_count_after_the_clock_was_set_back_where_ids_have_no_order() -> None:
    low = made(form="threshold", kinds=["vitals_monitor"], when="spo2 < 90", for_s=60, subject="place")
    home = Home(low)
    told: list[AlarmChange] = []

    def says(spo2: float, identity: str) -> None:
        one = Observation(
            message_id=f"v:{identity}x",
            device="v",
            kind="vitals_monitor",
            lane=Lane.ROUTINE,
            observed_at_ms=home.now_ms,
            received_at_ms=home.now_ms,
            metrics={"spo2": spo2},
        )
        told.extend(home.engine.observe(one, home.now_ms))

    home.now_ms += 8 * HOUR
    says(97.0, "a")
    set_back(home, 8 * HOUR)
    home.engine.tick(home.now_ms)
    for number in range(20):
        home.now_ms += 5000
        says(80.0, f"b{number}")
    assert [change.move.value for change in told] == ["raised"]


def test_a_clock_that_is_set_forward_again_and_again_keeps_nothing_from_being_told() -> None:
    home = Home(rule("without(door, sign, 5 * minutes)", {"door": DOOR, "sign": SIGN}), silence())
    registered(home, m=KnownDevice("m", "motion", "home", "li", supervision_s=600))
    home.engine.started(home.now_ms)
    home.says("m", "motion")
    home.now_ms += 1
    home.says("d", "opened")
    for _ in range(20):
        home.after(MINUTE)
        home.now_ms += 1500
        home.engine.set_forward(1500, home.now_ms)
    assert {change.rule for change in home.changes} == {"r", "s"}


# -- the gateway begins to listen


def test_what_may_have_changed_during_an_outage_is_not_told_by_time_alone_at_the_start() -> None:
    left_open = rule("any == 1", {"any": OPEN}, for_s=600)
    home = Home(left_open)
    home.says("d", "opened")
    home.after(MINUTE)
    saved = {key: body for key, body in home.engine.dirty().items() if body != "{}"}
    home.now_ms += 8 * HOUR
    home.engine = Engine([left_open], home.devices.get, saved, ZONE)
    home.engine.watch(home.devices, home.now_ms)
    home.engine.started(home.now_ms)
    assert home.after(5000) == []
    assert home.says("d", "closed") == [], "it was shut meanwhile, and says so"
    home.says("d", "opened")
    assert moves(home.after(HOUR))[0][0] == "raised"


def test_an_end_that_was_not_told_yet_is_told_after_a_crash() -> None:
    open_now = rule("any == 1", {"any": OPEN})
    home = Home(open_now)
    home.says("d", "opened")
    saved = home.engine.dirty()
    home.engine.replace([], home.now_ms)
    saved |= home.engine.dirty()
    home.engine = Engine([], home.devices.get, {key: body for key, body in saved.items() if body != "{}"}, ZONE)
    (told,) = home.engine.tick(home.now_ms)
    assert told.move == "cleared"
    assert home.engine.dirty()["r", "place:home"] == "{}"


# -- the registry changes


def test_a_rule_that_is_put_in_force_goes_on_with_what_it_remembers() -> None:
    inputs = {"sign": SIGN}
    home = Home(rule("quiet(sign, 6 * hours)", inputs, shadow=True))
    home.says("m", "motion")
    home.after(7 * HOUR)
    home.engine.replace([rule("quiet(sign, 6 * hours)", inputs)], home.now_ms)
    told = home.after(MINUTE)
    assert [(change.move.value, change.shadow) for change in told] == [("cleared", True), ("raised", False)]


def test_an_alarm_about_a_home_outlives_the_device_that_held_it() -> None:
    home = Home(rule("quiet(sign, 6 * hours)", {"sign": SIGN}))
    registered(home, m2=KnownDevice("m2", "motion", "home", "li", supervision_s=30 * 86_400))
    home.says("m", "motion")
    assert moves(home.after(7 * HOUR))[0][0] == "raised"
    registered(home, m=None)
    assert home.after(24 * HOUR) == []
    assert moves(home.says("m2", "motion"))[0][0] == "cleared"


def test_who_is_back_is_waited_for_from_then_on() -> None:
    asked = rule("quiet(sign, 6 * hours)", {"sign": SIGN}, where="resident.away != true")
    home = Home(asked, devices=tuple(away(False).values()))
    home.says("m", "motion")
    home.after(HOUR)
    registered(home, **away(True))
    assert home.after(24 * HOUR) == []
    registered(home, **away(False))
    assert home.after(5 * HOUR) == []
    assert moves(home.after(2 * HOUR))[0][0] == "raised"


def test_a_window_that_is_no_longer_there_is_not_open() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, for_s=300))
    home.says("w", "opened")
    home.says("d", "closed")
    registered(home, w=None)
    assert home.after(HOUR) == []


def test_an_alarm_whose_rule_is_no_longer_for_its_device_says_so() -> None:
    armed, disarmed = ({"place.armed": is_armed} for is_armed in (True, False))
    home = Home(
        made(**LEAK, where="place.armed"),
        devices=(KnownDevice("k", "leak", "home", supervision_s=86_400, facts=armed),),
    )
    home.says("k", "leak")
    registered(home, k=KnownDevice("k", "leak", "home", supervision_s=86_400, facts=disarmed))
    (told,) = home.engine.tick(home.now_ms)
    assert "no longer for the device" in told.explanation


def test_an_edited_rule_is_not_decided_by_what_was_remembered_for_the_old_one() -> None:
    more: dict[str, Any] = {"clear": "x < 60 or not has(x)"}
    old = rule("x > 90", {"x": {**PULSE, "max_age_s": 600}}, **more)
    new = rule("x > 90", {"x": {**PULSE, "metric": "systolic", "max_age_s": 1200}}, **more)
    home = Home(old)
    home.says("v", pulse=120.0)
    home.engine.replace([new], home.now_ms)
    (told,) = home.after(HOUR)
    assert (told.move.value, told.evidence) == ("cleared", ())


def test_what_ended_with_a_change_is_told_before_what_is_raised_anew() -> None:
    device = KnownDevice("k", "leak", "home", supervision_s=86_400)
    home = Home(made(**LEAK, shadow=False), devices=(device,))
    home.says("k", "leak")
    registered(home, k=KnownDevice("k", "leak", "home", supervision_s=86_400, hardware="a"))
    registered(home, k=KnownDevice("k", "leak", "home", supervision_s=86_400, hardware="b"))
    assert [change.move.value for change in home.says("k", "leak")] == ["cleared", "raised"]
    assert home.engine.tick(home.now_ms) == []


# -- once, not twice


def test_a_moment_that_still_holds_when_its_case_is_over_is_not_told_again() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, momentary=True))
    home.says("d", "opened")
    home.engine.end_momentary("r", "place:home")
    assert home.says("w", "opened") == []
    home.says("w", "closed")
    home.says("d", "closed")
    assert moves(home.says("d", "opened")) == [("raised", 0)]


def test_a_rule_over_moments_rests_after_its_case() -> None:
    inputs = {"door": DOOR, "sign": SIGN}
    home = Home(rule("followed(door, sign, 5 * minutes)", inputs, momentary=True, rest_s=3600))
    told = []
    for _ in range(3):
        home.says("d", "opened")
        told += home.says("m", "motion")
        home.engine.end_momentary("r", "place:home")
        home.after(25 * MINUTE)
    assert moves(told) == [("raised", 0)]


def test_a_rule_over_silence_rests() -> None:
    device = KnownDevice("m", "motion", "home", supervision_s=600)
    home = Home(silence(kinds=["motion"], rest_s=86_400), devices=(device,))
    for _ in range(4):
        home.says("m", battery=50.0)
        home.after(HOUR)
    assert [change.move.value for change in home.changes] == ["raised", "cleared"]
    assert moves(home.after(24 * HOUR)) == [("raised", 25 * 60)]


# -- what holds nothing back, and what counts


def test_a_carrier_whose_rule_is_only_tried_out_holds_nothing_back() -> None:
    tried_out = silence(id="hub", kinds=["concentrator"], shadow=True)
    home = Home(tried_out, silence(kinds=["motion"]), devices=carried(3))
    for name in home.devices:
        home.says(name, battery=50.0)
    told = [change.subject for change in home.after(HOUR) if not change.shadow]
    assert told == ["device:m0", "device:m1", "device:m2"]


def test_of_two_words_of_one_millisecond_the_change_counts() -> None:
    home = Home(rule("any == 1", {"any": OPEN}))
    assert moves(home.says("d", "opened")) == [("raised", 0)]
    assert home.says("d", open=0.0) == [], "said before it, and read after it"
    home.now_ms += 1
    assert moves(home.says("d", open=0.0))[0][0] == "cleared"
