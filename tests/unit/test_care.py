"""What is hidden of a device that is being worked on, and what never is."""

from __future__ import annotations

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.observation import Lane, Observation
from gateway.alarms import ALARM_TYPES, AlarmChange, AlarmMove, Severity
from gateway.decider.care import TECHNICAL, belongs, hides
from gateway.registry.care import LATE_MS, Care

SINCE, UNTIL = 1_790_000_000_000, 1_790_003_600_000
TEST = Care(
    device="sos-1",
    mode="test",
    since_ms=SINCE,
    until_ms=UNTIL,
    actor="operator:wang",
    reason="walk test",
    clock_offset_ms=-40,
)
PRESS = Observation(
    message_id="sos-1:1:1",
    device="sos-1",
    kind="sos_button",
    lane=Lane.URGENT,
    observed_at_ms=SINCE,
    received_at_ms=SINCE,
    event="press",
)


def press(observed_at_ms: int, received_at_ms: int | None = None, *, suspect: bool = False) -> Observation:
    return msgspec.structs.replace(
        PRESS,
        observed_at_ms=observed_at_ms,
        received_at_ms=observed_at_ms if received_at_ms is None else received_at_ms,
        clock_suspect=suspect,
    )


def test_a_press_belongs_to_the_test_from_its_beginning_until_its_end_is_reached() -> None:
    assert not belongs(TEST, press(SINCE - 1))
    assert belongs(TEST, press(SINCE))
    assert belongs(TEST, press(UNTIL - 1))
    assert not belongs(TEST, press(UNTIL))


def test_a_press_from_before_that_arrives_during_the_test_is_a_real_one() -> None:
    assert not belongs(TEST, press(SINCE - 60_000, SINCE + 60_000))


def test_what_may_have_waited_at_a_broker_is_told() -> None:
    kept = msgspec.structs.replace(press(SINCE + 60_000), may_have_waited=True)
    assert not belongs(TEST, kept), "it may have been pressed before the test, while nobody was connected"


def test_a_press_of_the_test_that_arrives_after_it_belongs_to_it_by_a_clock_that_was_right() -> None:
    late = press(UNTIL - 60_000, UNTIL + 600_000)
    assert belongs(TEST, late)
    for offset_ms in (None, -10_001, 10_001):
        assert not belongs(dataclasses.replace(TEST, clock_offset_ms=offset_ms), late), "in doubt it is told"
    assert not belongs(TEST, press(UNTIL - 60_000, UNTIL + 600_000, suspect=True))
    assert not belongs(TEST, press(UNTIL - 60_000, UNTIL + LATE_MS))


def test_a_clock_that_is_ahead_does_not_end_the_test_early() -> None:
    assert belongs(TEST, press(UNTIL + 120_000, UNTIL - 60_000))


def test_a_real_press_after_the_end_by_a_clock_that_is_behind_is_told() -> None:
    behind = dataclasses.replace(TEST, clock_offset_ms=-120_000)
    assert not belongs(behind, press(UNTIL - 60_000, UNTIL + 60_000))


@given(st.integers(SINCE - 10**7, UNTIL + 10**8), st.integers(0, 10**8), st.none() | st.integers(-(10**6), 10**6))
def test_nothing_that_happened_outside_by_a_right_clock_is_ever_hidden(
    observed_ms: int, under_way_ms: int, offset_ms: int | None
) -> None:
    care = dataclasses.replace(TEST, clock_offset_ms=offset_ms)
    if not SINCE <= observed_ms < UNTIL:
        assert not belongs(care, press(observed_ms, observed_ms + under_way_ms))


def change(type_: str, move: AlarmMove) -> AlarmChange:
    return AlarmChange(
        move=move,
        rule="some-rule",
        rule_version=1,
        subject="device:sos-1",
        type=type_,
        severity=Severity.URGENT,
        ladder="maintenance",
        at_ms=SINCE,
        observed_at_ms=SINCE,
        device="sos-1",
        place=None,
        resident=None,
        momentary=True,
        explanation="",
    )


@pytest.mark.parametrize("type_", sorted(ALARM_TYPES))
def test_maintenance_hides_what_is_about_the_device_and_nothing_else(type_: str) -> None:
    trouble = {"device_fault", "device_silent", "tamper", "low_battery", "path_lost", "power_lost"}
    hidden = type_ in trouble | {"sensor_doubtful", "clock_wrong", "signal_weak"}
    assert hides("maintenance", change(type_, AlarmMove.RAISED)) is hidden
    assert hides("maintenance", change(type_, AlarmMove.REPEATED)) is hidden
    assert not hides("maintenance", change(type_, AlarmMove.CLEARED))
    assert not hides("maintenance", change(type_, AlarmMove.CANCELLED))


@pytest.mark.parametrize("type_", sorted(ALARM_TYPES))
def test_a_test_hides_everything_but_that_something_is_over(type_: str) -> None:
    for move in (AlarmMove.RAISED, AlarmMove.REPEATED, AlarmMove.CANCELLED):
        assert hides("test", change(type_, move))
    assert not hides("test", change(type_, AlarmMove.CLEARED))


def test_nothing_that_concerns_a_life_is_technical() -> None:
    assert not [key for key in TECHNICAL if ALARM_TYPES[key].life_safety]
