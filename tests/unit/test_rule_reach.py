"""A rule for nobody is silent for ever: who writes one is told."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from gateway.rules.document import RuleDocument
from gateway.rules.forms import KnownDevice
from gateway.rules.reach import unreached

_adapter: TypeAdapter[RuleDocument] = TypeAdapter(RuleDocument)
HERE = (
    KnownDevice("d", "contact", "home", "li", facts={"device.role": "front_door"}),
    KnownDevice("m", "motion", "home", "li"),
    KnownDevice("v", "vitals_monitor", "home", "li", facts={"resident.alone": False}),
)
LOW = {"form": "threshold", "kinds": ["vitals_monitor"], "when": "spo2 < 90"}
DOOR = {"kinds": ["contact"], "events": ["opened"]}


def said(**parts: Any) -> list[tuple[str, str]]:
    raises = {"type": "inactivity", "severity": "urgent", "ladder": "urgent"}
    base = {"id": "r", "version": 1, "zh": "规则", "en": "rule", "subject": "resident", "raises": raises}
    rule = _adapter.validate_python({**base, **parts})
    return [(".".join(place), why) for place, why in unreached(rule, HERE)]


def door(where: str) -> dict[str, Any]:
    return {"form": "condition", "inputs": {"door": {**DOOR, "where": where}}, "when": "seen(door, 60)"}


@pytest.mark.parametrize(
    ("parts", "place", "why"),
    [
        ({**LOW, "kinds": ["kiosk"], "when": "clicks > 1"}, "kinds", "none of the devices here is a kiosk"),
        ({**LOW, "where": "resident.away"}, "where", "meant by resident.away; nobody has set resident.away"),
        ({**LOW, "where": "resident.alone"}, "where", "meant by resident.alone; resident.alone is false"),
        (
            door('device.role == "fridge"'),
            "inputs.door.where",
            'meant by device.role == "fridge"; device.role is front_door',
        ),
        (door("device.floor > 1"), "inputs.door.where", "nobody has set device.floor"),
        (
            {**door("battery > 1"), "inputs": {"door": DOOR, "r": {"kinds": ["presence"], "metric": "targets"}}}
            | {"when": "seen(door, 60) and r > 0"},
            "inputs.r",
            "none of the devices here is a presence: nothing is input r",
        ),
    ],
)
def test_what_nothing_here_can_say_is_named(parts: dict[str, Any], place: str, why: str) -> None:
    ((at, told),) = said(**parts)
    assert at == place and why in told


@pytest.mark.parametrize(
    "parts",
    [
        LOW,
        {**LOW, "enabled": False},
        door('device.role == "front_door" and hour > 5'),
        {"form": "event", "kinds": ["gateway"], "events": ["behind"]},
    ],
)
def test_a_rule_that_hears_somebody_is_left_in_peace(parts: dict[str, Any]) -> None:
    assert said(**parts) == []
