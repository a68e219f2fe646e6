"""The lane's window: who waits for it to be empty waits for the acknowledgements, too."""

from __future__ import annotations

from gateway.transports.mqtt_window import Window


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


def test_who_gives_up_gets_no_place_and_keeps_nobody_waiting() -> None:
    window = Window(2)
    assert window.enter(lambda: True) is None, "the lane is stopping: the broker keeps the message"
    assert window.wait_empty(0)
    assert window.enter(lambda: False) is not None
    assert window.enter(lambda: False) is not None
    asked = iter((False, True))
    assert window.enter(lambda: next(asked)) is None, "full, and then the connection ends"
