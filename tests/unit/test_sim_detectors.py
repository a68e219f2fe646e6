"""Detectors: they alarm at their standards' levels, once, report often meanwhile, and say it again after a restart."""

from __future__ import annotations

import pytest

from firmware_sim.device import ActionError
from firmware_sim.kinds.co import CoDetector
from tests.support.sim import DAWN, HOUR, events, live, make, readings

MINUTE = 60_000


@pytest.mark.parametrize(
    ("kind", "alarm", "over"),
    [
        ("smoke", "smoke", "smoke_cleared"),
        ("heat", "heat", "heat_cleared"),
        ("gas", "gas", "gas_cleared"),
        ("co", "co", "co_cleared"),
        ("leak", "leak", "leak_cleared"),
    ],
)
def test_an_alarm_is_said_once_reported_often_and_taken_back(kind: str, alarm: str, over: str) -> None:
    detector = make(kind)
    detector.act(alarm, DAWN, {})
    detector.act(alarm, DAWN + 1000, {})
    said = live(detector, DAWN, DAWN + MINUTE)
    assert events(said) == [alarm]
    assert len([1 for state in readings(said, "alarm") if state == 1.0]) >= 5
    detector.power_on(DAWN + MINUTE)
    again = live(detector, DAWN + MINUTE, DAWN + 2 * MINUTE)
    assert events(again) == [alarm], "a restart does not blow the smoke away"
    detector.act(over, DAWN + 2 * MINUTE, {})
    assert events(live(detector, DAWN + 2 * MINUTE, DAWN + 3 * MINUTE)) == [over]
    quiet = live(detector, DAWN + 3 * MINUTE, DAWN + 3 * MINUTE + 3 * HOUR)
    assert events(quiet) == [] and len(quiet) < 20


@pytest.mark.parametrize(
    ("ppm", "from_min", "to_min"),
    # EN 50291-1, table of alarm conditions: 30 ppm never within 2 h; the others between these minutes
    [(33, None, None), (55, 60, 90), (110, 10, 40), (330, 0, 3)],
)
def test_carbon_monoxide_alarms_as_the_standard_wants(ppm: int, from_min: int | None, to_min: int | None) -> None:
    detector = make("co")
    assert isinstance(detector, CoDetector)
    detector.act("fumes", DAWN, {"steady": ppm, "tau_s": 1})
    said = live(detector, DAWN, DAWN + 2 * HOUR)
    raised = [(at - DAWN) / MINUTE for at, out in said if out.message.event == "co"]
    if from_min is None or to_min is None:
        assert raised == []
    else:
        assert len(raised) == 1 and from_min <= raised[0] <= to_min


def test_a_flaming_fire_is_smelt_before_it_is_hot_and_a_smouldering_one_only_smelt() -> None:
    def raised(kind: str, growth: str, within_ms: int) -> int | None:
        detector = make(kind)
        detector.act("fire", DAWN, {"growth": growth})
        return next((at for at, out in live(detector, DAWN, DAWN + within_ms) if out.message.event == kind), None)

    smelt, hot = raised("smoke", "medium", HOUR), raised("heat", "medium", HOUR)
    assert smelt is not None and hot is not None and smelt < hot
    assert raised("smoke", "smouldering", HOUR // 2) is not None
    assert raised("heat", "smouldering", HOUR // 2) is None


def test_a_fire_can_grow_faster_than_in_life_and_is_put_out() -> None:
    detector = make("smoke")
    detector.act("fire", DAWN, {"growth": "smouldering", "speed": 200})
    burning = live(detector, DAWN, DAWN + 20_000)
    assert events(burning) == ["smoke"]
    detector.act("put_out", DAWN + 20_000, {})
    after = live(detector, DAWN + 20_000, DAWN + MINUTE)
    assert events(after) == ["smoke_cleared"]
    dust = readings(after, "obscuration")
    assert dust == sorted(dust, reverse=True)


def test_self_test_is_no_alarm() -> None:
    detector = make("smoke")
    detector.act("self_test", DAWN, {})
    said = live(detector, DAWN, DAWN + MINUTE)
    assert events(said) == ["self_test"]
    assert "testing" not in detector.standing


def test_glass_break_resets_itself_and_hears_a_second_pane() -> None:
    detector = make("glass_break")
    detector.act("glass_break", DAWN, {})
    detector.act("glass_break", DAWN + 5000, {})
    assert events(live(detector, DAWN + 5000, DAWN + 2 * MINUTE)) == [
        "glass_break",
        "glass_break",
        "glass_break_cleared",
    ]


@pytest.mark.parametrize(
    ("kind", "action", "args", "said"),
    [
        ("smoke", "fire", {"growth": "explosive"}, "growth: expected one of smouldering, slow"),
        ("smoke", "fire", {"speed": 0}, "speed: expected more than 0"),
        ("gas", "leak", {"tau_s": 0}, "expected more than 0"),
        ("gas", "leak", {"steady": "much"}, "steady: expected a number, got 'much'"),
        ("valve", "jam", {"at": 0}, "at: expected more than 0"),
    ],
)
def test_actions_say_what_they_expect(kind: str, action: str, args: dict[str, object], said: str) -> None:
    with pytest.raises(ActionError, match=said):
        make(kind).act(action, DAWN, args)


def test_what_no_event_ends_lasts_until_somebody_mends_it() -> None:
    detector = make("smoke")
    detector.act("tamper", DAWN, {})
    detector.act("tamper", DAWN + 1000, {})
    said = live(detector, DAWN, DAWN + 2 * HOUR)
    assert events(said) == ["tamper", "tamper"]
    assert set(readings(said, "tampered")) == {1.0}
    detector.act("mend", DAWN + 2 * HOUR, {})
    assert set(readings(live(detector, DAWN + 2 * HOUR, DAWN + 4 * HOUR), "tampered")) == {0.0}
