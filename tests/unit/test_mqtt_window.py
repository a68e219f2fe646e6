"""The lane's window: who waits for it to be empty waits for the acknowledgements, too."""

from __future__ import annotations

from gateway.transports.mqtt_lane import Window


def test_a_place_is_taken_until_its_acknowledgement_was_sent() -> None:
    window = Window(2)
    place = window.enter(lambda: False)
    assert place is not None
    assert window.answer(place)
    assert not window.wait_empty(0)
    window.leave(place)
    assert window.wait_empty(0)


def test_a_place_is_answered_once() -> None:
    window = Window(2)
    place = window.enter(lambda: False)
    assert place is not None
    assert window.answer(place)
    assert not window.answer(place)
    window.leave(place)
    assert not window.answer(place)
