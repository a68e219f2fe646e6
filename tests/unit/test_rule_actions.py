"""Which devices the actions of a rule mean."""

from __future__ import annotations

import pytest

from gateway.rules.actions import means
from gateway.rules.check import check_rules, names_in
from gateway.rules.document import Action
from gateway.rules.engine import Engine
from gateway.rules.errors import RuleError
from gateway.rules.forms import KnownDevice
from tests.support.watch_room import rule

GAS_VALVE = KnownDevice("g", "valve", "door-1", facts={"device.medium": "gas"})
WATER_VALVE = KnownDevice("w", "valve", "door-1", facts={"device.medium": "water"})
SOME_VALVE = KnownDevice("s", "valve", "door-1")
SIREN = KnownDevice("a", "siren", "door-1", facts={"device.medium": "gas"})


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        (None, ["g", "w", "s"]),
        ('device.medium == "gas"', ["g"]),
        ('device.medium != "water"', ["g"]),
        ('not has(device.medium) or device.medium == "gas"', ["g", "s"]),
        ("1 / device.share > 0", []),
    ],
)
def test_an_action_is_for_the_devices_whose_facts_fit(where: str | None, meant: list[str]) -> None:
    action = Action(command="close", kinds=("valve",), where=where)
    assert [one.id for one in (GAS_VALVE, WATER_VALVE, SOME_VALVE, SIREN) if means(action, one)] == meant


def test_an_action_that_asks_for_what_is_no_fact_is_refused_with_its_place() -> None:
    wrong = rule(use="gas-alarm", do=[{"command": "close", "kinds": ["valve"], "where": "position > 0"}])
    (said,) = check_rules([wrong])
    assert said.startswith("rule gas-alarm: do.0.where: column 1: position is no fact; expected facts of the device")
    with pytest.raises(RuleError, match=r"do\.0\.where"):
        Engine([wrong], {}.get, {})


def test_the_facts_of_actions_are_among_those_a_rule_asks_for() -> None:
    facts, _ = names_in(
        rule(use="gas-alarm", do=[{"command": "close", "kinds": ["valve"], "where": 'device.medium == "gas"'}])
    )
    assert "device.medium" in facts
