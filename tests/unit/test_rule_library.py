"""The library of rules, the checker, and the page that explains them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from devices.kinds import KINDS
from gateway.alarms import ALARM_TYPES, Severity
from gateway.registry.load import read_rules
from gateway.rules.check import check_rules
from gateway.rules.document import EventRule, SilenceRule
from gateway.rules.engine import Engine
from gateway.rules.forms import NO_FACTS, Fact, KnownDevice
from gateway.rules.library import library, library_rules
from gateway.rules.reference import PAGE, page
from tests.support.watch_room import HOME, WatchRoom, rule

RULES = library_rules()


def test_the_library_can_be_put_to_work_as_it_is() -> None:
    assert check_rules(list(RULES.values())) == []
    assert {rule.raises.ladder for rule in RULES.values()} == {"life-safety", "urgent", "service", "maintenance"}


@pytest.mark.parametrize("name", RULES)
def test_life_safety_climbs_the_life_safety_ladder_and_nothing_else_does(name: str) -> None:
    raises = RULES[name].raises
    assert ALARM_TYPES[raises.type].life_safety == (raises.ladder == "life-safety")
    assert (raises.severity is Severity.EMERGENCY) == (raises.ladder == "life-safety")


def test_a_key_smoke_and_a_fall_are_events_and_never_wait() -> None:
    for name in ("sos-pressed", "sos-fall", "radar-fall", "smoke-alarm", "heat-alarm", "gas-alarm", "co-alarm"):
        assert isinstance(RULES[name], EventRule)


@pytest.mark.parametrize(
    "name", [name for name, found in RULES.items() if "gateway" not in found.kinds and name != "probe-fault"]
)
def test_every_rule_has_examples_also_of_what_is_late(name: str) -> None:
    examples = RULES[name].examples
    assert any(given.late_s for example in examples for given in example.given)
    assert any(example.expect for example in examples)
    assert any(not example.expect for example in examples)


def test_a_reader_of_the_library_cannot_spoil_it_for_the_next() -> None:
    with pytest.raises(TypeError):
        library()["sos-pressed"]["enabled"] = False  # type: ignore[index]


def test_a_desperately_low_reading_is_critical_and_low() -> None:
    room = WatchRoom(*RULES.values())
    for _ in range(2):
        room.says("monitor", spo2=80, pulse=72)
        room.forward(60)
    assert room.says("monitor", spo2=79, pulse=72) == []
    assert room.forward(14) == [], "a delay of 15 s takes away more than half of the false ones"
    assert room.forward(1) == ["raised spo2-critical resident:wang", "raised spo2-low resident:wang"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"use": "spo2-limit", "when": "spo < 90"}, "rule spo2-limit: when: column 1: unknown metric 'spo'"),
        ({"use": "spo2-limit", "clear": "spo2 >= 120"}, "rule spo2-limit: clear: column 1: impossible comparison"),
        ({"use": "spo2-limit", "ignore": "probe_of == 1"}, "did you mean probe_off"),
        ({"use": "spo2-limit", "clear": "spo2 >= 89"}, "a reading of spo2 89 would raise the alarm and clear it"),
        ({"use": "spo2-limit", "for_s": 15}, "rule spo2-limit: for_s: readings and for_s are both given"),
        ({"use": "sos-pressed", "cancel_events": ["press"]}, "cancel_events: press both raises and ends the alarm"),
        (
            {"use": "smoke-alarm", "cancel_events": ["smoke_cleared"]},
            "cancel_events: smoke_cleared both clears and cancels the alarm",
        ),
    ],
)
def test_the_checker_names_rule_key_expectation_and_what_to_do(changes: dict[str, object], problem: str) -> None:
    (said,) = check_rules([rule(**changes)])
    assert problem in said
    assert "; expected " in said


def test_ids_must_differ() -> None:
    (said,) = check_rules([RULES["tamper"], RULES["tamper"]])
    assert "given twice" in said


def test_a_state_of_another_version_says_what_to_do() -> None:
    devices = {device.id: device for device in HOME}
    with pytest.raises(ValueError, match=r"spo2-low about resident:wang cannot be read .*run that one, or delete"):
        Engine([RULES["spo2-low"]], devices.get, {("spo2-low", "resident:wang"): '{"type":"dream"}'})


def test_the_page_shows_the_library_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m gateway.rules.reference`"


def test_the_rules_on_the_page_can_be_loaded() -> None:
    (example,) = re.findall(r"```yaml\n(rules:.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    rules, problems = read_rules("rules.yaml", example.encode())
    assert (len(rules), problems) == (3, ())


# -- a timeline for every rule of the library --------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """How an alarm of an event rule goes, told by one device."""

    raised_by: tuple[str, ...]
    ended_by: tuple[str, ...] = ()
    """Events that end it; none: it ends with its case."""
    not_by: tuple[str, ...] = ()
    """What such a device also says, and what is no alarm of this rule."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What makes it a device for this rule."""


STORIES = {
    "bin-fire": Story(("fire",), ("fire_cleared",), ("full", "tilted")),
    "bin-full-reported": Story(("full",), ("collected",), ("lid_opened", "fire")),
    "camera-intrusion": Story(("line_crossing", "intrusion"), (), ("motion", "object", "intrusion_cleared")),
    "cardiac-pattern": Story(("cardiac_pattern",), (), ("measurement", "probe_off")),
    "co-alarm": Story(("co",), ("co_cleared",), ("self_test", "fault")),
    "device-fault": Story(("fault",), (), ("online",)),
    "gas-alarm": Story(("gas",), ("gas_cleared",), ("self_test", "fault")),
    "gateway-backlog": Story(("behind",), ("caught_up",), ("disk_freed", "store_down")),
    "gateway-clock": Story(("clock_wrong",), ("clock_right",), ("power_lost",)),
    "gateway-clock-set": Story(("clock_stepped",), (), ("clock_right",)),
    "gateway-fault": Story(("disk_full",), ("disk_freed",), ("clock_right", "power_lost", "broker_down", "line_down")),
    "gateway-roster-hole": Story(("roster_hole",), ("roster_covered",), ("disk_full", "fault")),
    "gateway-drill-failed": Story(("drill_failed",), ("drill_passed",), ("disk_full", "roster_hole")),
    "gateway-record-broken": Story(("record_broken",), ("record_whole",), ("disk_full", "fault")),
    "glass-break": Story(("glass_break",), (), ("glass_break_cleared", "tamper")),
    "heat-alarm": Story(("heat",), ("heat_cleared",), ("self_test", "fault")),
    "intrusion-perimeter": Story(("opened",), (), ("closed",), {"place.armed": True}),
    "kiosk-call-staff": Story(("call_staff",), (), ("problem_report",)),
    "kiosk-problem": Story(("problem_report",), (), ("call_staff",)),
    "low-battery-reported": Story(("low_battery",), (), ("online",)),
    "medication-missed": Story(("dose_missed",), ("dose_taken",), ("lid_opened", "compartment_opened")),
    "monitor-alert": Story(("alert",), ("alert_cleared",), ("critical_alert_cleared",)),
    "monitor-critical": Story(("critical_alert",), ("critical_alert_cleared",), ("alert_cleared",)),
    "modem-lost": Story(("registration_lost", "sim_missing"), (), ("registered", "sim_ready")),
    "power-lost": Story(("power_lost",), ("power_restored",), ("low_battery",)),
    "probe-fault": Story(("probe_fault",), (), ("probe_off", "probe_on")),
    "radar-fall": Story(("fall",), ("fall_cleared",), ("entered", "left", "bed_left")),
    "service-call": Story(("plumbing", "drain", "housekeeping"), ("cancel",), ("low_battery",)),
    "smoke-alarm": Story(("smoke",), ("smoke_cleared",), ("self_test", "fault")),
    "sos-fall": Story(("fall",), ("cancel",), ("press", "low_battery")),
    "sos-pressed": Story(("press", "long_press"), ("cancel",), ("fall", "low_battery")),
    "tamper": Story(("tamper",), (), ("online",)),
    "valve-stuck": Story(("stuck",), ("stuck_cleared",), ("opened", "closed", "manual_operation")),
    "video-loss": Story(("video_loss",), (), ("motion", "tamper")),
    "water-leak": Story(("leak",), ("leak_cleared",), ("tamper",)),
    "wrong-way": Story(("wrong_way",), (), ("fault",)),
}
EVENT_RULES = {name: found for name, found in RULES.items() if isinstance(found, EventRule)}
SHUT_AT_NIGHT = "kiosk-silent"
UNWATCHED = {"plug", "tracker"}
"""Kinds that people switch off: their silence is no alarm."""


def one(kind: str, facts: Mapping[str, Fact] = NO_FACTS) -> WatchRoom:
    """The whole library, and one device of ``kind`` at Wang's."""
    it = KnownDevice("it", kind, "door-1", "wang", KINDS[kind].supervision_s, facts=facts)
    room = WatchRoom(*RULES.values(), devices=[it])
    room.engine.watch(room.devices, room.now_ms)
    return room


def about(name: str, told: list[str]) -> list[str]:
    """What was told of this rule."""
    return [line for line in told if line.split()[1] == name]


def test_every_event_rule_has_its_story() -> None:
    assert set(STORIES) == set(EVENT_RULES)


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, found in EVENT_RULES.items() for kind in found.kinds]
)
def test_the_story_of_every_event_rule_at_every_kind(name: str, kind: str) -> None:
    story = STORIES[name]
    subject = {"resident": "resident:wang", "place": "place:door-1", "device": "device:it"}[RULES[name].subject]
    for event in story.raised_by:
        room = one(kind, story.facts)
        assert [line for harmless in story.not_by for line in about(name, room.says("it", harmless))] == []
        assert room.says("it", event) == [f"raised {name} {subject}"], "one alarm in the whole library, at once"
        assert room.last.momentary == (not STORIES[name].ended_by or story.ended_by == ("cancel",))
        assert [line for harmless in story.not_by for line in about(name, room.says("it", harmless))] == []
        assert room.says("it", event) == [f"repeated {name} {subject}"]
        if story.ended_by:
            (end,) = story.ended_by
            move = "cancelled" if end == "cancel" else "cleared"
            assert about(name, room.says("it", end)) == [f"{move} {name} {subject}"]
        else:
            room.engine.end_momentary(name, subject)
        assert room.says("it", event) == [f"raised {name} {subject}"], "a new one"


@pytest.mark.parametrize("name", EVENT_RULES)
def test_what_raises_an_alarm_is_never_routine_and_has_the_alarms_code(name: str) -> None:
    """The first two digits of a Contact ID code are the class: 13x is burglary, whichever sensor saw it."""
    found = EVENT_RULES[name]
    alarm = ALARM_TYPES[found.raises.type]
    for row in (KINDS[kind].events[event] for kind in found.kinds for event in found.events):
        assert not row.routine, f"{row.key} would wait behind measurements"
        assert (row.contact_id or 0) // 10 == (alarm.contact_id or 0) // 10, row.key
        assert row.contact_id is not None or not alarm.life_safety


def test_a_bin_is_full_by_two_of_three_readings_until_it_is_emptied() -> None:
    room = one("waste_bin")
    assert room.says("it", fill=92) == [], "one echo from a bag under the lid"
    assert room.says("it", fill=60) == []
    assert room.says("it", fill=88) == ["raised bin-full device:it"]
    assert room.says("it", fill=95) == []
    assert room.says("it", fill=70) == [], "it settles"
    assert room.says("it", fill=5) == ["cleared bin-full device:it"]


@pytest.mark.parametrize("kind", RULES["low-battery"].kinds)
def test_a_battery_runs_down_and_is_changed(kind: str) -> None:
    room = one(kind)
    assert room.says("it", battery=40) == []
    assert room.says("it", battery=15) == []
    assert room.says("it", battery=14) == ["raised low-battery device:it"]
    assert room.says("it", battery=25) == []
    room.says("it", battery=100)
    assert room.says("it", battery=100) == ["cleared low-battery device:it"]


def test_what_has_a_battery_is_watched_and_what_can_say_so_is_heard() -> None:
    for name, event in (("low-battery", "low_battery"), ("tamper", "tamper"), ("device-fault", "fault")):
        assert set(RULES[name].kinds) == {key for key, kind in KINDS.items() if event in kind.events}, name


@pytest.mark.parametrize("kind", KINDS)
def test_silence_of_every_kind_is_told_once_by_one_rule(kind: str) -> None:
    room = one(kind)
    room.says("it", uptime=1)
    if kind in UNWATCHED:
        assert room.forward(30 * 86_400) == []
        return
    (found,) = (rule for rule in RULES.values() if isinstance(rule, SilenceRule) and kind in rule.kinds)
    allowed_s = KINDS[kind].supervision_s * found.intervals
    if found.id == SHUT_AT_NIGHT:
        assert room.forward(10 * 3600) == [f"raised {found.id} device:it"], "ten minutes after it opened in the morning"
        return
    assert room.forward(allowed_s - 1) == []
    assert room.forward(1) == [f"raised {found.id} device:it"]
    assert room.forward(86_400) == []
    assert room.says("it", uptime=2) == [f"cleared {found.id} device:it"]
