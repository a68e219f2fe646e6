"""A press that the gateway never answered is said again, as the same message; one that it answered is not."""

from __future__ import annotations

from devices.native import Command
from firmware_sim.kinds.sos_button import SosButton
from firmware_sim.setting import Setting

NOW = 1_790_000_000_000


def pressed() -> SosButton:
    button = SosButton("sos-1", Setting(rate=20.0))
    button.power_on(NOW)
    button.press(NOW)
    out = next(out for out in button.take() if out.message.event == "press")
    button.acknowledged(out, durable=False)
    return button


def presses(button: SosButton) -> list[tuple[int, int]]:
    return [out.key for out in button.take() if out.message.event == "press"]


def test_a_press_without_an_answer_is_said_again_with_the_same_identity() -> None:
    button = pressed()
    button.tick(NOW + 14_000)
    assert presses(button) == []
    button.tick(NOW + 15_000)
    first = presses(button)
    button.tick(NOW + 45_000)
    assert first == presses(button) == [(button.boot, 1)]
    assert button.lamp == "amber"


def test_the_gateways_answer_ends_it() -> None:
    button = pressed()
    button.command(Command(v=1, id="c1", command="indicate", args={"lamp": "green", "voice": "received"}), NOW + 500)
    button.tick(NOW + 400_000)
    assert presses(button) == []
    assert button.lamp == "green"
