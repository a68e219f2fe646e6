"""Examples beside a rule: a slip of the pen in a story is found, and what does not come as expected is explained."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.rules.check import rule_problems
from gateway.rules.document import RuleDocument
from gateway.rules.engine import Engine
from gateway.rules.forms import KnownDevice
from gateway.rules.trial import ZONE, instant_ms

_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
FRIDGE = {"kinds": ["contact"], "events": ["opened"], "where": 'device.role == "fridge"'}
OPENED = {"at": "07:00", "event": "opened"}


def fridge(**more: Any) -> RuleDocument:
    """Somebody has not opened the fridge by ten in the morning."""
    raises = {"type": "inactivity", "severity": "urgent", "ladder": "urgent"}
    base = {"id": "fridge", "version": 1, "zh": "没开冰箱", "en": "fridge not opened", "form": "condition"}
    asked = {"subject": "resident", "inputs": {"fridge": FRIDGE}, "when": "hour == 10 and count(fridge, 5 * hours) < 1"}
    return _adapter.validate_python({**base, **asked, "raises": raises, **more})


def said(story: dict[str, Any], **more: Any) -> str:
    told = {"name": "s", "devices": {"f": {"kind": "contact", "attributes": {"role": "fridge"}}}, **story}
    return " | ".join(str(one) for one in rule_problems(fridge(examples=[told], **more)))


def test_a_story_that_comes_as_expected() -> None:
    given = [OPENED, {"at": "d2 10:30", "event": "opened"}]
    moves = [{"move": "raise", "at": "d2 10:00"}, {"move": "clear", "at": "d2 10:30"}]
    assert said({"given": given, "expect": moves}) == ""


@pytest.mark.parametrize(
    ("story", "found"),
    [
        ({"given": [{"at": "07:00", "event": "open"}]}, "contact has no event 'open'; did you mean opened?"),
        ({"given": [{"at": "07:00", "event": "xyzzy"}]}, "contact has no event 'xyzzy'; it has "),
        ({"given": [{"at": "07:00", "metrics": {"batery": 3}}]}, "no metric 'batery'; did you mean battery?"),
        ({"given": [{"at": "07:00", "metrics": {"battery": 300}}]}, "battery 300 would be refused; it is 0 to 100 %"),
        ({"given": [OPENED], "until": "06:00"}, "until: 06:00 is before the last word"),
    ],
)
def test_a_slip_of_the_pen_does_not_pass_for_a_story_without_an_alarm(story: dict[str, Any], found: str) -> None:
    assert found in said(story)


@pytest.mark.parametrize(
    ("story", "more", "why"),
    [
        ({}, {"where": "not resident.away"}, "nobody has set resident.away, so the rule is not for these devices"),
        ({"devices": {"f": {"kind": "contact"}}}, {}, "no device is input fridge"),
        ({}, {"when": "hour == 12 and quiet(fridge, 9 * hours)"}, "does not hold: hour 10 == 12"),
        ({"devices": {"m": {"kind": "motion"}}, "given": [{"at": "07:00", "event": "motion"}]}, {}, "is a contact"),
    ],
)
def test_an_alarm_that_does_not_come_is_explained(story: dict[str, Any], more: dict[str, Any], why: str) -> None:
    base = {"given": [OPENED], "until": "d2 12:00", "expect": [{"move": "raise", "at": "d2 10:00"}]}
    told = said({**base, **story}, **more)
    assert "expected raise at d2 10:00; the rule gives " in told
    assert why in told.partition("; why: ")[2]


@pytest.mark.parametrize(
    ("where", "sources"),
    [
        ('device.role == "fridge"', ["f"]),
        ('device.role == "fridge" and hour >= 12', ["f"]),
        ('device.role == "fridge" and late < 60', ["f"]),
        ('device.role == "fridge" and battery > 10', ["f"]),
        ("10 / device.floor > 1", []),
        ("hour >= 12", ["f", "g"]),
    ],
)
def test_the_devices_of_an_input_are_those_that_facts_allow(where: str, sources: list[str]) -> None:
    """The hour and a reading have their say when a device speaks, and a division by zero stops no gateway."""
    devices = {
        "f": KnownDevice("f", "contact", "home", "li", facts={"device.role": "fridge", "device.floor": 0}),
        "g": KnownDevice("g", "contact", "home", "li", facts={"device.role": "front_door", "device.floor": 0}),
    }
    inputs = {"fridge": {**FRIDGE, "where": where}}
    engine = Engine([fridge(inputs=inputs, when="quiet(fridge, 60)")], devices.get, {}, ZONE)
    engine.watch(devices, instant_ms("08:00"))
    assert list(engine.sources(("fridge", "resident:li"))["fridge"]) == sources


def test_a_length_of_time_that_divides_by_zero_is_explained_as_unknown() -> None:
    devices = {
        "f": KnownDevice("f", "contact", "home", "li", facts={"device.role": "fridge", "resident.floors": 0}),
    }
    rule = fridge(when="quiet(fridge, 60 / resident.floors)")
    engine = Engine([rule], devices.get, {}, ZONE)
    engine.watch(devices, instant_ms("08:00"))
    key = ("fridge", "resident:li")
    state = engine.state(key)
    assert state is not None
    (part,) = engine.conditions(key, state, instant_ms("09:00"))
    assert part.holds is None
    assert engine.denied(key, state, instant_ms("09:00")) == (
        "not known: quiet(fridge, 60 / resident.floors) (fridge: never; resident.floors is 0)",
    )
