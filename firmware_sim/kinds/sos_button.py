"""One-key emergency alarm: bedside, pendant, bathroom cord."""

from __future__ import annotations

from firmware_sim.device import Action, Outgoing
from firmware_sim.kinds.button import Button


class SosButton(Button):
    """The firmware of what `devices.kinds.sos_button` describes."""

    kind_key = "sos_button"
    model = "SB-1"
    firmware = "2.3.1"

    def press(self, now_ms: int) -> Outgoing:
        """The key is pressed."""
        return self.call("press", now_ms)

    def long_press(self, now_ms: int) -> Outgoing:
        """The key is held down."""
        return self.call("long_press", now_ms)

    def fall(self, now_ms: int) -> Outgoing:
        """The pendant's own fall detection: who wears it lies where they were, until somebody comes."""
        self.household.hold(self.household.at(self.life_ms(now_ms)).room, "sitting")
        return self.call("fall", now_ms)

    def cancel(self, now_ms: int) -> Outgoing:
        self.household.release()
        return super().cancel(now_ms)

    def birth(self) -> dict[str, str | bool | float]:
        return {"variant": self.setting.spot.variant or "bed"}

    def actions(self) -> dict[str, Action]:
        return {**super().actions(), **{name: self.calling(name) for name in ("press", "long_press", "fall")}}
