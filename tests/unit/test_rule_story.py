"""Why there was an alarm and why there was none, from the observations alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

from devices.observation import Lane, Observation
from gateway.rules.document import RuleDocument
from gateway.rules.forms import KnownDevice
from gateway.rules.library import library_rules
from gateway.rules.story import Story, concerned, tell
from gateway.rules.trial import ZONE, instant_ms

_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
START = instant_ms("08:00")
HOME = {
    one.id: one
    for one in (
        KnownDevice("v", "vitals_monitor", "home", "li"),
        KnownDevice("m", "motion", "home", "li", via="hub"),
        KnownDevice("s", "smoke", "home", "li"),
        KnownDevice("hub", "concentrator", "hall"),
        KnownDevice("x", "vitals_monitor", "other", "wang"),
    )
}


def rule(**parts: Any) -> RuleDocument:
    raises = {"type": "vitals_abnormal", "severity": "urgent", "ladder": "urgent"}
    base = {"id": "r", "version": 3, "zh": "规则", "en": "rule", "subject": "resident", "raises": raises}
    return _adapter.validate_python({**base, **parts})


LOW = {
    "form": "threshold",
    "kinds": ["vitals_monitor"],
    "when": "spo2 < 90",
    "ignore": "spo2 == 0",
    "clear": "spo2 >= 92",
}


def said(*told: tuple[int, str, str | None, Mapping[str, float]]) -> list[Observation]:
    return [
        Observation(
            message_id=f"{device}:1:{seq}",
            device=device,
            kind=HOME[device].kind,
            lane=Lane.ROUTINE,
            observed_at_ms=START + second * 1000,
            received_at_ms=START + second * 1000,
            metrics=dict(metrics),
            event=event,
        )
        for seq, (second, device, event, metrics) in enumerate(told)
    ]


def story(one: RuleDocument, told: list[Observation], *, minutes: int = 60, subject: str = "resident:li") -> Story:
    near = concerned(one, subject, HOME)
    until = START + minutes * 60_000
    return tell(one, subject, near, told, from_ms=START, until_ms=until, zone=ZONE)


def english(one: Story) -> str:
    return " | ".join(why.en for why in one.why)


def test_an_alarm_is_told_with_every_reading_that_led_to_it() -> None:
    told = story(
        rule(**LOW, readings={"count": 2, "of": 3}),
        said((0, "v", None, {"spo2": 88.0}), (10, "v", None, {"spo2": 97.0}), (20, "v", None, {"spo2": 89.0})),
    )
    assert told.raised and told.rule_version == 3
    assert [step.conditions[0].holds for step in told.steps] == [True, False, True]
    assert [step.after.raised for step in told.steps] == [False, False, True]
    assert told.steps[0].after.known[0].note == "1 of 1 readings count"
    assert english(told) == "the alarm stands: spo2 89 < 90 in 2 of 3 readings (88, 97, 89)"


@pytest.mark.parametrize(
    ("parts", "told", "why"),
    [
        (LOW, [(0, "v", None, {"spo2": 95.0})], "does not hold: spo2 95 < 90"),
        (LOW, [(0, "v", None, {"spo2": 0.0})], "the reading does not count: its ignore condition holds"),
        ({**LOW, "readings": {"count": 2, "of": 3}}, [(0, "v", None, {"spo2": 80.0})], "not yet persistent: 1 of 1"),
        ({**LOW, "hours": "22:00-06:00"}, [(0, "v", None, {"spo2": 80.0})], "outside the hours or days"),
        ({**LOW, "shadow": True}, [(0, "v", None, {"spo2": 95.0})], "only being tried out"),
        ({**LOW, "enabled": False}, [(0, "v", None, {"spo2": 95.0})], "the rule is switched off"),
        ({**LOW, "where": "resident.alone"}, [(0, "v", None, {"spo2": 80.0})], "not for these devices: resident.alone"),
        (LOW, [(0, "v", None, {"pulse": 70.0})], "nothing was said that concerns it (spo2 < 90)"),
        (LOW, [(0, "v", None, {"spo2": 80.0}), (9, "v", None, {"spo2": 95.0})], "it is over: spo2 95 >= 92"),
        ({**LOW, "kinds": ["kiosk"], "when": "clicks > 60", "ignore": None, "clear": None}, [], "has no device of"),
    ],
)  # fmt: skip
def test_why_there_was_none(parts: dict[str, Any], told: list[Any], why: str) -> None:
    found = story(rule(**parts), said(*told))
    assert not found.raised
    assert why in english(found)
    assert all(one.zh for one in found.why)


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    both = {"form": "threshold", "kinds": ["vitals_monitor"], "when": "systolic > 180 and diastolic > 120"}
    assert "not known: diastolic > 120" in english(story(rule(**both), said((0, "v", None, {"systolic": 190.0}))))


def test_only_what_decided_is_told_of_an_or_and_a_not() -> None:
    winter = {
        "form": "condition",
        "inputs": {"open": {"kinds": ["motion"], "state": "occupied"}},
        "when": "open == 1 and (month >= 11 or month <= 3) and not has(resident.away)",
        "for_s": 1200,
    }
    found = story(rule(**winter), said((0, "m", "motion", {}), (36, "m", "motion", {})), minutes=1)
    assert english(found) == "it held for 36 s of the 1200 s it must"
    away = {**winter, "when": "open == 1 and not (month <= 3)"}
    assert (
        english(story(rule(**away), said((0, "m", "motion", {})))) == "does not hold: it must not be that month 1 <= 3"
    )


def test_waiting_is_told_with_what_it_waits_for() -> None:
    quiet = {
        "form": "condition",
        "inputs": {"sign": {"kinds": ["motion"], "events": ["motion"]}},
        "when": "quiet(sign, limit(inactivity_hours, 6) * hours)",
    }
    found = story(rule(**quiet), said((60, "m", "motion", {}), (120, "v", None, {"spo2": 97.0})))
    assert not found.raised and found.state.looks_again_ms == START + 60_000 + 6 * 3_600_000
    assert (
        "quiet(sign, limit(inactivity_hours, 6) * hours) (sign: 0 s ago; limit(inactivity_hours, 6) is 6)"
        in english(found)
    )


def test_a_device_heard_in_time_is_not_silent_and_one_behind_a_silent_carrier_is_not_told() -> None:
    silent = {"form": "silence", "kinds": ["motion"], "subject": "device"}
    found = story(rule(**silent), said((0, "m", None, {"battery": 50.0})), subject="device:m")
    assert "m: it would be silent in 3600 s" in english(found)
    both = {**silent, "kinds": ["motion", "concentrator"]}
    told = said((0, "m", None, {"battery": 50.0}), (0, "hub", None, {"battery": 50.0}))
    assert "m: its carrier is silent" in english(story(rule(**both), told, subject="device:m", minutes=240))


def test_only_what_can_matter_is_looked_at() -> None:
    assert set(concerned(rule(**LOW), "resident:li", HOME)) == {"v", "m", "s", "hub"}
    assert set(concerned(rule(**LOW), "resident:wang", HOME)) == {"x"}


def test_a_long_story_keeps_its_moves_and_its_end() -> None:
    told = said((0, "v", None, {"spo2": 80.0}), *((10 + n, "v", None, {"spo2": 89.0}) for n in range(500)))
    found = story(rule(**LOW), told)
    assert found.steps_left_out > 0 and len(found.steps) <= 202
    assert found.steps[0].moves and found.steps[-1].observed_at_ms == START + 509_000


@pytest.mark.parametrize("id_", sorted(library_rules()))
def test_every_rule_of_the_library_can_be_explained(id_: str) -> None:
    one = library_rules()[id_]
    devices = {kind: KnownDevice(kind, kind, "home", "li") for kind in one.kinds}
    subject = {"device": f"device:{one.kinds[0]}", "place": "place:home", "resident": "resident:li"}[one.subject]
    found = tell(one, subject, devices, [], from_ms=START, until_ms=START + 1000, zone=ZONE)
    assert found.why and not found.raised
