"""The library of rules, the checker, and the page that explains them."""

from __future__ import annotations

import re

import pytest
import yaml

from gateway.alarms import ALARM_TYPES, Severity
from gateway.rules.check import check_rules
from gateway.rules.document import EventRule
from gateway.rules.engine import Engine
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
    for name in ("sos-pressed", "sos-fall", "smoke-alarm"):
        assert isinstance(RULES[name], EventRule)


def test_a_reader_of_the_library_cannot_spoil_it_for_the_next() -> None:
    library()["sos-pressed"]["raises"]["ladder"] = "spoilt"
    assert library()["sos-pressed"]["raises"]["ladder"] == "life-safety"


def test_a_desperately_low_reading_is_critical_and_low() -> None:
    room = WatchRoom(*RULES.values())
    room.says("monitor", spo2=80, pulse=72)
    assert room.says("monitor", spo2=79, pulse=72) == [
        "raised spo2-critical resident:wang",
        "raised spo2-low resident:wang",
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"use": "spo2-low", "when": "spo < 90"}, "rule spo2-low: when: column 1: unknown metric 'spo'"),
        ({"use": "spo2-low", "clear": "spo2 >= 120"}, "rule spo2-low: clear: column 1: impossible comparison"),
        ({"use": "spo2-low", "ignore": "probe_of == 1"}, "did you mean probe_off"),
        ({"use": "spo2-low", "clear": "spo2 >= 89"}, "a reading of spo2 89 would raise the alarm and clear it"),
        ({"use": "spo2-low", "for_s": 15}, "rule spo2-low: for_s: readings and for_s are both given"),
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
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert check_rules([rule(**document) for document in yaml.safe_load(example)["rules"]]) == []
