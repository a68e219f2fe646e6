"""Conditions over time: what they decide, when they look again, and what they do not take for silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from devices.observation import Lane, Observation
from gateway.alarms import AlarmChange
from gateway.rules.check import limit_problem, rule_problems
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice, Limit
from gateway.rules.library import library_rules
from gateway.rules.trial import ZONE, instant_ms, run_examples

_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
MINUTE, HOUR = 60_000, 3_600_000
START = instant_ms("08:00")
SIGN = {"kinds": ["motion"], "events": ["motion"]}
DOOR = {"kinds": ["contact"], "events": ["opened", "closed"]}
OPEN = {"kinds": ["contact"], "state": "open"}
PULSE = {"kinds": ["vitals_monitor"], "metric": "pulse"}


def rule(when: str, inputs: Mapping[str, object] | None = None, **more: object) -> RuleDocument:
    raises = {"type": "device_fault", "severity": "urgent", "ladder": "l"}
    base: dict[str, Any] = {"id": "r", "version": 1, "zh": "规则", "en": "rule", "subject": "place", "raises": raises}
    if inputs is not None:
        base |= {"form": "condition", "inputs": inputs}
    return _adapter.validate_python({**base, "when": when, **more})


def problem(when: str, inputs: Mapping[str, object], **more: object) -> str:
    (found,) = rule_problems(rule(when, inputs, **more))
    return str(found)


class Home:
    """One home, an engine, and a clock that the test moves."""

    def __init__(
        self, *rules: RuleDocument, devices: tuple[KnownDevice, ...] | None = None, watch: bool = True
    ) -> None:
        usual = (
            KnownDevice("m", "motion", "home", "li", supervision_s=86_400),
            KnownDevice("d", "contact", "home", "li", supervision_s=86_400),
            KnownDevice("w", "contact", "home", "li", supervision_s=86_400),
            KnownDevice("v", "vitals_monitor", "home", "li", supervision_s=86_400),
        )
        self.devices = {one.id: one for one in devices or usual}
        self.engine = Engine(list(rules), self.devices.get, {}, ZONE)
        self.now_ms = START
        self.seq = 0
        self.changes: list[AlarmChange] = []
        if watch:
            self.engine.watch(self.devices, START)

    def until(self, now_ms: int) -> list[AlarmChange]:
        told: list[AlarmChange] = []
        while (due := self.engine.next_deadline_ms()) is not None and due <= now_ms:
            told += self.engine.tick(max(due, self.now_ms))
        self.now_ms = now_ms
        self.changes += told
        return told

    def after(self, ms: int) -> list[AlarmChange]:
        return self.until(self.now_ms + ms)

    def says(self, device: str, event: str | None = None, *, ago_ms: int = 0, **metrics: float) -> list[AlarmChange]:
        self.seq += 1
        one = Observation(
            message_id=f"{device}:1:{self.seq}",
            device=device,
            kind=self.devices[device].kind,
            lane=Lane.URGENT if event else Lane.ROUTINE,
            observed_at_ms=self.now_ms - ago_ms,
            received_at_ms=self.now_ms,
            metrics=metrics,
            event=event,
        )
        told = self.engine.observe(one, self.now_ms)
        self.changes += told
        return told


def moves(changes: list[AlarmChange]) -> list[tuple[str, int]]:
    """(move, minutes since the start)."""
    return [(change.move.value, (change.observed_at_ms - START) // MINUTE) for change in changes]


# -- waiting


def test_quiet_begins_with_the_registration_and_ends_with_a_sign() -> None:
    home = Home(rule("quiet(sign, 2 * hours)", {"sign": SIGN}))
    assert moves(home.until(START + 3 * HOUR)) == [("raised", 120)]
    assert moves(home.says("m", "motion")) == [("cleared", 180)]
    assert moves(home.after(3 * HOUR)) == [("raised", 300)]


def test_nobody_is_quiet_while_nobody_listens() -> None:
    home = Home(
        rule("quiet(sign, 2 * hours)", {"sign": SIGN}),
        devices=(KnownDevice("m", "motion", "home", "li", supervision_s=3600),),
    )
    assert home.after(5 * HOUR) == []  # the detector itself is silent: that is another rule's business
    assert home.says("m", battery=80.0) == []
    told = []
    for _ in range(4):
        told += home.after(50 * MINUTE)
        told += home.says("m", battery=80.0)
    assert moves(told) == [("raised", 420)], "counted from its return"


def test_after_a_start_of_the_gateway_waiting_goes_on_where_it_stood() -> None:
    home = Home(rule("quiet(sign, 2 * hours)", {"sign": SIGN}, startup_grace_s=600))
    home.says("m", "motion")
    home.after(HOUR)
    home.says("m", battery=80.0)
    saved = home.engine.dirty()
    home.now_ms += 5 * HOUR  # the gateway is off
    home.engine = Engine(
        [rule("quiet(sign, 2 * hours)", {"sign": SIGN}, startup_grace_s=600)], home.devices.get, saved, ZONE
    )
    home.engine.watch(home.devices, home.now_ms)
    home.engine.started(home.now_ms)
    assert home.after(59 * MINUTE) == []
    assert len(home.after(2 * MINUTE)) == 1


def test_a_clock_set_back_does_not_put_waiting_off() -> None:
    home = Home(rule("quiet(sign, 2 * hours)", {"sign": SIGN}))
    home.says("m", "motion")
    home.after(HOUR)
    home.says("m", battery=1.0)
    home.now_ms -= 24 * HOUR
    home.engine.tick(home.now_ms)
    assert len(home.after(61 * MINUTE)) == 1


def test_hours_of_an_input_are_the_only_ones_that_count() -> None:
    sign = {**SIGN, "hours": "07:00-22:00"}
    home = Home(rule("quiet(sign, 3 * hours)", {"sign": sign}))
    home.until(instant_ms("21:00"))
    home.says("m", "motion")
    assert home.until(instant_ms("d2 08:59")) == []
    assert len(home.until(instant_ms("d2 09:01"))) == 1


def test_one_without_the_other_raises_at_its_time_and_the_other_ends_it() -> None:
    home = Home(rule("without(door, sign, 10 * minutes)", {"door": DOOR, "sign": SIGN}))
    home.says("d", "opened")
    home.after(5 * MINUTE)
    home.says("d", "closed")  # the first one counts
    assert moves(home.after(20 * MINUTE)) == [("raised", 10)]
    assert moves(home.says("m", "motion")) == [("cleared", 25)]


def test_what_is_still_under_way_is_waited_for() -> None:
    home = Home(rule("without(door, sign, 10 * minutes)", {"door": DOOR, "sign": SIGN}, lateness_s=120))
    home.says("d", "opened")
    home.after(11 * MINUTE)
    assert home.changes == []
    home.says("m", "motion", ago_ms=5 * MINUTE)
    home.after(HOUR)
    assert home.changes == []


def test_one_followed_by_the_other_in_time() -> None:
    home = Home(rule("followed(door, sign, 5 * minutes)", {"door": DOOR, "sign": SIGN}, momentary=True))
    home.says("d", "opened")
    home.after(6 * MINUTE)
    assert home.says("m", "motion") == []
    home.says("d", "closed")
    home.after(MINUTE)
    (told,) = home.says("m", "motion")
    assert told.move == "raised" and told.momentary
    home.engine.end_momentary("r", "place:home")
    home.after(HOUR)
    home.says("d", "opened")
    home.after(MINUTE)
    assert moves(home.says("m", "motion")) == [("raised", 68)]


# -- values


def test_a_state_is_one_while_any_device_says_so() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, for_s=300))
    home.says("d", "opened")
    home.says("w", "opened")
    home.after(2 * MINUTE)
    home.says("d", "closed")
    assert moves(home.after(5 * MINUTE)) == [("raised", 5)]
    assert moves(home.says("w", "closed")) == [("cleared", 7)]


def test_a_value_grows_too_old_to_be_known() -> None:
    home = Home(rule("pulse > 100", {"pulse": {**PULSE, "max_age_s": 600}}, clear="pulse < 90 or not has(pulse)"))
    home.says("v", pulse=120.0)
    assert moves(home.changes) == [("raised", 0)]
    assert moves(home.after(HOUR)) == [("cleared", 10)]


def test_a_window_is_left_by_what_is_old_while_the_alarm_stands() -> None:
    home = Home(rule("count(door, 10 * minutes) >= 3", {"door": DOOR}))
    for event in ("opened", "closed", "opened"):
        home.says("d", event)
        home.after(MINUTE)
    assert moves(home.changes) == [("raised", 2)]
    assert moves(home.after(HOUR)) == [("cleared", 10)]


@pytest.mark.parametrize(
    ("when", "raised"),
    [
        ("mean(pulse, 1 * hours) == 80", True),
        ("lowest(pulse, 1 * hours) == 60 and highest(pulse, 1 * hours) == 100", True),
        ("change(pulse, 1 * hours) == 40", True),
        ("rate(pulse, 1 * hours) == 120", True),  # 40 in 20 minutes
        ("distinct(pulse, 1 * hours) == 3 and count(pulse, 1 * hours) == 3", True),
        ("change(pulse, 5 * minutes) > 0", False),  # one reading alone has not changed
    ],
)
def test_what_windows_say(when: str, raised: bool) -> None:
    home = Home(rule(when, {"pulse": PULSE}))
    for value in (60.0, 80.0, 100.0):
        home.says("v", pulse=value)
        home.after(10 * MINUTE)
    assert bool(home.changes) is raised


def test_the_rhythm_of_a_home_is_its_longest_pause() -> None:
    home = Home(rule("quiet(sign, max(3600, 1.2 * longest(sign, 7 * days)))", {"sign": SIGN}))
    for pause in (2 * HOUR, 10 * HOUR, HOUR):
        home.after(pause)
        home.says("m", "motion")
    home.changes.clear()
    assert home.after(int(11.9 * HOUR)) == []
    assert len(home.after(HOUR)) == 1


def test_a_score_is_never_totalled_of_a_part() -> None:
    score = [
        {"of": "pulse", "bands": [{"upto": 90, "points": 0}, {"points": 3}]},
        {"of": "spo2", "bands": [{"upto": 91, "points": 3}, {"points": 0}]},
        {"of": "spo2", "when": "resident.scale == 2", "bands": [{"upto": 83, "points": 3}, {"points": 0}]},
    ]
    inputs = {"pulse": PULSE, "spo2": {"kinds": ["vitals_monitor"], "metric": "spo2"}}
    home = Home(rule("score >= 3", inputs, score=score))
    assert home.says("v", pulse=120.0) == []
    (told,) = home.says("v", spo2=90.0)
    assert told.explanation.endswith("score 6")
    other = Home(
        rule("score_missing > 0 and score_highest == 3", inputs, score=score),
        devices=(KnownDevice("v", "vitals_monitor", "home", facts={"resident.scale": 2.0}),),
    )
    (told,) = other.says("v", pulse=120.0)
    assert told.explanation.endswith("incomplete set, without spo2: no total")
    assert other.says("v", spo2=90.0)[0].move == "cleared"


def test_two_stations_by_a_link() -> None:
    inputs = {
        "up": {"kinds": ["traffic_counter"], "metric": "occupancy", "link": "upstream"},
        "down": {"kinds": ["traffic_counter"], "metric": "occupancy"},
    }
    devices = (
        KnownDevice("a", "traffic_counter", "road-1"),
        KnownDevice("b", "traffic_counter", "road-2", facts={"device.upstream": "a"}),
        KnownDevice("c", "traffic_counter", "road-3", facts={"device.upstream": "b"}),
    )
    home = Home(rule("up - down > 20", inputs, subject="device"), devices=devices)
    for name, occupancy in (("a", 60.0), ("b", 10.0), ("c", 8.0)):
        home.says(name, occupancy=occupancy)
    assert [(change.subject, change.place) for change in home.changes] == [("device:b", "road-2")]


# -- persons, facts, hours


def test_a_doctors_order_counts_in_its_time_and_for_its_person() -> None:
    order = Limit("pulse_high", 140.0, from_ms=START, until_ms=START + HOUR)
    devices = (KnownDevice("v", "vitals_monitor", "home", "li", limits=(order,), supervision_s=86_400),)
    limited = rule(
        "pulse > limit(pulse_high, 110)", None, form="threshold", kinds=["vitals_monitor"], subject="resident"
    )
    home = Home(limited, devices=devices)
    assert home.says("v", pulse=130.0) == []
    home.after(HOUR)
    (told,) = home.says("v", pulse=130.0)
    assert told.explanation == "pulse 130 > limit(pulse_high, 110) 110"


def test_a_rule_is_for_the_devices_that_its_where_names() -> None:
    front = rule("any == 1", {"any": {**OPEN, "where": 'device.role == "front_door"'}}, where="place.armed")
    devices = (
        KnownDevice("d", "contact", "home", facts={"device.role": "front_door", "place.armed": True}),
        KnownDevice("w", "contact", "home", facts={"place.armed": True}),
        KnownDevice("x", "contact", "shop", facts={"device.role": "front_door", "place.armed": False}),
    )
    home = Home(front, devices=devices)
    assert home.says("w", "opened") == [] and home.says("x", "opened") == []
    assert len(home.says("d", "opened")) == 1


def test_outside_its_hours_nothing_is_raised_and_what_stands_ends_by_its_condition() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, hours="22:00-06:00"))
    home.says("d", "opened")
    assert moves(home.until(instant_ms("d2 05:00"))) == [("raised", 14 * 60)]
    assert home.until(instant_ms("d2 09:00")) == []
    assert moves(home.says("d", "closed")) == [("cleared", 25 * 60)]


def test_events_and_readings_have_hours_too() -> None:
    night = rule("pulse > 100", None, form="threshold", kinds=["vitals_monitor"], hours="22:00-06:00")
    home = Home(night)
    assert home.says("v", pulse=120.0) == []
    assert home.engine.skipped["r", "outside_hours"] == 1
    home.until(instant_ms("22:30"))
    assert len(home.says("v", pulse=120.0)) == 1


def test_after_it_ended_a_rule_rests() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, rest_s=600))
    for event in ("opened", "closed", "opened"):
        home.says("d", event)
        home.after(MINUTE)
    assert moves(home.changes) == [("raised", 0), ("cleared", 1)]
    assert moves(home.after(HOUR)) == [("raised", 11)]


def test_a_rule_that_was_tried_out_is_raised_anew_when_it_is_put_in_force() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, shadow=True))
    (told,) = home.says("d", "opened")
    assert told.shadow
    home.engine.replace([rule("any == 1", {"any": OPEN})], home.now_ms)
    (over,) = home.engine.tick(home.now_ms)
    assert over.shadow and over.move == "cleared"
    (told,) = home.says("w", "opened")
    assert not told.shadow and told.move == "raised"


def test_wording_carries_the_values() -> None:
    said = {"zh": "{sign}没有动静，平均脉搏{pulse}", "en": "no sign for {sign}, pulse {pulse}"}
    home = Home(rule("quiet(sign, 2 * hours) and has(pulse)", {"sign": SIGN, "pulse": PULSE}, say=said))
    home.says("v", pulse=61.0)
    home.says("m", "motion")
    (told,) = home.after(3 * HOUR)
    assert (told.zh, told.en) == ("2小时没有动静，平均脉搏61", "no sign for 2 h, pulse 61")


# -- carriers


SILENT = {"form": "silence", "kinds": ["motion", "concentrator"], "subject": "device"}


def silence(**more: object) -> RuleDocument:
    raises = {"type": "device_silent", "severity": "urgent", "ladder": "l"}
    return _adapter.validate_python(
        {"id": "s", "version": 1, "zh": "失联", "en": "silent", "raises": raises, **SILENT, **more}
    )


def carried(count: int) -> tuple[KnownDevice, ...]:
    return (
        KnownDevice("hub", "concentrator", "hall", supervision_s=180),
        *(KnownDevice(f"m{n}", "motion", "home", supervision_s=170 + n, via="hub") for n in range(count)),
    )


def test_a_dead_carrier_raises_one_alarm_and_not_sixty() -> None:
    home = Home(silence(), devices=carried(60))
    for name in home.devices:
        home.says(name, battery=50.0)
    told = home.after(24 * HOUR)
    assert [change.subject for change in told] == ["device:hub"]
    assert [change.move.value for change in home.says("hub", battery=50.0)] == ["cleared"]
    home.says("m0", battery=50.0)
    told = []
    for _ in range(10):
        told += home.after(MINUTE)
        home.says("hub", battery=50.0)
        home.says("m0", battery=50.0)
    assert sorted(change.subject for change in told) == sorted(f"device:m{n}" for n in range(1, 60))
    assert min(change.at_ms for change in told) > START + 24 * HOUR + 170_000, "counted from the carrier's return"


def test_a_dead_device_behind_a_live_carrier_is_told() -> None:
    home = Home(silence(), devices=carried(2))
    for name in home.devices:
        home.says(name, battery=50.0)
    told = []
    for _ in range(10):
        told += home.after(MINUTE)
        home.says("hub", battery=50.0)
        home.says("m1", battery=50.0)
    assert [change.subject for change in told] == ["device:m0"]


def test_carriers_in_a_circle_do_no_harm() -> None:
    devices = (
        KnownDevice("a", "concentrator", "x", supervision_s=60, via="b"),
        KnownDevice("b", "concentrator", "x", supervision_s=60, via="a"),
    )
    home = Home(silence(), devices=devices)
    home.says("a", battery=1.0)
    home.says("b", battery=1.0)
    assert 1 <= len(home.after(HOUR)) <= 2


# -- what is refused


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("quiet(sgn, 1 * hours)", "did you mean sign?"),
        ("quiet(pulse, 1 * hours) and seen(sign, 60)", "cannot ask that of pulse"),
        ("mean(sign, 60) > 1 and pulse > 0", "cannot ask that of sign"),
        ("sign > 3 and pulse > 1", "sign is something that happens"),
        ("quiet(sign, 0) and pulse > 1", "no length of time"),
        ("quiet(sign, 500 * days) and pulse > 1", "no length of time"),
        ("mean(pulse, pulse) > 1 and seen(sign, 60)", "no length of a window"),
        ("distinct(pulse, 1 * hours) > 40 and seen(sign, 60)", "can never hold"),
        ("count(sign, 60) < 0 and pulse > 1", "can never hold"),
        ("pulse > 400 and seen(sign, 60)", "can never hold"),
        ("hour > 23 and pulse > 1 and seen(sign, 60)", "can never hold"),
        ("seen(sign)", "seen(input, time)"),
        ("followed(sign, sign)", "followed(a, b, time)"),
        ("device.role == 'x' and pulse > 1 and seen(sign, 60)", "several devices speak here"),
        ("place.level < 'b' and pulse > 1", "texts have no order"),
        ("pulse == 'high'", "a text can only be compared with a fact"),
        ("pulse > limit(high, 100) or pulse < limit(high, 50)", "has two defaults"),
        ("pulse > limit(high, 400) and seen(sign, 60)", "can never hold"),
        ("pulse > limit(high, pulse)", "is not a plain number"),
        ("seen(sign, 60)", "input pulse is not used"),
        ("pulse > 1", "input sign is not used"),
        ("1 < 2", "always holds"),
        (" and ".join(f"mean(pulse, {n} * minutes) > 1" for n in range(1, 13)) + " and seen(sign, 60)", "12 windows"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_when_it_is_loaded(when: str, said: str) -> None:
    text = problem(when, {"sign": SIGN, "pulse": PULSE})
    if said == "12 windows":
        said = "at most 320, which is 10 windows"
    assert said in text


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"a": {"kinds": ["motion"], "events": ["pressed"]}}, "has 'pressed'"),
        ({"a": {"kinds": ["motion"], "metric": "spo2"}}, "motion has no 'spo2'"),
        ({"a": {"kinds": ["contact"], "state": "ajar"}}, "contact has no 'ajar'"),
        ({"a": {"kinds": ["motion"]}}, "give exactly one of"),
        ({"a": {"kinds": ["motion"], "events": ["motion"], "metric": "battery"}}, "give exactly one of"),
        ({"a": {"kinds": ["robot"], "events": ["motion"]}}, "unknown kind 'robot'"),
        ({"A": SIGN}, "pattern"),
        ({f"a{n}": SIGN for n in range(13)}, "at most 12"),
        ({"a": {**SIGN, "link": "upstream"}}, "without link"),
        ({"a": {**SIGN, "hours": "8 to 9"}}, "expected hours such as"),
    ],
)
def test_inputs_that_do_not_exist_are_refused(inputs: Mapping[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        rule("seen(a, 60)", inputs)
    assert said in str(caught.value)


def test_examples_are_tried_when_a_rule_is_checked() -> None:
    example = {
        "name": "three times",
        "given": [{"at": "08:00", "event": "opened"}],
        "expect": [{"move": "raise", "at": "08:00"}],
    }
    text = problem("count(door, 10 * minutes) >= 3", {"door": DOOR}, examples=[example])
    assert "example “three times”: expected raise at 08:00; the rule gives nothing" in text
    (outcome,) = run_examples(rule("count(door, 10 * minutes) >= 1", {"door": DOOR}, examples=[example]))
    assert outcome.problem == "" and outcome.changes[0].conditions[0].holds is True


# -- a site's own defaults


def test_a_site_has_its_own_defaults_and_a_persons_limit_goes_before_them() -> None:
    inputs = {"low": {"kinds": ["vitals_monitor"], "reading": "spo2 < limit(spo2_low, 90)"}}
    own = rule("seen(low, 1 * hours)", inputs, limits={"spo2_low": 85}, subject="resident")
    order = Limit("spo2_low", 80.0)
    devices = (
        KnownDevice("a", "vitals_monitor", "home", "li"),
        KnownDevice("b", "vitals_monitor", "other", "wang", limits=(order,)),
    )
    home = Home(own, devices=devices)
    assert home.says("a", spo2=87.0) == [] and home.says("b", spo2=83.0) == []
    assert len(home.says("a", spo2=84.0)) == 1 and len(home.says("b", spo2=79.0)) == 1


def test_a_sites_default_that_makes_no_sense_is_refused() -> None:
    inputs = {"low": {"kinds": ["vitals_monitor"], "reading": "spo2 < limit(spo2_low, 90)"}}
    assert "spo2 < limit(spo2_low, 90) always holds" in problem("seen(low, 60)", inputs, limits={"spo2_low": 101})
    assert "no expression of the rule asks for limit sp02_low" in problem(
        "seen(low, 60)", inputs, limits={"sp02_low": 85}
    )


# -- clocks of several devices


def two_monitors(behind_ms: int, minutes: int = 40) -> list[tuple[str, int]]:
    """One monitor lies in a drawer and said 97 once; the other streams, by a clock that is behind, and then says 75."""
    inputs = {
        "low": {"kinds": ["vitals_monitor"], "reading": "spo2 < 85"},
        "fine": {"kinds": ["vitals_monitor"], "reading": "spo2 >= 85"},
    }
    devices = tuple(KnownDevice(name, "vitals_monitor", "home", "li", supervision_s=86_400) for name in ("a", "b"))
    home = Home(rule("after(low, fine) and count(low, 5 * minutes) >= 3", inputs, subject="resident"), devices=devices)
    for _ in range(minutes):
        home.says("a", spo2=97.0, ago_ms=behind_ms)
        home.after(MINUTE)
    home.says("b", spo2=97.0)
    for _ in range(5):
        home.after(10_000)
        home.says("a", spo2=75.0, ago_ms=behind_ms)
    return [(change.move.value, (change.at_ms - START) // 1000 - minutes * 60) for change in home.changes]


@pytest.mark.parametrize("behind_ms", [0, 30_000, 30 * MINUTE, 20 * 24 * HOUR])
def test_a_clock_that_is_behind_does_not_put_a_word_before_what_others_said(behind_ms: int) -> None:
    assert two_monitors(behind_ms) == [("raised", 30 if behind_ms != 30_000 else 40)]


def test_a_backlog_is_not_taken_for_a_slow_clock() -> None:
    home = Home(rule("any == 1", {"any": OPEN}, for_s=300))
    home.says("d", "closed")
    home.after(2 * HOUR)
    for minutes, event in ((110, "opened"), (100, "closed"), (90, "opened")):
        home.says("d", event, ago_ms=minutes * MINUTE)
    assert moves(home.changes) == [("raised", 15), ("cleared", 20)]


# -- from trying out into force


def smoke(**more: object) -> RuleDocument:
    raises = {"type": "smoke", "severity": "emergency", "ladder": "l"}
    base = {"id": "r", "version": 1, "zh": "烟", "en": "smoke", "form": "event", "kinds": ["smoke"], "raises": raises}
    return _adapter.validate_python({**base, "events": ["smoke"], "clear_events": ["smoke_cleared"], **more})


@pytest.mark.parametrize("crash", [False, True])
def test_smoke_that_stands_is_told_when_its_rule_is_put_in_force_also_after_a_crash(crash: bool) -> None:
    home = Home(smoke(shadow=True), devices=(KnownDevice("s", "smoke", "home", "li"),))
    (tried,) = home.says("s", "smoke")
    assert tried.shadow
    saved = home.engine.dirty()
    home.engine.replace([smoke(version=2)], home.now_ms)
    if crash:
        saved |= home.engine.dirty()  # committed with something else, before the next tick
        home.engine = Engine([smoke(version=2)], home.devices.get, saved, ZONE)
    told = home.engine.tick(home.now_ms)
    assert [(one.move.value, one.shadow, one.rule_version) for one in told] == [
        ("cleared", True, 1),
        ("raised", False, 2),
    ]
    assert told[1].explanation == "still so when rule r is in force from now on" and told[1].device == "s"
    assert home.engine.tick(home.now_ms) == []
    assert [one.move.value for one in home.says("s", "smoke_cleared")] == ["cleared"]


def test_a_press_of_a_try_out_is_over_when_its_rule_is_put_in_force() -> None:
    home = Home(smoke(clear_events=[], shadow=True), devices=(KnownDevice("s", "smoke", "home", "li"),))
    home.says("s", "smoke")
    home.engine.replace([smoke(clear_events=[])], home.now_ms)
    assert [one.move.value for one in home.engine.tick(home.now_ms)] == ["cleared"]


def test_a_doctors_order_by_which_a_reading_would_raise_and_clear_is_refused() -> None:
    low = library_rules()["glucose-low"]
    assert limit_problem(low, "glucose_critical", 3.6) is None
    wrong = limit_problem(low, "glucose_critical", 36)
    assert wrong is not None and "would raise the alarm and clear it" in wrong.problem


@pytest.mark.parametrize(
    ("when", "hint"),
    [
        ("seen(sign, 60) 且 pulse > 1", "write and"),
        ("seen(sign, 60) and pulse > 20℃", "leave units out"),
        ("seen(sign, 20 minutes) and pulse > 1", "write 20 * minutes"),
        ("place.room == kitchen and pulse > 1 and seen(sign, 60)", 'put texts in quotes: "kitchen"'),
        ("month >= 13 and pulse > 1 and seen(sign, 60)", "month is 1 to 12"),
    ],
)
def test_what_people_type_is_answered_with_what_they_mean(when: str, hint: str) -> None:
    assert hint in problem(when, {"sign": SIGN, "pulse": PULSE})
